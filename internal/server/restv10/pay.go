// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// idOf is the id of what was executed at a place.
func idOf(r *custody.Result) v10.TxID {
	return v10.TxID{Ms: r.TimeUs / 1000, Height: r.Height, Batch: r.Batch, Item: r.Item}
}

// payment makes a payment of what a client asked for. item is its number in a request of several, or -1.
func (s *Server) payment(ctx context.Context, q *request, p *v10.Submit, item int) (custody.Payment, error) {
	out := custody.Payment{From: p.From, To: p.To, Asset: p.Asset()}
	if err := q.act(p.From); err != nil {
		return out, err
	}
	asset, err := s.parts.Desk.Asset(ctx, out.Asset)
	if err != nil {
		return out, err
	}
	if out.Amount, err = p.Amount.Units(asset.Scale); err != nil {
		return out, err
	}
	return out, s.key(q, &out, item)
}

// act asks whether the caller may act for an account, and notes it for the trail. A name shares the body's memory, which lives as
// long as the request.
func (q *request) act(account string) error {
	if len(q.acted) == 0 || len(q.acted) < trail.AccountsMax && q.acted[len(q.acted)-1] != account {
		q.acted = append(q.acted, account)
	}
	return q.caller.May(account)
}

// key puts a payment under the key of its request, if there is one: in a request of several, each under its number as well.
func (s *Server) key(q *request, p *custody.Payment, item int) error {
	key, err := s.payKey(q)
	if err != nil || key == "" {
		return err
	}
	if item >= 0 {
		key += " " + strconv.Itoa(item) // no key has a space
	}
	p.Caller, p.ClientKey = q.caller.ID(), key
	p.Keyed, p.Key, p.Body = true, s.parts.Desk.Key(p.Caller, key), s.parts.Desk.Body(p)
	return nil
}

// pay answers a payment.
func (s *Server) pay(ctx context.Context, q *request) (any, error) {
	p, err := v10.DecodeSubmit(q.body)
	if err != nil {
		return nil, err
	}
	return s.payOne(ctx, q, &p)
}

func (s *Server) payOne(ctx context.Context, q *request, p *v10.Submit) (any, error) {
	id, err := s.settle(ctx, q, p)
	if err != nil {
		return nil, err
	}
	return raw{body: v10.AppendSubmitAnswer(make([]byte, 0, 256), id)}, nil
}

// settle makes one payment and waits for its certificate. A refusal of the ledger is an error.
func (s *Server) settle(ctx context.Context, q *request, p *v10.Submit) (v10.TxID, error) {
	if err := q.caller.Pay(1); err != nil {
		return v10.TxID{}, err
	}
	one, err := s.payment(ctx, q, p, -1)
	if err != nil {
		return v10.TxID{}, s.atHome(ctx, q, p.From, p.Asset(), err)
	}
	a := s.payAll(ctx, []custody.Payment{one})[0]
	if a.Err != nil {
		return v10.TxID{}, a.Err
	}
	q.height = a.Height
	return idOf(&a.Result), paymentError(a.Outcome)
}

// payAll has the desk pay, and measures that. A payer whom only an earlier payment of the same request opens is not there when the
// desk looks: what was not done for that reason is given to it again.
func (s *Server) payAll(ctx context.Context, ps []custody.Payment) []custody.Answer {
	begin := time.Now()
	answers := s.parts.Desk.PayMany(ctx, ps)
	for wave := 1; wave < wavesMax && anyNotFound(answers); wave++ {
		again := openedMeanwhile(ps, answers)
		if len(again) == 0 {
			break
		}
		next := make([]custody.Payment, len(again))
		for i, at := range again {
			next[i] = ps[at]
		}
		for i, a := range s.parts.Desk.PayMany(ctx, next) {
			answers[again[i]] = a
		}
	}
	took := time.Since(begin)
	for i := range answers {
		if answers[i].Err == nil {
			s.meter.settled(took, answers[i].Outcome != chain.OK)
		}
	}
	return answers
}

func anyNotFound(answers []custody.Answer) bool {
	return len(answers) > 1 && slices.ContainsFunc(answers, func(a custody.Answer) bool { return fault.Is(a.Err, fault.NotFound) })
}

// openedMeanwhile lists payments that were not made because nobody knew the payer, whom an earlier one of them opens.
func openedMeanwhile(ps []custody.Payment, answers []custody.Answer) (again []int) {
	opened := make(map[string]bool, len(ps))
	for i := range ps {
		switch {
		case answers[i].Err == nil:
			opened[ps[i].To] = true
		case fault.Is(answers[i].Err, fault.NotFound) && opened[ps[i].From]:
			again = append(again, i)
			opened[ps[i].To] = true
		}
	}
	return again
}

// nodePay answers a payment as V10's control server did: a refusal is 200 with success false.
func (s *Server) nodePay(ctx context.Context, q *request) (any, error) {
	var r v10.NodeSubmit
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	id, err := s.settle(ctx, q, &v10.Submit{From: r.From, To: r.To, Amount: r.Amount})
	if err == nil {
		return v10.NodeSubmitted{Success: true, TransactionID: id.String()}, nil
	}
	switch p := problemOf(err); p.Code {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusForbidden:
		return v10.NodeSubmitted{Error: strings.Clone(p.Text)}, nil
	}
	return nil, err
}

// estimate says what a payment would cost, and whether it would be made now.
func (s *Server) estimate(ctx context.Context, q *request) (any, error) {
	p, err := v10.DecodeSubmit(q.body)
	if err != nil {
		return nil, err
	}
	asset, err := s.parts.Desk.Asset(ctx, p.Asset())
	if err != nil {
		return nil, err
	}
	units, err := p.Amount.Units(asset.Scale)
	if err != nil {
		return nil, err
	}
	e := v10.Estimate{Fee: v10.FeeNone, Total: p.Amount, Currency: p.Asset(), EstimatedConfirmation: v10.EstimatedConfirmation, Accepted: true}
	err = s.affords(ctx, q, p.From, asset.Number, units)
	if refused := problemOf(err); err != nil && refused.Code < http.StatusInternalServerError {
		e.Accepted, e.Reason, err = false, refused.Text, nil
	}
	return e, err
}

// affords says why an account cannot pay now, nil if it can.
func (s *Server) affords(ctx context.Context, q *request, from string, asset chain.AssetNo, units chain.Amount) error {
	if err := q.caller.May(from); err != nil {
		return err
	}
	acc, err := s.account(ctx, from, asset)
	switch {
	case err != nil:
		return err
	case acc.Frozen:
		return outcomeError(chain.FrozenAccount)
	case len(acc.Holdings) == 0 || acc.Holdings[0].Amount.Less(units):
		return outcomeError(chain.InsufficientFunds)
	}
	return nil
}
