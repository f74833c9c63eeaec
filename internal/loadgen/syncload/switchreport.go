// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// SwitchReport is what a bench of moves saw.
type SwitchReport struct {
	Cycles int `json:"cycles"`
	// HoldMs is how long a client whose slot moves waits: of each of them, during each move in which nothing was killed, its slowest payment
	// from when it was sent until it was answered as made.
	HoldMs       HoldMs         `json:"hold_ms"`
	HoldKilledMs HoldMs         `json:"hold_killed_ms"` // likewise, of moves in which something was killed
	MoveMs       HoldMs         `json:"move_ms"`        // of a move, by who moves, where nothing was killed
	DoubleDebits int            `json:"double_debits"`  // payments that a ledger executed beyond the first time, by either's ids
	Missing      int            `json:"missing"`        // answered as made, and not on both ledgers
	Lost         int            `json:"lost"`           // never answered, or refused for good
	Kills        int            `json:"kills"`
	KillsBy      map[string]int `json:"kills_by"`
	Acknowledged int            `json:"acknowledged"`
	Repeats      int            `json:"repeats"`     // that clients sent
	MovesAgain   int            `json:"moves_again"` // moves that were begun anew
	Differences  int            `json:"differences"` // that the verifier confirmed at rest
	ServedBy     map[string]int `json:"served_by"`   // payments, by the ledger that made them
	Slots        int            `json:"slots"`       // that move
	Payers       int            `json:"payers"`
	Examples     []string       `json:"examples,omitempty"`
}

// HoldMs are times in milliseconds.
type HoldMs struct {
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Max     float64 `json:"max"`
	Samples int     `json:"samples"`
}

// Failed says why a run does not count, or nothing.
func (r *SwitchReport) Failed() string {
	switch {
	case r.DoubleDebits > 0:
		return fmt.Sprintf("%d payments were made twice", r.DoubleDebits)
	case r.Missing > 0:
		return fmt.Sprintf("%d payments that were answered are not on both ledgers", r.Missing)
	case r.Lost > 0:
		return fmt.Sprintf("%d payments were never answered as made", r.Lost)
	case r.Differences > 0:
		return fmt.Sprintf("the verifier confirms %d differences", r.Differences)
	case r.Acknowledged == 0:
		return "nothing was paid"
	}
	return ""
}

// execution is a payment as the ledgers have it: under which ids each of them executed it.
type execution [sides]map[v10.TxID]Side

// executions reads both ledgers, and says how each payment was executed. An amount names a payer's payment.
func (r *run) executions(ctx context.Context) (map[Payment]*execution, error) {
	all := map[Payment]*execution{}
	saw := func(on Side, m *made) {
		from, known := r.accounts.number[m.from]
		to, known2 := r.accounts.number[m.to]
		if !known || !known2 || m.units.Hi > 0 || m.units.Lo >= switchUnitsMax {
			return // not of a client
		}
		p := Payment{From: from, To: to, Units: uint32(m.units.Lo)}
		x := all[p]
		if x == nil {
			x = &execution{{}, {}}
			all[p] = x
		}
		x[on][m.id] = m.origin
	}
	if err := r.readV10(ctx, saw); err != nil {
		return nil, err
	}
	_, err := r.readV11(ctx, saw)
	return all, err
}

func (s *switching) report(found map[Payment]*execution) *SwitchReport {
	p := s.payers
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &SwitchReport{
		Cycles: s.cfg.Cycles, KillsBy: s.kills, Acknowledged: len(p.answered), Repeats: p.again, MovesAgain: s.retries, Lost: len(p.lost), ServedBy: map[string]int{},
		Slots: int(s.cfg.Slots.To-s.cfg.Slots.From) + 1, Payers: s.cfg.Payers, Examples: p.lost[:min(len(p.lost), examplesMax)],
	}
	for n := range maps.Values(s.kills) {
		r.Kills += n
	}
	for pay, x := range found {
		r.judge(s, pay, x)
	}
	for _, a := range p.answered {
		if x := found[a.Payment]; x == nil || len(x[V10]) == 0 || len(x[V11]) == 0 {
			r.Missing++
			r.example("%s payment %d was answered, and is not on both ledgers", s.accounts.names[a.From], a.Units)
		}
	}
	s.times(r, p.answered)
	return r
}

// judge counts what was executed more than once: on either ledger, whichever of them made it.
func (r *SwitchReport) judge(s *switching, pay Payment, x *execution) {
	most := max(len(x[V10]), len(x[V11]))
	if most > 1 {
		r.DoubleDebits += most - 1
		r.example("%s payment %d: on V10 as %v, on V11 as %v", s.accounts.names[pay.From], pay.Units, slices.Collect(maps.Keys(x[V10])), slices.Collect(maps.Keys(x[V11])))
	}
	for _, origin := range x[V10] {
		r.ServedBy[origin.String()]++
	}
}

func (r *SwitchReport) example(format string, args ...any) {
	if len(r.Examples) < examplesMax {
		r.Examples = append(r.Examples, fmt.Sprintf(format, args...))
	}
}

// times says how long clients waited during moves.
func (s *switching) times(r *SwitchReport, all []answered) {
	var quiet, killed, moves []time.Duration
	slices.SortFunc(all, func(a, b answered) int { return cmp.Compare(a.begin, b.begin) })
	for _, w := range s.windows {
		slowest := map[uint32]time.Duration{}
		// None takes longer than switchGiveUp, so that of many moves each looks at its own time only.
		first, _ := slices.BinarySearchFunc(all, w.begin-switchGiveUp-switchAnswer, func(a answered, at time.Duration) int { return cmp.Compare(a.begin, at) })
		for _, a := range all[first:] {
			if a.begin >= w.end {
				break
			}
			if a.end > w.begin {
				slowest[a.From] = max(slowest[a.From], a.end-a.begin)
			}
		}
		waits := slices.Collect(maps.Values(slowest))
		if w.killed {
			killed = append(killed, waits...)
			continue
		}
		quiet = append(quiet, waits...)
		moves = append(moves, w.end-w.begin)
	}
	r.HoldMs, r.HoldKilledMs, r.MoveMs = holdOf(quiet), holdOf(killed), holdOf(moves)
}

func holdOf(all []time.Duration) (h HoldMs) {
	if h.Samples = len(all); h.Samples == 0 {
		return h
	}
	slices.Sort(all)
	ms := func(q float64) float64 {
		return float64(all[min(len(all)-1, int(q*float64(len(all))))].Microseconds()) / 1000
	}
	h.P50, h.P99, h.Max = ms(0.5), ms(0.99), ms(1)
	return h
}
