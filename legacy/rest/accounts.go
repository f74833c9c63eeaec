// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// accountOf is the account of a path.
func (s *Server) accountOf(c *call) (ledger.Account, error) {
	name := c.params.Get("id")
	if err := v10.CheckName("account", name); err != nil {
		return ledger.Account{}, err
	}
	return s.ledger.Account(name)
}

// openAccount opens an account, or finds it. That is idempotent by itself, so a key is not looked at.
func (s *Server) openAccount(c *call) (any, error) {
	var r v10.CreateAccount
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	created := false
	if _, err := s.ledger.Account(r.Account); fault.Is(err, fault.NotFound) {
		results, err := s.submitAll(c, []ledger.Order{{Kind: ledger.OpenAccount, To: r.Account}})
		if err != nil {
			return nil, err
		}
		created = results[0].Err == nil && results[0].Outcome == chain.OK
		if results[0].Err != nil {
			return nil, results[0].Err
		}
	}
	a, err := s.ledger.Account(r.Account)
	return v10.AccountCreated{Account: a.Name, Status: v10.AccountActive, Created: created, Timestamp: a.Created}, err
}

func (s *Server) accounts(c *call) (any, error) {
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q, v10.ListDefault)
	if err != nil {
		return nil, err
	}
	after, err := cursorOf(q)
	if err != nil {
		return nil, err
	}
	found, err := s.ledger.Accounts(after, limit)
	list := v10.AccountList{Accounts: make([]v10.AccountEntry, len(found)), Total: len(found)}
	for i, a := range found {
		list.Accounts[i] = v10.AccountEntry{Account: a.Name, Status: v10.AccountActive}
	}
	if len(found) == limit && found[limit-1].Number < s.ledger.Totals().Accounts {
		list.Cursor = strconv.FormatUint(found[limit-1].Number, 10)
	}
	return list, err
}

func (s *Server) balancesOf(name string) ([]v10.Balance, error) {
	held, err := s.ledger.Balances(name)
	if err != nil {
		return nil, err
	}
	m := s.scales()
	all := make([]v10.Balance, len(held))
	for i, b := range held {
		all[i].Asset = b.Asset
		if all[i].Amount, err = m.number(b.Asset, b.Units); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Server) account(c *call) (any, error) {
	a, err := s.accountOf(c)
	if err != nil {
		return nil, err
	}
	held, err := s.balancesOf(a.Name)
	return v10.Account{Account: a.Name, Status: v10.AccountActive, Balances: held}, err
}

func (s *Server) balances(c *call) (any, error) {
	a, err := s.accountOf(c)
	if err != nil {
		return nil, err
	}
	held, err := s.balancesOf(a.Name)
	return v10.Balances{Account: a.Name, Balances: held, Total: len(held)}, err
}

func (s *Server) nonce(c *call) (any, error) {
	a, err := s.accountOf(c)
	return v10.Nonce{Account: a.Name}, err
}
