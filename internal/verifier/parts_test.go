// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// A sketch forgets what was added and taken away, in any order, and nothing else.
func TestSketch(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	h := newHasher(Secret{7})
	var s Sketch
	type entry struct {
		cell uint64
		a    chain.Amount
	}
	var all []entry
	for range 20_000 {
		e := entry{h.words(ofCell, random.Uint64N(500), random.Uint64N(5)), chain.Amount{Lo: random.Uint64(), Hi: random.Uint64()}}
		all = append(all, e)
		s.Add(e.cell, e.a)
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, e := range all[1:] {
		s.Take(e.cell, e.a)
	}
	if b := s.Buckets(); b.Count != 1 || !b.Has(all[0].cell) {
		t.Errorf("%d buckets hold something where one entry is left", b.Count)
	}
	var again Sketch
	if rest, err := again.read(s.append(nil)); err != nil || len(rest) != 0 || again != s {
		t.Errorf("a sketch is not read as it was written: %v", err)
	}
	s.Take(all[0].cell, all[0].a)
	if b := s.Buckets(); b.Count != 0 {
		t.Errorf("%d buckets hold something where nothing is left", b.Count)
	}
}

// What differs in a byte, in its length, in its domain or in the order of its words has another hash; hashes of what counts up fill all
// buckets evenly, and another secret makes other ones.
func TestHash(t *testing.T) {
	h, other := newHasher(Secret{1}), newHasher(Secret{2})
	seen := map[uint64]string{}
	is := func(what string, hash uint64) {
		if before, again := seen[hash]; again {
			t.Errorf("%s has the hash of %s", what, before)
		}
		seen[hash] = what
	}
	for n := range 50 {
		text := bytes.Repeat([]byte{'x'}, n)
		is(fmt.Sprintf("%d x", n), h.bytes(ofName, text))
		is(fmt.Sprintf("%d x, as a code", n), h.bytes(ofCode, text))
		is(fmt.Sprintf("%d x under another secret", n), other.bytes(ofName, text))
		for i := range text {
			text[i] ^= 1
			is(fmt.Sprintf("%d x and a y at %d", n, i), h.bytes(ofName, text))
			text[i] ^= 1
		}
	}
	const pairs = 1000
	var buckets [bucketsMax]int
	for a := range uint64(pairs) {
		for b := range uint64(pairs) {
			cell := h.words(ofParty, a, b)
			is(fmt.Sprintf("%d and %d", a, b), cell)
			buckets[bucketOf(cell)]++
		}
	}
	is("another domain", h.words(ofCell, 1, 2))
	squares, even := 0.0, float64(pairs*pairs)/bucketsMax
	for _, n := range buckets {
		squares += (float64(n) - even) * (float64(n) - even) / even
	}
	if deviation := math.Abs(squares-bucketsMax) / math.Sqrt(2*bucketsMax); deviation > 6 {
		t.Errorf("the buckets are filled unevenly: chi-squared is %.0f, %.1f deviations from what chance makes", squares, deviation)
	}
}

// A table of numbers says the same in memory and from its file in pages.
func TestNumbers(t *testing.T) {
	for _, size := range []uint64{10, numbersInMemory + 5000} {
		path := filepath.Join(t.TempDir(), "table")
		n, err := newNumbers(path, size)
		if err != nil {
			t.Fatal(err)
		}
		for i := uint64(0); i <= size; i += 1 + size/500 {
			if err := n.set(i, i*7+1); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(n.flush(), n.close()); err != nil {
			t.Fatal(err)
		}
		if n, err = openNumbers(path); err != nil {
			t.Fatal(err)
		}
		l := n.reader()
		for i := uint64(0); i <= size; i += 1 + size/500 {
			if l.of(i) != i*7+1 || l.err != nil {
				t.Fatalf("of %d: %d is %d, %v", size, i, l.of(i), l.err)
			}
		}
		if l.of(size+1) != 0 || l.of(1<<40) != 0 {
			t.Error("numbers beyond the table have entries")
		}
		if err := n.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A join of two sets says of each key which side has it.
func TestSpill(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var sides [2]*spill
	want := map[[2]uint64]int{}
	for side := range sides {
		s, err := newSpill(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		sides[side] = s
	}
	for range 30_000 {
		key := [2]uint64{random.Uint64N(1<<14) << 50, random.Uint64N(2)}
		side := random.IntN(2)
		if want[key]&(1<<side) != 0 {
			continue
		}
		want[key] |= 1 << side
		if err := sides[side].add(spilled{Key: key, Value: [4]uint64{key[0], uint64(side)}}); err != nil {
			t.Fatal(err)
		}
	}
	err := joined(sides[0], sides[1], func(l, r *spilled) error {
		got, key := 0, [2]uint64{}
		for side, e := range []*spilled{l, r} {
			if e != nil {
				got |= 1 << side
				key = e.Key
				if e.Value != [4]uint64{key[0], uint64(side)} {
					t.Fatalf("%v has %v", key, e.Value)
				}
			}
		}
		if want[key] != got {
			t.Fatalf("%v is on %b, not %b", key, got, want[key])
		}
		delete(want, key)
		return nil
	})
	if err = errors.Join(err, sides[0].close(), sides[1].close()); err != nil || len(want) != 0 {
		t.Errorf("%d keys are left: %v", len(want), err)
	}
}

// Kinds have names of their own, and words.
func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.Name()] || k.What == "" {
			t.Errorf("%+v", k)
		}
		seen[k.Name()] = true
	}
	if len(seen) < 100 {
		t.Errorf("%d kinds", len(seen))
	}
}

// What was on its way the first time is not confirmed; what is there both times is.
func TestConfirm(t *testing.T) {
	w := newWorld(5, 30)
	dir := t.TempDir()
	looks := 0
	late := w.rows.transfers[len(w.rows.transfers)-1]
	cuts := cutter(func() *Cut {
		looks++
		m := *w.rows
		if looks == 1 { // the last row of the index is not there yet, and one balance is wrong for good
			m.transfers = m.transfers[:len(m.transfers)-1]
		} else {
			m.transfers = append(slices.Clone(m.transfers[:len(m.transfers)-1]), late)
		}
		c := w.cut()
		c.Rows = &m
		return c
	})
	key := append(within('h', []byte("AUR")), "treasury"...)
	a := units(string(w.kv.rows[Assets][string(key)]))
	plus(&a, 1)
	w.kv.put(Assets, key, []byte(a.String()))
	w.kv.seal()
	r, err := Scrub(t.Context(), Config{Dir: dir, AliasKey: &w.alias}, cuts)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, k := range r.Kinds {
		kinds = append(kinds, k.Kind)
	}
	if want := []string{"v10/assets/supply", "v10/balances/amount_off_by_one"}; !slices.Equal(kinds, want) || r.Equal || r.Count != 2 || r.Maybe == 0 || r.MoneyEqual || looks != 2 {
		t.Errorf("%d looks: %+v", looks, r)
	}
	if _, err := os.Stat(filepath.Join(dir, progressFile)); err == nil {
		t.Error("a run that is done leaves its progress behind")
	}
}

type cutter func() *Cut

func (c cutter) Cut(context.Context) (*Cut, error)   { return c(), nil }
func (c cutter) Again(context.Context) (*Cut, error) { return c(), nil }

// A run that is interrupted anywhere and goes on finds what one in one piece does.
func TestResume(t *testing.T) {
	stopped := 0
	defer func() {
		if stopped == 0 {
			t.Error("no run was interrupted")
		}
	}()
	for stop := 5; stop < 40; stop += 9 {
		w := newWorld(uint64(stop), 1500)
		if !imported(func(r *ImportedRow) { plus(&r.Amount, 1) })(w) || !indexed(true, func(r *TransferRow) { r.Ms += 3 })(w) {
			t.Fatal("nothing to damage")
		}
		w.kv.seal()
		whole := w.scrub(t)
		cfg := Config{Dir: t.TempDir(), AliasKey: &w.alias, Secret: Secret{1, 2, 3}, Every: 700}
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		cfg.Progress = func(p Progress) {
			if p.Step == "transactions" {
				calls++
			}
			if calls == stop {
				cancel()
			}
		}
		_, err := Pass(ctx, cfg, w.cut())
		cancel()
		if err == nil { // it ended before
			continue
		}
		stopped++
		from, err := ReadProgress(cfg.Dir)
		if err != nil {
			t.Fatal(err)
		}
		cfg.From, cfg.Secret, cfg.Progress = from, from.Secret(), nil
		c := w.cut()
		c.State = nil
		rest, err := Pass(t.Context(), cfg, c)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(rest.Findings.Counts()) != fmt.Sprint(whole.Findings.Counts()) || rest.Pairs != whole.Pairs {
			t.Errorf("stopped at %d: %v %+v, in one piece %v %+v", stop, rest.Findings.Counts(), rest.Pairs, whole.Findings.Counts(), whole.Pairs)
		}
	}
}

// A report, and a plan, are what their signer wrote.
func TestDocuments(t *testing.T) {
	signer, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := newReport(&Result{Findings: &Findings{}, Pairs: Pairs{Transactions: 1000}}, time.Unix(1_700_000_000, 0))
	r.Confirmed = []Finding{{Class: classAmount, Side: SideV11, Table: TableIndex, Key: "tx|1"}, {Class: classSumOff, Side: SideV10, Table: TableBalances, Key: "account 1 AUR"}}
	r.Kinds, r.Count = []Count{{"v10/balances/sum", 1}, {"v11/index_transfers/amount", 1}}, 2
	r.end(time.Unix(1_700_000_009, 0))
	if r.Equal || r.MoneyEqual || r.Consistency != 1-2./1000 {
		t.Errorf("%+v", r)
	}
	if err := SaveReport(dir, r, signer); err != nil {
		t.Fatal(err)
	}
	ids, err := Reports(dir)
	if err != nil || len(ids) != 1 || ids[0] != r.ID {
		t.Fatal(ids, err)
	}
	back, by, err := ReadReport(dir, r.ID)
	if err != nil || by != signer.Public().String() || back.Count != 2 || len(back.Confirmed) != 2 {
		t.Fatalf("%+v %s %v", back, by, err)
	}
	path := filepath.Join(dir, r.ID+".json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(raw, []byte(`"confirmed_count":2`), []byte(`"confirmed_count":0`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadReport(dir, r.ID); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a report that was changed: %v", err)
	}
	if _, _, err := ReadReport(dir, "../../etc/passwd"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a report elsewhere: %v", err)
	}
	plan := PlanOf(r)
	if len(plan.Steps) != 2 || plan.Steps[0].Way != WayGovernance || plan.Steps[1].Way != WayRebuildIndex || !plan.RebuildsIndex() {
		t.Errorf("%+v", plan)
	}
	file := filepath.Join(dir, "plan.json")
	if err := SavePlan(file, plan, signer); err != nil {
		t.Fatal(err)
	}
	if err := SavePlan(file, plan, signer); !fault.Is(err, fault.Conflict) {
		t.Errorf("a plan over another: %v", err)
	}
	if again, _, err := ReadPlan(file); err != nil || again.Report != r.ID {
		t.Errorf("%+v %v", again, err)
	}
	if err := SavePlan(file+"2", plan, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadPlan(file + "2"); !fault.Is(err, fault.Refused) {
		t.Errorf("a plan that nobody signed: %v", err)
	}
}

// What V11 is still at work on is not told as a difference: an account that was only named by a refused payment, and blocks that V10 has
// not yet.
func TestNotYet(t *testing.T) {
	w := newWorld(9, 20)
	w.v10(wireTransaction{Kind: "transfer", From: "treasury", To: "only-named", Asset: "AUR", Units: "99999999999999"})
	w.endRound()
	w.height++
	w.index(TransferRow{Height: w.height, Batch: 1, Payer: w.number("treasury"), Payee: w.number("acc-1"), Asset: w.code("AUR"), Amount: chain.Units(3)})
	w.move("transfer", w.number("treasury"), w.number("acc-1"), w.code("AUR"), chain.Units(3))
	at := w.kv.rows[Meta]["inbox"]
	w.rows.blocks = append(w.rows.blocks, BlockRow{Height: w.height, TimeUs: w.blockUs(), Items: 1})
	w.finish()
	w.kv.put(Meta, []byte("inbox"), at)
	if kept := w.scrub(t).Findings.Kept(); len(kept) > 0 {
		t.Errorf("%v", kept)
	}
}
