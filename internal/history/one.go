// SPDX-License-Identifier: Apache-2.0

package history

import "github.com/aurigraph/aurigraph/internal/chain"

// FillLeg fills in what a leg itself says.
func (t *Transfer) FillLeg(l *chain.Leg) {
	t.From, t.To, t.Asset, t.Amount, t.Reference, t.Kind = l.From, l.To, l.Asset, l.Amount, l.Reference, KindUnknown
	if int(l.Kind) < len(legKinds) {
		t.Kind = legKinds[l.Kind]
	}
}

// FillOrigin fills in what the second leg of an applied change says: where V10 made it, and what V10 decided. The ledger's own outcome
// says only that it was applied.
func (t *Transfer) FillOrigin(o *chain.SyncOrigin) {
	t.Origin, t.Outcome = Origin{Ms: o.TimeMs, Round: o.Height, Place: o.Place}, o.Outcome
}

// ChangeOrigin is the origin of the change of V10's whose first leg is an item of a client batch; false: it is no change's.
func ChangeOrigin(batch chain.Batch, item int) (chain.SyncOrigin, bool) {
	if batch.Header().Flags&chain.FlagSync == 0 || item%chain.SyncRecordLegs != 0 || item+1 >= batch.Len() {
		return chain.SyncOrigin{}, false
	}
	second := batch.Leg(item + 1)
	return second.Origin()
}

// FillTx fills in what a transaction itself says. One that moves no money has its sender as From, and KindUnknown.
func (t *Transfer) FillTx(tx *chain.Tx) {
	t.From = tx.Sender
	if !t.fromBody(tx.Body) {
		t.Kind = KindUnknown
	}
}
