// SPDX-License-Identifier: Apache-2.0

package upstream

import "time"

// slots divide WindowLength: what is older leaves a slot at a time.
const (
	slots      = 10
	slotLength = WindowLength / slots
)

// counted is calls, and how many of them were what one looks for.
type counted struct{ calls, hits int }

func (c counted) share() float64 {
	if c.calls == 0 {
		return 0
	}
	return float64(c.hits) / float64(c.calls)
}

func (c counted) plus(o counted) counted { return counted{c.calls + o.calls, c.hits + o.hits} }

// window counts over the last WindowLength. Times are since an origin that all calls share; one that goes back counts as the newest.
type window struct {
	slot  [slots]counted
	total counted
	at    int64 // the newest slot's number
}

func (w *window) move(now time.Duration) {
	at := int64(now / slotLength)
	if at-w.at >= slots {
		*w = window{at: at}
		return
	}
	for w.at < at {
		w.at++
		old := &w.slot[w.at%slots]
		w.total = counted{w.total.calls - old.calls, w.total.hits - old.hits}
		*old = counted{}
	}
}

func (w *window) add(now time.Duration, c counted) {
	w.move(now)
	s := &w.slot[w.at%slots]
	*s, w.total = s.plus(c), w.total.plus(c)
}

func (w *window) sum(now time.Duration) counted {
	w.move(now)
	return w.total
}
