// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

func TestViews(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	if l.Chain() != testChain || l.Height() != 1 || l.TimeUs() != 10 || !l.MigrationOpen() || !l.OwnedByV10(12) || l.OwnedByV10(13) {
		t.Error("meta")
	}
	if a, ok := l.Account(1); !ok || !a.House || a.Custodian != 1 || a.Slot != chain.SlotNone || a.Key != 0 || !a.Alias.IsZero() || a.OnV10 {
		t.Error(a)
	}
	if a, ok := l.Account(6); !ok || a.House || a.Slot != 10 || a.Alias != (chain.Hash{1}) || a.Address != (chain.Address{1}) || !a.OnV10 {
		t.Error(a)
	}
	if a, ok := l.Account(5); !ok || a.Key != 4 || a.Custodian != 0 || a.Frozen {
		t.Error(a)
	}
	for _, no := range []chain.AccountNo{0, 8} {
		if _, ok := l.Account(no); ok || !l.Balance(no, 1).IsZero() {
			t.Error("account", no)
		}
	}
	a, _ := l.Account(3)
	if no, ok := l.AccountByAddress(a.Address); !ok || no != 3 {
		t.Error(no)
	}
	if _, ok := l.AccountByAddress(chain.Address{99}); ok {
		t.Error("an unknown address")
	}
	if no, ok := l.AccountByAlias(chain.Hash{2}); !ok || no != 7 {
		t.Error(no)
	}
	if _, ok := l.AccountByAlias(chain.Hash{99}); ok {
		t.Error("an unknown alias")
	}
	if s, ok := l.Asset(1); !ok || s.Code != "GOLD" || s.Name != "Gold" || s.Scale != 3 || s.Issuer != 1 || s.Supply != units(4000) || s.Frozen || s.Flags != chain.AssetDense {
		t.Error(s)
	}
	if _, ok := l.Asset(6); ok || !l.Balance(1, 6).IsZero() {
		t.Error("asset 6")
	}
	if no, ok := l.AssetByCode("SILVER"); !ok || no != 2 {
		t.Error(no)
	}
	for _, code := range []string{"", "GOL", "A CODE THAT IS TOO LONG"} {
		if _, ok := l.AssetByCode(code); ok {
			t.Error(code)
		}
	}
	if i, ok := l.Institution(2); !ok || i.Name != "bank" || i.House != 2 || i.ActiveKeys != 1 {
		t.Error(i)
	}
	if _, ok := l.Institution(3); ok {
		t.Error("institution 3")
	}
	if _, ok := l.Key(5); ok {
		t.Error("key 5")
	}
	if k, ok := l.Key(2); !ok || string(k.Public) != string(publicKey(3, 2)) || !k.Active {
		t.Error(k)
	}
	if c := l.Counts(); c.Accounts != 7 || c.Assets != 5 || c.DenseAssets != 2 || c.SparseHoldings != 6 || c.Keys != 4 || c.Institutions != 2 || c.Aliases != 2 || c.AccountsMax != 1000 {
		t.Error(c)
	}
	want(t, gov.run(t, 0, chain.Leg{From: 3, To: 1, Asset: 2, Amount: units(1000)})[0], chain.OK)
	if h := l.Holdings(1, 9); !slices.Equal(h, []Holding{{1, units(1000)}, {2, units(1000)}}) {
		t.Error(h)
	}
	if h := l.Holdings(3, 9); !slices.Equal(h, []Holding{{1, units(1000)}, {4, units(1000)}}) {
		t.Error(h)
	}
	if h := l.Holdings(7, 1); !slices.Equal(h, []Holding{{5, units(1000)}}) {
		t.Error(h)
	}
	if h := l.Holdings(3, 1); len(h) != 1 {
		t.Error(h)
	}
	if len(l.Holdings(500, 9)) != 0 {
		t.Error("holdings of nobody")
	}
	want(t, l.NonceOutcome(1, 5), chain.OK)
	want(t, l.NonceOutcome(50, 5), chain.UnknownAccount)
}

