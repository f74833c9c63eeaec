// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

// ReasonFenced is that of an error which leaves slots closed: V10 takes no debits of them, nor does V11. Abort opens them.
const ReasonFenced = "fenced"

// Bounds of a mover.
const (
	pollDefault = 5 * time.Millisecond
	pollMax     = 100 * time.Millisecond // between two questions while nothing happens
	abortsMax   = 16                     // tries of an abort that others come before
)

// Homes is the ledger's home table.
type Homes struct {
	Version uint64
	V10     router.Slots
	Applied chain.SyncPosition // of V10's changes
}

// Ledger is V11, as a mover needs it.
type Ledger interface {
	// Homes reads the home table and how far V10's changes are applied, as of one node's newest certified height.
	Homes(ctx context.Context) (Homes, error)
	// Submit executes a MoveSlots or AbortMove on the mover's word, and returns its outcome when it is certified.
	Submit(ctx context.Context, body chain.Body) (chain.Outcome, error)
}

// GuardState is where the guard stands.
type GuardState struct {
	Version        uint64
	Closed, Coming router.Slots
}

// Guard is V10's.
type Guard interface {
	State(ctx context.Context) (GuardState, error)
	// Fence closes slots and signs it. Conflict: the guard is at another version, or V10 does not own a slot.
	Fence(ctx context.Context, version uint64, slots []chain.SlotRange) (*Fence, error)
}

// Config says how a mover goes about it.
type Config struct {
	Poll time.Duration // between two questions, at first; 0: pollDefault
	// Note is told of each action that is not waiting, and of each reason to wait, once in a row; nil: nobody.
	Note func(Action)
}

// Mover moves slots. One goroutine uses it.
type Mover struct {
	ledger Ledger
	guard  Guard
	cfg    Config
	fence  *Fence
	last   Action
}

// New makes a mover.
func New(l Ledger, g Guard, cfg Config) *Mover {
	if cfg.Poll == 0 {
		cfg.Poll = pollDefault
	}
	if cfg.Note == nil {
		cfg.Note = func(Action) {}
	}
	return &Mover{ledger: l, guard: g, cfg: cfg}
}

// Moved says how a goal was reached.
type Moved struct {
	Version  uint64 // of the home table then
	Fences   int
	Moves    int
	Refusals int // moves that the ledger refused because something else was first
}

// Move brings slots to a side, and returns when that side takes their debits. What does not answer is asked again until ctx ends. An error of reason ReasonFenced
// leaves slots closed. Refused: the ledger will not have it, for a reason that asking again does not mend.
func (m *Mover) Move(ctx context.Context, g Goal) (r Moved, err error) {
	for poll := m.cfg.Poll; ; {
		progress, done, err := m.step(ctx, &g, &r)
		if done {
			return r, err
		}
		if poll = min(2*poll, pollMax); progress {
			poll = m.cfg.Poll
		}
		select {
		case <-ctx.Done():
			return r, m.gaveUp(ctx, &g, err)
		case <-time.After(poll):
		}
	}
}

// step does what is next. done: the move is over, with err; else err is what stands in the way for now.
func (m *Mover) step(ctx context.Context, g *Goal, r *Moved) (progress, done bool, err error) {
	s, err := m.ask(ctx)
	if err != nil {
		return false, fault.Is(err, fault.Denied), err
	}
	r.Version = s.Version
	a := Next(g, &s)
	m.note(a)
	switch a.Verb {
	case Done:
		m.fence = nil
		return false, true, nil
	case TakeFence:
		r.Fences++
		m.fence, err = m.guard.Fence(ctx, s.Version, a.Ranges)
		return err == nil, fault.Is(err, fault.Invalid), err
	case Move:
		return m.move(ctx, g, &s, a.Ranges, r)
	}
	return false, false, nil
}

func (m *Mover) note(a Action) {
	if a.Verb == Wait && m.last.Verb == Wait && m.last.Why == a.Why {
		return
	}
	m.last = a
	m.cfg.Note(a)
}

