// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Reasons of refusals.
const (
	ReasonHomeVersion   = "home_version"   // Conflict: the fence is of another version of the home table
	ReasonNotHome       = "not_home"       // Conflict: V10 does not own a slot of the fence
	ReasonComing        = "coming"         // TryLater: V10 has not applied all that V11 did with a slot
	ReasonOvertaken     = "overtaken"      // Halted: another guard has begun
	ReasonNoGenerations = "no_generations" // Refused: V10 executes what no guard let through
	ReasonBarrierLost   = "barrier_lost"   // Halted: nobody knows whose the newest generation is
)

// Record is what a guard must not forget. A start reads it after it has taken its generation.
type Record struct {
	Incarnation [16]byte          `json:"-"`                 // of V10
	Newborn     uint64            `json:"newborn,omitempty"` // generation of the first guard, which knows no version yet; all else is empty
	Version     uint64            `json:"home_version"`      // that the guard has followed
	Last        *Move             `json:"last,omitempty"`    // that made it; nil: the guard began with it
	Owned       []Owned           `json:"owned"`             // by V10, in order
	Closed      []chain.SlotRange `json:"closed,omitempty"`
}

// View is what the guard serves by at a moment: a write is let through if its slot is open, with the generation of the same view.
type View struct {
	Version    uint64
	Generation uint64
	// Barring: a barrier is under way, and a newer generation may be the guard's own.
	Barring bool
	sides   *table[side]
}

// begun is what a start found out, in this order: the barrier, the record, V10's home table and, where the record does not tell, V11's.
type begun struct {
	barrier barrier
	record  *Record // nil: there is none
	told    uint64  // version that V10 knows, 0: none
	homes   *Record // V11's at told or later; nil: the record tells
}

// barrier is V10's answer to one.
type barrier struct {
	generation  uint64
	earlier     uint64 // of the guard before it, 0: there was none
	incarnation [16]byte
	sequence    uint64
}

// Events. What an action leads to comes before anything else is begun.
type (
	fenceAsked struct {
		version uint64
		slots   []chain.SlotRange
	}
	recorded   struct{}
	barred     struct{ barrier }
	barFailed  struct{ err error } // V10 was not reached: nothing was done
	barUnclear struct{ err error } // nobody knows whether it was
	barRefused struct{ err error } // another guard has the newest generation
	moved      struct{ Move }
	homesTold  struct{}
	applied    struct{ height uint64 }
)

// Actions, to be done in order. record, bar and tell are answered by an event each, and are the last of their list.
type (
	serve  struct{ View }
	record struct{ Record }
	bar    struct{ after uint64 } // take the next generation, if that is the newest still
	tell   struct {
		told   uint64 // version that V10 knows; 0: it has no table, and needs a whole one
		record Record
	}
	sign   struct{ chain.Fence }
	refuse struct{ err error } // the fence that was asked for
	end    struct{ err error } // the guard must not go on
)

// core decides what the guard does. It is a function of its events: no clock, no I/O, no goroutine. The rules are those of docs/move-model.md.
type core struct {
	record     Record
	generation uint64
	told       uint64 // version that V10 knows
	height     uint64 // that V10 has applied
	// unsure are slots that open only when V10 knows the version.
	unsure []chain.SlotRange
	asked  []chain.SlotRange // of the fence under way
	signed *chain.Fence      // the newest of this version
}

// newborn finds out whether no guard served before this one, also if starts of it went no further: then nothing can have been closed. It returns
// the record that says so for the next start, nil if others served.
func (b *begun) newborn() *Record {
	known := b.record != nil && b.record.Newborn > 0
	first := b.record == nil && b.barrier.earlier == 0 || known && b.record.Newborn == b.barrier.earlier
	if known {
		b.record = nil
	}
	if !first {
		return nil
	}
	b.barrier.earlier = 0
	return &Record{Incarnation: b.barrier.incarnation, Newborn: b.barrier.generation}
}

// begin makes a core of what a start found. A guard without a record that had predecessors has lost what it closed, as has one whose record
// is older than what V10 was told, or is of another life of V10: everything stays closed until the home table moves on.
func begin(b *begun) (*core, []any) {
	c := &core{generation: b.barrier.generation, told: b.told}
	lost := b.barrier.earlier > 0
	if b.record != nil {
		c.record = *b.record
		lost = c.record.Version < b.told || c.record.Incarnation != b.barrier.incarnation
	}
	if b.homes != nil {
		c.record = *b.homes
	}
	c.record.Incarnation = b.barrier.incarnation
	if lost {
		c.record.Closed = c.v10Slots()
	}
	if c.told < c.record.Version {
		c.unsure = c.v10Slots()
	}
	return c, []any{record{c.record}}
}

func (c *core) v10Slots() (all []chain.SlotRange) {
	for _, o := range c.record.Owned {
		all = append(all, chain.SlotRange{From: o.From, To: o.To})
	}
	return join(all, nil)
}

