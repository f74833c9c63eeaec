// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"encoding/base64"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// Bounds of one list answer. Accounts are looked through in turns, so that the executor is not held up.
const (
	PageItemsMax        = 1000
	accountsPerTurnMax  = 1024
	turnsPerAnswerMax   = 32
	cursorBytes         = 1 + 4 + 4 + 8 + 4
	cursorChecksumBytes = 4
)

// What a cursor is of.
const (
	ofBlocks    = 'b'
	ofTransfers = 't'
	ofAccounts  = 'a'
	ofAssets    = 's'
)

// place is what a cursor says: the list, its filter, and before which number it goes on; 0 = from the newest on.
type place struct {
	list   byte
	a, b   uint32
	before uint64
}

// cursor writes a place opaquely, with a checksum so that a cursor that was made up is told from one that was given.
func (p place) cursor() string {
	if p.before == 0 {
		return ""
	}
	raw := append(make([]byte, 0, cursorBytes), p.list)
	raw = binary.LittleEndian.AppendUint32(raw, p.a)
	raw = binary.LittleEndian.AppendUint32(raw, p.b)
	raw = binary.LittleEndian.AppendUint64(raw, p.before)
	sum := codec.Sum(raw)
	return base64.RawURLEncoding.EncodeToString(append(raw, sum[:cursorChecksumBytes]...))
}

// goOn reads where a cursor of the list and filter in p goes on.
func (p place) goOn(cursor string, limit int) (place, error) {
	if limit < 1 || limit > PageItemsMax {
		return p, fault.New(fault.Invalid, "limit: is %d, must be 1 to %d", limit, PageItemsMax)
	}
	if cursor == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil && len(raw) == cursorBytes {
		p.before = binary.LittleEndian.Uint64(raw[9:])
	}
	if p.before == 0 || p.cursor() != cursor {
		return p, fault.New(fault.Invalid, "cursor: is not of this list with this filter")
	}
	return p, nil
}

// ListBlocks lists blocks, newest first.
func (q *Query) ListBlocks(ctx context.Context, limit int, cursor string) (p Page[Block], err error) {
	at, err := place{list: ofBlocks}.goOn(cursor, limit)
	if err != nil {
		return p, err
	}
	p.IndexHeight = q.feed.Height()
	if at.before == 0 || at.before > uint64(p.IndexHeight) {
		at.before = uint64(p.IndexHeight) + 1
	}
	for len(p.Items) < limit && at.before > 1 && ctx.Err() == nil {
		b, err := q.Block(ctx, chain.Height(at.before-1))
		if err != nil {
			return p, err
		}
		p.Items = append(p.Items, *b)
		at.before--
	}
	if at.before > 1 {
		p.Next = at.cursor()
	}
	return p, ctx.Err()
}

// ListTransfers lists transfers of an account and an asset (0: any), newest first.
func (q *Query) ListTransfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, limit int, cursor string) (p Page[Transfer], err error) {
	at, err := place{list: ofTransfers, a: uint32(account), b: uint32(asset)}.goOn(cursor, limit)
	if err != nil {
		return p, err
	}
	if q.index == nil {
		return p, errNoIndex()
	}
	p.IndexHeight, p.Items, at.before, err = q.index.Transfers(ctx, account, asset, at.before, limit)
	p.Next = at.cursor()
	return p, err
}

// ReasonNoIndex is the reason of what only an index could answer.
const ReasonNoIndex = "no_index"

func errNoIndex() error {
	return fault.Reasoned(fault.Unavailable, ReasonNoIndex, "this validator keeps no query index: list transfers at the network's gateway (aurigraph gateway), or set index.enabled where there is one node")
}

// ListAccounts lists accounts of an institution as custodian (0: any), newest first, without holdings.
func (q *Query) ListAccounts(ctx context.Context, institution chain.InstitutionNo, limit int, cursor string) (p Page[Account], err error) {
	at, err := place{list: ofAccounts, a: uint32(institution)}.goOn(cursor, limit)
	if err != nil {
		return p, err
	}
	for turn := range turnsPerAnswerMax {
		read := len(p.Items)
		height, err := q.view(ctx, func(l *ledger.Ledger) error {
			at.before = listAccounts(l, institution, limit, at.before, &p.Items)
			return nil
		})
		if err != nil {
			return Page[Account]{}, err
		}
		if turn == 0 {
			p.IndexHeight = height
		}
		for i := range p.Items[read:] {
			p.Items[read+i].Height = height
		}
		if len(p.Items) == limit || at.before <= 1 {
			break
		}
	}
	if at.before > 1 {
		p.Next = at.cursor()
	}
	return p, nil
}

// listAccounts looks through the accounts before a number, and returns before which to go on.
func listAccounts(l *ledger.Ledger, institution chain.InstitutionNo, limit int, before uint64, to *[]Account) uint64 {
	if n := uint64(l.Counts().Accounts) + 1; before == 0 || before > n {
		before = n
	}
	for range accountsPerTurnMax {
		if before <= 1 || len(*to) == limit {
			break
		}
		before--
		v, ok := l.Account(chain.AccountNo(before))
		if !ok || institution != 0 && v.Custodian != institution {
			continue
		}
		*to = append(*to, Account{Number: v.No, Address: v.Address, Institution: v.Custodian, Key: v.Key, Frozen: v.Frozen, Slot: v.Slot, Nonce: v.Nonce})
	}
	return before
}

// ListAssets lists assets, newest first.
func (q *Query) ListAssets(ctx context.Context, limit int, cursor string) (p Page[Asset], err error) {
	at, err := place{list: ofAssets}.goOn(cursor, limit)
	if err != nil {
		return p, err
	}
	p.IndexHeight, err = q.view(ctx, func(l *ledger.Ledger) error {
		if n := uint64(l.Counts().Assets) + 1; at.before == 0 || at.before > n {
			at.before = n
		}
		for ; len(p.Items) < limit && at.before > 1; at.before-- {
			v, ok := l.Asset(chain.AssetNo(at.before - 1))
			if ok {
				p.Items = append(p.Items, assetOf(v))
			}
		}
		return nil
	})
	if err != nil {
		return Page[Asset]{}, err
	}
	for i := range p.Items {
		p.Items[i].Height = p.IndexHeight
	}
	if at.before > 1 {
		p.Next = at.cursor()
	}
	return p, nil
}

func assetOf(v ledger.AssetView) Asset {
	return Asset{Number: v.No, Code: v.Code, Name: v.Name, Scale: v.Scale, Flags: v.Flags, Frozen: v.Frozen, Issuer: v.Issuer, Supply: v.Supply}
}
