// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Files of the tables in a run's folder.
const (
	accountsFile = "accounts.table" // V11's numbers of accounts
	assetsFile   = "assets.table"   // and of assets
)

// parties compares who there is: V10's accounts and assets with each other's rows, and with V11's state. It leaves the tables from V11's
// numbers to hashes of V10's names.
type parties struct {
	kv     KV
	state  State
	alias  *keys.AliasKey
	hasher hasher
	finds  *Findings
	dir    string
	step   func(ctx context.Context, rows int) error

	accounts, assets *numbers
	Pairs            uint64
	v10Accounts      uint64
	v10Assets        uint64
}

// tagKey is the key of an account that both sides have.
func tagKey(tag chain.Hash) [2]uint64 {
	return [2]uint64{binary.BigEndian.Uint64(tag[:]), binary.BigEndian.Uint64(tag[8:])}
}

func addressKey(a chain.Address) uint64 { return binary.BigEndian.Uint64(a[:]) }

func (p *parties) run(ctx context.Context) (err error) {
	left, err := newSpill(p.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, left.close()) }()
	right, err := newSpill(p.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, right.close()) }()
	top := uint64(0)
	both, reading := errgroup.WithContext(ctx)
	both.Go(func() error { return p.readV10(reading, left) })
	both.Go(func() (err error) {
		top, err = p.readV11(reading, right)
		return err
	})
	if err := both.Wait(); err != nil {
		return err
	}
	if p.accounts, err = newNumbers(filepath.Join(p.dir, accountsFile), top); err != nil {
		return err
	}
	if err := joined(left, right, func(l, r *spilled) error { return p.pair(l, r) }); err != nil {
		return err
	}
	if err := p.accounts.flush(); err != nil {
		return err
	}
	return p.runAssets(ctx)
}

// readV10 reads V10's accounts: by number first, whose rows tell which name is to have which number.
func (p *parties) readV10(ctx context.Context, out *spill) (err error) {
	count, err := p.numbersOf(ctx, Accounts, TableNumbers)
	if err != nil {
		return err
	}
	byNumber, err := newNumbers(filepath.Join(p.dir, "v10accounts.table"), count)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, byNumber.close()) }()
	if err := p.each(ctx, Accounts, keyNumber, func(key, name []byte) error {
		if no, ok := numberKey(key); ok {
			return byNumber.set(no, p.hasher.bytes(ofName, name))
		}
		return nil
	}); err != nil {
		return err
	}
	look, agree := byNumber.reader(), &Marks{}
	err = p.each(ctx, Accounts, keyName, func(key, row []byte) error {
		p.v10Accounts++
		name := key[1:]
		h := p.hasher.bytes(ofName, name)
		var a v10Account
		if !scanAccount(row, &a) {
			p.finds.Add(Finding{Class: whyUnread(row), Side: SideV10, Table: TableAccounts, Key: partyText(h)})
			a.Number = 0
		} else {
			agree.Mark(p.hasher.words(ofNumber, h, a.Number))
			if look.of(a.Number) != h {
				p.wrongNumber(h, name, a.Number)
			}
		}
		return p.spill(out, h, name, a.Number)
	})
	if err == nil {
		err = p.numbersAgree(ctx, Accounts, TableAccounts, agree, func(row []byte) (uint64, bool) {
			var a v10Account
			ok := scanAccount(row, &a)
			return a.Number, ok
		}, func(no uint64, name []byte) error { return p.spill(out, p.hasher.bytes(ofName, name), name, no) })
	}
	return errors.Join(err, look.err)
}

// spill puts one of V10's accounts where V11's are joined to it.
func (p *parties) spill(out *spill, hash uint64, name []byte, no uint64) error {
	if len(name) == 0 || len(name) > chain.AliasBytesMax {
		return nil
	}
	alias := string(name)
	return out.add(spilled{tagKey(p.alias.Tag(alias)), [4]uint64{hash, no, uint64(p.alias.Slot(alias)), addressKey(keys.AliasAddress(alias))}})
}

