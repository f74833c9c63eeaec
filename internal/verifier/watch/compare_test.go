// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// step is a row, or a barrier, of one side.
type step struct {
	row     ID
	content string
	barrier uint64 // not 0: no row
	label   uint64
}

// history is what happened, in order: rows random barriers, each with label by the next barrier.
func history(rng *rand.Rand, rows, barriers int) (steps []step) {
	label := uint64(8)
	for i := range rows {
		steps = append(steps, step{row: ID{Ms: 1000 + uint64(i), Round: uint64(i / 3), Place: uint32(i % 3)}, content: fmt.Sprint("content", i%17), label: label})
		if rng.IntN(rows) < barriers {
			steps = append(steps, step{barrier: label})
			label++
		}
	}
	return append(steps, step{barrier: label}, step{barrier: label + 1})
}

func compared(t testing.TB) *comparison {
	t.Helper()
	h, err := newHasher([KeyBytes]byte{1, 2, 3})
	must(t, err)
	return newComparison(V10, h, 7)
}

func (s *step) by(c *comparison, side Side) []Verdict {
	return c.take(&event{side: side, barrier: s.barrier, label: s.label, id: s.row, content: []byte(s.content)})
}

// interleave plays two histories in a random order that keeps each one's own; ahead is how far one may be ahead.
func interleave(rng *rand.Rand, c *comparison, executed, applied []step) (out []Verdict) {
	stay := 0
	for len(executed)+len(applied) > 0 {
		if stay--; stay < 0 {
			stay = rng.IntN(60)
		}
		if side := stay % 2; len(applied) == 0 || side == 0 && len(executed) > 0 {
			out = append(out, executed[0].by(c, Executed)...)
			executed = executed[1:]
			continue
		}
		out = append(out, applied[0].by(c, Applied)...)
		applied = applied[1:]
	}
	return out
}

// TestEqualStreams: whatever the interleaving, equal streams are equal at every barrier, and nothing is left.
func TestEqualStreams(t *testing.T) {
	for seed := range uint64(24) {
		rng := rand.New(rand.NewPCG(seed, 2))
		c := compared(t)
		steps := history(rng, 400, int(seed%30))
		applied := steps
		if seed%4 == 3 { // one side is done before the other begins
			for i := range steps {
				steps[i].by(c, Executed)
			}
			steps = nil
		}
		all := interleave(rng, c, steps, applied)
		if len(all) == 0 {
			t.Fatal("no barrier was compared")
		}
		rows := uint64(0)
		for _, v := range all {
			if !v.Equal || v.Maybe+v.Confirmed+v.Standing+v.Reordered != 0 || v.Executed != v.Applied {
				t.Fatalf("seed %d: %+v", seed, v)
			}
			rows += v.Executed
		}
		if rows != 400 || len(c.window) != 0 || len(c.pending) != 0 {
			t.Fatalf("seed %d: %d rows, %d in the window, %d intervals", seed, rows, len(c.window), len(c.pending))
		}
	}
}

// TestDamage plants one damage in one side: it is named, once, at the second barrier, and nothing else is.
func TestDamage(t *testing.T) {
	for _, d := range []struct {
		name  string
		plant func(rng *rand.Rand, all []step, at int) (executed, applied []step)
		class Class
	}{
		{"a row is dropped", func(_ *rand.Rand, all []step, at int) ([]step, []step) { return all, without(all, at) }, Missing},
		{"a row is made up", func(_ *rand.Rand, all []step, at int) ([]step, []step) {
			s := all[at]
			s.row.Place = 77
			return all, with(all, at, s)
		}, Extra},
		{"a row is applied twice", func(_ *rand.Rand, all []step, at int) ([]step, []step) { return all, with(all, at, all[at]) }, Doubled},
		{"a row is written again", func(_ *rand.Rand, all []step, at int) ([]step, []step) { return with(all, at, all[at]), all }, Repeated},
		{"a row says something else", func(_ *rand.Rand, all []step, at int) ([]step, []step) { return all, altered(all, at, "forged") }, Differs},
	} {
		for seed := range uint64(12) {
			rng := rand.New(rand.NewPCG(seed, 3))
			c := compared(t)
			all := history(rng, 300, 10)
			at := rowIn(rng, all)
			executed, applied := d.plant(rng, all, at)
			maybe, confirmed, named := uint64(0), uint64(0), []Difference(nil)
			for _, v := range interleave(rng, c, executed, applied) {
				maybe, confirmed, named = maybe+v.Maybe, confirmed+v.Confirmed, append(named, v.Named...)
			}
			want := all[at].row
			if d.class == Extra {
				want.Place = 77
			}
			if maybe != 1 || confirmed != 1 || len(named) != 1 || named[0].Class != d.class || named[0].ID != want.String() {
				t.Fatalf("%s, seed %d: %d maybe, %d confirmed, %+v; want %s", d.name, seed, maybe, confirmed, named, want)
			}
		}
	}
}

