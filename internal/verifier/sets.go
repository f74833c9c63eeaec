// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
)

// sets walks rows that follow from others.
type sets struct {
	kv     KV
	rows   Rows
	meta   RowsMeta
	hasher hasher
	finds  *Findings
	step   func(ctx context.Context, rows int) error
}

// derived keeps what is to be taken away from the sums of what such rows follow from.
type derived struct {
	sets
	parties, applied, listed Marks
	pairs                    uint64
}

func (d *derived) run(ctx context.Context) error {
	for _, p := range []struct {
		of   partyTable
		sums *Marks
	}{{partiesOwn, &d.parties}, {partiesApplied, &d.applied}} {
		if err := d.partyRows(ctx, p.of, func(row *partyRow) { p.sums.Unmark(row.cell); d.pairs++ }); err != nil {
			return err
		}
	}
	return d.listedRows(ctx, func(cell uint64, _ *ListedRow) { d.listed.Unmark(cell); d.pairs++ })
}

// join takes it away from a run's sums, and returns how many rows it was.
func (d *derived) join(all *sums) uint64 {
	all.parties.join(&d.parties)
	all.applied.join(&d.applied)
	all.listed.join(&d.listed)
	return d.pairs
}

// partyTable is one of V10's tables of rows by party.
type partyTable struct {
	name string
	key  byte // of its rows
	of   byte // of the transactions that they follow from
	end  int  // bytes of a key that are the transaction's place
}

var (
	partiesOwn     = partyTable{TableParties, keyParty, keyPlace, 12}
	partiesApplied = partyTable{TableAppliedParts, keyAppliedParty, keyApplied, 20}
)

// partyRow is a row by party.
type partyRow struct {
	cell, name, round uint64
	place             uint32
}

func (p *partyRow) key() string {
	return fmt.Sprintf("%s at %d.%d", partyText(p.name), p.round, p.place)
}

// partyRows walks a table of rows by party.
func (s *sets) partyRows(ctx context.Context, t partyTable, each func(*partyRow)) error {
	var name []byte // of the row before
	var p partyRow
	return walk(ctx, s.kv, Transactions, []byte{t.key}, []byte{t.key + 1}, s.step, func(key, _ []byte) error {
		if len(key) < 3 || len(key) != 3+int(binary.BigEndian.Uint16(key[1:]))+t.end {
			s.finds.Add(Finding{Class: classExtra, Side: SideV10, Table: t.name, Key: strconv.Quote(string(key[:1])) + strconv.Itoa(len(key))})
			return nil
		}
		if of := key[3 : len(key)-t.end]; p.name == 0 || !bytes.Equal(of, name) {
			name, p.name = append(name[:0], of...), s.hasher.bytes(ofName, of)
		}
		p.round, p.place, _ = placeKey(key)
		p.cell = s.hasher.words(ofParty, p.name, p.round<<20^uint64(p.place))
		each(&p)
		return nil
	})
}

// listedRows walks the index by account, as far as the transfers were read.
func (s *sets) listedRows(ctx context.Context, each func(cell uint64, row *ListedRow)) error {
	if !s.meta.HasListed {
		return nil
	}
	buf := make([]ListedRow, batchRows)
	for after := (ListedRow{}); ; {
		n, err := s.rows.Listed(ctx, after, buf)
		if err != nil || n == 0 {
			return err
		}
		for i := range buf[:n] {
			l := &buf[i]
			if after = *l; l.Seq >= s.meta.Seq {
				continue
			}
			if l.Chunk != l.Seq>>16 {
				s.finds.Add(Finding{Class: classNumber, Side: SideV11, Table: TableIndexListed, Key: l.key()})
			}
			each(s.hasher.words(ofListed, uint64(l.Account), l.Seq), l)
		}
		if err := s.step(ctx, n); err != nil {
			return err
		}
	}
}

func (l *ListedRow) key() string { return fmt.Sprintf("account %d at %d", l.Account, l.Seq) }
