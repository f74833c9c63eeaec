// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestDue(t *testing.T) {
	for _, c := range []struct {
		height, last  chain.Height
		timeUs, last2 uint64
		worked        bool
		want          bool
	}{
		{1, 0, 1001, 1000, true, false},
		{255, 0, 1001, 1000, true, false},
		{256, 0, 1001, 1000, true, true},
		{256, 0, 1001, 1000, false, true},
		{300, 0, 1001, 1000, true, true},
		{1, 0, 1000 + chain.RootMicros - 1, 1000, true, false},
		{1, 0, 1000 + chain.RootMicros, 1000, true, true},
		{1, 0, 1000 + chain.RootMicros, 1000, false, false},
		{255, 0, 1000 + 1<<40, 1000, false, false},
		{256, 1, 1001, 1000, true, false},
		{257, 1, 1001, 1000, true, true},
		{1 << 40, 1<<40 - 1, 1 << 60, 1<<60 - chain.RootMicros, true, true},
	} {
		if got := Due(c.height, c.last, c.timeUs, c.last2, c.worked); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// step runs an empty block after some microseconds, without giving its root. It counts as work.
func (w *world) step(us uint64) (*Executed, error) {
	w.timeUs += us
	w.machine.roots.worked = true
	return w.machine.Run(&chain.Proposal{Height: w.machine.Height() + 1, Term: 1, TimeUs: w.timeUs}, nil)
}

func (w *world) mustStep(us uint64) *Executed {
	w.t.Helper()
	ex, err := w.step(us)
	if err != nil {
		w.t.Fatal(err)
	}
	return ex
}

// rootOf stands for the state root of a height.
func rootOf(h chain.Height) chain.Hash { return chain.Hash{byte(h), byte(h >> 8), 1} }

// TestRootsAppear drives roots that are due at every block, all eight open at once.
func TestRootsAppear(t *testing.T) {
	w := newWorld(t)
	for h := chain.Height(1); h <= 40; h++ {
		if d, missing := w.machine.NeedsRoot(); missing != (h > chain.RootDelay) || missing && d != h-chain.RootDelay {
			t.Fatalf("before height %d root %d is missing: %v", h, d, missing)
		}
		if h > chain.RootDelay {
			w.machine.SetRoot(h-chain.RootDelay, rootOf(h-chain.RootDelay))
			if _, missing := w.machine.NeedsRoot(); missing {
				t.Fatalf("before height %d a root is missing that was set", h)
			}
		}
		ex := w.mustStep(chain.RootMicros)
		if !ex.RootDue || w.machine.roots.last != h || !w.machine.RootsPending() {
			t.Fatalf("at height %d no root is due", h)
		}
		at, root := chain.Height(0), chain.Hash{}
		if h > chain.RootDelay {
			at, root = h-chain.RootDelay, rootOf(h-chain.RootDelay)
		}
		if ex.Header.RootAt != at || ex.Header.StateRoot != root {
			t.Fatalf("header %d carries root %d, %s", h, ex.Header.RootAt, ex.Header.StateRoot)
		}
		if len(w.machine.roots.due) > chain.RootDelay {
			t.Fatalf("%d roots are open", len(w.machine.roots.due))
		}
	}
}

func TestMissingRootRefuses(t *testing.T) {
	w := newWorld(t)
	w.mustStep(chain.RootMicros)
	for range chain.RootDelay - 1 {
		if ex := w.mustStep(1); ex.RootDue || ex.Header.RootAt != 0 {
			t.Fatalf("%+v", ex.Header)
		}
	}
	w.machine.SetRoot(7, rootOf(7)) // of a height that owes none: ignored
	for range 2 {
		if ex, err := w.step(1); ex != nil || !fault.Is(err, fault.Internal) {
			t.Fatalf("a header without its root: %v", err)
		}
	}
	if w.machine.Height() != chain.RootDelay || !w.machine.RootsPending() {
		t.Fatal("a refused block moved the machine")
	}
	w.machine.SetRoot(1, rootOf(1))
	if ex := w.mustStep(1); ex.Header.RootAt != 1 || ex.Header.StateRoot != rootOf(1) || w.machine.RootsPending() {
		t.Errorf("%+v", ex.Header)
	}
}

func TestRootByBlocks(t *testing.T) {
	w := newWorld(t)
	for h := chain.Height(1); h <= 2*chain.RootBlocksMax; h++ {
		if ex := w.mustStep(1); ex.RootDue != (h%chain.RootBlocksMax == 0) {
			t.Fatalf("height %d: due %v", h, ex.RootDue)
		}
		w.machine.SetRoot(chain.RootBlocksMax, rootOf(0))
	}
}

// TestRestore runs a chain, and from its middle another machine to which the open roots are given: headers are equal.
func TestRestore(t *testing.T) {
	w := newWorld(t)
	var headers []*Executed
	us := func(h chain.Height) uint64 {
		if h%3 == 0 {
			return chain.RootMicros
		}
		return 5
	}
	const middle, end = 12, 40
	for h := chain.Height(1); h <= end; h++ {
		if d, missing := w.machine.NeedsRoot(); missing {
			w.machine.SetRoot(d, rootOf(d))
		}
		headers = append(headers, w.mustStep(us(h)))
	}
	again := newWorld(t)
	for h := chain.Height(1); h <= middle; h++ { // brings the ledger there
		again.ledger.BeginBlock(h, headers[h-1].Header.TimeUs)
		again.ledger.EndBlock()
	}
	tip := headers[middle-1]
	again.timeUs = tip.Header.TimeUs
	again.machine = New(again.ledger, Tip{Height: middle, Hash: tip.Hash, TimeUs: again.timeUs, LastRoot: middle, LastUs: again.timeUs})
	if again.machine.RootsPending() {
		t.Error("roots are pending before any was restored")
	}
	for h := chain.Height(middle) + 1; h <= middle+chain.RootDelay; h++ {
		if x := headers[h-1].Header; x.RootAt != 0 {
			again.machine.Restore(x.RootAt, x.StateRoot)
		}
	}
	for h := chain.Height(middle) + 1; h <= end; h++ {
		if d, missing := again.machine.NeedsRoot(); missing {
			if d <= middle {
				t.Fatalf("root %d was restored and is missing", d)
			}
			again.machine.SetRoot(d, rootOf(d))
		}
		if ex := again.mustStep(us(h)); ex.Hash != headers[h-1].Hash {
			t.Fatalf("height %d comes out as %+v, was %+v", h, ex.Header, headers[h-1].Header)
		}
	}
}
