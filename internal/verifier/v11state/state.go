// SPDX-License-Identifier: Apache-2.0

package v11state

import (
	"context"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/verifier"
)

// Sections of the ledger's state, and the bytes of their records.
const (
	sectionMeta, metaBytes           = 1, 88
	sectionAccount, accountBytes     = 2, 32
	sectionWord, wordBytes           = 3, 4
	sectionAlias, aliasBytes         = 4, 36
	sectionAsset, assetBytes         = 10, 112
	sectionSparseKey, sparseKeyBytes = 15, 8
	sectionSparse, amountBytes       = 16, 16
	sectionInbox, inboxBytes         = 19, 136
	sectionDense                     = 1 << 16 // + asset

	wordCustodian = 1<<20 - 1
	wordPortable  = 1 << 22
	assetCodeMax  = 16
	assetNameMax  = 64
	contextEach   = 4096 // records between two looks at the context
)

var le = binary.LittleEndian

// State is the state of one height: a verifier.State.
type State struct {
	f                        *file
	timeUs                   uint64
	accounts, assets, sparse uint32
	inbox                    verifier.StateInbox
}

var _ verifier.State = (*State)(nil)

// newState reads what the state says of itself.
func newState(f *file) (*State, error) {
	m, err := f.cursor(sectionMeta).record(0, metaBytes)
	if err != nil {
		return nil, err
	}
	s := &State{f: f, timeUs: le.Uint64(m[16:]), accounts: le.Uint32(m[44:]), assets: le.Uint32(m[48:]), sparse: le.Uint32(m[68:])}
	if id, h := chain.ChainID(le.Uint64(m)), chain.Height(le.Uint64(m[8:])); id != f.header.chain || h != f.header.height {
		return nil, fault.New(fault.Corrupt, "the header names chain %d and height %d, the state chain %d and height %d", f.header.chain, f.header.height, id, h)
	}
	b, err := f.cursor(sectionInbox).record(0, inboxBytes)
	if err != nil {
		return nil, err
	}
	s.inbox = verifier.StateInbox{
		Ledger: chain.Hash(b), Tag: chain.Hash(b[32:64]), Incarnation: [16]byte(b[64:80]),
		Applied: le.Uint64(b[88:]), Skipped: le.Uint64(b[96:]), Barrier: le.Uint64(b[104:]), Round: le.Uint64(b[112:]),
		Position: chain.SyncPosition{Major: le.Uint64(b[80:]), Minor: le.Uint32(b[120:])}, Life: le.Uint32(b[124:]),
	}
	return s, nil
}

// Height is that of the last block in it.
func (s *State) Height() chain.Height { return s.f.header.height }

// Root is the state root, to which all that is handed out was hashed.
func (s *State) Root() chain.Hash { return s.f.header.root }

// TimeUs is the time of that block.
func (s *State) TimeUs() uint64 { return s.timeUs }

// Inbox is how far V10's changes are applied in it.
func (s *State) Inbox() verifier.StateInbox { return s.inbox }

// Close releases the files.
func (s *State) Close() error { return s.f.close() }

// ended is the context's end, asked now and then.
func ended(ctx context.Context, i uint64) error {
	if i%contextEach != 0 || ctx.Err() == nil {
		return nil
	}
	return fault.Wrap(fault.Timeout, ctx.Err(), "read the state")
}

// Accounts walks all accounts, ascending.
func (s *State) Accounts(ctx context.Context, each func(*verifier.StateAccount) error) error {
	records, words, aliases := s.f.cursor(sectionAccount), s.f.cursor(sectionWord), s.f.cursor(sectionAlias)
	var a verifier.StateAccount
	for i := uint64(1); i <= uint64(s.accounts); i++ {
		if err := ended(ctx, i); err != nil {
			return err
		}
		r, err := records.record(i, accountBytes)
		if err != nil {
			return err
		}
		w, err := words.record(i, wordBytes)
		if err != nil {
			return err
		}
		word := le.Uint32(w)
		a = verifier.StateAccount{
			Number: chain.AccountNo(i), Address: chain.Address(r), Slot: le.Uint16(r[28:]),
			Custodian: chain.InstitutionNo(word & wordCustodian), Portable: word&wordPortable != 0,
		}
		if alias := le.Uint32(r[24:]); alias != 0 {
			if a.Alias, err = aliasOf(aliases, alias, a.Number); err != nil {
				return err
			}
		}
		if err := each(&a); err != nil {
			return err
		}
	}
	return nil
}

