// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
)

// TestInboxIsWhole: every field of an inbox gets out, and of one that was never opened only that.
func TestInboxIsWhole(t *testing.T) {
	in := &query.Inbox{Height: 1, HomeVersion: 2, InboxView: ledger.InboxView{
		Life: 3, Ledger: chain.Hash{4}, Incarnation: [16]byte{5}, Institution: 6, Key: 7, Position: chain.SyncPosition{Major: 8, Minor: 9}, Tag: chain.Hash{10},
		Applied: 11, Skipped: 12, Barrier: 13, Round: 14,
	}}
	m := inbox(in)
	if m.Height != 1 || m.HomeVersion != 2 || m.Life != 3 || chain.Hash(m.Ledger) != in.Ledger || [16]byte(m.Incarnation) != in.Incarnation || m.Institution != 6 || m.Key != 7 ||
		m.Position.Major != 8 || m.Position.Minor != 9 || chain.Hash(m.Tag) != in.Tag || m.Applied != 11 || m.Skipped != 12 || m.Barrier != 13 || m.Round != 14 {
		t.Errorf("%v", m)
	}
	in.Tag = chain.Hash{}
	if m := inbox(in); len(m.Tag) != 0 {
		t.Errorf("no tag: %v", m)
	}
	if m := inbox(&query.Inbox{Height: 1, HomeVersion: 2}); strings.Contains(m.String(), "ledger") || m.Height != 1 {
		t.Errorf("never opened: %v", m)
	}
}