// step takes an event and says what to do.
func (c *core) step(e any) []any {
	switch e := e.(type) {
	case fenceAsked:
		return c.fence(e)
	case recorded:
		return c.wasRecorded()
	case barred:
		return c.wasBarred(e.barrier)
	case barFailed:
		c.asked = nil
		return []any{c.serve(), refuse(e)}
	case barUnclear:
		err := &fault.Error{Kind: fault.Halted, Reason: ReasonBarrierLost, Cause: e.err, Text: "V10 did not say whether it took the barrier of a fence: start the guard again"}
		return []any{refuse{err}, end{err}}
	case barRefused:
		err := overtaken(c.generation, e.err)
		return []any{refuse{err}, end{err}}
	case moved:
		return c.follow(e.Move)
	case homesTold:
		c.told, c.unsure = c.record.Version, nil
		return []any{c.serve()}
	case applied:
		if e.height <= c.height {
			return nil
		}
		c.height = e.height
		return []any{c.serve()}
	}
	fault.Invariant(false, "event %T", e)
	return nil
}

func overtaken(own uint64, cause error) error {
	return &fault.Error{
		Kind: fault.Halted, Reason: ReasonOvertaken, Cause: cause,
		Text: "another guard has taken a newer generation: one guard alone serves a V10, and this one ends",
	}
}

// fence closes slots in memory first; then they are recorded, the barrier is written, and the fence is signed.
func (c *core) fence(e fenceAsked) []any {
	if err := c.mayFence(e); err != nil {
		return []any{refuse{err}}
	}
	if c.signed != nil && slices.Equal(c.signed.Slots, e.slots) {
		return []any{sign{*c.signed}} // V10 took nothing more of them since
	}
	c.asked = e.slots
	c.record.Closed = join(c.record.Closed, e.slots)
	return []any{c.serve(), record{c.record}}
}

func (c *core) mayFence(e fenceAsked) error {
	if err := chain.CheckRanges(e.slots); err != nil {
		return fault.Wrap(fault.Invalid, err, "a fence of no slots")
	}
	if e.version != c.record.Version {
		return fault.Reasoned(fault.Conflict, ReasonHomeVersion, "the home table is at version %d, and the fence is asked for at %d: read it again", c.record.Version, e.version)
	}
	if c.told < c.record.Version {
		return fault.Reasoned(fault.TryLater, ReasonComing, "V10 does not know version %d of the home table yet", c.record.Version)
	}
	sides := c.sides()
	for _, r := range e.slots {
		for s := int(r.From); s <= int(r.To); s++ {
			switch sides[s] {
			case atV11:
				return fault.Reasoned(fault.Conflict, ReasonNotHome, "V10 does not own slot %d at version %d of the home table", s, e.version)
			case coming:
				return fault.Reasoned(fault.TryLater, ReasonComing, "slot %d has not opened on V10: V10 has applied V11's blocks up to %d", s, c.height)
			}
		}
	}
	return nil
}

func (c *core) wasRecorded() []any {
	switch {
	case c.asked != nil:
		v := c.serve()
		v.Barring = true
		return []any{v, bar{c.generation}}
	case c.told < c.record.Version:
		return []any{c.serve(), tell{c.told, c.record}}
	}
	return []any{c.serve()}
}

func (c *core) wasBarred(b barrier) []any {
	fault.Invariant(c.asked != nil && b.generation > c.generation, "a barrier of generation %d after %d, that nobody asked for", b.generation, c.generation)
	if b.incarnation != c.record.Incarnation {
		err := fault.Reasoned(fault.Halted, ReasonOvertaken, "V10 is another life of its ledger than when the guard began: see the guard's runbook")
		return []any{refuse{err}, end{err}}
	}
	c.generation = b.generation
	c.signed = &chain.Fence{
		Incarnation: b.incarnation, HomeVersion: c.record.Version, Slots: c.asked, Position: chain.SyncPosition{Major: b.sequence},
	}
	c.asked = nil
	return []any{c.serve(), sign{*c.signed}}
}

// follow takes the next version of the home table. What was closed at the one before, and is V10's still, opens: a fence of that version
// is of no use any more, since the ledger compares versions. It opens when V10 knows the new one.
func (c *core) follow(m Move) []any {
	fault.Invariant(c.asked == nil, "move %d comes while a fence is made", m.Version)
	c.unsure = join(c.unsure, c.record.Closed)
	if m.Kind == ToV10 {
		c.unsure = join(c.unsure, without(m.Slots, c.v10Slots())) // what V10 owned already is served on
	}
	c.record.follow(&m)
	c.signed = nil
	return []any{c.serve(), record{c.record}}
}

// sides says where each slot's debits go.
func (c *core) sides() *table[side] {
	t := new(table[side])
	for _, o := range c.record.Owned {
		s := open
		if o.Since > c.height {
			s = coming
		}
		t.set(chain.SlotRange{From: o.From, To: o.To}, s)
	}
	for _, r := range c.unsure {
		for s := int(r.From); s <= int(r.To); s++ {
			if t[s] == open {
				t[s] = coming
			}
		}
	}
	for _, r := range c.record.Closed {
		for s := int(r.From); s <= int(r.To); s++ {
			if t[s] != atV11 {
				t[s] = closed
			}
		}
	}
	return t
}

func (c *core) serve() serve {
	return serve{View{Version: c.record.Version, Generation: c.generation, sides: c.sides()}}
}

// waits reports whether slots are coming only because V10 has not applied enough.
func (c *core) waits() bool {
	return slices.ContainsFunc(c.record.Owned, func(o Owned) bool { return o.Since > c.height })
}
