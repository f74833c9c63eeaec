// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/bench/peer"
)

// etcd refuses a transaction with a key in it twice, so a batch must not draw one.
func TestKeysOfABatchDiffer(t *testing.T) {
	random, taken := rand.New(rand.NewPCG(1, 2)), map[uint32]struct{}{}
	seen := map[string]bool{}
	for range 20_000 {
		key := account(random, taken)
		if seen[key] || len(key) != 8 {
			t.Fatalf("key %q", key)
		}
		seen[key] = true
	}
}

// Equal durability is the rule of the comparison: no flag may give it up.
func TestNoFlagGivesUpDurability(t *testing.T) {
	for _, flag := range tuned {
		if strings.Contains(flag, "unsafe") || strings.Contains(flag, "no-fsync") {
			t.Errorf("the tuned variants are run with %s", flag)
		}
	}
}

var _ peer.Peer = (*Peer)(nil)
