// SPDX-License-Identifier: Apache-2.0

package ordertest

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order"
)

// Settings are what a case asks of an engine. Zero values mean the engine's defaults.
type Settings struct {
	From       chain.Height     // height of the executed state: proposals above it are delivered again
	WindowMax  int              // decided proposals on their way to the reader
	PendingMax int              // digests offered and not proposed
	Now        func() time.Time // the proposer's clock
}

// Harness is a disk for one engine.
type Harness struct {
	// Open opens an engine over what the disk holds. It is called again after Close, as after a restart.
	Open func(t *testing.T, s Settings) order.Engine
	// Close gives up what the engine that Open made last stands on. The engine's Run has returned.
	Close func(t *testing.T)
	// Writes counts the writes to the disk so far.
	Writes func() int
	// Fail makes all later writes fail. Nil skips the cases that need it.
	Fail func()
}

// Run runs every case on a fresh disk.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"OrdersEachOnce", ordersEachOnce},
		{"BoundsAProposal", boundsAProposal},
		{"TimeAlwaysGrows", timeAlwaysGrows},
		{"RestartContinues", restartContinues},
		{"RestartForgetsWhatWasNotDecided", restartForgets},
		{"IdleIsSilent", idleIsSilent},
		{"NudgeGivesOneProposal", nudgeGivesOne},
		{"SlowReaderBoundsTheWindow", slowReader},
		{"PendingMaxSheds", pendingMaxSheds},
		{"FailedDiskHalts", failedDiskHalts},
		{"FailedDiskHaltsAFullWindow", failedDiskHaltsFullWindow},
		{"EndsCleanly", endsCleanly},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, open(t)) })
		})
	}
}

// run is an engine at work.
type run struct {
	t      *testing.T
	h      Harness
	engine order.Engine
	cancel context.CancelFunc
	end    chan error
}

func start(t *testing.T, h Harness, s Settings) *run {
	t.Helper()
	return work(t, h, h.Open(t, s))
}

func work(t *testing.T, h Harness, e order.Engine) *run {
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{t: t, h: h, engine: e, cancel: cancel, end: make(chan error, 1)}
	go func() { r.end <- e.Run(ctx) }()
	return r
}

// stop ends the engine, which must end without an error, and its disk.
func (r *run) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.end; err != nil {
		r.t.Errorf("Run ended with %v", err)
	}
	r.h.Close(r.t)
}

func (r *run) offer(digests ...chain.Hash) {
	r.t.Helper()
	for _, d := range digests {
		if err := r.engine.Offer(d); err != nil {
			r.t.Fatal(err)
		}
	}
}

// next is the next decided proposal; in a bubble an engine that gives none is a deadlock, which fails the test.
func (r *run) next() *chain.Proposal {
	r.t.Helper()
	select {
	case p := <-r.engine.Decided():
		return p
	case <-time.After(time.Hour):
		r.t.Fatal("no proposal within an hour")
		return nil
	}
}

// silent asserts that nothing is decided in an hour.
func (r *run) silent() {
	r.t.Helper()
	select {
	case p := <-r.engine.Decided():
		r.t.Errorf("height %d with %d entries was decided, unasked", p.Height, len(p.Entries))
	case <-time.After(time.Hour):
	}
}

// collect reads proposals until n digests are decided.
func (r *run) collect(n int) (proposals []*chain.Proposal, digests []chain.Hash) {
	r.t.Helper()
	for len(digests) < n {
		p := r.next()
		proposals, digests = append(proposals, p), append(digests, p.Entries...)
	}
	return proposals, digests
}

func (r *run) checkFollows(proposals []*chain.Proposal, height chain.Height, timeUs uint64) {
	r.t.Helper()
	for _, p := range proposals {
		if p.Height != height+1 || p.TimeUs <= timeUs {
			r.t.Errorf("height %d at %d µs follows height %d at %d µs", p.Height, p.TimeUs, height, timeUs)
		}
		height, timeUs = p.Height, p.TimeUs
	}
}

// digests makes n digests that differ, beginning with the first-th.
func digests(first, n int) []chain.Hash {
	out := make([]chain.Hash, n)
	for i := range out {
		binary.BigEndian.PutUint64(out[i][:], uint64(first+i+1))
	}
	return out
}

