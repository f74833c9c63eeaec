// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// said is a status with a validator's word.
func said(c codes.Code, k fault.Kind) error {
	s, err := status.New(c, "no").WithDetails(&ledgerv1.Fault{Kind: k.String()})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

func TestJudge(t *testing.T) {
	cancelled, late := context.Canceled, context.DeadlineExceeded
	for _, x := range []struct {
		name   string
		err    error
		caller error
		long   bool
		want   verdict
	}{
		{"an answer", nil, nil, false, verdict{outcome: well}},
		{"lost", status.Error(codes.Unavailable, "transport is closing"), nil, false, verdict{outcome: faulty, worth: true}},
		{"lost, and the caller has left", status.Error(codes.Unavailable, ""), cancelled, true, verdict{}},
		{"it stops", said(codes.Unavailable, fault.Unavailable), nil, false, verdict{outcome: faulty, worth: true, undone: true}},
		{"it has halted", said(codes.Unavailable, fault.Halted), nil, false, verdict{outcome: faulty, worth: true}},
		{"it is full", said(codes.ResourceExhausted, fault.TryLater), nil, false, verdict{outcome: well, worth: true, undone: true}},
		{"too large", status.Error(codes.ResourceExhausted, "message larger than max"), nil, false, verdict{outcome: well}},
		{"closed under it", status.Error(codes.Canceled, ""), nil, false, verdict{outcome: faulty, worth: true}},
		{"the caller left", status.Error(codes.Canceled, ""), cancelled, true, verdict{}},
		{"the caller left, raw", context.Canceled, cancelled, true, verdict{}},
		{"no answer in time", status.Error(codes.DeadlineExceeded, ""), nil, true, verdict{outcome: faulty, worth: true}},
		{"no answer in all the time", status.Error(codes.DeadlineExceeded, ""), late, true, verdict{outcome: faulty, worth: true}},
		{"no patience", status.Error(codes.DeadlineExceeded, ""), late, false, verdict{worth: true}},
		{"raw, wrapped", fmt.Errorf("read: %w", context.DeadlineExceeded), nil, true, verdict{outcome: faulty, worth: true}},
		{"a bug", status.Error(codes.Internal, ""), nil, false, verdict{outcome: faulty}},
		{"a panic", status.Error(codes.Unknown, ""), nil, false, verdict{outcome: faulty}},
		{"not there", said(codes.NotFound, fault.NotFound), nil, false, verdict{outcome: well}},
		{"refused", said(codes.FailedPrecondition, fault.Refused), nil, false, verdict{outcome: well}},
		{"not the method", status.Error(codes.Unimplemented, ""), nil, false, verdict{outcome: well}},
		{"do's own", errors.New("cannot decode"), nil, true, verdict{}},
		{"do's own fault", fault.New(fault.Corrupt, "x"), nil, true, verdict{}},
	} {
		if have := judge(x.err, x.caller, x.long); have != x.want {
			t.Errorf("%s: %+v, want %+v", x.name, have, x.want)
		}
	}
}

func TestAgain(t *testing.T) {
	for _, x := range []struct {
		v    verdict
		want [3]bool // never, unsent, safe
	}{
		{verdict{worth: true}, [3]bool{false, false, true}},
		{verdict{worth: true, undone: true}, [3]bool{false, true, true}},
		{verdict{undone: true}, [3]bool{}},
	} {
		for r, want := range x.want {
			if x.v.again(Retry(r)) != want {
				t.Errorf("%+v, retry %d: want %v", x.v, r, want)
			}
		}
	}
}
