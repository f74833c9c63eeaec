// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of a lag's memory.
const (
	LagSamples = 512             // of heart-beats; one comes each second, and more under load
	LagWindow  = 5 * time.Minute // older samples do not count
)

// Lag tells how old what is not applied may be: everything that the other side had published at a heart-beat is applied once the
// position that the heart-beat states is. It is for one goroutine, or under its owner's lock.
type Lag struct {
	stated    envelope.Position // newest
	waitsFor  envelope.Position // a heart-beat's that is not reached yet
	waitsFrom uint64            // when that was, ms since 1970; 0: none waits
	reached   uint64            // of the newest heart-beat whose position is applied
	reachedAt time.Time         // when that was, by this side's clock

	samples [LagSamples]lagSample
	next    int
}

type lagSample struct {
	at   time.Time
	late time.Duration
}

// Note takes in the newest heart-beat, of ms since 1970 (0: none yet), and what is applied.
func (l *Lag) Note(now time.Time, stated envelope.Position, ms uint64, applied envelope.Position) {
	l.stated = stated
	if l.waitsFrom != 0 && !applied.Before(l.waitsFor) {
		l.reach(now, l.waitsFrom)
		l.waitsFrom = 0
	}
	switch {
	case ms == 0:
	case !applied.Before(stated):
		l.reach(now, ms)
		l.waitsFrom = 0
	case l.waitsFrom == 0:
		l.waitsFor, l.waitsFrom = stated, ms
	}
}

// reach notes that all of a heart-beat is applied.
func (l *Lag) reach(now time.Time, ms uint64) {
	if ms <= l.reached {
		return
	}
	l.reached, l.reachedAt = ms, now
	l.samples[l.next] = lagSample{now, max(0, now.Sub(time.UnixMilli(int64(ms))))}
	l.next = (l.next + 1) % LagSamples
}

// Stated is up to where the other side has published everything.
func (l *Lag) Stated() envelope.Position { return l.stated }

// Now is how old what is not applied may be; negative: not known yet. It is at least the time since a heart-beat was reached: where the other side's
// clock is ahead, its own times would say for long that nothing is late.
func (l *Lag) Now(now time.Time) time.Duration {
	if l.reached == 0 {
		return -1
	}
	return max(now.Sub(time.UnixMilli(int64(l.reached))), now.Sub(l.reachedAt))
}

// Figures are the median and the 99th percentile of how late the heart-beats of the last minutes were applied, and how many these were.
func (l *Lag) Figures(now time.Time) (p50, p99 time.Duration, samples int) {
	late := make([]time.Duration, 0, LagSamples)
	for _, s := range &l.samples {
		if !s.at.IsZero() && now.Sub(s.at) <= LagWindow {
			late = append(late, s.late)
		}
	}
	if len(late) == 0 {
		return 0, 0, 0
	}
	slices.Sort(late)
	rank := func(percent int) time.Duration { return late[(len(late)*percent+99)/100-1] }
	return rank(50), rank(99), len(late)
}
