// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

func TestBarrier(t *testing.T) {
	f := start(t, Config{})
	var last store.Position
	for generation := uint64(1); generation < 5; generation++ {
		f.one(pay(Treasury, "a", 1))
		b, err := f.Barrier(t.Context())
		if err != nil || b.Generation != generation || b.Guard != 0 || b.Position.Sequence <= last.Sequence || f.Totals().Generation != generation {
			t.Fatalf("%+v %v", b, err)
		}
		last = b.Position
		f.reopen()
	}
}

// of gives an order a generation and a key.
func of(generation uint64, key string, o Order) Order {
	o.Generation = generation
	if key != "" {
		o.Key = &Key{Key: key, Request: sha256.Sum256([]byte(key))}
	}
	return o
}

// TestGuardBarrier: what an older guard let through, or nobody did, is refused without a trace, also after a restart; marks change nothing.
func TestGuardBarrier(t *testing.T) {
	f := start(t, Config{})
	expectOutcome(t, f.one(pay(Treasury, "a", 100)), chain.OK)
	mark, err := f.Barrier(t.Context())
	if err != nil || f.Totals().Guard != 0 {
		t.Fatal(err)
	}
	expectOutcome(t, f.one(of(mark.Generation-1, "", pay("a", "b", 1))), chain.OK)
	b, err := f.GuardBarrier(t.Context())
	if err != nil || b.Generation != 2 || b.Guard != 0 {
		t.Fatalf("%+v %v", b, err)
	}
	if mark, err = f.Barrier(t.Context()); err != nil || mark.Generation != 3 || mark.Guard != 2 {
		t.Fatalf("%+v %v", mark, err)
	}
	for range 2 {
		before := f.Totals()
		for _, generation := range []uint64{0, 1} {
			for _, o := range []Order{pay("a", "nobody yet", 1), {Kind: OpenAccount, To: "new"}, {Kind: CreateAsset, From: "a", Asset: "NEW"}} {
				expectErr(t, f.one(of(generation, "k", o)).Err, fault.Conflict, v10.ReasonOldGeneration)
			}
		}
		if f.Totals() != before {
			t.Errorf("%+v, before %+v", f.Totals(), before)
		}
		f.reopen()
	}
	first := f.one(of(2, "k", pay("a", "b", 1))) // the key was not used
	expectOutcome(t, first, chain.OK)
	if again := f.one(of(9, "k", pay("a", "b", 1))); !again.Replayed || again.ID != first.ID {
		t.Errorf("%+v, first %+v", again, first)
	}
	f.expectBalance("b", 2)
}

// TestGuardBarrierAfter: a guard that was overtaken takes no generation.
func TestGuardBarrierAfter(t *testing.T) {
	f := start(t, Config{})
	own, err := f.GuardBarrier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next, err := f.GuardBarrierAfter(t.Context(), own.Generation)
	if err != nil || next.Guard != own.Generation {
		t.Fatalf("%+v %v", next, err)
	}
	head := f.s.Head()
	_, err = f.GuardBarrierAfter(t.Context(), own.Generation)
	expectErr(t, err, fault.Conflict, v10.ReasonOldGeneration)
	if f.s.Head() != head || f.Totals().Guard != next.Generation || f.Totals().Generation != next.Generation {
		t.Errorf("%+v", f.Totals())
	}
}

// TestGenerationAtExecution: what waits in the queue when a guard's barrier is executed is refused, though it came before.
func TestGenerationAtExecution(t *testing.T) {
	f := start(t, Config{})
	expectOutcome(t, f.one(pay(Treasury, "a", 100)), chain.OK)
	own, err := f.GuardBarrier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The loop stands still in this write until the others are queued behind it.
	entered, release := make(chan struct{}), make(chan struct{})
	held := &submission{done: make(chan struct{}), write: &write{into: func(*rounding) error {
		close(entered)
		<-release
		return nil
	}}}
	queue := func(o Order) *submission {
		s := &submission{orders: []Order{o}, done: make(chan struct{})}
		f.queue <- s
		return s
	}
	f.queue <- held
	<-entered
	before := queue(of(own.Generation, "before", pay("a", "b", 1)))
	var b Barrier
	taken := make(chan error, 1)
	waiting := len(f.queue)
	go func() {
		var err error
		b, err = f.GuardBarrierAfter(t.Context(), own.Generation)
		taken <- err
	}()
	for len(f.queue) == waiting {
		select {
		case err := <-taken:
			t.Fatal(err)
		default:
		}
	}
	behind := queue(of(own.Generation, "behind", pay("a", "b", 1)))
	close(release)
	<-before.done
	<-behind.done
	if err := <-taken; err != nil || b.Guard != own.Generation {
		t.Fatalf("%+v %v", b, err)
	}
	expectOutcome(t, before.results[0], chain.OK)
	expectErr(t, behind.results[0].Err, fault.Conflict, v10.ReasonOldGeneration)
	f.expectBalance("b", 1)
	expectOutcome(t, f.one(of(b.Generation, "behind", pay("a", "b", 1))), chain.OK)
}