func aliasOf(c *cursor, alias uint32, account chain.AccountNo) (tag chain.Hash, err error) {
	r, err := c.record(uint64(alias), aliasBytes)
	if err != nil {
		return tag, err
	}
	if of := chain.AccountNo(le.Uint32(r[32:])); of != account {
		return tag, fault.New(fault.Corrupt, "account %d names alias %d, which is account %d's", account, alias, of)
	}
	return chain.Hash(r), nil
}

// Assets walks all assets, ascending.
func (s *State) Assets(ctx context.Context, each func(*verifier.StateAsset) error) error {
	c := s.f.cursor(sectionAsset)
	for i := uint64(1); i <= uint64(s.assets); i++ {
		if err := ended(ctx, i); err != nil {
			return err
		}
		a, err := asset(c, i)
		if err != nil {
			return err
		}
		if err := each(&a); err != nil {
			return err
		}
	}
	return nil
}

func asset(c *cursor, i uint64) (a verifier.StateAsset, err error) {
	r, err := c.record(i, assetBytes)
	if err != nil {
		return a, err
	}
	code, name := le.Uint16(r[24:]), le.Uint16(r[26:])
	if code == 0 || code > assetCodeMax || name > assetNameMax {
		return a, fault.New(fault.Corrupt, "asset %d has a code of %d bytes and a name of %d", i, code, name)
	}
	return verifier.StateAsset{
		Number: chain.AssetNo(i), Supply: amount(r), Issuer: chain.AccountNo(le.Uint32(r[16:])), Flags: chain.AssetFlags(le.Uint16(r[20:])), Scale: r[22],
		Code: string(r[32 : 32+code]), Name: string(r[48 : 48+name]),
	}, nil
}

func amount(b []byte) chain.Amount { return chain.Amount{Lo: le.Uint64(b), Hi: le.Uint64(b[8:])} }

// Balances walks all holdings that are not 0: first those that share a table, then those of dense assets, by asset.
func (s *State) Balances(ctx context.Context, each func(verifier.StateBalance) error) error {
	if err := s.sparseBalances(ctx, each); err != nil {
		return err
	}
	for _, section := range s.f.sections {
		if section.number < sectionDense {
			continue
		}
		if asset := section.number - sectionDense; asset == 0 || asset > s.assets {
			return fault.New(fault.Corrupt, "there are holdings of asset %d, and %d assets", asset, s.assets)
		}
		if err := s.denseBalances(ctx, section.number, each); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) sparseBalances(ctx context.Context, each func(verifier.StateBalance) error) error {
	names, amounts := s.f.cursor(sectionSparseKey), s.f.cursor(sectionSparse)
	for i := uint64(1); i <= uint64(s.sparse); i++ {
		if err := ended(ctx, i); err != nil {
			return err
		}
		a, err := amounts.record(i, amountBytes)
		if err != nil {
			return err
		}
		k, err := names.record(i, sparseKeyBytes)
		if err != nil {
			return err
		}
		b := verifier.StateBalance{Account: chain.AccountNo(le.Uint32(k)), Asset: chain.AssetNo(le.Uint32(k[4:])), Amount: amount(a)}
		if uint32(b.Account) > s.accounts || b.Asset == 0 || uint32(b.Asset) > s.assets {
			return fault.New(fault.Corrupt, "holding %d is of account %d and asset %d, and there are %d and %d", i, b.Account, b.Asset, s.accounts, s.assets)
		}
		if err := give(b, each); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) denseBalances(ctx context.Context, section uint32, each func(verifier.StateBalance) error) error {
	c := s.f.cursor(section)
	for i := range c.records(amountBytes) {
		if err := ended(ctx, i); err != nil {
			return err
		}
		a, err := c.record(i, amountBytes)
		if err != nil {
			return err
		}
		b := verifier.StateBalance{Account: chain.AccountNo(i), Asset: chain.AssetNo(section - sectionDense), Amount: amount(a)}
		if i > uint64(s.accounts) && !b.Amount.IsZero() {
			return fault.New(fault.Corrupt, "account %d holds asset %d, and there are %d accounts", i, b.Asset, s.accounts)
		}
		if err := give(b, each); err != nil {
			return err
		}
	}
	return nil
}

func give(b verifier.StateBalance, each func(verifier.StateBalance) error) error {
	if b.Amount.IsZero() {
		return nil
	}
	return each(b)
}
