// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/imported"
)

func sameTransaction(a, b *transaction) bool {
	return a.ms == b.ms && string(a.kind) == string(b.kind) && string(a.from) == string(b.from) && string(a.to) == string(b.to) &&
		string(a.asset) == string(b.asset) && a.units == b.units && a.outcome == b.outcome
}

// agree wants the scanner to say what encoding/json says, or nothing.
func agree(t *testing.T, row []byte) bool {
	t.Helper()
	var fast transaction
	if !scanTransaction(row, &fast) {
		return false
	}
	var slow transactionRow
	if err := json.Unmarshal(row, &slow); err != nil {
		t.Fatalf("%q was read, and is none: %v", row, err)
	}
	want := transaction{
		ms: slow.Ms, kind: []byte(slow.Kind), from: []byte(slow.From), to: []byte(slow.To), asset: []byte(slow.Asset), units: slow.Units.Amount, outcome: slow.Outcome,
	}
	if !sameTransaction(&fast, &want) {
		t.Fatalf("%q: %+v, want %+v", row, fast, want)
	}
	return true
}

func FuzzScanTransaction(f *testing.F) {
	for _, row := range []string{
		`{"ms":1,"kind":"transfer","from":"a","to":"b","asset":"AUR","units":"340282366920938463463374607431768211455","outcome":0}`,
		`{"ms":18446744073709551615,"kind":"account","to":"ünï","units":"0","outcome":255}`,
		`{"ms":1,"kind":"transfer","from":"\u003ca\u003e","units":"1","outcome":8}`,
		`{"ms":1,"ms":2,"kind":"x","units":"1","outcome":8}`, `{"ms":01,"kind":"x","units":"1","outcome":8}`, `{"ms":1,"kind":"x","units":"01","outcome":8}`,
		`{"MS":1,"kind":"x","units":"1","outcome":8}`, `{"ms":1,"kind":"` + "\xff" + `","units":"1","outcome":8}`, `{}`, `{"ms":1} `, `null`,
	} {
		f.Add([]byte(row))
	}
	f.Fuzz(func(t *testing.T, row []byte) { agree(t, row) })
}

// TestScanTransaction: all that V10 writes is read the fast way but what it escapes, and that is read too.
func TestScanTransaction(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		return strings.Repeat([]string{"a", "ü/", "0xAb ", "日本", "~"}[r.IntN(5)], r.IntN(20))
	}
	for range 5000 {
		row := map[string]any{"ms": r.Uint64(), "kind": text(), "units": chain.Amount{Lo: r.Uint64(), Hi: r.Uint64() >> r.IntN(64)}.String(), "outcome": r.IntN(256)}
		for _, name := range []string{"from", "to", "asset"} {
			if r.IntN(3) > 0 {
				row[name] = text()
			}
		}
		raw, err := json.Marshal(row)
		must(t, err)
		if !agree(t, raw) {
			t.Fatalf("%s is not read the fast way", raw)
		}
		row["from"] = text() + `<"\&>`
		raw, err = json.Marshal(row)
		must(t, err)
		var got transaction
		if agree(t, raw) || readTransaction(raw, &got) != nil || string(got.from) != row["from"] {
			t.Fatalf("%s: %q", raw, got.from)
		}
	}
	var got transaction
	if err := readTransaction([]byte(`{"ms":`), &got); err == nil {
		t.Error("half a row is read")
	}
}

func BenchmarkScanTransaction(b *testing.B) {
	row := []byte(`{"ms":1764271234567,"kind":"transfer","from":"customer-0000123456","to":"customer-0000654321","asset":"AUR","units":"12345678","outcome":0}`)
	b.SetBytes(int64(len(row)))
	var t transaction
	for b.Loop() {
		if !scanTransaction(row, &t) {
			b.Fatal("not read")
		}
	}
}