// wrongNumber says what is wrong where an account's number does not lead back to it: the row of the number is gone, or leads elsewhere.
func (p *parties) wrongNumber(h uint64, name []byte, no uint64) {
	back, err := p.kv.Get(Accounts, roundKey(keyNumber, no))
	switch {
	case fault.Is(err, fault.NotFound):
		p.finds.Add(Finding{Class: classMissing, Side: SideV10, Table: TableNumbers, Key: strconv.FormatUint(no, 10)})
	case err == nil && string(back) != string(name):
		p.finds.Add(Finding{Class: classNumber, Side: SideV10, Table: TableAccounts, Key: partyText(h), Found: strconv.FormatUint(no, 10)})
	}
}

// numbersOf checks that numbers count up from 1, and returns the last.
func (p *parties) numbersOf(ctx context.Context, f Family, table string) (last uint64, err error) {
	err = p.each(ctx, f, keyNumber, func(key, _ []byte) error {
		no, ok := numberKey(key)
		switch {
		case !ok:
			p.finds.Add(Finding{Class: classExtra, Side: SideV10, Table: table, Key: fmt.Sprintf("%x", key)})
			return nil
		case no > last+1:
			p.finds.Add(Finding{Class: classGap, Side: SideV10, Table: table, Key: strconv.FormatUint(last+1, 10), Found: "next is " + strconv.FormatUint(no, 10)})
		}
		last = no
		return nil
	})
	return last, err
}

// numbersAgree checks that every number leads to a row that has it. marks has the rows by name with their numbers, and only what is left of
// them is looked up: a row that is asked for by itself costs as much as a thousand that are walked. gone is told of those that are not
// there: what follows from them is compared as if they were.
func (p *parties) numbersAgree(ctx context.Context, f Family, table string, marks *Marks, numberOf func([]byte) (uint64, bool), gone func(no uint64, name []byte) error) error {
	byNumber := TableNumbers
	if f == Assets {
		byNumber = TableAssetNumbers
	}
	cell := func(no uint64, name []byte) uint64 {
		return p.hasher.words(ofNumber, p.hasher.bytes(ofName, name), no)
	}
	if err := p.each(ctx, f, keyNumber, func(key, name []byte) error {
		if no, ok := numberKey(key); ok {
			marks.Unmark(cell(no, name))
		}
		return nil
	}); err != nil {
		return err
	}
	left := marks.Buckets()
	if left.Count == 0 {
		return nil
	}
	return p.each(ctx, f, keyNumber, func(key, name []byte) error {
		no, ok := numberKey(key)
		if !ok || !left.Has(cell(no, name)) {
			return nil
		}
		row, err := p.kv.Get(f, append([]byte{keyName}, name...))
		switch {
		case fault.Is(err, fault.NotFound):
			p.finds.Add(Finding{Class: classMissing, Side: SideV10, Table: table, Key: strconv.FormatUint(no, 10)})
			return gone(no, name)
		case err != nil:
			return err
		}
		if is, ok := numberOf(row); ok && is != no {
			if _, err := p.kv.Get(f, roundKey(keyNumber, is)); fault.Is(err, fault.NotFound) {
				p.finds.Add(Finding{Class: classMissing, Side: SideV10, Table: byNumber, Key: strconv.FormatUint(is, 10)})
			} else {
				p.finds.Add(Finding{Class: classExtra, Side: SideV10, Table: byNumber, Key: strconv.FormatUint(no, 10)})
			}
		}
		return nil
	})
}

// each walks the rows of a family whose keys begin with a byte.
func (p *parties) each(ctx context.Context, f Family, kind byte, do func(key, value []byte) error) error {
	return walk(ctx, p.kv, f, []byte{kind}, []byte{kind + 1}, p.step, do)
}

// walkedRows is after how many rows a walk takes notice of time.
const walkedRows = 1024