// ask reads the guard first: it is never ahead of the ledger then.
func (m *Mover) ask(ctx context.Context) (s State, err error) {
	g, err := m.guard.State(ctx)
	if err != nil {
		return s, err
	}
	h, err := m.ledger.Homes(ctx)
	if err != nil {
		return s, err
	}
	return State{Version: h.Version, V10: h.V10, Applied: h.Applied, Guard: g.Version, Closed: g.Closed, Coming: g.Coming, Fence: m.fence}, nil
}

func (m *Mover) move(ctx context.Context, g *Goal, s *State, ranges []chain.SlotRange, r *Moved) (progress, done bool, err error) {
	body := &chain.MoveSlots{ToV11: g.ToV11, HomeVersion: s.Version, Slots: ranges}
	if g.ToV11 {
		body.Position, body.Fence = m.fence.Position, m.fence.Signature
	}
	r.Moves++
	code, err := m.ledger.Submit(ctx, body)
	switch {
	case err != nil: // nobody knows: the table will say
		return false, fault.Is(err, fault.Denied), err
	case code == chain.OK:
		return true, false, nil
	case code == chain.HomesMoved || code == chain.NotHome || code == chain.SyncBehind: // somebody was first, or the node that was asked is behind
		r.Refusals++
		return false, false, refused(code)
	case code == chain.BadFence: // another guard, or another life of V10: ask again
		r.Refusals++
		m.fence = nil
		return false, false, refused(code)
	}
	return false, true, refused(code)
}

func refused(code chain.Outcome) error {
	return fault.Reasoned(fault.Refused, code.String(), "the ledger does not move the slots: %s (docs/outcomes.md)", code)
}

// gaveUp says how things were left when the context ended. Whether slots are closed is asked once more, with a little time of its own.
func (m *Mover) gaveUp(ctx context.Context, g *Goal, last error) error {
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), pollMax*10)
	defer cancel()
	if s, err := m.guard.State(short); g.ToV11 && (err != nil || meet(&g.Slots, &s.Closed)) {
		return &fault.Error{Kind: fault.Timeout, Reason: ReasonFenced, Cause: last, Text: "the slots did not move in time, and are closed on V10: abort the move, or move them again"}
	}
	return &fault.Error{Kind: fault.Timeout, Reason: fault.ReasonOf(last), Cause: last, Text: "the slots did not move in time (" + m.last.Why + "): move them again"}
}

// Abort opens what is closed, where it was: on V10. It returns when the guard has opened it. Nothing closed: nothing is done.
func (m *Mover) Abort(ctx context.Context) error {
	m.fence = nil
	for range abortsMax {
		s, err := m.ask(ctx)
		if err != nil {
			return err
		}
		closed := inBoth(&s.Closed, &s.V10)
		if len(closed) == 0 || s.Guard < s.Version {
			return m.await(ctx, s.Version)
		}
		code, err := m.ledger.Submit(ctx, &chain.AbortMove{HomeVersion: s.Version, Slots: closed})
		switch {
		case err != nil:
			return err
		case code != chain.OK && code != chain.HomesMoved:
			return refused(code)
		}
		if err := m.await(ctx, s.Version+1); err != nil {
			return err
		}
	}
	return fault.New(fault.TryLater, "others moved slots all the time: abort again")
}

// await waits until the guard has followed a version.
func (m *Mover) await(ctx context.Context, version uint64) error {
	for {
		if g, err := m.guard.State(ctx); err == nil && g.Version >= version {
			return nil
		}
		select {
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "the guard has not followed version %d of the home table: look at its log", version)
		case <-time.After(m.cfg.Poll):
		}
	}
}

// inBoth are the slots of both sets, in at most as many ranges as a transaction holds.
func inBoth(a, b *router.Slots) []chain.SlotRange {
	g := Goal{ToV11: true, Slots: *a}
	return g.left(&State{V10: *b})
}
