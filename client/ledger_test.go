// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"testing"
	"testing/synctest"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/subscribe"
)

// far is an account that does not lie on the first page of any column by account: 5,000 are opened.
const far = historytest.Ported + 4500

// huge has different bytes in all its places.
var huge = chain.Amount{Lo: 0x0102030405060708, Hi: 0x1112131415161718}

// fillState makes accounts and holdings whose every field differs from zero in some record.
func fillState(t *testing.T, w *historytest.World) {
	t.Helper()
	var signed [][]byte
	for _, body := range []chain.Body{
		&chain.OpenAccounts{Count: 5000},
		&chain.CreateAsset{Code: "LEAD", Name: "Lead"},
		&chain.CreateAsset{Code: "TIN", Name: "Tin", Flags: chain.AssetDense},
		&chain.Issue{To: far, Asset: 3, Amount: huge},
		&chain.Issue{To: historytest.Bob, Asset: 4, Amount: huge},
		&chain.Issue{To: far, Asset: 4, Amount: chain.Units(9)},
		&chain.Issue{To: historytest.Ported, Asset: historytest.Silver, Amount: chain.Units(31)},
		&chain.Freeze{Account: historytest.Alice, Frozen: true},
		&chain.AddKey{Account: far, PublicKey: append([]byte{1, 88}, make([]byte, 31)...)},
	} {
		raw, _ := w.Tx(historytest.House, historytest.GovernanceKey, body)
		signed = append(signed, raw)
	}
	for i, code := range w.Outcomes(w.Txs(signed...)).Codes {
		if code != chain.OK {
			t.Fatalf("transaction %d came out %v", i, code)
		}
	}
	w.Settle()
}

// stateProof is a node's answer as a client gets it.
func stateProof(p *query.StateProof) *client.StateProof {
	out := &client.StateProof{Certified: client.Certified{Header: p.HeaderBytes, Certificate: p.CertBytes}, RootHeight: p.RootHeight}
	for _, g := range p.Pages {
		out.Pages = append(out.Pages, client.PageProof(g))
	}
	return out
}

// What the ledger writes into its pages is what a client reads out of them: sections, records, offsets, flags.
func TestClientReadsTheLedgersPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := subscribe.NewHub(0)
		w := historytest.Start(t, hub.Publish)
		fillState(t, w)
		q := query.New(query.Parts{History: w.History, State: w.Loop, Feed: hub})
		v, err := client.NewVerifier(client.TrustGenesis(w.Genesis))
		if err != nil {
			t.Fatal(err)
		}
		proved := 0
		for account := range far + 2 {
			if account == 0 || account > historytest.Ported+2 && account < far-1 {
				continue
			}
			for asset := range chain.AssetNo(5) {
				p, err := q.AccountProof(t.Context(), query.AccountName{Number: account}, asset)
				if fault.Is(err, fault.NotFound) {
					continue // never held, and not dense
				}
				if err != nil {
					t.Fatal(err)
				}
				got, err := v.State(stateProof(p), account, asset)
				if err != nil {
					t.Fatalf("account %d, asset %d: %v", account, asset, err)
				}
				if want := ledgerSays(t, w, account, asset); *got != want {
					t.Errorf("the client reads %+v, the ledger says %+v", *got, want)
				}
				if proved++; account < far {
					_, err = v.State(stateProof(p), account+1, asset)
					if fault.ReasonOf(err) != "no_page" {
						t.Errorf("a proof of account %d is taken for the next one: %v", account, err)
					}
				}
			}
		}
		if proved < 30 {
			t.Errorf("only %d proofs were made", proved)
		}
		checkVariety(t, w)
	})
}

func ledgerSays(t *testing.T, w *historytest.World, account chain.AccountNo, asset chain.AssetNo) (s client.ProvedState) {
	t.Helper()
	_, err := w.Loop.View(t.Context(), func(l *ledger.Ledger) {
		a, _ := l.Account(account)
		s = client.ProvedState{
			Number: account, Address: a.Address, Institution: a.Custodian, Key: a.Key, Frozen: a.Frozen, Slot: a.Slot,
			Asset: asset, Amount: l.Balance(account, asset),
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.RootHeight, _ = w.Loop.Root()
	return s
}

// checkVariety sees to it that no field could be read from elsewhere unnoticed: each is set in one account and not in
// another.
func checkVariety(t *testing.T, w *historytest.World) {
	t.Helper()
	bob, carol, alice := ledgerSays(t, w, historytest.Bob, 4), ledgerSays(t, w, historytest.Carol, 0), ledgerSays(t, w, historytest.Alice, 4)
	ported, last := ledgerSays(t, w, historytest.Ported, historytest.Silver), ledgerSays(t, w, far, 3)
	if bob.Amount != huge || last.Amount != huge || !alice.Amount.IsZero() || ported.Amount != chain.Units(31) ||
		bob.Institution != historytest.Bank || carol.Institution != 0 || carol.Key != historytest.CarolKey || last.Key == 0 || bob.Key != 0 ||
		!alice.Frozen || bob.Frozen || ported.Slot != historytest.PortedSlot || bob.Slot != chain.SlotNone || bob.Address == alice.Address {
		t.Errorf("%+v\n%+v\n%+v\n%+v\n%+v", bob, carol, alice, ported, last)
	}
}
