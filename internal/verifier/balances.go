// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// balances takes what either side holds away from the sums of what it executed, and compares it with the supplies.
type balances struct {
	kv       KV
	state    State
	hasher   hasher
	accounts *lookup
	assets   *lookup
	finds    *Findings
	sums     *sums
	step     func(ctx context.Context, rows int) error
	supplies Sketch    // V11's holdings, less its supplies
	rows     [2]uint64 // of V10's, V11's
	Rows     uint64    // both
}

func (b *balances) run(ctx context.Context) error {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return b.v10(ctx) })
	if b.state != nil {
		both.Go(func() error { return b.v11Balances(ctx) })
	}
	err := both.Wait()
	b.Rows = b.rows[0] + b.rows[1]
	return err
}

func (b *balances) v10(ctx context.Context) error {
	if err := b.v10Balances(ctx); err != nil {
		return err
	}
	if err := b.v10Supplies(ctx); err != nil {
		return err
	}
	return walk(ctx, b.kv, Accounts, []byte{keyHolder}, []byte{keyHolder + 1}, b.step, func(key, _ []byte) error {
		if name, code, ok := splitHolder(key); ok {
			b.sums.held.Unmark(b.holder(name, code))
			return nil
		}
		b.finds.Add(Finding{Class: classExtra, Side: SideV10, Table: TableHeld, Key: strconv.Quote(string(key[:1]))})
		return nil
	})
}

// splitHolder reads a key that begins with the length of its first part.
func splitHolder(key []byte) (first, second []byte, ok bool) {
	if len(key) < 3 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(key[1:]))
	if len(key) < 3+n || n == 0 || len(key) == 3+n {
		return nil, nil, false
	}
	return key[3 : 3+n], key[3+n:], true
}

func (b *balances) holder(name, code []byte) uint64 {
	return b.hasher.words(ofHolder, b.hasher.bytes(ofName, name), b.hasher.bytes(ofCode, code))
}

// v10Balances reads V10's balances, asset by asset, and compares the sum of each with its supply.
func (b *balances) v10Balances(ctx context.Context) error {
	var code []byte
	var sum chain.Amount
	over := false
	finish := func() error {
		if len(code) == 0 {
			return nil
		}
		return b.v10Supply(code, sum, over)
	}
	err := walk(ctx, b.kv, Assets, []byte{keyHolder}, []byte{keyHolder + 1}, b.step, func(key, row []byte) error {
		b.rows[0]++
		of, name, ok := splitHolder(key)
		if !ok {
			b.finds.Add(Finding{Class: classExtra, Side: SideV10, Table: TableBalances, Key: strconv.Quote(string(key[:1]))})
			return nil
		}
		if !bytes.Equal(of, code) {
			if err := finish(); err != nil {
				return err
			}
			code, sum, over = append(code[:0], of...), chain.Amount{}, false
		}
		b.sums.held.Mark(b.holder(name, of))
		n, c := b.hasher.bytes(ofName, name), b.hasher.bytes(ofCode, of)
		a, ok := parseUnits(row)
		if !ok {
			a = b.unreadBalance(row, partyText(n)+" "+string(of))
		}
		b.sums.v10.Take(b.hasher.words(ofCell, n, c), a)
		sum, ok = sum.Add(a)
		over = over || !ok
		return nil
	})
	if err != nil {
		return err
	}
	return finish()
}

