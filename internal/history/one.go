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

// FillTx fills in what a transaction itself says. One that moves no money has its sender as From, and KindUnknown.
func (t *Transfer) FillTx(tx *chain.Tx) {
	t.From = tx.Sender
	if !t.fromBody(tx.Body) {
		t.Kind = KindUnknown
	}
}
