// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"errors"
	"slices"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// recorded is a log in memory.
type recorded []Record

// Scan calls fn for each record.
func (r recorded) Scan(_ context.Context, _ seglog.Pos, fn func(seglog.Pos, seglog.Record) error) error {
	for at, rec := range sequence(r) {
		if err := fn(at, seglog.Record{Kind: rec.Kind, Meta: rec.Meta, Payload: rec.Payload}); err != nil {
			return err
		}
	}
	return nil
}

// TestHistory reads what stands in logs in which records overrule earlier ones.
func TestHistory(t *testing.T) {
	three := []Record{rec(2, 2, 0, 0), rec(3, 2, 1, 10), rec(4, 2, 2, 20), rec(5, 2, 3, 30)}
	itself := encodeEntries(pb.HardState{Term: 3}, []pb.Entry{
		proposalEntry(3, 2, 1, 10), proposalEntry(4, 2, 2, 20), proposalEntry(3, 3, 1, 11), proposalEntry(4, 3, 2, 21),
	})
	for _, c := range []struct {
		name      string
		records   []Record
		published chain.Height
		after     chain.Height
		want      []uint64 // times of the proposals
	}{
		{name: "nothing"},
		{name: "three heights", records: three, published: 2, want: []uint64{10, 20, 30}},
		{name: "a tail overwritten", records: append(three[:4:4], rec(4, 3, 2, 25)), published: 1, want: []uint64{10, 25}},
		{name: "a record that overwrites itself", records: []Record{three[0], itself}, want: []uint64{11, 21}},
		{name: "a proposal overwritten by none", records: append(three[:4:4], rec(5, 3, 0, 0)), published: 2, want: []uint64{10, 20}},
		{name: "a base", records: append(three[:4:4], baseRec(recordBase, 4, 2, 2)), published: 2, after: 2, want: []uint64{30}},
		{name: "an install", records: append(three[:3:3], baseRec(recordInstall, 9, 3, 7), rec(10, 3, 8, 90)), published: 7, after: 7, want: []uint64{90}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := ReadHistory(t.Context(), recorded(c.records), Genesis{Voters: voters(3)}, Start{Height: c.published})
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			err = h.Each(t.Context(), func(at seglog.Pos, p *chain.Proposal) error {
				if p.Height != c.after+1+chain.Height(len(got)) || at.Seq == 0 {
					t.Errorf("height %d at %+v after %d others", p.Height, at, len(got))
				}
				got = append(got, p.TimeUs)
				return nil
			})
			if err != nil || h.After() != c.after || !slices.Equal(got, c.want) {
				t.Errorf("after %d: %v, %v; want after %d: %v", h.After(), got, err, c.after, c.want)
			}
		})
	}
}

func TestHistoryErrors(t *testing.T) {
	log := recorded{rec(2, 2, 1, 10)}
	if _, err := ReadHistory(t.Context(), log, Genesis{Voters: voters(3)}, Start{Height: 2}); !fault.Is(err, fault.Corrupt) {
		t.Error("a log that ends below what was published:", err)
	}
	if _, err := ReadHistory(t.Context(), append(log, Record{Kind: 77}), Genesis{Voters: voters(3)}, Start{Height: 1}); !fault.Is(err, fault.Corrupt) {
		t.Error("a record of no kind:", err)
	}
	h, err := ReadHistory(t.Context(), log, Genesis{Voters: voters(3)}, Start{Height: 1})
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	if err := h.Each(t.Context(), func(seglog.Pos, *chain.Proposal) error { return enough }); err != enough {
		t.Error(err)
	}
}
