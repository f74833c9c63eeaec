// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// feedMax is how many transfers server H's feed has.
const feedMax = 100

// transaction answers what an id names.
func (s *Server) transaction(ctx context.Context, q *request) (any, error) {
	t, err := s.found(ctx, q)
	if err != nil {
		return nil, err
	}
	list, err := s.transactions(ctx, []query.Transfer{t.Transfer})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// receipt answers what is certified about it; of what V10 made before the copy, what V10 wrote down.
func (s *Server) receipt(ctx context.Context, q *request) (any, error) {
	t, err := s.found(ctx, q)
	if err != nil {
		return nil, err
	}
	id := transferID(&t.Transfer)
	r := v10.Receipt{
		TransactionID: id.String(), Status: statusOf(t.Outcome), Message: t.Outcome.String(), BlockHash: hexHash(t.Block),
		BlockNumber: uint64(t.Height), Index: ownID(&t.Transfer).Place(), Fee: v10.FeeNone, Timestamp: v10.Time(id.Ms),
	}
	switch {
	case t.Height == 0:
		round, err := s.parts.Reader.V10Round(ctx, t.Origin.Round)
		if err != nil {
			return nil, orNotFound(err, v10.TextNoBlock)
		}
		r.BlockHash, r.BlockNumber, r.Index = hexHash(round.Hash), t.Origin.Round, id.Index()
	case t.Block.IsZero():
		b, err := s.parts.Reader.Block(ctx, t.Height)
		if err != nil {
			return nil, orNotFound(err, v10.TextNoBlock)
		}
		r.BlockHash = hexHash(b.Hash)
	}
	return r, nil
}

// found finds what the id in the path names: what clients know by it, this ledger's own or V10's, or else what came from V10 and stands at that
// place here. Time and number of V10's rounds and of blocks here are both from the same clocks and may be the same.
func (s *Server) found(ctx context.Context, q *request) (*query.PlacedTransfer, error) {
	id, err := v10.ParseTxID(q.params.Get("id"))
	if err != nil {
		return nil, notFound(v10.TextNoTransaction)
	}
	t, err := s.parts.Reader.TransferAt(ctx, query.Place{Height: id.Height, Index: id.Batch, Item: id.Item})
	here := err == nil && t.TimeUs/1000 == id.Ms
	if here && transferID(&t.Transfer) == id {
		return t, nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Pruned) {
		return nil, err
	}
	old, oldErr := s.parts.Reader.V10Transfer(ctx, uint64(id.Height), id.Place())
	switch {
	case oldErr == nil && old.Origin.Ms == id.Ms:
		return &query.PlacedTransfer{Transfer: *old}, nil
	case here: // it came from V10, and is asked for by its place here
		return t, nil
	case fault.Is(err, fault.Pruned):
		return nil, orNotFound(err, v10.TextNoTransaction)
	case oldErr == nil || fault.Is(oldErr, fault.NotFound) || fault.ReasonOf(oldErr) == query.ReasonNoIndex:
		return nil, notFound(v10.TextNoTransaction)
	}
	return nil, oldErr
}

// transferID is the id under which clients know a transfer: V10's, if V10 made it.
func transferID(t *query.Transfer) v10.TxID {
	if o := &t.Origin; o.Round != 0 || t.Height == 0 { // before the copy V10 had a round 0
		return v10.TxIDAt(o.Ms, chain.Height(o.Round), o.Place)
	}
	return ownID(t)
}

func ownID(t *query.Transfer) v10.TxID {
	return v10.TxID{Ms: t.TimeUs / 1000, Height: t.Height, Batch: t.Index, Item: t.Item}
}

func statusOf(o chain.Outcome) string {
	if o == chain.OK {
		return v10.Confirmed
	}
	return v10.Failed
}

// transactions writes transfers for people: names for numbers, decimals for units.
func (s *Server) transactions(ctx context.Context, ts []query.Transfer) ([]v10.Transaction, error) {
	numbers := make([]chain.AccountNo, 0, 2*len(ts))
	for i := range ts {
		numbers = append(numbers, ts[i].From, ts[i].To)
	}
	names, err := s.names(ctx, numbers)
	if err != nil {
		return nil, err
	}
	out, units := make([]v10.Transaction, len(ts)), s.units()
	for i := range ts {
		t := &ts[i]
		id := transferID(t)
		code, amount, err := "", v10.Decimal{}, error(nil)
		if t.Asset != 0 || t.Height != 0 { // V10 opened accounts before the copy, of no asset
			code, amount, err = units.write(ctx, t.Asset, t.Amount)
		}
		if err != nil {
			return nil, err
		}
		out[i] = v10.Transaction{
			ID: id.String(), From: names[t.From], To: names[t.To], Amount: amount, Currency: code, Timestamp: v10.Time(id.Ms),
			Status: statusOf(t.Outcome), Block: uint64(id.Height),
		}
	}
	return out, nil
}

// list answers transfers of the account and with the status that the query names, newest first.
func (s *Server) list(ctx context.Context, q *request) (any, error) {
	return s.listOf(ctx, q, q.param("account"))
}

// accountTransactions answers those of the account in the path.
func (s *Server) accountTransactions(ctx context.Context, q *request) (any, error) {
	name, err := q.name()
	if err != nil {
		return nil, err
	}
	return s.listOf(ctx, q, name)
}

func (s *Server) listOf(ctx context.Context, q *request, account string) (any, error) {
	f, limit, err := s.filter(ctx, q, account)
	if err != nil {
		return nil, err
	}
	page, err := s.parts.Reader.FindTransfers(ctx, f, limit, q.param("cursor"))
	if err != nil {
		return nil, err
	}
	return s.transactionList(ctx, page)
}

func (s *Server) transactionList(ctx context.Context, page query.Page[query.Transfer]) (any, error) {
	list, err := s.transactions(ctx, page.Items)
	if err != nil {
		return nil, err
	}
	return v10.TransactionList{Transactions: list, Total: len(list), Cursor: page.Next}, nil
}

// filter reads what a list is to have.
func (s *Server) filter(ctx context.Context, q *request, account string) (f query.TransferFilter, limit int, err error) {
	if limit, err = q.limit(v10.ListDefault); err != nil {
		return f, 0, err
	}
	since, err := q.time("since", 0)
	if err != nil {
		return f, 0, err
	}
	f.SinceUs, f.Payments = uint64(since)*1000, true
	switch status := q.param("status"); status {
	case "":
	case v10.Confirmed:
		f.Outcome = query.OnlyDone
	case v10.Failed:
		f.Outcome = query.OnlyRefused
	default:
		return f, 0, fault.Reasoned(fault.Invalid, "query_status", "status must be %s or %s", v10.Confirmed, v10.Failed)
	}
	if account == "" {
		return f, limit, nil
	}
	if err := v10.CheckName("account", account); err != nil {
		return f, 0, err
	}
	f.Account, err = s.parts.Desk.Resolve(ctx, account)
	return f, limit, err
}

// feed answers the last transfers in the form of server H.
func (s *Server) feed(ctx context.Context, _ *request) (any, error) {
	page, err := s.parts.Reader.FindTransfers(ctx, query.TransferFilter{Payments: true}, feedMax, "")
	if err != nil {
		return nil, err
	}
	list, err := s.transactions(ctx, page.Items)
	if err != nil {
		return nil, err
	}
	out := v10.Feed{Transactions: make([]v10.FeedTransaction, len(list)), Total: len(list)}
	for i := range list {
		t := &list[i]
		out.Transactions[i] = v10.FeedTransaction{ID: t.ID, From: t.From, To: t.To, Amount: t.Amount, Type: "standard", Status: "completed", Timestamp: uint64(t.Timestamp)}
		if t.Status == v10.Failed {
			out.Transactions[i].Status = "failed"
		}
	}
	return out, nil
}
