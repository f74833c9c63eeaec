// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"context"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// facts gathers what a batch's records need to know. All of it is remembered, as none of it changes.
func (c *Capture) facts(ctx context.Context, b *Block, index int) (*Facts, error) {
	m, err := MentionsOf(b, index, c.syncKeys)
	if err != nil {
		return nil, err
	}
	for _, k := range m.SyncKeys {
		if !slices.Contains(c.syncKeys, k) {
			c.syncKeys = append(c.syncKeys, k)
		}
	}
	f := &Facts{
		Accounts: make(map[chain.AccountNo]Account, len(m.Accounts)), Assets: make(map[chain.AssetNo]Asset, len(m.Assets)),
		Institution: c.cfg.Institution, SyncKeys: c.syncKeys,
	}
	if len(m.Accounts) == 0 {
		return f, nil
	}
	if f.Signed, err = c.signed(ctx, m.Institution, m.Key); err != nil {
		return nil, err
	}
	if err := c.learn(ctx, &m); err != nil {
		return nil, err
	}
	for _, no := range m.Accounts {
		if a, ok := c.known[no]; ok {
			f.Accounts[no] = a
		}
	}
	for _, no := range m.Assets {
		if a, ok := c.assets[no]; ok {
			f.Assets[no] = a
		}
	}
	return f, nil
}

func (c *Capture) signed(ctx context.Context, institution chain.InstitutionNo, key chain.KeyNo) (bool, error) {
	if institution != c.cfg.Institution {
		return false, nil
	}
	by := signer{institution, key}
	if known, asked := c.signs[by]; asked {
		return known, nil
	}
	known, err := c.parts.Chain.Signs(ctx, institution, key)
	if err == nil && known { // others are as many as somebody likes to make up
		c.signs[by] = known
	}
	return known, err
}

// learn asks for what is not known yet: accounts and assets of the ledger, names of the vault.
func (c *Capture) learn(ctx context.Context, m *Mentions) error {
	if len(c.known)+len(m.Accounts) > CacheMax {
		clear(c.known)
	}
	accounts := slices.DeleteFunc(slices.Clone(m.Accounts), func(no chain.AccountNo) bool { _, ok := c.known[no]; return ok })
	assets := slices.DeleteFunc(slices.Clone(m.Assets), func(no chain.AssetNo) bool { _, ok := c.assets[no]; return ok })
	for len(accounts)+len(assets) > 0 {
		some, kinds := accounts[:min(len(accounts), FactsMax)], assets[:min(len(assets), FactsMax)]
		portable, known, err := c.parts.Chain.Parties(ctx, some, kinds)
		if err != nil {
			return err
		}
		for no, p := range portable {
			c.known[no] = Account{Portable: p}
		}
		for no, a := range known {
			c.assets[no] = a
		}
		accounts, assets = accounts[len(some):], assets[len(kinds):]
	}
	return c.names(ctx, m.Accounts)
}

// names asks for the names of portable accounts that have none here yet.
func (c *Capture) names(ctx context.Context, accounts []chain.AccountNo) error {
	nameless := slices.DeleteFunc(slices.Clone(accounts), func(no chain.AccountNo) bool { a := c.known[no]; return !a.Portable || a.Name != "" })
	for len(nameless) > 0 {
		some := nameless[:min(len(nameless), FactsMax)]
		found, err := c.parts.Names.Get(ctx, some)
		if err != nil {
			return err
		}
		for no, name := range found {
			c.known[no] = Account{Portable: true, Name: name}
		}
		nameless = nameless[len(some):]
	}
	return nil
}