// unreadBalance says what is wrong with a balance, and returns what it means.
func (b *balances) unreadBalance(row []byte, key string) chain.Amount {
	f := Finding{Class: classUnreadable, Side: SideV10, Table: TableBalances, Key: key}
	a, err := chain.ParseAmount(string(row), 0)
	switch {
	case len(row) > 0 && row[0] == '-' && isDigits(row[1:]):
		f.Class = classNegative
	case isDigits(row) && len(bytes.TrimLeft(row, "0")) >= 39 && err != nil:
		f.Class = classTooLarge
	case err == nil:
		f.Class = classSpelling
	}
	b.finds.Add(f)
	return a
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// v10Supply compares an asset's supply with what is held of it.
func (b *balances) v10Supply(code []byte, sum chain.Amount, over bool) error {
	row, err := b.kv.Get(Assets, append([]byte{keyName}, code...))
	if fault.Is(err, fault.NotFound) {
		b.finds.Add(Finding{Class: classMissing, Side: SideV10, Table: TableAssets, Key: string(code)})
		return nil
	}
	var a v10Asset
	if err != nil || !scanAsset(row, &a) {
		return err
	}
	if over || a.Supply != sum {
		b.finds.Add(Finding{Class: classSupply, Side: SideV10, Table: TableAssets, Key: string(code), Expected: sum.String(), Found: a.Supply.String()})
	}
	return nil
}

// v10Supplies takes supplies away from what was issued, and finds those of which nothing is held.
func (b *balances) v10Supplies(ctx context.Context) error {
	return walk(ctx, b.kv, Assets, []byte{keyName}, []byte{keyName + 1}, b.step, func(key, row []byte) error {
		var a v10Asset
		if !scanAsset(row, &a) {
			return nil
		}
		code := key[1:]
		b.sums.v10.Take(b.hasher.words(ofSupply, b.hasher.bytes(ofCode, code), 0), a.Supply)
		if a.Supply.IsZero() {
			return nil
		}
		low := within(keyHolder, code)
		it, err := b.kv.Iter(Assets, low, append(within(keyHolder, code), 0xff))
		if err != nil {
			return err
		}
		if !it.Next() {
			b.finds.Add(Finding{Class: classSupply, Side: SideV10, Table: TableAssets, Key: string(code), Expected: "0", Found: a.Supply.String()})
		}
		return it.Close()
	})
}

// v11Balances reads V11's holdings and supplies.
func (b *balances) v11Balances(ctx context.Context) error {
	rows := 0
	err := b.state.Balances(ctx, func(h StateBalance) error {
		b.rows[1]++
		asset := b.assets.of(uint64(h.Asset))
		b.supplies.Add(b.hasher.words(ofSupply, asset, 0), h.Amount)
		if portable(asset) {
			b.sums.v11.Take(b.hasher.words(ofCell, b.account(h.Account), asset), h.Amount)
		}
		if rows++; rows%walkedRows != 0 {
			return nil
		}
		return b.step(ctx, walkedRows)
	})
	if err != nil {
		return err
	}
	err = b.state.Assets(ctx, func(a *StateAsset) error {
		asset := b.assets.of(uint64(a.Number))
		cell := b.hasher.words(ofSupply, asset, 0)
		b.supplies.Take(cell, a.Supply)
		if portable(asset) {
			b.sums.v11.Take(cell, a.Supply)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.v11Supplies(ctx)
}

func (b *balances) account(no chain.AccountNo) uint64 {
	if h := b.accounts.of(uint64(no)); h != 0 {
		return h
	}
	return b.hasher.nativeAccount(uint64(no))
}

// v11Supplies names the assets whose holdings do not make their supply.
func (b *balances) v11Supplies(ctx context.Context) error {
	bad := b.supplies.Buckets()
	if bad.Count == 0 {
		return nil
	}
	held := map[chain.AssetNo]chain.Amount{}
	err := b.state.Balances(ctx, func(h StateBalance) error {
		if bad.Has(b.hasher.words(ofSupply, b.assets.of(uint64(h.Asset)), 0)) && (len(held) < drilledMax || !held[h.Asset].IsZero()) {
			held[h.Asset], _ = held[h.Asset].Add(h.Amount)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.state.Assets(ctx, func(a *StateAsset) error {
		if sum, some := held[a.Number]; bad.Has(b.hasher.words(ofSupply, b.assets.of(uint64(a.Number)), 0)) && sum != a.Supply && (some || len(held) < drilledMax) {
			b.finds.Add(Finding{Class: classSupply, Side: SideV11, Table: TableAssets, Key: a.Code, Expected: sum.String(), Found: a.Supply.String()})
		}
		return nil
	})
}

// genesis adds what V11's genesis gave: it is no transfer.
func (b *balances) genesis(given []StateBalance) {
	for _, g := range given {
		if asset := b.assets.of(uint64(g.Asset)); portable(asset) {
			b.sums.v11.Add(b.hasher.words(ofCell, b.account(g.Account), asset), g.Amount)
			b.sums.v11.Add(b.hasher.words(ofSupply, asset, 0), g.Amount)
		}
	}
}
