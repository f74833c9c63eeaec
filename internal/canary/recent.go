// SPDX-License-Identifier: Apache-2.0

package canary

// bucketsCount is into how many parts a rail's window is divided: it ends later than it should by at most one of them.
const bucketsCount = 60

// Recent is how many requests of the last Span milliseconds were bad.
type Recent struct {
	SpanMs  uint64   `json:"span_ms"`
	BeganMs uint64   `json:"began_ms"` // when it was first told something
	Buckets []bucket `json:"buckets"`
}

type bucket struct {
	Number uint64 `json:"number"` // its time, in parts of the span
	portion
}

// observe takes a window in whole, at the time of its end.
func (r *Recent) observe(fromMs, toMs uint64, seen portion) {
	if len(r.Buckets) == 0 {
		r.BeganMs = fromMs
	}
	number := toMs * bucketsCount / r.SpanMs
	if n := len(r.Buckets); n > 0 && r.Buckets[n-1].Number == number {
		r.Buckets[n-1].portion = r.Buckets[n-1].plus(seen)
	} else {
		r.Buckets = append(r.Buckets, bucket{number, seen})
	}
	first := 0
	for r.Buckets[first].Number+bucketsCount < number {
		first++
	}
	r.Buckets = append(r.Buckets[:0], r.Buckets[first:]...)
}

// sum is what was seen, and whether that is a whole span.
func (r *Recent) sum(nowMs uint64) (all portion, whole bool) {
	for _, b := range r.Buckets {
		all = all.plus(b.portion)
	}
	return all, nowMs-r.BeganMs >= r.SpanMs
}

// rewind moves its times back.
func (r *Recent) rewind(byMs uint64) {
	r.BeganMs -= min(r.BeganMs, byMs)
	for i, parts := 0, byMs*bucketsCount/r.SpanMs; i < len(r.Buckets); i++ {
		r.Buckets[i].Number -= min(r.Buckets[i].Number, parts)
	}
}

// Since is when something began that still goes on.
type Since struct {
	On     bool   `json:"on"`
	FromMs uint64 `json:"from_ms"`
	AtMs   uint64 `json:"at_ms"` // when it was last seen
}

// observe notes whether it goes on. What nobody can tell neither begins nor ends it.
func (s *Since) observe(known, on bool, nowMs uint64) {
	switch {
	case !known:
	case !on:
		*s = Since{}
	case !s.On:
		*s = Since{On: true, FromMs: nowMs, AtMs: nowMs}
	default:
		s.AtMs = nowMs
	}
}

// rewind moves its times back.
func (s *Since) rewind(byMs uint64) {
	s.FromMs -= min(s.FromMs, byMs)
	s.AtMs -= min(s.AtMs, byMs)
}

// seconds is for how long it has been seen to go on, in whole seconds.
func (s *Since) seconds() int { return int((s.AtMs - s.FromMs) / 1000) }
