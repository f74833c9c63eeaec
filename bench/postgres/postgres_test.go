// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/bench/peer"
)

func TestBatch(t *testing.T) {
	b := newBatch(8192)
	b.fill(rand.New(rand.NewPCG(1, 2)))
	for i := range b.payers {
		if b.payers[i] < 0 || b.payers[i] >= accounts || b.payees[i] < 0 || b.payees[i] >= accounts || b.amounts[i] < 1 {
			t.Fatalf("transfer %d: %d to %d, %d", i, b.payers[i], b.payees[i], b.amounts[i])
		}
	}
}

func TestVariantsCallWhatTheSchemaHas(t *testing.T) {
	for _, v := range []Variant{Default, Tuned, TunedMany, Synchronous} {
		if !strings.Contains(schema, "CREATE FUNCTION "+v.Function+"(") {
			t.Errorf("no function %s", v.Function)
		}
	}
}

// Equal durability is the rule of the comparison: no setting may give it up.
func TestNoSettingGivesUpDurability(t *testing.T) {
	for _, s := range tuned {
		for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes", "wal_level"} {
			if strings.HasPrefix(s, name+"=") {
				t.Errorf("the tuned variants set %s", s)
			}
		}
	}
}

var _ peer.Peer = (*Peer)(nil)