func pause(d time.Duration) { <-time.After(d) }

func ordersEachOnce(t *testing.T, h Harness) {
	r := start(t, h, Settings{})
	want := digests(0, 500)
	go func() {
		for i, d := range want {
			if i%7 == 0 {
				pause(time.Duration(i%5) * time.Millisecond)
			}
			if err := r.engine.Offer(d); err != nil {
				t.Error(err)
			}
		}
	}()
	proposals, got := r.collect(len(want))
	if !slices.Equal(got, want) {
		t.Error("what was decided is not what was offered, in its order")
	}
	r.checkFollows(proposals, 0, 0)
	r.silent()
	r.stop()
}

func boundsAProposal(t *testing.T, h Harness) {
	r := start(t, h, Settings{})
	want := digests(0, 3*chain.EntriesPerBlockMax+1)
	r.offer(want...)
	proposals, got := r.collect(len(want))
	if !slices.Equal(got, want) {
		t.Error("what was decided is not what was offered, in its order")
	}
	for _, p := range proposals {
		if len(p.Entries) > chain.EntriesPerBlockMax {
			t.Errorf("height %d has %d entries", p.Height, len(p.Entries))
		}
	}
	r.stop()
}

func timeAlwaysGrows(t *testing.T, h Harness) {
	base := time.Now()
	asked := 0
	clock := func() time.Time { // one goroutine asks
		asked++
		switch {
		case asked < 5:
			return base // stands still
		case asked < 10:
			return base.Add(-time.Duration(asked) * time.Hour) // runs back
		}
		return time.Time{} // before 1970
	}
	r := start(t, h, Settings{Now: clock})
	var all []*chain.Proposal
	for i := range 15 {
		r.offer(digests(i, 1)...)
		all = append(all, r.next())
	}
	r.checkFollows(all, 0, 0)
	if last := all[len(all)-1].TimeUs; last > uint64(base.UnixMicro())+100 {
		t.Errorf("time ran ahead to %d of %d µs", last, base.UnixMicro())
	}
	r.stop()
}

func restartContinues(t *testing.T, h Harness) {
	r := start(t, h, Settings{})
	var before []*chain.Proposal
	for i := range 20 {
		r.offer(digests(i, 1)...)
		before = append(before, r.next())
	}
	r.stop()
	for _, from := range []int{20, 13, 0} {
		r = start(t, h, Settings{From: chain.Height(from), WindowMax: 2, Now: func() time.Time { return time.UnixMicro(1) }})
		r.offer(digests(1000+len(before), 1)...)
		var again []*chain.Proposal
		for range before[from:] {
			again = append(again, r.next())
		}
		for i, p := range again {
			if want := before[from+i]; p.Height != want.Height || p.TimeUs != want.TimeUs || p.Term != want.Term || !slices.Equal(p.Entries, want.Entries) {
				t.Errorf("from %d: height %d came out as %+v, was %+v", from, want.Height, p, want)
			}
		}
		p := r.next()
		last := before[len(before)-1]
		r.checkFollows([]*chain.Proposal{p}, last.Height, last.TimeUs)
		if !slices.Equal(p.Entries, digests(1000+len(before), 1)) {
			t.Errorf("from %d: the new proposal has %v", from, p.Entries)
		}
		before = append(before, p)
		r.silent()
		r.stop()
	}
}

func restartForgets(t *testing.T, h Harness) {
	r := start(t, h, Settings{WindowMax: 1})
	r.offer(digests(0, 1)...)
	pause(time.Second) // decided, nobody reads: the window is full
	r.offer(digests(1, 5)...)
	pause(time.Second)
	r.stop()
	r = start(t, h, Settings{})
	if p := r.next(); p.Height != 1 || !slices.Equal(p.Entries, digests(0, 1)) {
		t.Errorf("what was decided comes out as %+v", p)
	}
	r.silent()
	r.offer(digests(1, 5)...)
	proposals, got := r.collect(5)
	if !slices.Equal(got, digests(1, 5)) {
		t.Error("what was offered again is not what was decided")
	}
	r.checkFollows(proposals, 1, 0)
	r.stop()
}

