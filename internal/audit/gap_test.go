// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// TestVotesInAGap compares votes with headers that came below a peer's state: one on another header is counted, for a note, and is
// no damage; one on that header is right.
func TestVotesInAGap(t *testing.T) {
	s := memstore.New()
	header := codec.AppendHeader(nil, &chain.ExecutedHeader{Chain: testChain, Epoch: 1, Height: 5, Proposal: chain.Hash{1}})
	var c store.Changes
	store.WriteGapHeader(&c, 5, header)
	must(t, s.Apply(&c, true))
	w := &voteWalk{audit: &audit{findings: &findings{}, store: s, adopted: adopted{height: 10, holes: []hole{{3, 9}}}}}
	w.compare("", &certify.Vote{Epoch: 1, Height: 5, Hash: codec.Sum(header), Decided: chain.Hash{1}})
	w.compare("", &certify.Vote{Epoch: 1, Height: 6, Hash: chain.Hash{2}}) // nothing is known of it
	if w.other.count != 0 {
		t.Errorf("a right vote is counted: %+v", w.other)
	}
	w.compare("", &certify.Vote{Epoch: 1, Height: 5, Hash: chain.Hash{2}, Decided: chain.Hash{3}})
	if w.other != (heightRange{1, 5, 5}) || len(w.report.Problems) != 0 {
		t.Errorf("another vote: %+v, %+v", w.other, w.report.Problems)
	}
}