func TestNameTable(t *testing.T) {
	n := newNameTable(0)
	r := rand.New(rand.NewPCG(1, 2))
	want := map[string]int{}
	for range 20_000 {
		name := fmt.Sprint("n", r.IntN(9000), strings.Repeat("x", r.IntN(4)))
		_, there := want[name]
		if n.add([]byte(name)) == there {
			t.Fatal(name)
		}
		if !there {
			want[name] = len(want)
		}
	}
	if n.len() != len(want) {
		t.Fatal(n.len(), len(want))
	}
	for name, place := range want {
		if got, ok := n.find([]byte(name)); !ok || got != place || string(n.name(place)) != name {
			t.Fatal(name, got, place)
		}
	}
	if _, ok := n.find([]byte("another")); ok {
		t.Error("it has all names")
	}
}

// TestRuns gives places numbers in random order of trouble, and compares with a list.
func TestRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		const places = 100
		var runs runs
		list := make([]chain.AccountNo, places)
		there := make([]bool, places)
		for at := 0; at < places; {
			first := chain.AccountNo(1 + r.IntN(1_000_000))
			s := span{First: uint64(at), Number: first, There: at > 0 && r.IntN(3) == 0}
			runs = runs.from(s)
			for i := at; i < places; i++ {
				list[i], there[i] = first+chain.AccountNo(i-at), s.There && i == at
			}
			at += 1 + r.IntN(30)
			if r.IntN(4) == 0 {
				at = max(0, at-1-r.IntN(10)) // tried again: nothing of it was applied
			}
		}
		if !runs.valid() {
			t.Fatal(runs)
		}
		for i := range places {
			if runs.number(uint64(i)) != list[i] || runs.there(uint64(i)) != there[i] {
				t.Fatalf("place %d of %+v: %d, want %d", i, runs, runs.number(uint64(i)), list[i])
			}
		}
	}
}

// TestLayout: each change has a position of its own, ascending, from which it is found again.
func TestLayout(t *testing.T) {
	s := &survey{accounts: 5, assets: make([]assetRow, 2), balances: 7, keys: 0, transactions: 21, rounds: 20}
	l, err := layoutOf(s, 10)
	must(t, err)
	if l.total() != 5+2+7+0+3+2+1 {
		t.Fatal(l.total())
	}
	var seen [stageCount]uint64
	at := chain.CopyBegin()
	for c := range l.total() {
		if n, err := l.applied(at, 99); err != nil || n != c {
			t.Fatal(c, n, err)
		}
		st, i := l.at(c)
		if i != seen[st] || l.start(st)+i != c {
			t.Fatal(c, st, i)
		}
		seen[st]++
		p := l.position(c, 99)
		if !at.Before(p) {
			t.Fatal(p, "behind", at)
		}
		at = p
	}
	if seen != l.counts || at != chain.CopyEnd(99) {
		t.Error(seen, at)
	}
	for p, want := range map[chain.SyncPosition]uint64{{Major: 99, Minor: math.MaxUint32}: l.total(), {Major: 100}: l.total()} {
		if n, err := l.applied(p, 99); err != nil || n != want {
			t.Error(p, n, err)
		}
	}
	for _, p := range []chain.SyncPosition{{}, {Minor: 1 + uint32(l.total())}, {Major: 98, Minor: 3}} {
		if _, err := l.applied(p, 99); err == nil {
			t.Error(p, "is a place of the copy")
		}
	}
	if st, _ := l.at(l.total()); st != stageCount {
		t.Error(st)
	}
	if _, err := layoutOf(&survey{balances: math.MaxUint32}, 10); err == nil {
		t.Error("more changes than there are positions")
	}
}

// TestGovernor: it keeps its rate, and gives way while V10 is late, and comes back.
func TestGovernor(t *testing.T) {
	g := newGovernor(Pace{RowsPerSecond: 10_000})
	began := time.Unix(1000, 0)
	now := began
	for range 100 {
		now = now.Add(g.wait(now, 1000))
	}
	if took := now.Sub(began); took < 9800*time.Millisecond || took > 10100*time.Millisecond {
		t.Errorf("100,000 rows took %s", took)
	}
	g = newGovernor(Pace{LatencyMax: 10 * time.Millisecond})
	worked := func() float64 { // share of the time in a second of work
		var busy, idle time.Duration
		for busy < time.Second {
			const work = 5 * time.Millisecond
			now = now.Add(work)
			d := g.wait(now, 4096)
			now = now.Add(d)
			busy, idle = busy+work, idle+d
		}
		return busy.Seconds() / (busy + idle).Seconds()
	}
	if s := worked(); s < 0.99 {
		t.Error("it waits for nothing:", s)
	}
	for range 20 {
		g.answered(50 * time.Millisecond)
	}
	if s := worked(); s > 0.01 {
		t.Error("it does not give way:", s)
	}
	for range 40 {
		g.answered(time.Millisecond)
	}
	if s := worked(); s < 0.99 {
		t.Error("it does not come back:", s)
	}
}

