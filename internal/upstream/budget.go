// SPDX-License-Identifier: Apache-2.0

package upstream

import "time"

// budget bounds retries by the calls of the window: when everything fails, retries are a tenth more load, not three times more.
type budget struct {
	cfg    BudgetConfig
	window window // hits are retries
}

// call counts a call, which is not a retry.
func (b *budget) call(now time.Duration) { b.window.add(now, counted{calls: 1}) }

// left reports whether a retry may be sent.
func (b *budget) left(now time.Duration) bool {
	c := b.window.sum(now)
	return float64(c.hits+1) <= float64(b.cfg.Floor)+b.cfg.Share*float64(c.calls)
}

// spend takes a retry, if one is left.
func (b *budget) spend(now time.Duration) bool {
	if !b.left(now) {
		return false
	}
	b.window.add(now, counted{hits: 1})
	return true
}
