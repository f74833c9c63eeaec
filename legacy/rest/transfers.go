// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// scales knows the decimals of assets.
type scales struct{ ledger *ledger.Ledger }

func (s *Server) scales() scales { return scales{s.ledger} }

// number writes units as the JSON number of an answer.
func (m scales) number(code string, units chain.Amount) (v10.Decimal, error) {
	scale, err := m.ledger.Scale(code)
	if err != nil {
		return v10.Decimal{}, err
	}
	return v10.DecimalOf(units, scale, false), nil
}

func statusOf(t *ledger.Transaction) string {
	if t.Outcome == chain.OK {
		return v10.Confirmed
	}
	return v10.Failed
}

func (m scales) transaction(t *ledger.Transaction) (v10.Transaction, error) {
	a := v10.Transaction{
		ID: t.ID.String(), From: t.From, To: t.To, Currency: t.Asset, Timestamp: v10.Time(t.Ms), Status: statusOf(t),
		Block: uint64(t.ID.Height),
	}
	if t.Asset == "" {
		return a, nil
	}
	var err error
	a.Amount, err = m.number(t.Asset, t.Units.Amount)
	return a, err
}

// listOf puts transfers into a list.
func (s *Server) listOf(found []ledger.Transaction, cursor string) (any, error) {
	m := s.scales()
	list := v10.TransactionList{Transactions: make([]v10.Transaction, len(found)), Total: len(found), Cursor: cursor}
	for i := range found {
		var err error
		if list.Transactions[i], err = m.transaction(&found[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *Server) transactions(c *call) (any, error) {
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	account := q.Get("account")
	if q.Has("account") {
		if err := v10.CheckName("account", account); err != nil {
			return nil, err
		}
		if _, err := s.ledger.Account(account); err != nil {
			return nil, err
		}
	}
	return s.transfersOf(c, account)
}

func (s *Server) accountTransactions(c *call) (any, error) {
	a, err := s.accountOf(c)
	if err != nil {
		return nil, err
	}
	return s.transfersOf(c, a.Name)
}

// transfersOf answers a list of transfers as the query asks for it.
func (s *Server) transfersOf(c *call, account string) (any, error) {
	ask, err := c.transferQuery(account)
	if err != nil {
		return nil, err
	}
	found, next, err := s.ledger.Transactions(ask)
	if err != nil {
		return nil, err
	}
	cursor := ""
	if next != nil {
		cursor = next.String()
	}
	return s.listOf(found, cursor)
}

func (c *call) transferQuery(account string) (ledger.Query, error) {
	ask := ledger.Query{Account: account, Kind: ledger.Transfer}
	q, err := c.queryOf()
	if err != nil {
		return ask, err
	}
	if ask.Limit, err = limitOf(q, v10.ListDefault); err != nil {
		return ask, err
	}
	if ask.SinceMs, err = timeOf(q, "since", 0); err != nil {
		return ask, err
	}
	switch status := q.Get("status"); status {
	case "":
	case v10.Confirmed, v10.Failed:
		refused := status == v10.Failed
		ask.Refused = &refused
	default:
		return ask, fault.Reasoned(fault.Invalid, "query_status", "status must be %s or %s", v10.Confirmed, v10.Failed)
	}
	if text := q.Get("cursor"); text != "" {
		id, err := v10.ParseTxID(text)
		if err != nil {
			return ask, errCursor
		}
		ask.Before = &id
	}
	return ask, nil
}

func (s *Server) transactionOf(c *call) (ledger.Transaction, error) {
	id, err := v10.ParseTxID(c.params.Get("id"))
	if err != nil {
		return ledger.Transaction{}, fault.New(fault.NotFound, v10.TextNoTransaction)
	}
	return s.ledger.Transaction(id)
}

func (s *Server) transaction(c *call) (any, error) {
	t, err := s.transactionOf(c)
	if err != nil {
		return nil, err
	}
	return s.scales().transaction(&t)
}

func (s *Server) receipt(c *call) (any, error) {
	t, err := s.transactionOf(c)
	if err != nil {
		return nil, err
	}
	r, err := s.ledger.RoundOf(&t)
	return v10.Receipt{
		TransactionID: t.ID.String(), Status: statusOf(&t), Message: t.Outcome.String(), BlockHash: r.Hash.String(),
		BlockNumber: r.Number, Index: t.ID.Index(), Fee: v10.FeeNone, Timestamp: v10.Time(t.Ms),
	}, err
}

// blockTransactions lists a block's transfers; the cursor is a place in the block.
func (s *Server) blockTransactions(c *call) (any, error) {
	height, err := heightOf(c)
	if err != nil {
		return nil, err
	}
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q, v10.ListDefault)
	if err != nil {
		return nil, err
	}
	from, err := cursorOf(q)
	if err != nil || from > v10.PlacesPerBlockMax {
		return nil, errCursor
	}
	if _, err := s.ledger.Round(height); err != nil {
		return nil, err
	}
	found, next, err := s.ledger.InRound(height, uint32(from), limit, ledger.Transfer)
	if err != nil {
		return nil, err
	}
	cursor := ""
	if next > 0 {
		cursor = strconv.FormatUint(uint64(next), 10)
	}
	return s.listOf(found, cursor)
}

// feedLength is how many transfers server H's feed had.
const feedLength = 100

func (s *Server) feed(*call) (any, error) {
	found, _, err := s.ledger.Transactions(ledger.Query{Kind: ledger.Transfer, Limit: feedLength})
	if err != nil {
		return nil, err
	}
	m := s.scales()
	f := v10.Feed{Transactions: make([]v10.FeedTransaction, len(found)), Total: len(found)}
	for i := range found {
		t := &found[i]
		amount, err := m.number(t.Asset, t.Units.Amount)
		if err != nil {
			return nil, err
		}
		status := "completed"
		if t.Outcome != chain.OK {
			status = "failed"
		}
		f.Transactions[i] = v10.FeedTransaction{
			ID: t.ID.String(), From: t.From, To: t.To, Amount: amount, Type: "standard", Status: status, Timestamp: t.Ms,
		}
	}
	return f, nil
}