func rowIn(rng *rand.Rand, all []step) int {
	for {
		if i := rng.IntN(len(all) - 40); all[i].barrier == 0 {
			return i
		}
	}
}

func without(all []step, at int) []step {
	return append(append([]step(nil), all[:at]...), all[at+1:]...)
}

func with(all []step, at int, s step) []step {
	return append(append(append([]step(nil), all[:at+1]...), s), all[at+1:]...)
}

func altered(all []step, at int, content string) []step {
	out := append([]step(nil), all...)
	out[at].content = content
	return out
}

// TestCancellingPair: what one row gains another loses, and they lie in one bucket or not: both are named.
func TestCancellingPair(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	c := compared(t)
	all := history(rng, 300, 10)
	a, b := 3, 20
	for all[a].barrier != 0 {
		a++
	}
	for all[b].barrier != 0 || all[b].content == all[a].content {
		b++
	}
	swapped := altered(altered(all, a, all[b].content), b, all[a].content)
	confirmed := uint64(0)
	for _, v := range interleave(rng, c, all, swapped) {
		confirmed += v.Confirmed
	}
	if confirmed != 2 {
		t.Errorf("%d differences are confirmed, want both rows", confirmed)
	}
}

// TestReordered: a row that crosses a barrier is suspected, and no more than that.
func TestReordered(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 6))
		c := compared(t)
		all := history(rng, 300, 8)
		at := rowIn(rng, all)
		for all[at+1].barrier == 0 {
			at++
		}
		late := append([]step(nil), all...)
		late[at], late[at+1] = late[at+1], late[at]
		late[at+1].label++
		maybe, reordered := uint64(0), uint64(0)
		for _, v := range interleave(rng, c, all, late) {
			maybe, reordered = maybe+v.Maybe, reordered+v.Reordered
			if v.Confirmed != 0 {
				t.Fatalf("seed %d: %+v", seed, v)
			}
		}
		if maybe != reordered || maybe > 1 {
			t.Errorf("seed %d: %d suspected, %d reordered", seed, maybe, reordered)
		}
	}
}

// TestBarrierMissing: V10's barriers are numbered; a log that lacks one is told of, and the rows are compared all the same.
func TestBarrierMissing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	c := compared(t)
	all := history(rng, 300, 10)
	at := 0
	for all[at].barrier == 0 {
		at++
	}
	gone := without(all, at)
	named := []Difference(nil)
	var last Verdict
	for _, v := range interleave(rng, c, all, gone) {
		named, last = append(named, v.Named...), v
	}
	if len(named) != 1 || named[0].Class != NoBarrier || !last.Equal {
		t.Errorf("%+v, at last %+v", named, last)
	}
}

// TestWindowOverflows: more rows are without counterparts than the window holds. Equal streams are equal, and one damaged row is found by
// its bucket; nothing else is.
func TestWindowOverflows(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		c := compared(t)
		n := uint64(WindowMax + 5000)
		rows := func(side Side, label uint64) {
			for i := range n {
				content := "same"
				if damaged && side == Applied && i == 100 {
					content = "other"
				}
				c.row(side, label, ID{Round: i}, []byte(content))
			}
		}
		rows(Executed, 8)
		c.close(Executed, 8)
		rows(Applied, 8)
		all := append(c.close(Applied, 8), append(c.close(Executed, 9), c.close(Applied, 9)...)...)
		if len(all) != 2 || all[1].Equal == damaged || all[0].Equal == damaged {
			t.Fatalf("damaged %v: %+v", damaged, all)
		}
		want := uint64(0)
		if damaged {
			want = 1
		}
		if all[0].Maybe != want || all[1].Confirmed != want || uint64(BucketCount-all[1].Buckets) != want {
			t.Errorf("damaged %v: %+v", damaged, all)
		}
	}
}

// TestBeforeTheRun: rows of before the beginning are nobody's; later ones that say they are old are compared.
func TestBeforeTheRun(t *testing.T) {
	h, err := newHasher([KeyBytes]byte{})
	must(t, err)
	c := newComparison(V11, h, 100)
	c.row(Executed, 99, ID{Ms: 990}, nil)
	c.row(Applied, 100, ID{Ms: 1000}, nil)
	for _, side := range []Side{Executed, Applied} {
		c.row(side, 101, ID{Ms: 1010}, nil)
	}
	c.row(Applied, 3, ID{Ms: 30}, nil) // forged to look old
	named := 0
	for b := uint64(101); b < 110; b += 3 {
		for _, v := range append(c.close(Executed, b), c.close(Applied, b)...) {
			named += len(v.Named)
		}
	}
	if named != 1 {
		t.Errorf("%d differences, want the forged row", named)
	}
}
