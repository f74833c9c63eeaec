// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

var testSource = Source{Ledger: V10Ledger("test"), Origin: V10, Life: 1, Incarnation: Incarnation{0: 7, 15: 9}}

func testKey(t testing.TB, fill byte) Key {
	t.Helper()
	k, err := NewKey(bytes.Repeat([]byte{fill}, SecretBytesMin))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// samples is one change of every kind with every field set, and some with none.
func samples() []Change {
	deed := Deed{ID: v10.TxIDAt(1_700_000_000_123, 77, v10.LegacyPlaceMin+8193), Outcome: chain.InsufficientFunds, Request: &Request{
		Key: chain.IdempotencyKey{1, 2}, Body: [16]byte{3}, Caller: "shop", ID: "r-1"}}
	plain := Deed{ID: v10.TxIDAt(1_700_000_000_124, 78, v10.LegacyPlaceMin)}
	return []Change{
		&Transfer{Deed: deed, From: "ACME GmbH/EUR", To: "Erika", Asset: "AUR", Amount: chain.Amount{Lo: 5, Hi: 1}, Fee: chain.Units(2), Reference: [32]byte{31: 1}},
		&Transfer{Deed: plain, From: "a", To: "b", Asset: "AUR", Amount: chain.Units(1)},
		&AccountOpened{Deed: plain, Alias: "0xabc"},
		&AssetCreated{Deed: deed, Code: "EUR.X", Name: "Euro", Scale: 18, Issuer: "bank"},
		&Issued{Deed: deed, Asset: "EUR.X", Issuer: "bank", To: "till", Amount: chain.Amount{Hi: 1 << 63}, Reference: [32]byte{1}},
		&Redeemed{Deed: plain, Asset: "EUR.X", Issuer: "bank", Amount: chain.Units(255), Reference: [32]byte{2}},
		&Refusal{TimeMs: 9, Request: *deed.Request, Outcome: chain.UnknownAccount, Reason: "unknown_account"},
		&Round{Number: 12, TimeMs: 13, Leader: "n1", Votes: []string{"n1", "n2"}, Hash: [32]byte{1}, Previous: [32]byte{2}, Transactions: 3},
		&Block{Height: 14, TimeMs: 15, Hash: chain.Hash{3}, Previous: chain.Hash{4}, Transactions: 5, Signers: []chain.ValidatorNo{0, 2, 3}},
		&Barrier{Generation: 16, TimeMs: 17},
	}
}

// sampleRecords chains the samples, a heart-beat last.
func sampleRecords() []*Record {
	var out []*Record
	at := Position{Major: 4, Minor: 1}
	for i, c := range samples() {
		next := Position{Major: uint64(5 + i/3), Minor: uint32(i % 3)}
		out = append(out, &Record{Source: testSource, Position: next, Previous: at, Since: next.Major - 1, End: i%3 == 2, HomeVersion: 6, Change: c})
		at = next
	}
	return append(out, &Record{Source: testSource, Position: at, Previous: at, Since: at.Major - 1, End: true, HomeVersion: 6, Change: &Heartbeat{TimeMs: 18}})
}

// sealChain seals records that follow each other, and returns their bytes.
func sealChain(t rapid.TB, k *Key, records []*Record) [][]byte {
	t.Helper()
	var wires [][]byte
	var tag Tag
	for _, r := range records {
		r.PreviousTag = tag
		wire, err := Seal(k, r)
		if err != nil {
			t.Fatalf("%s: %v", r.Position, err)
		}
		if !r.IsHeartbeat() {
			tag = r.Tag
		}
		wires = append(wires, wire)
	}
	return wires
}