func TestMeter(t *testing.T) {
	m := &meter{total: [stepCount]uint64{1000, 0, 0, 9000, 0}, began: time.Unix(0, 0)}
	now := time.Unix(0, 0)
	if _, eta := m.sampled(now); eta != -1 {
		t.Error("it knows how long it takes before it began:", eta)
	}
	for range 50 { // 100 rows in 100 ms
		now = now.Add(100 * time.Millisecond)
		m.done[stepTransactions].Add(100)
		m.sampled(now)
	}
	if rate, eta := m.sampled(now); math.Abs(rate-1000) > 1 || math.Abs(eta-5) > 0.1 {
		t.Error(rate, eta)
	}
	for range 200 { // it stands: the rate of the last seconds says so
		now = now.Add(100 * time.Millisecond)
		m.sampled(now)
	}
	if rate, eta := m.sampled(now); rate != 0 || eta != -1 {
		t.Error(rate, eta)
	}
	m.done[stepTransactions].Store(9000)
	m.done[stepAccounts].Store(1000)
	if _, eta := m.sampled(now); eta != 0 {
		t.Error(eta)
	}
}

// TestDigests: every field of a row counts.
func TestDigests(t *testing.T) {
	row := imported.Row{Seq: 1, Ms: 2, Round: 3, Place: 4, Kind: imported.Issue, Payer: 5, Payee: 6, Asset: 7, Amount: chain.Amount{Lo: 8, Hi: 9}}
	base := chunkOfRows(1, []imported.Row{row})
	if len(appendRow(nil, &row)) != rowBytes || base.Sum != 8 || base.Rows != 1 {
		t.Errorf("%+v", base)
	}
	for i, change := range []func(*imported.Row){
		func(r *imported.Row) { r.Seq++ }, func(r *imported.Row) { r.Ms++ }, func(r *imported.Row) { r.Round++ }, func(r *imported.Row) { r.Place++ },
		func(r *imported.Row) { r.Kind++ }, func(r *imported.Row) { r.Payer++ }, func(r *imported.Row) { r.Payee++ }, func(r *imported.Row) { r.Asset++ },
		func(r *imported.Row) { r.Amount.Lo++ }, func(r *imported.Row) { r.Amount.Hi++ }, func(r *imported.Row) { r.Outcome = chain.NotHome },
	} {
		other := row
		change(&other)
		if c := chunkOfRows(1, []imported.Row{other}); c.Digest == base.Digest {
			t.Error("change", i, "is not seen")
		} else if other.Outcome != chain.OK && c.Sum != 0 {
			t.Error("a refused transaction is in the sum")
		}
	}
	round := imported.Round{Number: 1, Ms: 2, Leader: "ab", Votes: []string{"c", ""}, Transactions: 3}
	first := chunkOfRounds(1, []imported.Round{round})
	for i, change := range []func(*imported.Round){
		func(r *imported.Round) { r.Number++ }, func(r *imported.Round) { r.Ms++ }, func(r *imported.Round) { r.Transactions++ }, func(r *imported.Round) { r.Hash[9]++ },
		func(r *imported.Round) { r.Previous[9]++ }, func(r *imported.Round) { r.Leader, r.Votes = "a", []string{"bc", ""} }, func(r *imported.Round) { r.Votes = []string{"", "c"} },
	} {
		other := round
		other.Votes = slices.Clone(round.Votes)
		change(&other)
		if c := chunkOfRounds(1, []imported.Round{other}); c.Digest == first.Digest {
			t.Error("change", i, "is not seen")
		}
	}
}
