// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// FuzzTranslate: whatever a batch holds, translating it ends in records in order that lie in the block, or in an error.
func FuzzTranslate(f *testing.F) {
	w := newWorld()
	b := everyKind(f, w)
	for _, c := range b.Batches {
		f.Add(c.Payload, c.Outcomes)
	}
	facts := &Facts{
		Accounts: map[chain.AccountNo]Account{11: {Portable: true, Name: "a"}, 12: {Portable: true, Name: "b"}, 13: {Portable: true}, 20: {}},
		Assets:   map[chain.AssetNo]Asset{1: {Code: "AUR", Portable: true}, 2: {Code: "GOLD"}}, Signed: true, Institution: gateway,
	}
	f.Fuzz(func(t *testing.T, payload, outcomes []byte) {
		block := &Block{Header: &chain.ExecutedHeader{Height: 7, Batches: make([]chain.BatchResult, 1)}, Batches: []Contents{{payload, outcomes}}}
		drafts, _, err := Translate(block, 0, facts, Place{Minor: 3, HomeVersion: 1})
		if err != nil && len(drafts) > 0 {
			t.Error("records beside an error")
		}
		if len(drafts) > DraftsMax {
			t.Errorf("%d records of one batch", len(drafts))
		}
		for i, d := range drafts {
			if d.Position != (envelope.Position{Major: 7, Minor: 3 + uint32(i)}) || d.Change == nil {
				t.Errorf("%d: %+v", i, d)
			}
		}
	})
}
