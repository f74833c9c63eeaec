// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// homesOf is a validator that says of debits whether V10 must make them; extra is how many answers too many it gives.
type homesOf struct {
	grpc.ClientConnInterface
	extra int
}

func (h homesOf) Invoke(_ context.Context, method string, q, a any, _ ...grpc.CallOption) error {
	if method != custodyv1.Custody_FindHomes_FullMethodName {
		return status.Error(codes.Unimplemented, method)
	}
	out := &custodyv1.FindHomesResponse{OnV10: make([]bool, h.extra)}
	for _, d := range q.(*custodyv1.FindHomesRequest).Debits {
		out.OnV10 = append(out.OnV10, string(d.Account) == "there" && d.Asset == "AUR")
	}
	proto.Merge(a.(proto.Message), out)
	return nil
}

func TestAway(t *testing.T) {
	ask := func(extra int, ds ...custody.Debit) ([]bool, error) {
		return newTestLedger(t, Config{}, &pool{validators: []grpc.ClientConnInterface{homesOf{extra: extra}}}).Desk().Away(t.Context(), ds)
	}
	got, err := ask(0, custody.Debit{Account: "here", Asset: "AUR"}, custody.Debit{Account: "there", Asset: "AUR"}, custody.Debit{Account: "there", Asset: "X"})
	if err != nil || !slices.Equal(got, []bool{false, true, false}) {
		t.Errorf("%v %v", got, err)
	}
	if _, err := ask(1, custody.Debit{Account: "here"}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("too many answers: %v", err)
	}
	if _, err := ask(0, custody.Debit{Account: "here", Asset: "\xff"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("no text: %v", err)
	}
}

// TestNotHomeIsAnAnswer: no other validator is asked, whatever key a payment has.
func TestNotHomeIsAnAnswer(t *testing.T) {
	d := &desk{handle: func(_ context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
		a := &custodyv1.PayManyResponse{}
		for range q.Payments {
			a.Answers = append(a.Answers, &custodyv1.PayAnswer{Fault: &ledgerv1.Fault{Kind: "refused", Reason: custody.ReasonNotHome}})
		}
		return a, nil
	}}
	l := ledgerOf(t, Config{}, d, d)
	for _, key := range []string{"", "k"} {
		a := l.Desk().PayMany(t.Context(), []custody.Payment{payment("there", key)})[0]
		if fault.ReasonOf(a.Err) != custody.ReasonNotHome {
			t.Error(a.Err)
		}
	}
	if n := len(d.calls()); n != 2 {
		t.Errorf("%d calls", n)
	}
}
