// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// An idempotency key leads to the line of the header and the leg that ran under it: entries that were passed over have no line,
// and refused batches have one.
func TestKeyLeadsToItsLeg(t *testing.T) {
	w := newWorld(t)
	key := chain.IdempotencyKey{1, 2, 3}
	keyed := leg(2, 4, 7)
	keyed.Arg, keyed.Reference = chain.LegKeyed, chain.KeyedReference(key, [16]byte{9})

	before := w.batch(0, leg(2, 4, 1))
	w.run(before)
	signed, _ := w.signed(&chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(1)})
	aborted := w.batch(chain.FlagAtomic, keyed, leg(2, 99, 1))
	txs, first, again := w.txs(signed), w.batch(0, leg(2, 4, 1), keyed), w.batch(0, keyed)
	ex := w.run(before, aborted, txs, first, again)
	if ex.PassedOver != 1 || names(ex.Batches[0].Outcomes.Codes) != "batch_aborted unknown_account" ||
		names(ex.Batches[2].Outcomes.Codes) != "ok ok" || names(ex.Batches[3].Outcomes.Codes) != "duplicate" {
		t.Fatalf("%+v", ex)
	}
	got, ok := w.ledger.Keyed(2, key)
	if want := (ledger.KeyedView{Height: 2, Index: 2, Item: 1, Outcome: chain.OK, TimeUs: ex.Header.TimeUs}); !ok || got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if line := ex.Header.Batches[got.Index]; line.Entry != first.Digest {
		t.Fatal("the key leads to another batch")
	}
	if ex = w.run(w.batch(chain.FlagAtomic, leg(2, 4, 1), keyed)); names(ex.Batches[0].Outcomes.Codes) != "batch_aborted duplicate" {
		t.Fatalf("%+v", ex)
	}
	if balance := w.ledger.Balance(4, 1); balance != chain.Units(1+1+7) {
		t.Fatal(balance)
	}
}