func walk(ctx context.Context, kv KV, f Family, low, high []byte, step func(context.Context, int) error, do func(key, value []byte) error) (err error) {
	it, err := kv.Iter(f, low, high)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	n := 0
	for it.Next() {
		if err := do(it.Key(), it.Value()); err != nil {
			return err
		}
		if n++; n == walkedRows {
			if err := step(ctx, n); err != nil {
				return err
			}
			n = 0
		}
	}
	return errors.Join(it.Err(), step(ctx, n))
}

func (p *parties) readV11(ctx context.Context, out *spill) (top uint64, err error) {
	err = p.state.Accounts(ctx, func(a *StateAccount) error {
		top = max(top, uint64(a.Number))
		if a.Alias.IsZero() {
			return nil
		}
		return out.add(spilled{tagKey(a.Alias), [4]uint64{uint64(a.Number), uint64(a.Custodian), uint64(a.Slot), addressKey(a.Address)}})
	})
	return top, err
}

// pair compares an account that has a name.
func (p *parties) pair(l, r *spilled) error {
	if r == nil {
		return p.unopened(l)
	}
	no := r.Value[0]
	key := strconv.FormatUint(no, 10)
	if l == nil {
		p.finds.Add(Finding{Class: classExtra, Side: SideV11, Table: TableAccounts, Key: key})
		return p.accounts.set(no, p.hasher.nativeAccount(no))
	}
	p.Pairs++
	if l.Value[2] != r.Value[2] {
		p.finds.Add(Finding{
			Class: classSlot, Side: SideV11, Table: TableAccounts, Key: key, Expected: strconv.FormatUint(l.Value[2], 10), Found: strconv.FormatUint(r.Value[2], 10),
		})
	}
	if l.Value[3] != r.Value[3] {
		p.finds.Add(Finding{Class: classAddress, Side: SideV11, Table: TableAccounts, Key: key})
	}
	if r.Value[1] == 0 {
		p.finds.Add(Finding{Class: classCustody, Side: SideV11, Table: TableAccounts, Key: key})
	}
	return p.accounts.set(no, l.Value[0])
}

// unopened is an account of V10's that V11 has not. V11 opens those that have a part in what was executed; who was only named by a
// refused payment has an account at V10 and none at V11.
func (p *parties) unopened(l *spilled) error {
	name, err := p.kv.Get(Accounts, roundKey(keyNumber, l.Value[1]))
	if err != nil {
		return ignoreMissing(err) // that it has no number was said
	}
	if p.hasher.bytes(ofName, name) != l.Value[0] {
		return nil
	}
	for _, kind := range []byte{keyParty, keyAppliedParty} {
		executed, err := p.executed(kind, name)
		if err != nil {
			return err
		}
		if executed {
			p.finds.Add(Finding{Class: classMissing, Side: SideV11, Table: TableAccounts, Key: strconv.FormatUint(l.Value[1], 10)})
			return nil
		}
	}
	return nil
}

// executed reports whether an account has a part in something that was executed.
func (p *parties) executed(kind byte, name []byte) (yes bool, err error) {
	low := within(kind, name)
	it, err := p.kv.Iter(Transactions, low, append(within(kind, name), bytes.Repeat([]byte{0xff}, 21)...))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	to := byte(keyPlace)
	if kind == keyAppliedParty {
		to = keyApplied
	}
	for n := 0; it.Next() && n < KeptPerKindMax; n++ {
		row, err := p.kv.Get(Transactions, append([]byte{to}, it.Key()[len(low):]...))
		if err != nil {
			if fault.Is(err, fault.NotFound) {
				continue
			}
			return false, err
		}
		var t v10Transaction
		if scanTransaction(row, &t) && t.Outcome == uint8(chain.OK) {
			return true, nil
		}
	}
	return false, it.Err()
}

// within begins the keys that belong to a name.
func within(kind byte, name []byte) []byte {
	k := binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(name)))
	return append(k, name...)
}