// What Locate names holds, in a snapshot, the record that a view shows.
func TestLocate(t *testing.T) {
	l := grown(t)
	sn := l.space.Snapshot()
	defer sn.Release()
	read := func(p Place) string {
		v, _ := sn.Section(p.Section)
		page, _ := v.Page(p.Page)
		return string(page.Bytes()[p.Offset : p.Offset+p.Bytes])
	}
	a, _ := l.Account(3)
	if got := read(l.LocateAccount(3)); got[:20] != string(a.Address[:]) {
		t.Error("account")
	}
	if got := read(l.LocateWord(5)); got != "\x00\x00\x10\x00" {
		t.Errorf("word %q", got)
	}
	if got := read(l.LocateAsset(2)); !strings.Contains(got, "SILVER") || len(got) != 112 {
		t.Error("asset")
	}
	for account := range chain.AccountNo(8) {
		for asset := range chain.AssetNo(7) {
			amount, key, ok := l.LocateBalance(account, asset)
			if !ok {
				if !l.Balance(account, asset).IsZero() {
					t.Error(account, asset)
				}
				continue
			}
			balance := *pages.At[chain.Amount](sn, amount.Section, amount.Record)
			if balance != l.Balance(account, asset) || amount.Bytes != 16 {
				t.Error(account, asset, amount)
			}
			if key.Bytes != 0 && read(key) != string([]byte{byte(account), 0, 0, 0, byte(asset), 0, 0, 0}) {
				t.Error(account, asset, key)
			}
		}
	}
}

func TestVersionedChanges(t *testing.T) {
	l := start(t, smallGenesis())
	if len(l.VersionedChanges()) != 0 {
		t.Fatal("genesis is no change")
	}
	gov, _, _ := clients(l)
	for range 3 {
		gov.run(t, 0, chain.Leg{From: 3, To: 1, Asset: 4, Amount: units(5)}, chain.Leg{From: 3, To: 1, Asset: 1, Amount: units(5)})
	}
	gov.tx(3, &chain.Hold{To: 5, Asset: 4, Amount: units(7), Blocks: 1})
	for range 2 { // asking twice changes nothing
		if v := l.VersionedChanges(); !slices.Equal(v, []VersionedChange{{4, 0, units(7)}, {4, 1, units(15)}, {4, 3, units(978)}}) {
			t.Fatal(v)
		}
	}
	next(l) // the hold expires
	if v := l.VersionedChanges(); !slices.Equal(v, []VersionedChange{{4, 0, units(0)}, {4, 3, units(985)}}) {
		t.Fatal(v)
	}
}

// The window answers as a set of all used nonces would.
func TestNonceWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r nonceRecord
		used := map[uint64]bool{}
		base := rapid.SampledFrom([]uint64{0, 1 << 40}).Draw(t, "base")
		r.High = base
		for range 60 {
			step := rapid.SampledFrom([]uint64{0, 1, 2, 63, 64, 65, 127, 128, 255, 256, 257, chain.SequenceJumpMax, chain.SequenceJumpMax + 1}).Draw(t, "step")
			n := r.High + step
			if rapid.Bool().Draw(t, "back") && step <= r.High {
				n = r.High - step
			}
			want := chain.OK
			switch {
			case n > r.High && n-r.High > chain.SequenceJumpMax:
				want = chain.FutureSequence
			case n <= r.High && (r.High-n >= chain.NonceWindow || used[n]):
				want = chain.NonceUsed
			}
			if got := r.check(n); got != want {
				t.Fatalf("nonce %d at %d: %v, want %v", n, r.High, got, want)
			}
			if want == chain.OK {
				r.use(n)
				used[n] = true
			}
		}
	})
}

// docs/outcomes.md explains every outcome.
func TestOutcomesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range chain.Outcomes() {
		row := ""
		for line := range strings.Lines(string(text)) {
			if cells := strings.Split(line, "|"); len(cells) > 5 && strings.TrimSpace(cells[2]) == "`"+o.String()+"`" {
				row = strings.TrimSpace(cells[1])
			}
		}
		if row != strconv.Itoa(i) {
			t.Errorf("%v (%d) has row %q in docs/outcomes.md", o, i, row)
		}
	}
}

// FORMAT.md tells the size of every record.
func TestFormatIsDocumented(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	l := start(t, smallGenesis())
	sn := l.space.Snapshot()
	defer sn.Release()
	for _, v := range sn.Sections() {
		name := strconv.Itoa(int(v.Section))
		if v.Section > sectionDense {
			name = "65536 + asset"
		}
		found := false
		for line := range strings.Lines(string(text)) {
			cells := strings.Split(line, "|")
			found = found || len(cells) > 4 && strings.TrimSpace(cells[1]) == name && strings.TrimSpace(cells[3]) == strconv.Itoa(int(v.RecordBytes))
		}
		if !found {
			t.Errorf("section %s with records of %d bytes is not in FORMAT.md", name, v.RecordBytes)
		}
	}
}
