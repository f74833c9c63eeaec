// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
)

// sets takes rows that follow from others away from the sums of those.
type sets struct {
	kv     KV
	rows   Rows
	meta   RowsMeta
	hasher hasher
	finds  *Findings
	sums   *sums
	step   func(ctx context.Context, rows int) error
}

func (s *sets) run(ctx context.Context) error {
	if err := s.partyRows(ctx, keyParty, 12, TableParties, func(cell uint64, _ func() string) { s.sums.parties.Unmark(cell) }); err != nil {
		return err
	}
	if err := s.partyRows(ctx, keyAppliedParty, 20, TableAppliedParts, func(cell uint64, _ func() string) { s.sums.applied.Unmark(cell) }); err != nil {
		return err
	}
	return s.listedRows(ctx, func(cell uint64, _ func() string) { s.sums.listed.Unmark(cell) })
}

// partyRows walks V10's rows by party, whose keys end with so many bytes of place.
func (s *sets) partyRows(ctx context.Context, kind byte, end int, table string, each func(cell uint64, key func() string)) error {
	return walk(ctx, s.kv, Transactions, []byte{kind}, []byte{kind + 1}, s.step, func(key, _ []byte) error {
		if len(key) < 3 || len(key) != 3+int(binary.BigEndian.Uint16(key[1:]))+end {
			s.finds.Add(Finding{Class: classExtra, Side: SideV10, Table: table, Key: strconv.Quote(string(key[:1])) + strconv.Itoa(len(key))})
			return nil
		}
		name := s.hasher.bytes(ofName, key[3:len(key)-end])
		round, place, _ := placeKey(key)
		each(s.hasher.words(ofParty, name, round<<20^uint64(place), 0), func() string { return fmt.Sprintf("%s at %d.%d", partyText(name), round, place) })
		return nil
	})
}

// listedRows walks the index by account, as far as the transfers were read.
func (s *sets) listedRows(ctx context.Context, each func(cell uint64, key func() string)) error {
	if !s.meta.HasListed {
		return nil
	}
	buf := make([]ListedRow, batchRows)
	for after := (ListedRow{}); ; {
		n, err := s.rows.Listed(ctx, after, buf)
		if err != nil || n == 0 {
			return err
		}
		for _, l := range buf[:n] {
			if after = l; l.Seq >= s.meta.Seq {
				continue
			}
			key := func() string { return fmt.Sprintf("account %d at %d", l.Account, l.Seq) }
			if l.Chunk != l.Seq>>16 {
				s.finds.Add(Finding{Class: classNumber, Side: SideV11, Table: TableIndexListed, Key: key()})
			}
			each(s.hasher.words(ofListed, uint64(l.Account), l.Seq, 0), key)
		}
		if err := s.step(ctx, n); err != nil {
			return err
		}
	}
}
