// SPDX-License-Identifier: Apache-2.0

package historytest

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// What the genesis of a world beside V10 numbers beyond Genesis. V10 is the home of Ported, the issuer of Note.
const (
	Settled chain.AccountNo = 7 // custodian Governance, with alias and slot, of which V11 is the home
	Note    chain.AssetNo   = 3 // portable; Ported has 1,000
)

// StartBesideV10 starts a world into which V10's changes come, by Governance.
func StartBesideV10(t testing.TB, publish func(chain.Height)) *World {
	t.Helper()
	g := Genesis()
	g.V10Slots = []chain.SlotRange{{From: PortedSlot, To: PortedSlot}}
	tag := chain.Hash{0xA2}
	g.Accounts = append(g.Accounts, chain.GenesisAccount{
		Institution: Governance, AliasTag: tag[:], Address: append(make(chain.HexBytes, 19), 10), Slot: PortedSlot + 1,
	})
	g.Assets = append(g.Assets, chain.GenesisAsset{Code: "NOTE", Name: "Note", Flags: chain.AssetPortable, Issuer: Ported})
	g.Holdings = append(g.Holdings, chain.GenesisHolding{Account: Ported, Asset: Note, Amount: "1000"})
	w := start(t, g, publish)
	open, _ := w.Tx(House, GovernanceKey, &chain.OpenInbox{Ledger: chain.Hash{1}, Incarnation: [16]byte{2}, Life: 1, Institution: Governance, Key: GovernanceKey})
	if code := w.Outcomes(w.Txs(open)).Codes[0]; code != chain.OK {
		t.Fatalf("the inbox is not opened: %v", code)
	}
	return w
}

// Change is one of V10's, with V10's id and outcome.
type Change struct {
	Leg       chain.Leg
	Outcome   chain.Outcome
	Ms, Round uint64
	Place     uint32
}

// Changes executes V10's changes in one batch, which stands alone in its block. held is how many at its end are not applied.
func (w *World) Changes(held int, changes ...Change) chain.Receipt {
	w.t.Helper()
	before, at := w.changed, w.changed
	var legs []chain.Leg
	for i, c := range changes {
		at.Major++
		o := chain.SyncOrigin{Position: at, Outcome: c.Outcome, TimeMs: c.Ms, Height: c.Round, Place: c.Place, Tag: chain.Hash{byte(at.Major)}}
		legs = append(legs, c.Leg, o.Leg())
		if i < len(changes)-held {
			w.changed = at
		}
	}
	w.sequence++
	b, err := chain.NewSyncBatch(chain.BatchHeader{Chain: Chain, Institution: Governance, Key: GovernanceKey, Sequence: w.sequence, ValidUntil: 50_000},
		chain.SyncHead{Life: 1, Previous: before, HomeVersion: 1}, legs)
	w.fatal(err)
	r := w.Payload(chain.PayloadBatch, b.Bytes())
	for i, code := range w.Outcomes(r).Codes {
		if (code == chain.OK) != (i/chain.SyncRecordLegs < len(changes)-held) {
			w.t.Fatalf("leg %d of V10's changes came out %v", i, code)
		}
	}
	return r
}
