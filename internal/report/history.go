// SPDX-License-Identifier: Apache-2.0

package report

import (
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// history is a journal, with what it comes to.
type history struct {
	entries []migration.Entry
	state   migration.State
	spans   []span
	beginMs uint64 // of the start, or of the first entry: times are told since then
}

// span is the time of a phase. A phase that a reverse goes back to has several.
type span struct {
	phase        migration.Phase
	fromMs, toMs uint64 // to: the next one's begin, or the newest entry
	open         bool   // it is the present one
}

// historyOf folds entries. Corrupt: they are no journal.
func historyOf(entries []migration.Entry) (*history, error) {
	h := &history{entries: entries}
	latest := uint64(0)
	for i := range entries {
		e := &entries[i]
		if h.state.Plan == nil && e.Kind != migration.KindPlan {
			return nil, fault.New(fault.Corrupt, "entry %d of the journal stands before any plan: entries are missing", e.Seq)
		}
		before := h.state.Phase
		if err := h.state.Apply(e); err != nil {
			return nil, err
		}
		latest = max(latest, e.AtMs) // writers' clocks differ, and a phase does not end before it begins
		if h.state.Phase != before {
			h.enter(h.state.Phase, latest)
		}
		if i == 0 || e.Kind == migration.KindStart {
			h.beginMs = e.AtMs
		}
	}
	if n := len(h.spans); n > 0 {
		h.spans[n-1].toMs, h.spans[n-1].open = latest, true
	}
	return h, nil
}

func (h *history) enter(p migration.Phase, atMs uint64) {
	if n := len(h.spans); n > 0 {
		h.spans[n-1].toMs = atMs
	}
	h.spans = append(h.spans, span{phase: p, fromMs: atMs, toMs: atMs})
}

// phase is where it stands.
func (h *history) phase() migration.Phase {
	if h.state.Phase == "" {
		return migration.Idle
	}
	return h.state.Phase
}

// endMs is the newest entry's time.
func (h *history) endMs() uint64 {
	if n := len(h.spans); n > 0 {
		return h.spans[n-1].toMs
	}
	return h.beginMs
}

// since is how long after the begin something was.
func (h *history) since(ms uint64) string {
	switch {
	case ms == h.beginMs:
		return "0"
	case ms < h.beginMs:
		return "−" + Length(float64(h.beginMs-ms))
	}
	return "+" + Length(float64(ms-h.beginMs))
}

// after finds the first entry behind index i for which is holds; nil: there is none.
func (h *history) after(i int, is func(*migration.Entry) bool) *migration.Entry {
	for j := i + 1; j < len(h.entries); j++ {
		if is(&h.entries[j]) {
			return &h.entries[j]
		}
	}
	return nil
}

// between is the time from one to another; "not yet" if there is no other.
func between(from, to *migration.Entry) string {
	if to == nil {
		return "not yet"
	}
	return Length(float64(max(to.AtMs, from.AtMs) - from.AtMs))
}
