// SPDX-License-Identifier: Apache-2.0

package v10sync

import (
	"context"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// beatPoll is how often it is looked for a heart-beat: so exact are the lag's figures.
const beatPoll = 20 * time.Millisecond

// settleAfter is how long a direction goes on before the trouble of its last try is over: what cannot be read ends it sooner, and status must
// not say in between that all is well.
const settleAfter = 2 * time.Second

// state is where the half is, for who asks.
type state struct {
	mu      sync.Mutex // guards all below
	status  control.Apply
	at      envelope.Position // applied
	capture control.Capture
	lag     control.Lag
	flow    control.Flow
	reader  *bus.Reader    // of the direction that runs; nil: none does
	since   time.Time      // that reader goes on without trouble
	topics  *bus.Publisher // to which V10's changes go; nil: to none
	held    *heldRecord
}

// heldRecord is a record that V10 does not take. Its change has names.
type heldRecord struct {
	record       *envelope.Record
	reason, text string
	tries        int
	since        time.Time // of the first try
	parked       bool
}

// enter is for who has the lock, or the state alone.
func (s *state) enter(what string) {
	if s.status.State != what {
		s.status.State, s.status.Since = what, time.Now()
	}
}

// heard notes V10's head, or why it is not heard.
func (s *state) heard(head uint64, trouble error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if trouble != nil {
		s.capture.State, s.capture.Reason, s.capture.Error = control.StateTrouble, reasonOf(trouble), trouble.Error()
		return
	}
	s.capture.State, s.capture.Reason, s.capture.Error, s.capture.Head = control.StateApplying, "", "", head
}

// told notes how far V10's changes were given to the topics.
func (s *state) told(at envelope.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capture.Position = at.Major
}

func (s *state) begun(at *envelope.Start, r *bus.Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader, s.at, s.since = r, at.Position, time.Now()
	s.status.Life = at.Source.Life
	if s.held != nil && !s.at.Before(s.held.record.Position) {
		s.held = nil
	}
	if s.held == nil && s.status.State != control.StateTrouble {
		s.enter(control.StateApplying)
	}
}

// look notes whether the reader that runs has trouble, or has had none for long enough. mu is held.
func (s *state) look(now time.Time) {
	if s.reader == nil {
		return
	}
	if err := s.reader.State().Trouble; err != nil {
		s.since = now
		s.say(err)
		return
	}
	if s.status.State == control.StateTrouble && now.Sub(s.since) >= settleAfter {
		s.status.Reason, s.status.Error = "", ""
		s.enter(control.StateApplying)
	}
}

// say notes what the trouble is. mu is held.
func (s *state) say(err error) {
	s.status.Reason, s.status.Error = reasonOf(err), err.Error()
	s.enter(control.StateTrouble)
}

// tells notes to which topics V10's changes go; nil: to none.
func (s *state) tells(p *bus.Publisher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics = p; p != nil {
		s.capture.Position = p.Tip().Position.Major
	}
}

func (s *state) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sample()
	s.reader = nil
}

// applied notes records that V10 took. Those before a held one do not end its hold.
func (s *state) applied(at *envelope.Start, records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at.Position
	s.status.Applied += uint64(records)
	s.flow.Add(time.Now(), uint64(records))
	s.status.Reason, s.status.Error = "", ""
	if s.held != nil && s.at.Before(s.held.record.Position) {
		s.sample()
		return
	}
	s.held = nil
	s.enter(control.StateApplying)
	s.sample()
}

func (s *state) trouble(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say(err)
}

// tried notes that V10 did not take a record, once more.
func (s *state) tried(e *v10port.HeldError) heldRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := heldRecord{record: e.Record, reason: reasonOf(e.Cause), text: e.Cause.Error(), tries: 1, since: time.Now()}
	if s.held != nil && s.held.record.Position == e.Record.Position {
		h.tries, h.since = s.held.tries+1, s.held.since
	}
	again := h
	s.held = &again
	s.enter(control.StateTrying)
	return h
}

// hold notes that a record waits for a person, and reports whether that is new.
func (s *state) hold(h *heldRecord, parked bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := *h
	again.parked = parked
	s.held = &again
	fresh := s.status.State != control.StateHeld
	s.enter(control.StateHeld)
	return fresh
}

func (s *state) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = nil
	s.enter(control.StateApplying)
}

func reasonOf(err error) string {
	if reason := fault.ReasonOf(err); reason != "" {
		return reason
	}
	return fault.KindOf(err).String()
}

// sample reads the newest heart-beat. mu is held.
func (s *state) sample() {
	if s.reader != nil {
		r := s.reader.State()
		s.lag.Note(time.Now(), r.Stated, r.Beat, s.at)
	}
}

// watch notes heart-beats as they come, until ctx ends.
func (s *state) watch(ctx context.Context) {
	ticks := time.NewTicker(beatPoll)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		s.mu.Lock()
		s.sample()
		s.look(time.Now())
		s.mu.Unlock()
	}
}

// Status says where both directions are.
func (h *Half) Status(context.Context) (*control.Half, error) { return h.standing(), nil }

func (h *Half) standing() *control.Half {
	s := &h.state
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sample()
	now, apply, capture := time.Now(), s.status, s.capture
	if s.topics != nil && capture.Reason == "" {
		if why := s.topics.State().Trouble; why != nil {
			capture.State, capture.Reason, capture.Error = control.StateTrouble, reasonOf(why), why.Error()
		}
	}
	apply.Direction, apply.Position, apply.Stated = envelope.V11.String(), s.at.String(), s.lag.Stated().String()
	apply.LagMs, apply.PerSecond, apply.RateMax = control.Ms(s.lag.Now(now)), s.flow.PerSecond(now), h.rate.PerSecond()
	p50, p99, samples := s.lag.Figures(now)
	apply.P50Ms, apply.P99Ms, apply.Samples = control.Ms(p50), control.Ms(p99), samples
	if held := s.held; held != nil {
		r := held.record
		apply.Held = &control.Held{
			Life: r.Life, Position: r.Position.String(), Tag: r.Tag.String(), Kind: envelope.KindOf(r.Change), Reason: held.reason, Text: held.text,
			Tries: held.tries, Letter: held.parked, Previous: r.Previous.String(), PreviousTag: r.PreviousTag.String(),
		}
	}
	return &control.Half{Ledger: envelope.V10.String(), Apply: &apply, Capture: &capture}
}

// Retry has the held record tried again.
func (h *Half) Retry(context.Context) error {
	h.state.mu.Lock()
	held := h.state.status.State == control.StateHeld
	h.state.mu.Unlock()
	if !held {
		return control.NotHeld(envelope.V11.String())
	}
	select {
	case h.retry <- struct{}{}:
	default: // asked already
	}
	return nil
}

// Set turns a knob until the process ends.
func (h *Half) Set(_ context.Context, name string, value uint64) error {
	return control.SetRate(h.rate, envelope.V11.String(), name, value)
}
