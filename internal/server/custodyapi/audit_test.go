// SPDX-License-Identifier: Apache-2.0

package custodyapi_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/custodyapi"
)

// book is a trail in memory.
type book struct {
	mu     sync.Mutex // guards all below
	lines  []trail.Entry
	broken error
}

func (b *book) Ready() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

func (b *book) Append(e *trail.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, *e)
	return b.broken
}

// take returns the lines, and forgets them.
func (b *book) take() (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.lines {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s%s %s %v %s %d %s",
			e.Who, e.Person, strings.TrimPrefix(e.What, "/aurigraph.custody.v1.Custody/"), e.Accounts, e.Result, e.Height, e.Request)))
	}
	b.lines = nil
	return lines
}

func serveAudited(t *testing.T) (*book, *desk, custodyv1.CustodyClient) {
	t.Helper()
	b := &book{}
	d, c := serveBy(t, func(r grpc.ServiceRegistrar, d *desk) {
		custodyapi.RegisterAudited(r, d, tokens{}, b, slog.New(slog.DiscardHandler))
	})
	return b, d, c
}

// TestAudit writes a line for what a caller did, whatever became of it.
func TestAudit(t *testing.T) {
	b, _, c := serveAudited(t)
	me := as(t, "me")
	pay := func(from string) *custodyv1.PayRequest {
		return &custodyv1.PayRequest{From: []byte(from), To: []byte("bob"), Amount: "1"}
	}
	many := &custodyv1.PayManyRequest{}
	for i := range trail.AccountsMax + 10 {
		many.Payments = append(many.Payments, pay(fmt.Sprint("a", i)), pay(fmt.Sprint("a", i)))
	}
	// What is answered is for other tests; here it is what stands in the trail.
	_, _ = c.Pay(metadata.AppendToOutgoingContext(me, "x-request-id", "r-7"), pay("alice"))
	for _, from := range []string{"poor", "nobody", "late", "forbidden"} {
		_, _ = c.Pay(me, pay(from))
	}
	_, _ = c.Pay(t.Context(), pay("alice")) // a stranger has no line
	_, _ = c.PayMany(me, &custodyv1.PayManyRequest{Payments: []*custodyv1.PayRequest{pay("alice"), pay("alice"), pay("poor"), pay("forbidden")}})
	_, _ = c.PayMany(me, &custodyv1.PayManyRequest{})
	_, _ = c.OpenAccount(me, &custodyv1.OpenAccountRequest{Name: []byte("new")})
	_, _ = c.CreateAsset(me, &custodyv1.CreateAssetRequest{Issuer: []byte("bank"), Code: "G", Name: "G", Scale: 8, Portable: true})
	_, _ = c.Issue(me, &custodyv1.IssueRequest{Issuer: []byte("bank"), To: []byte("x"), Asset: "G", Amount: "1"})
	_, _ = c.Redeem(me, &custodyv1.RedeemRequest{Issuer: []byte("bank"), Asset: "G", Amount: "1"})
	_, _ = c.ResolveAccount(me, &custodyv1.ResolveAccountRequest{Name: []byte("x")})
	_, _ = c.NameAccounts(me, &custodyv1.NameAccountsRequest{Numbers: []uint32{1}})
	got := strings.Join(b.take(), "\n")
	want := `key/me Pay [alice] ok 10 r-7
key/me Pay [poor] insufficient_funds 9
key/me Pay [nobody] unknown_payer 0
key/me Pay [late] unknown_outcome 0
key/me Pay [forbidden] not_yours 0
key/me PayMany [alice poor forbidden] ok 10
key/me PayMany [] request_field 0
key/me OpenAccount [new] ok 0
key/me CreateAsset [bank] ok 10
key/me Issue [bank] ok 11
key/me Redeem [bank] insufficient_funds 12`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	must(t, second(c.PayMany(me, many)))
	if n := len(b.lines[0].Accounts); n != trail.AccountsMax {
		t.Errorf("%d accounts: %v", n, b.lines[0].Accounts)
	}
}

// TestNothingUnwritten refuses writes that cannot be written down, and answers reads.
func TestNothingUnwritten(t *testing.T) {
	b, d, c := serveAudited(t)
	b.broken = fault.Reasoned(fault.Unavailable, "trail_failed", "the disk is full")
	_, err := c.Pay(as(t, "me"), &custodyv1.PayRequest{From: []byte("alice"), To: []byte("bob"), Amount: "1"})
	wants(t, err, codes.Unavailable, "trail_failed")
	_, err = c.OpenAccount(as(t, "me"), &custodyv1.OpenAccountRequest{Name: []byte("new")})
	wants(t, err, codes.Unavailable, "trail_failed")
	must(t, second(c.ResolveAccount(as(t, "me"), &custodyv1.ResolveAccountRequest{Name: []byte("x")})))
	if len(d.payments)+len(d.asked) != 0 {
		t.Errorf("%d payments and %q reached the desk", len(d.payments), d.asked)
	}
}

// TestEveryWriteIsAudited knows every method of the service: one that is added must be a read, or be written down.
func TestEveryWriteIsAudited(t *testing.T) {
	var methods []string
	for _, m := range custodyv1.Custody_ServiceDesc.Methods {
		methods = append(methods, m.MethodName)
	}
	slices.Sort(methods)
	known := []string{"CreateAsset", "FindHomes", "Issue", "NameAccounts", "OpenAccount", "Pay", "PayMany", "Redeem", "ResolveAccount"}
	if !slices.Equal(methods, known) || len(custodyv1.Custody_ServiceDesc.Streams) != 0 {
		t.Errorf("the service has %q, and TestAudit knows %q", methods, known)
	}
}
