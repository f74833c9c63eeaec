// SPDX-License-Identifier: Apache-2.0

package custodyapi

import (
	"context"

	"google.golang.org/grpc"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// KeyBytesMax bounds an idempotency key. Longer ones are refused.
const KeyBytesMax = 255

// KeyBytesBehalfMax bounds one of a caller who is named: a gateway puts the payment's number in its request behind the client's key.
const KeyBytesBehalfMax = KeyBytesMax + 32

// CallerBytesMax bounds the id of a caller for whom another one sends a payment: an identity provider's name and a subject.
const CallerBytesMax = 1024

// Desk is the desk behind the edge, as *custody.Desk is one. It is safe for concurrent use, and its errors have kinds.
type Desk interface {
	PayMany(ctx context.Context, ps []custody.Payment) []custody.Answer
	Key(caller, key string) chain.IdempotencyKey
	Body(p *custody.Payment) [16]byte
	Open(ctx context.Context, name string) (custody.Opened, error)
	Resolve(ctx context.Context, name string) (chain.AccountNo, error)
	Names(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error)
	Away(ctx context.Context, ds []custody.Debit) ([]bool, error)
	Home() string
	CreateAsset(ctx context.Context, issuer string, a custody.NewAsset) (chain.AssetNo, custody.Result, error)
	Issue(ctx context.Context, issuer, to, asset string, amount chain.Amount) (custody.Result, error)
	Redeem(ctx context.Context, issuer, asset string, amount chain.Amount) (custody.Result, error)
}

// Register adds the Custody service to a server whose interceptors translate faults. Do it before the server serves.
func Register(r grpc.ServiceRegistrar, d Desk, a Access) {
	custodyv1.RegisterCustodyServer(r, &service{desk: d, access: a})
}

type service struct {
	custodyv1.UnimplementedCustodyServer
	desk   Desk
	access Access
}

// Pay makes a payment.
func (s *service) Pay(ctx context.Context, q *custodyv1.PayRequest) (*custodyv1.PayResponse, error) {
	caller, err := s.access.Enter(ctx, ActPay, 1)
	if err != nil {
		return nil, err
	}
	p, err := s.payment(caller, q)
	if err != nil {
		return nil, err
	}
	a := s.desk.PayMany(ctx, []custody.Payment{p})[0]
	if a.Err != nil {
		return nil, a.Err
	}
	return &custodyv1.PayResponse{Fate: fate(&a.Result)}, nil
}

// PayMany makes payments, each for itself.
func (s *service) PayMany(ctx context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
	n := len(q.Payments)
	caller, err := s.access.Enter(ctx, ActPay, min(max(n, 1), custody.PaymentsMax)) // first of all: a stranger learns nothing
	if err != nil {
		return nil, err
	}
	if n == 0 || n > custody.PaymentsMax {
		return nil, badField("payments", "are %d, must be 1 to %d", n, custody.PaymentsMax)
	}
	out := &custodyv1.PayManyResponse{Answers: make([]*custodyv1.PayAnswer, n)}
	ps, places := make([]custody.Payment, 0, n), make([]int, 0, n)
	for i, one := range q.Payments {
		p, err := s.payment(caller, one)
		if err != nil {
			out.Answers[i] = &custodyv1.PayAnswer{Fault: faultOf(err)}
			continue
		}
		ps, places = append(ps, p), append(places, i)
	}
	for i, a := range s.desk.PayMany(ctx, ps) {
		out.Answers[places[i]] = answer(&a)
	}
	return out, nil
}

func answer(a *custody.Answer) *custodyv1.PayAnswer {
	if a.Err != nil {
		return &custodyv1.PayAnswer{Fault: faultOf(a.Err)}
	}
	return &custodyv1.PayAnswer{Fate: fate(&a.Result)}
}

// payment reads a payment that the caller may make.
func (s *service) payment(caller Caller, q *custodyv1.PayRequest) (p custody.Payment, err error) {
	p = custody.Payment{From: string(q.GetFrom()), To: string(q.GetTo()), Asset: q.GetAsset()}
	whose, err := owner(caller, q)
	if err != nil {
		return p, err
	}
	if err := caller.May(p.From); err != nil {
		return p, err
	}
	if p.Amount, err = amount(q.GetAmount()); err != nil {
		return p, err
	}
	key, most := q.GetIdempotencyKey(), KeyBytesMax
	if q != nil && q.Caller != nil {
		most = KeyBytesBehalfMax
	}
	switch {
	case len(key) > most:
		return p, badField("idempotency_key", "has %d bytes, at most %d", len(key), most)
	case key != "":
		p.Keyed, p.Key, p.Body = true, s.desk.Key(whose, key), s.desk.Body(&p)
	}
	return p, nil
}

// owner is the id of whose payment it is: the caller's, or that of whom he names.
func owner(caller Caller, q *custodyv1.PayRequest) (string, error) {
	if q == nil || q.Caller == nil {
		return caller.ID(), nil
	}
	if len(q.GetCaller()) > CallerBytesMax {
		return "", badField("caller", "has %d bytes, at most %d", len(q.GetCaller()), CallerBytesMax)
	}
	return q.GetCaller(), caller.Behalf()
}

// amount reads smallest units.
func amount(text string) (chain.Amount, error) { return chain.ParseAmount(text, 0) }

// OpenAccount opens an account, or finds it.
func (s *service) OpenAccount(ctx context.Context, q *custodyv1.OpenAccountRequest) (*custodyv1.OpenAccountResponse, error) {
	if _, err := s.access.Enter(ctx, ActOpen, 0); err != nil {
		return nil, err
	}
	a, err := s.desk.Open(ctx, string(q.Name))
	if err != nil {
		return nil, err
	}
	return &custodyv1.OpenAccountResponse{Number: uint32(a.Number), Opened: a.New}, nil
}

// ResolveAccount finds an account.
func (s *service) ResolveAccount(ctx context.Context, q *custodyv1.ResolveAccountRequest) (*custodyv1.ResolveAccountResponse, error) {
	if _, err := s.access.Enter(ctx, ActRead, 0); err != nil {
		return nil, err
	}
	no, err := s.desk.Resolve(ctx, string(q.Name))
	if err != nil {
		return nil, err
	}
	return &custodyv1.ResolveAccountResponse{Number: uint32(no)}, nil
}

// NameAccounts writes accounts for people.
func (s *service) NameAccounts(ctx context.Context, q *custodyv1.NameAccountsRequest) (*custodyv1.NameAccountsResponse, error) {
	if _, err := s.access.Enter(ctx, ActRead, 0); err != nil {
		return nil, err
	}
	if len(q.Numbers) > custody.NamesMax {
		return nil, badField("numbers", "are %d, at most %d", len(q.Numbers), custody.NamesMax)
	}
	numbers := make([]chain.AccountNo, len(q.Numbers))
	for i, no := range q.Numbers {
		numbers[i] = chain.AccountNo(no)
	}
	names, err := s.desk.Names(ctx, numbers)
	if err != nil {
		return nil, err
	}
	out := &custodyv1.NameAccountsResponse{Names: make(map[uint32][]byte, len(names))}
	for no, name := range names {
		out.Names[uint32(no)] = []byte(name)
	}
	return out, nil
}

// FindHomes says which debits only V10 may make.
func (s *service) FindHomes(ctx context.Context, q *custodyv1.FindHomesRequest) (*custodyv1.FindHomesResponse, error) {
	if _, err := s.access.Enter(ctx, ActRead, 0); err != nil {
		return nil, err
	}
	if len(q.Debits) > custody.PaymentsMax {
		return nil, badField("debits", "are %d, at most %d", len(q.Debits), custody.PaymentsMax)
	}
	debits := make([]custody.Debit, len(q.Debits))
	for i, one := range q.Debits {
		debits[i] = custody.Debit{Account: string(one.GetAccount()), Asset: one.GetAsset()}
	}
	away, err := s.desk.Away(ctx, debits)
	if err != nil {
		return nil, err
	}
	return &custodyv1.FindHomesResponse{OnV10: away, Home: s.desk.Home()}, nil
}

// CreateAsset makes an asset.
func (s *service) CreateAsset(ctx context.Context, q *custodyv1.CreateAssetRequest) (*custodyv1.CreateAssetResponse, error) {
	if err := s.mayAct(ctx, q.Issuer); err != nil {
		return nil, err
	}
	if q.Scale > chain.ScaleMax {
		return nil, badField("scale", "is %d, at most %d", q.Scale, chain.ScaleMax)
	}
	a := custody.NewAsset{Code: q.Code, Name: q.Name, Scale: uint8(q.Scale)}
	if q.Portable {
		a.Flags |= chain.AssetPortable
	}
	no, r, err := s.desk.CreateAsset(ctx, string(q.Issuer), a)
	if err != nil {
		return nil, err
	}
	return &custodyv1.CreateAssetResponse{Number: uint32(no), Fate: fate(&r)}, nil
}

// Issue makes new units.
func (s *service) Issue(ctx context.Context, q *custodyv1.IssueRequest) (*custodyv1.Fate, error) {
	if err := s.mayAct(ctx, q.Issuer); err != nil {
		return nil, err
	}
	units, err := amount(q.Amount)
	if err != nil {
		return nil, err
	}
	r, err := s.desk.Issue(ctx, string(q.Issuer), string(q.To), q.Asset, units)
	if err != nil {
		return nil, err
	}
	return fate(&r), nil
}

// Redeem takes units out of circulation.
func (s *service) Redeem(ctx context.Context, q *custodyv1.RedeemRequest) (*custodyv1.Fate, error) {
	if err := s.mayAct(ctx, q.Issuer); err != nil {
		return nil, err
	}
	units, err := amount(q.Amount)
	if err != nil {
		return nil, err
	}
	r, err := s.desk.Redeem(ctx, string(q.Issuer), q.Asset, units)
	if err != nil {
		return nil, err
	}
	return fate(&r), nil
}

func (s *service) mayAct(ctx context.Context, account []byte) error {
	caller, err := s.access.Enter(ctx, ActIssue, 0)
	if err != nil {
		return err
	}
	return caller.May(string(account))
}

func fate(r *custody.Result) *custodyv1.Fate {
	return &custodyv1.Fate{
		Height: uint64(r.Height), TimeUs: r.TimeUs, BatchIndex: r.Batch, Item: r.Item,
		Outcome: uint32(r.Outcome), OutcomeName: r.Outcome.String(), First: r.First,
	}
}

func badField(field, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "request_field", field+": "+format, args...)
}

// faultOf is an error as an answer among others.
func faultOf(err error) *ledgerv1.Fault {
	return &ledgerv1.Fault{Kind: fault.KindOf(err).String(), Reason: fault.ReasonOf(err), Text: fault.Public(err)}
}
