// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"testing"
)

// Ledgers that agree are equal, whatever they did.
func TestEqual(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(seed, 10+int(seed)*5)
		r := w.scrub(t)
		for _, f := range r.Findings.Kept() {
			t.Errorf("seed %d: %+v", seed, f)
		}
		if own := w.own + w.applied; r.Pairs.Transactions < own/2 || r.Pairs.Accounts == 0 || r.Pairs.Balances == 0 || r.Pairs.Rounds == 0 {
			t.Errorf("seed %d: %+v of %d transactions", seed, r.Pairs, own)
		}
		if t.Failed() {
			return
		}
	}
}
