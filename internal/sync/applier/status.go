// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"log/slog"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// State is an applier's condition in one word.
type State string

// The states of an applier.
const (
	StateStarting State = control.StateStarting
	StateApplying State = control.StateApplying
	StateCopying  State = control.StateCopying // it waits for the end of the initial copy, and reads nothing
	StateTrouble  State = control.StateTrouble
	StateTrying   State = control.StateTrying
	StateHeld     State = control.StateHeld   // a change waits for a person: Retry, or governance's SkipSync
	StateClosed   State = control.StateClosed // the migration is over: nothing of V10's is taken any more
)

// Status is where an applier is.
type Status struct {
	State    State
	Since    time.Time // since when it is in that state
	Reason   string    // of trouble
	Error    string
	Life     uint32
	Position chain.SyncPosition // applied, as this applier knows
	Applied  uint64             // changes of all lives, as the inbox said last
	Skipped  uint64
	Stated   envelope.Position // V10's side has published all up to here
	Lag      time.Duration     // how old what is not applied may be; negative: not known yet
	// P50 and P99 are of how late the last minutes' heart-beats were applied; Samples of them, 0: none.
	P50, P99  time.Duration
	Samples   int
	PerSecond float64 // changes, over the last seconds
	RateMax   uint64  // their bound; 0: none
	Held      *Held
}

// Held is a change that cannot be made. It has names: show it to operators only.
type Held struct {
	Record  *envelope.Record
	Life    uint32 // of V10, as the inbox has it
	Outcome chain.Outcome
	Text    string
	Tries   int
	Since   time.Time // of the first try
	Slot    uint16    // that it debits, chain.SlotNone if none; SkipSync freezes it
	Parked  bool      // its letter is among the dead ones
}

// holdError ends a session at a change that cannot be made.
type holdError struct {
	life   uint32
	record *envelope.Record
	stop   Stop
}

// Error says what is held, without a name.
func (h *holdError) Error() string {
	return "the change at " + h.record.Position.String() + " cannot be made: " + h.stop.Outcome.String()
}

// Status says where the applier is.
func (a *Applier) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sample()
	s, now := a.status, time.Now()
	s.Stated, s.Lag = a.lag.Stated(), a.lag.Now(now)
	s.P50, s.P99, s.Samples = a.lag.Figures(now)
	s.PerSecond, s.RateMax = a.flow.PerSecond(now), a.rate.PerSecond()
	if s.State == StateClosed {
		s.Lag = 0 // nothing waits
	}
	if s.Held != nil {
		held := *s.Held
		s.Held = &held
	}
	return s
}

// sample reads the newest heart-beat. mu is held.
func (a *Applier) sample() {
	if a.reader == nil {
		return
	}
	stated, ms := a.reader.Beat()
	a.lag.Note(time.Now(), stated, ms, envelope.Position(a.status.Position))
}

func (a *Applier) enter(s State) {
	if a.status.State != s {
		a.status.State, a.status.Since = s, time.Now()
	}
}

// begun notes where a session begins.
func (a *Applier) begun(in *Inbox, r Reader) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reader, a.since = r, time.Now()
	a.status.Life, a.status.Position, a.status.Applied, a.status.Skipped = in.Life, in.Position, in.Applied, in.Skipped
	if a.status.Held != nil && !in.Position.Before(chain.SyncPosition(a.status.Held.Record.Position)) {
		a.status.Held = nil
	}
	if a.status.Held == nil && a.status.State != StateTrouble {
		a.enter(StateApplying)
	}
}

// look notes whether the session that runs has trouble to read, or has had none for long enough. mu is held.
func (a *Applier) look(now time.Time) {
	if a.reader == nil {
		return
	}
	if err := a.reader.Trouble(); err != nil {
		a.since = now
		a.say(err)
		return
	}
	if a.status.State == StateTrouble && now.Sub(a.since) >= settleAfter {
		a.well()
	}
}

