// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"encoding/base64"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// account finds an account by the name that V10 has for it.
func (s *Server) account(ctx context.Context, name string, asset chain.AssetNo) (*query.Account, error) {
	no, err := s.parts.Desk.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	acc, err := s.parts.Reader.Account(ctx, query.AccountName{Number: no}, asset)
	return acc, orNotFound(err, v10.TextNoAccount)
}

// accountOf is the account in the path.
func (s *Server) accountOf(ctx context.Context, q *request) (string, *query.Account, error) {
	name, err := q.name()
	if err != nil {
		return "", nil, err
	}
	acc, err := s.account(ctx, name, 0)
	return name, acc, err
}

func (s *Server) openAccount(ctx context.Context, q *request) (any, error) {
	var r v10.CreateAccount
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	if err := q.act(r.Account); err != nil {
		return nil, err
	}
	opened, err := s.parts.Desk.Open(ctx, r.Account)
	if err != nil {
		return nil, err
	}
	return v10.AccountCreated{Account: r.Account, Status: v10.AccountActive, Created: opened.New, Timestamp: s.now()}, nil
}

func (s *Server) showAccount(ctx context.Context, q *request) (any, error) {
	name, acc, err := s.accountOf(ctx, q)
	if err != nil {
		return nil, err
	}
	return v10.Account{Account: name, Status: accountStatus(acc), Nonce: nonceOf(acc), Balances: balancesOf(acc)}, nil
}

// nonceOf is the highest nonce that the account's owner used. In custody there is none: the custodian's are not his.
func nonceOf(a *query.Account) uint64 {
	if a.Institution != 0 {
		return 0
	}
	return a.Nonce
}

func accountStatus(a *query.Account) string {
	if a.Frozen {
		return v10.AccountFrozen
	}
	return v10.AccountActive
}

func balancesOf(a *query.Account) []v10.Balance {
	out := make([]v10.Balance, len(a.Holdings))
	for i, h := range a.Holdings {
		out[i] = v10.Balance{Asset: h.Code, Amount: v10.DecimalOf(h.Amount, h.Scale, false)}
	}
	return out
}

func (s *Server) balances(ctx context.Context, q *request) (any, error) {
	name, acc, err := s.accountOf(ctx, q)
	if err != nil {
		return nil, err
	}
	list := balancesOf(acc)
	return v10.Balances{Account: name, Balances: list, Total: len(list)}, nil
}

func (s *Server) nonce(ctx context.Context, q *request) (any, error) {
	name, acc, err := s.accountOf(ctx, q)
	if err != nil {
		return nil, err
	}
	return v10.Nonce{Account: name, Nonce: nonceOf(acc)}, nil
}

// accounts lists them in the order of opening.
func (s *Server) accounts(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit(v10.ListDefault)
	if err != nil {
		return nil, err
	}
	after, err := readCursor(q.param("cursor"))
	if err != nil {
		return nil, err
	}
	page, err := s.parts.Reader.AccountsFrom(ctx, chain.AccountNo(after), limit)
	if err != nil {
		return nil, err
	}
	numbers := make([]chain.AccountNo, len(page.Items))
	for i := range page.Items {
		numbers[i] = page.Items[i].Number
	}
	names, err := s.names(ctx, numbers)
	if err != nil {
		return nil, err
	}
	list := v10.AccountList{Accounts: make([]v10.AccountEntry, len(page.Items)), Total: len(page.Items)}
	for i := range page.Items {
		a := &page.Items[i]
		list.Accounts[i] = v10.AccountEntry{Account: names[a.Number], Status: accountStatus(a)}
	}
	if page.More {
		list.Cursor = writeCursor(uint32(page.Items[len(page.Items)-1].Number))
	}
	return list, nil
}

// A cursor of accounts is the last number that was listed, opaquely.
func writeCursor(last uint32) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, last))
}

func readCursor(text string) (uint32, error) {
	if text == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 4 || base64.RawURLEncoding.EncodeToString(b) != text {
		return 0, fault.Reasoned(fault.Invalid, "query_cursor", "cursor: is not one that a list gave")
	}
	return binary.BigEndian.Uint32(b), nil
}
