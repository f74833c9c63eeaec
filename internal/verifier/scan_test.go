// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// wireTransaction is a row as V10 writes it, by encoding/json.
type wireTransaction struct {
	Ms        uint64 `json:"ms"`
	Kind      string `json:"kind"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Asset     string `json:"asset,omitempty"`
	Units     string `json:"units"`
	Outcome   uint8  `json:"outcome"`
	Reference string `json:"reference,omitempty"`
}

// What the scanner reads encoding/json reads as the same, and writes back byte for byte; what V10 writes the scanner reads.
func FuzzScanTransaction(f *testing.F) {
	for _, row := range []string{
		`{"ms":1700000000000,"kind":"transfer","from":"bob","to":"alice","asset":"AUR","units":"2","outcome":8}`,
		`{"ms":1,"kind":"account","to":"aurigraph-treasury","units":"0","outcome":0}`,
		`{"ms":1,"kind":"issue","from":"a\"\u003c","to":"ü","asset":"X","units":"340282366920938463463374607431768211455","outcome":0}`,
		`{"ms":1,"kind":"transfer","from":"a","to":"b","asset":"X","units":"340282366920938463463374607431768211456","outcome":0}`,
		`{"ms":01,"kind":"transfer","from":"a","to":"b","asset":"X","units":"05","outcome":0}`,
		`{"ms":1,"kind":"transfer","from":"a","to":"b","asset":"X","units":"5","outcome":0,"reference":"` + strings.Repeat("ab", 32) + `"}`,
	} {
		f.Add([]byte(row), "a\xaa", "b", uint64(5))
	}
	f.Fuzz(func(t *testing.T, row []byte, from, to string, units uint64) {
		var got v10Transaction
		if scanTransaction(row, &got) {
			var w wireTransaction
			if err := json.Unmarshal(row, &w); err != nil {
				t.Fatalf("%q is no JSON: %v", row, err)
			}
			again, _ := json.Marshal(w)
			if !bytes.Equal(again, row) && !bytes.Equal(again, bytes.ReplaceAll(row, []byte(`\ufffd`), []byte("\ufffd"))) {
				t.Fatalf("%q is written %q", row, again)
			}
			same(t, row, &got, &w)
		}
		w := wireTransaction{Ms: units, Kind: "transfer", From: from, To: to, Asset: "AUR", Units: chain.Units(units).String(), Outcome: uint8(units)}
		row, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(row, &w) // what is no UTF-8 V10 wrote otherwise
		if !scanTransaction(row, &got) {
			t.Fatalf("%q is not read", row)
		}
		same(t, row, &got, &w)
	})
}

func same(t *testing.T, row []byte, got *v10Transaction, w *wireTransaction) {
	t.Helper()
	ref := ""
	if got.Reference != ([32]byte{}) {
		ref = hex.EncodeToString(got.Reference[:])
	}
	kind := ""
	for _, k := range v10Kinds {
		if k.kind == got.Kind {
			kind = k.word
		}
	}
	if got.Ms != w.Ms || string(got.From) != w.From || string(got.To) != w.To || string(got.Asset) != w.Asset ||
		got.Units.String() != w.Units || got.Outcome != w.Outcome || ref != w.Reference || kind != w.Kind {
		t.Fatalf("%q is read as %+v", row, got)
	}
}

func TestScanOtherRows(t *testing.T) {
	var r RoundRow
	zeros := strings.Repeat("0", 64)
	row := `{"ms":7,"leader":"v\u0026","votes":["a","b"],"block_hash":"0x` + strings.Repeat("0a", 32) + `","previous_hash":"0x` + zeros + `","transactions":3}`
	if !scanRound([]byte(row), &r) || r.Ms != 7 || r.Leader != "v&" || len(r.Votes) != 2 || r.Votes[1] != "b" || r.Hash[31] != 10 || r.Transactions != 3 {
		t.Errorf("a round is %+v", r)
	}
	var a v10Account
	if !scanAccount([]byte(`{"number":2,"created_ms":9}`), &a) || a != (v10Account{2, 9}) {
		t.Errorf("an account is %+v", a)
	}
	var s v10Asset
	if !scanAsset([]byte(`{"number":2,"name":"Gold","scale":3,"issuer":"alice","supply":"5","created_ms":1}`), &s) || s.Scale != 3 || string(s.Issuer) != "alice" || s.Supply != chain.Units(5) {
		t.Errorf("an asset is %+v", s)
	}
	for _, bad := range []string{"", "{}", row[:len(row)-1], row + " ", strings.Replace(row, ":3}", ":03}", 1), strings.ToUpper(row)} {
		if scanRound([]byte(bad), &RoundRow{}) {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestWhyUnread(t *testing.T) {
	for row, want := range map[string]string{
		`{"ms": 1}`:    classSpelling,
		`{"ms":1`:      classCutOff,
		"":             classCutOff,
		"{\"ms\":\x00": classZeroByte,
		`{"ms":1]`:     classUnreadable,
	} {
		if got := whyUnread([]byte(row)); got != want {
			t.Errorf("%q: %s, not %s", row, got, want)
		}
	}
}