// say notes what the trouble is, and logs it if it is another one than before. mu is held.
func (a *Applier) say(err error) {
	reason := fault.ReasonOf(err)
	if reason == "" {
		reason = fault.KindOf(err).String()
	}
	if a.status.State != StateTrouble || a.status.Reason != reason {
		a.parts.Log.Warn("V10's changes are not applied for a moment", slog.String(obs.KeyReason, reason), obs.Err(err))
	}
	a.status.Reason, a.status.Error = reason, err.Error()
	a.enter(StateTrouble)
}

// well notes that there is no trouble. mu is held.
func (a *Applier) well() {
	a.status.Reason, a.status.Error = "", ""
	a.enter(StateApplying)
}

func (a *Applier) ended() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sample()
	a.reader = nil
}

// applied notes changes that were made.
func (a *Applier) applied(records []*envelope.Record) {
	if len(records) == 0 {
		return
	}
	for _, r := range records {
		a.metrics.applied.WithLabelValues(envelope.KindOf(r.Change)).Inc()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Position = chain.SyncPosition(records[len(records)-1].Position)
	a.status.Applied += uint64(len(records))
	a.flow.Add(time.Now(), uint64(len(records)))
	a.status.Held = nil
	a.well()
	a.sample()
}

// trouble notes what ended a session.
func (a *Applier) trouble(err error) {
	reason := fault.ReasonOf(err)
	if reason == "" {
		reason = fault.KindOf(err).String()
	}
	a.metrics.troubles.WithLabelValues(reason).Inc()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.say(err)
}

// noteTry notes that a change could not be made, once more.
func (a *Applier) noteTry(h *holdError) Held {
	a.metrics.held.WithLabelValues(h.stop.Outcome.String()).Inc()
	a.mu.Lock()
	defer a.mu.Unlock()
	held := Held{Record: h.record, Life: h.life, Outcome: h.stop.Outcome, Text: h.stop.Text, Tries: 1, Since: time.Now(), Slot: a.slotOf(h.record.Change)}
	if was := a.status.Held; was != nil && was.Record.Position == h.record.Position {
		held.Tries, held.Since = was.Tries+1, was.Since
	}
	again := held
	a.status.Held = &again
	a.enter(StateTrying)
	return held
}

// noteHeld notes that a change waits for a person.
func (a *Applier) noteHeld(h *Held, parked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	again := *h
	again.Parked = parked
	a.status.Held = &again
	if a.status.State == StateHeld {
		return // it is told already; the letter was late
	}
	a.enter(StateHeld)
	a.parts.Log.Error("a change of V10's cannot be made here, and all behind it waits for a person", slog.String(obs.KeyFrom, h.Record.Position.String()),
		slog.String(obs.KeyKind, envelope.KindOf(h.Record.Change)), slog.String(obs.KeyReason, h.Outcome.String()))
}

// noteCopying notes that the initial copy is under way.
func (a *Applier) noteCopying(in *Inbox) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Life, a.status.Position, a.status.Applied, a.status.Skipped = in.Life, in.Position, in.Applied, in.Skipped
	a.status.Reason, a.status.Error = "", ""
	a.enter(StateCopying)
}

// noteClosed notes that the migration is over.
func (a *Applier) noteClosed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Reason, a.status.Error, a.status.Held = "", "", nil
	if a.status.State != StateClosed {
		a.parts.Log.Info("the migration is closed: V10's changes are not applied any more")
	}
	a.enter(StateClosed)
}

// release lets the change be tried anew.
func (a *Applier) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Held = nil
	a.well()
}

// slotOf is the slot that a change debits.
func (a *Applier) slotOf(c envelope.Change) uint16 {
	switch c := c.(type) {
	case *envelope.Transfer:
		return a.cfg.AliasKey.Slot(c.From)
	case *envelope.Redeemed:
		return a.cfg.AliasKey.Slot(c.Issuer)
	}
	return chain.SlotNone
}
