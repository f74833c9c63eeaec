// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"testing"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// TestTextThatCannotTravel: it costs nobody else his payment, and counts against no validator.
func TestTextThatCannotTravel(t *testing.T) {
	d := &desk{handle: pays(1)}
	l := ledgerOf(t, Config{}, d)
	const bad = "\xff"
	ps := []custody.Payment{payment("a", "k"), payment("b", "k"), payment("c", bad), payment("d", "k")}
	ps[1].Asset, ps[3].Caller = bad, bad
	for i, a := range l.Desk().PayMany(t.Context(), ps) {
		if (a.Err == nil) != (i == 0) || a.Err != nil && !fault.Is(a.Err, fault.Invalid) {
			t.Errorf("payment %d: %v", i, a.Err)
		}
	}
	before := len(d.calls())
	_, one := l.Desk().Asset(t.Context(), bad)
	_, _, two := l.Desk().CreateAsset(t.Context(), "a", custody.NewAsset{Code: "X", Name: bad})
	_, three := l.Desk().Issue(t.Context(), "a", "b", bad, chain.Units(1))
	_, four := l.Desk().Redeem(t.Context(), "a", bad, chain.Units(1))
	_, five := l.Reader().AssetByCode(t.Context(), bad)
	_, six := l.Reader().BlockTransfers(t.Context(), 1, 1, bad)
	for i, err := range []error{one, two, three, four, five, six} {
		if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.NotFound) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if len(d.calls()) != before || len(d.calls()[0].Payments) != 1 {
		t.Errorf("%v", d.calls())
	}
}

// TestMalformedAnswers reads what no honest validator says: it is Corrupt, and never a panic.
func TestMalformedAnswers(t *testing.T) {
	hash := make([]byte, 32)
	second := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"no account":         second(accountOf(nil)),
		"an address":         second(accountOf(&ledgerv1.Account{Address: make([]byte, 19)})),
		"an amount":          second(holdingOf(&ledgerv1.Holding{Amount: "1.5"})),
		"no holding":         second(holdingOf(nil)),
		"a supply":           second(assetOf(&ledgerv1.Asset{Supply: "x"})),
		"no asset":           second(assetOf(nil)),
		"no block":           second(blockOf(nil)),
		"a header":           second(blockOf(&ledgerv1.Block{Certified: &ledgerv1.Certified{Header: []byte("AU")}})),
		"no transfer":        second(transferOf(nil)),
		"a transfer's id":    second(transferOf(&ledgerv1.Transfer{Id: hash[:31], Reference: hash, Amount: "1"})),
		"its reference":      second(transferOf(&ledgerv1.Transfer{Id: hash, Reference: hash[:1], Amount: "1"})),
		"its amount":         second(transferOf(&ledgerv1.Transfer{Id: hash, Reference: hash, Amount: "-1"})),
		"V10's outcome":      second(transferOf(&ledgerv1.Transfer{Id: hash, Reference: hash, Amount: "1", Origin: &ledgerv1.Origin{Outcome: 256}})),
		"no holders":         second(holdersOf(&ledgerv1.ListHoldersResponse{})),
		"a holder":           second(holdersOf(&ledgerv1.ListHoldersResponse{Asset: &ledgerv1.Asset{Supply: "1"}, Holders: []*ledgerv1.Holder{{Amount: ""}}})),
		"no receipt":         second(placedOf(&ledgerv1.GetTransactionResponse{Transaction: []byte{1}}, query.Place{})),
		"a genesis":          second(statusOf(&ledgerv1.Status{StateRoot: hash})),
		"a validator's name": second(statusOf(&ledgerv1.Status{GenesisHash: hash, StateRoot: hash, Validators: []*ledgerv1.ValidatorInfo{{Number: 1 << 30}}})),
	} {
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := second(placedOf(&ledgerv1.GetTransactionResponse{}, query.Place{})); !fault.Is(err, fault.Pruned) {
		t.Errorf("without bytes: %v", err)
	}
	for kind, want := range map[string]fault.Kind{"denied": fault.Denied, "made_up": fault.Internal, "": fault.Internal} {
		if err := refusalOf(&ledgerv1.Fault{Kind: kind, Reason: "r"}); !fault.Is(err, want) {
			t.Errorf("%q: %v", kind, err)
		}
	}
}
