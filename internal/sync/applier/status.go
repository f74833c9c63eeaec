// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"log/slog"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// State is an applier's condition in one word.
type State string

// The states of an applier.
const (
	StateStarting State = "starting"
	StateApplying State = "applying" // it reads, or waits for records
	StateTrouble  State = "trouble"  // something does not answer, or cannot be had; it is tried again
	StateTrying   State = "trying"   // a change could not be made, and is tried again
	StateHeld     State = "held"     // a change waits for a person: Retry, or governance's SkipSync
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
	Held     *Held
}

// Held is a change that cannot be made. It has names: show it to operators only.
type Held struct {
	Record  *envelope.Record
	Outcome chain.Outcome
	Text    string
	Tries   int
	Slot    uint16 // that it debits, chain.SlotNone if none; SkipSync freezes it
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
	s := a.status
	s.Stated, s.Lag = a.lag.stated, a.lag.lag(time.Now())
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
	a.lag.note(stated, ms, envelope.Position(a.status.Position))
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
	a.reader = r
	a.status.Life, a.status.Position, a.status.Applied, a.status.Skipped = in.Life, in.Position, in.Applied, in.Skipped
	a.status.Reason, a.status.Error = "", ""
	if a.status.Held != nil && !in.Position.Before(chain.SyncPosition(a.status.Held.Record.Position)) {
		a.status.Held = nil
	}
	if a.status.Held == nil {
		a.enter(StateApplying)
	}
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
		a.metrics.applied.WithLabelValues(kindOf(r.Change)).Inc()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Position = chain.SyncPosition(records[len(records)-1].Position)
	a.status.Applied += uint64(len(records))
	a.status.Held = nil
	a.enter(StateApplying)
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
	if a.status.Reason != reason {
		a.parts.Log.Warn("V10's changes are not applied for a moment", slog.String(obs.KeyReason, reason), obs.Err(err))
	}
	a.status.Reason, a.status.Error = reason, err.Error()
	a.enter(StateTrouble)
}

// noteHeld notes a change that cannot be made, and says how often it was tried.
func (a *Applier) noteHeld(h *holdError) int {
	a.metrics.held.WithLabelValues(h.stop.Outcome.String()).Inc()
	a.mu.Lock()
	defer a.mu.Unlock()
	tries := 1
	if was := a.status.Held; was != nil && was.Record.Position == h.record.Position {
		tries = was.Tries + 1
	}
	a.status.Held = &Held{Record: h.record, Outcome: h.stop.Outcome, Text: h.stop.Text, Tries: tries, Slot: slotOf(h.record.Change)}
	a.enter(StateTrying)
	if tries >= HoldTriesMax {
		a.enter(StateHeld)
		a.parts.Log.Error("a change of V10's cannot be made here, and all behind it waits for a person", slog.String(obs.KeyFrom, h.record.Position.String()),
			slog.String(obs.KeyKind, kindOf(h.record.Change)), slog.String(obs.KeyReason, h.stop.Outcome.String()))
	}
	return tries
}

// release lets the change be tried anew.
func (a *Applier) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Held = nil
	a.enter(StateApplying)
}

// slotOf is the slot that a change debits.
func slotOf(c envelope.Change) uint16 {
	switch c := c.(type) {
	case *envelope.Transfer:
		return keys.AliasSlot(c.From)
	case *envelope.Redeemed:
		return keys.AliasSlot(c.Issuer)
	}
	return chain.SlotNone
}

// kindOf is a change's name in metrics.
func kindOf(c envelope.Change) string {
	switch c.(type) {
	case *envelope.Transfer:
		return "transfer"
	case *envelope.AccountOpened:
		return "account"
	case *envelope.AssetCreated:
		return "asset"
	case *envelope.Issued:
		return "issue"
	case *envelope.Redeemed:
		return "redeem"
	case *envelope.Refusal:
		return "refusal"
	case *envelope.Round:
		return "round"
	case *envelope.Barrier:
		return "barrier"
	}
	return "other"
}

// lagMeter tells how old what is not applied may be: everything that V10's side had published at a heart-beat is applied once the
// position that the heart-beat states is.
type lagMeter struct {
	stated    envelope.Position // newest
	waitsFor  envelope.Position // a heart-beat's that is not reached yet
	waitsFrom uint64            // when that was, ms since 1970; 0: none waits
	reached   uint64            // of the newest heart-beat whose position is applied
}

// note takes in the newest heart-beat and what is applied.
func (l *lagMeter) note(stated envelope.Position, ms uint64, applied envelope.Position) {
	l.stated = stated
	if l.waitsFrom != 0 && !applied.Before(l.waitsFor) {
		l.reached, l.waitsFrom = max(l.reached, l.waitsFrom), 0
	}
	switch {
	case ms == 0:
	case !applied.Before(stated):
		l.reached, l.waitsFrom = max(l.reached, ms), 0
	case l.waitsFrom == 0:
		l.waitsFor, l.waitsFrom = stated, ms
	}
}

func (l *lagMeter) lag(now time.Time) time.Duration {
	if l.reached == 0 {
		return -1
	}
	return max(0, now.Sub(time.UnixMilli(int64(l.reached))))
}
