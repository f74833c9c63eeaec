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

// transaction answers what stands at the place that an id names.
func (s *Server) transaction(ctx context.Context, q *request) (any, error) {
	t, err := s.placed(ctx, q)
	if err != nil {
		return nil, err
	}
	list, err := s.transactions(ctx, []query.Transfer{t.Transfer})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// receipt answers what is certified about it.
func (s *Server) receipt(ctx context.Context, q *request) (any, error) {
	t, err := s.placed(ctx, q)
	if err != nil {
		return nil, err
	}
	id := transferID(&t.Transfer)
	return v10.Receipt{
		TransactionID: id.String(), Status: statusOf(t.Outcome), Message: t.Outcome.String(), BlockHash: hexHash(t.Block),
		BlockNumber: uint64(t.Height), Index: id.Place(), Fee: v10.FeeNone, Timestamp: v10.Time(id.Ms),
	}, nil
}

// placed finds what the id in the path names. The id must be the one that the place has: its time is the block's.
func (s *Server) placed(ctx context.Context, q *request) (*query.PlacedTransfer, error) {
	id, err := v10.ParseTxID(q.params.Get("id"))
	if err != nil {
		return nil, notFound(v10.TextNoTransaction)
	}
	t, err := s.parts.Reader.TransferAt(ctx, query.Place{Height: id.Height, Index: id.Batch, Item: id.Item})
	switch {
	case err != nil:
		return nil, orNotFound(err, v10.TextNoTransaction)
	case t.TimeUs/1000 != id.Ms:
		return nil, notFound(v10.TextNoTransaction)
	}
	return t, nil
}

func transferID(t *query.Transfer) v10.TxID {
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
		code, amount, err := units.write(ctx, t.Asset, t.Amount)
		if err != nil {
			return nil, err
		}
		out[i] = v10.Transaction{
			ID: id.String(), From: names[t.From], To: names[t.To], Amount: amount, Currency: code, Timestamp: v10.Time(id.Ms),
			Status: statusOf(t.Outcome), Block: uint64(t.Height),
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