func idleIsSilent(t *testing.T, h Harness) {
	r := start(t, h, Settings{})
	r.silent() // the disk may get ready meanwhile
	r.offer(digests(0, 3)...)
	r.collect(3)
	pause(time.Minute)
	before := h.Writes()
	r.silent()
	if n := h.Writes() - before; n != 0 {
		t.Errorf("%d writes while idle", n)
	}
	r.stop()
}

func nudgeGivesOne(t *testing.T, h Harness) {
	r := start(t, h, Settings{})
	for height := range chain.Height(3) {
		r.engine.Nudge()
		if p := r.next(); p.Height != height+1 || len(p.Entries) != 0 {
			t.Errorf("a nudge gave %+v", p)
		}
		r.silent()
	}
	r.offer(digests(0, 1)...)
	if p := r.next(); p.Height != 4 || len(p.Entries) != 1 {
		t.Errorf("after nudges an offer gave %+v", p)
	}
	r.stop()
}

func slowReader(t *testing.T, h Harness) {
	const window, offered = 4, 100
	r := start(t, h, Settings{WindowMax: window})
	for i := range offered {
		r.offer(digests(i, 1)...)
		pause(20 * time.Millisecond)
	}
	proposals, got := r.collect(offered)
	if !slices.Equal(got, digests(0, offered)) {
		t.Error("what was decided is not what was offered, in its order")
	}
	// What did not fit the window waited, and so was proposed together.
	alone := 0
	for _, p := range proposals {
		if len(p.Entries) == 1 {
			alone++
		}
	}
	if alone > window+1 {
		t.Errorf("%d proposals were made while nobody read, the window is %d", alone, window)
	}
	r.stop()
}

func pendingMaxSheds(t *testing.T, h Harness) {
	const most = 8
	e := h.Open(t, Settings{PendingMax: most})
	for _, d := range digests(0, most) {
		if err := e.Offer(d); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Offer(chain.Hash{1}); !fault.Is(err, fault.TryLater) {
		t.Errorf("beyond PendingMax the answer is %v", err)
	}
	r := work(t, h, e)
	if _, got := r.collect(most); !slices.Equal(got, digests(0, most)) {
		t.Error("what was shed, or something else, was decided")
	}
	r.offer(digests(most, 1)...)
	r.collect(1)
	r.stop()
}

func failedDiskHalts(t *testing.T, h Harness) {
	if h.Fail == nil {
		t.Skip("this disk does not fail")
	}
	r := start(t, h, Settings{})
	r.offer(digests(0, 1)...)
	r.collect(1)
	h.Fail()
	r.offer(digests(1, 1)...)
	r.halted()
}

// failedDiskHaltsFullWindow fails the write of a proposal that fills the window: the engine has more to propose, and no
// place for it ever.
func failedDiskHaltsFullWindow(t *testing.T, h Harness) {
	if h.Fail == nil {
		t.Skip("this disk does not fail")
	}
	e := h.Open(t, Settings{WindowMax: 1})
	pause(time.Second)
	h.Fail()
	for _, d := range digests(0, 3*chain.EntriesPerBlockMax) {
		if err := e.Offer(d); err != nil {
			t.Fatal(err)
		}
	}
	work(t, h, e).halted()
}

// halted asserts that Run ends Halted, that offers are refused then, and that nothing undurable was decided.
func (r *run) halted() {
	r.t.Helper()
	select {
	case err := <-r.end:
		if !fault.Is(err, fault.Halted) {
			r.t.Errorf("Run ended with %v", err)
		}
	case p := <-r.engine.Decided():
		r.t.Errorf("height %d was decided and is not on disk", p.Height)
	case <-time.After(time.Hour):
		r.t.Error("Run goes on")
	}
	if err := r.engine.Offer(chain.Hash{9}); !fault.Is(err, fault.Halted) {
		r.t.Errorf("an offer is answered %v", err)
	}
	r.cancel()
	r.h.Close(r.t)
}

func endsCleanly(t *testing.T, h Harness) {
	r := start(t, h, Settings{})
	r.stop()
	r = start(t, h, Settings{WindowMax: 2})
	r.offer(digests(0, 200)...) // ends in the middle of work that nobody reads
	pause(time.Second)
	r.stop()
}
