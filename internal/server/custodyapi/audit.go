// SPDX-License-Identifier: Apache-2.0

package custodyapi

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// requestIDHeader is the client's own word for a call.
const requestIDHeader = "x-request-id"

// Trail writes down what callers did, as *trail.Trail does.
type Trail interface {
	// Ready is Unavailable when nothing can be written down any more.
	Ready() error
	Append(e *trail.Entry) error
}

// RegisterAudited is Register for a server that writes down what callers did, whatever became of it. What cannot be written down is
// refused.
func RegisterAudited(r grpc.ServiceRegistrar, d Desk, a Access, t Trail, log *slog.Logger) {
	custodyv1.RegisterCustodyServer(r, &audited{CustodyServer: &service{desk: d, access: noting{a, t}}, trail: t, log: log})
}

// audited is a service whose writes are written down. Reads pass as they are.
type audited struct {
	custodyv1.CustodyServer
	trail Trail
	log   *slog.Logger
}

// noting is an Access that notes whom it let in to write.
type noting struct {
	Access
	trail Trail
}

type (
	noteKey struct{}
	// note is what a call leaves for the trail.
	note struct{ caller Caller }
)

// Enter lets a caller in, to write only if that can be written down.
func (a noting) Enter(ctx context.Context, what Act, payments int) (Caller, error) {
	c, err := a.Access.Enter(ctx, what, payments)
	if err != nil || what == ActRead {
		return c, err
	}
	if err := a.trail.Ready(); err != nil {
		return nil, err
	}
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		n.caller = c
	}
	return c, nil
}

// write makes a call that changes the ledger for accounts, and writes down what became of it. Who was not let in is not in the trail.
func write[Q, A any](ctx context.Context, s *audited, method string, q Q, accounts []string, call func(context.Context, Q) (A, error), ended func(A) ending) (A, error) {
	n := &note{}
	answer, err := call(context.WithValue(ctx, noteKey{}, n), q)
	if n.caller == nil {
		return answer, err
	}
	end := ending{result: fault.ReasonOf(err)}
	if err == nil {
		end = ended(answer)
	}
	s.append(ctx, &trail.Entry{What: method, Accounts: accounts, Result: end.result, Height: end.height}, n.caller)
	return answer, err
}

func (s *audited) append(ctx context.Context, e *trail.Entry, c Caller) {
	e.Who, e.Person = c.Who()
	if ids := metadata.ValueFromIncomingContext(ctx, requestIDHeader); len(ids) > 0 {
		e.Request = ids[0]
	}
	if err := s.trail.Append(e); err != nil {
		s.log.Error("what was done is not in the audit trail", obs.KeyMethod, e.What, obs.Err(err))
	}
}

// ending is what became of a call that was answered.
type ending struct {
	result string
	height uint64
}

// done is how calls end that the ledger does not refuse.
const done = "ok"

func endOf(f *custodyv1.Fate) ending {
	if f.GetOutcome() != 0 {
		return ending{f.GetOutcomeName(), f.GetHeight()}
	}
	return ending{done, f.GetHeight()}
}

// payers are the accounts that payments debit. No more are listed than a line of the trail has.
func payers(ps []*custodyv1.PayRequest) (names []string) {
	for _, p := range ps {
		from := string(p.GetFrom())
		if n := len(names); n == trail.AccountsMax {
			break
		} else if n == 0 || names[n-1] != from {
			names = append(names, from)
		}
	}
	return names
}

// Pay makes a payment.
func (s *audited) Pay(ctx context.Context, q *custodyv1.PayRequest) (*custodyv1.PayResponse, error) {
	return write(ctx, s, custodyv1.Custody_Pay_FullMethodName, q, payers([]*custodyv1.PayRequest{q}), s.CustodyServer.Pay,
		func(a *custodyv1.PayResponse) ending { return endOf(a.GetFate()) })
}

// PayMany makes payments, each for itself; the trail has the height of the last.
func (s *audited) PayMany(ctx context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
	return write(ctx, s, custodyv1.Custody_PayMany_FullMethodName, q, payers(q.GetPayments()), s.CustodyServer.PayMany,
		func(a *custodyv1.PayManyResponse) ending {
			end := ending{result: done}
			for _, one := range a.GetAnswers() {
				end.height = max(end.height, one.GetFate().GetHeight())
			}
			return end
		})
}

// OpenAccount opens an account.
func (s *audited) OpenAccount(ctx context.Context, q *custodyv1.OpenAccountRequest) (*custodyv1.OpenAccountResponse, error) {
	return write(ctx, s, custodyv1.Custody_OpenAccount_FullMethodName, q, []string{string(q.GetName())}, s.CustodyServer.OpenAccount,
		func(*custodyv1.OpenAccountResponse) ending { return ending{result: done} })
}

// CreateAsset makes an asset.
func (s *audited) CreateAsset(ctx context.Context, q *custodyv1.CreateAssetRequest) (*custodyv1.CreateAssetResponse, error) {
	return write(ctx, s, custodyv1.Custody_CreateAsset_FullMethodName, q, []string{string(q.GetIssuer())}, s.CustodyServer.CreateAsset,
		func(a *custodyv1.CreateAssetResponse) ending { return endOf(a.GetFate()) })
}

// Issue makes new units.
func (s *audited) Issue(ctx context.Context, q *custodyv1.IssueRequest) (*custodyv1.Fate, error) {
	return write(ctx, s, custodyv1.Custody_Issue_FullMethodName, q, []string{string(q.GetIssuer())}, s.CustodyServer.Issue, endOf)
}

// Redeem takes units out of circulation.
func (s *audited) Redeem(ctx context.Context, q *custodyv1.RedeemRequest) (*custodyv1.Fate, error) {
	return write(ctx, s, custodyv1.Custody_Redeem_FullMethodName, q, []string{string(q.GetIssuer())}, s.CustodyServer.Redeem, endOf)
}
