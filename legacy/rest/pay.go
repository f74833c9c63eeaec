// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// transferOf turns a payment into an order, in the scale of its asset.
func (s *Server) transferOf(p *v10.Submit) (ledger.Order, error) {
	units, err := s.unitsOf(p.Asset(), p.Amount)
	return ledger.Order{Kind: ledger.Transfer, From: p.From, To: p.To, Asset: p.Asset(), Units: units}, err
}

func (s *Server) unitsOf(code string, amount v10.Decimal) (chain.Amount, error) {
	scale, err := s.ledger.Scale(code)
	if err != nil {
		return chain.Amount{}, err
	}
	return amount.Units(scale)
}

// keyed gives an order the request's Idempotency-Key, if it has one. There are no callers to tell apart: everybody is one.
func (c *call) keyed(o *ledger.Order, item int) {
	values := c.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return
	}
	h := sha256.New()
	for _, field := range []string{string(o.Kind), o.From, o.To, o.Asset, o.Title, o.Units.String()} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field))))
		h.Write([]byte(field))
	}
	h.Write([]byte{o.Scale})
	o.Key = &ledger.Key{Key: values[0], Item: uint32(item), Request: [sha256.Size]byte(h.Sum(nil))}
}

// submit has one order executed; a refusal is an error.
func (s *Server) submit(c *call, o ledger.Order) (v10.TxID, error) {
	c.keyed(&o, 0)
	results, err := s.submitAll(c, []ledger.Order{o})
	if err != nil {
		return v10.TxID{}, err
	}
	return results[0].ID, errorOf(results[0])
}

// submitAll has orders executed and notes how long that took.
func (s *Server) submitAll(c *call, orders []ledger.Order) ([]ledger.Result, error) {
	began := s.cfg.Now()
	generation, err := v10.GenerationOf(c.Header[v10.HeaderGeneration])
	if err != nil {
		return nil, err
	}
	for i := range orders {
		orders[i].Generation = generation
	}
	results, err := s.ledger.Submit(c.Context(), orders)
	if err != nil {
		return nil, err
	}
	s.load.add(s.cfg.Now().Sub(began))
	// What was submitted together is executed in one round: if one is of an old generation, all are.
	if first := results[0].Err; fault.ReasonOf(first) == v10.ReasonOldGeneration {
		return nil, first
	}
	return results, nil
}

// errorOf is why an order was refused, nil if it was not.
func errorOf(r ledger.Result) error {
	switch {
	case r.Err != nil:
		return r.Err
	case r.Outcome != chain.OK:
		return problem{v10.ProblemOfOutcome(r.Outcome)}
	}
	return nil
}

func (s *Server) pay(c *call) (any, error) {
	p, err := v10.DecodeSubmit(c.bytes)
	if err != nil {
		return nil, err
	}
	return s.payOne(c, &p)
}

// payOne carries out a payment and answers it.
func (s *Server) payOne(c *call, p *v10.Submit) (any, error) {
	o, err := s.transferOf(p)
	if err != nil {
		return nil, err
	}
	id, err := s.submit(c, o)
	if err != nil {
		return nil, err
	}
	return body{bytes: v10.AppendSubmitAnswer(nil, id)}, nil
}

func (s *Server) payMany(c *call) (any, error) {
	items, err := v10.DecodeBatch(nil, c.bytes)
	if err != nil {
		return nil, err
	}
	results := make([]ledger.Result, len(items))
	if err := s.payItems(c, items, results, 0); err != nil {
		return nil, err
	}
	w := v10.NewBatchWriter(nil)
	for _, r := range results {
		if err := errorOf(r); err != nil {
			w.Refused(problemOf(err))
		} else {
			w.Accepted(r.ID)
		}
	}
	return body{bytes: w.End()}, nil
}

// payItems executes the items that can be payments, and fills in what became of each. first is the first one's number under
// the request's key. An error is of all of them.
func (s *Server) payItems(c *call, items []v10.BatchItem, results []ledger.Result, first int) error {
	orders, at := make([]ledger.Order, 0, len(items)), make([]int, 0, len(items))
	for i := range items {
		o, err := ledger.Order{}, items[i].Err
		if err == nil {
			o, err = s.transferOf(&items[i].Submit)
		}
		if err != nil {
			results[i].Err = err
			continue
		}
		c.keyed(&o, first+i+1)
		orders, at = append(orders, o), append(at, i)
	}
	if len(orders) == 0 {
		return nil
	}
	done, err := s.submitAll(c, orders)
	if err != nil && !fault.Is(err, fault.Timeout) {
		return err
	}
	for i, to := range at {
		if err != nil {
			results[to].Err = err // each of these is unknown; what was refused before is not
			continue
		}
		results[to] = done[i]
	}
	return nil
}

func problemOf(err error) v10.Problem {
	if p, ok := err.(problem); ok {
		return p.Problem
	}
	return v10.ProblemOf(err)
}

func (s *Server) nodePay(c *call) (any, error) {
	var r v10.NodeSubmit
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	o, err := s.transferOf(&v10.Submit{From: r.From, To: r.To, Amount: r.Amount})
	if err != nil {
		return nil, err
	}
	id, err := s.submit(c, o)
	switch p := problemOf(err); {
	case err == nil:
		return v10.NodeSubmitted{Success: true, TransactionID: id.String()}, nil
	case p.Code < http.StatusInternalServerError && p.Code != http.StatusConflict:
		return v10.NodeSubmitted{Error: p.Text}, nil
	}
	return nil, err
}

func (s *Server) estimate(c *call) (any, error) {
	p, err := v10.DecodeSubmit(c.bytes)
	if err != nil {
		return nil, err
	}
	o, err := s.transferOf(&p)
	if err != nil {
		return nil, err
	}
	e := v10.Estimate{Fee: v10.FeeNone, Total: p.Amount, Currency: o.Asset, EstimatedConfirmation: v10.EstimatedConfirmation, Accepted: true}
	switch _, err := s.ledger.Account(o.From); {
	case fault.Is(err, fault.NotFound):
		e.Accepted, e.Reason = false, v10.TextNoAccount
		return e, nil
	case err != nil:
		return nil, err
	}
	held, err := s.ledger.Balance(o.From, o.Asset)
	if err == nil && held.Less(o.Units) {
		e.Accepted, e.Reason = false, v10.TextNoFunds
	}
	return e, err
}
