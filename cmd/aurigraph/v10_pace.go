// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"
)

// Of a pace: how far back it looks, how often it notes where it is, and how long it must have looked before it says anything.
const (
	paceWindow = time.Minute
	paceEvery  = time.Second
	paceLeast  = 5 * time.Second
)

// pace tells how long something will take at the speed of the last minute. What was done before it began does not count.
type pace struct {
	marks []paceMark // oldest first, at most one each paceEvery
}

type paceMark struct {
	at   time.Time
	done int64
}

// left notes how far something is, and says in words how long the rest takes; nothing if that is not known.
func (p *pace) left(now time.Time, done, total int64) string {
	if n := len(p.marks); n == 0 || now.Sub(p.marks[n-1].at) >= paceEvery {
		p.marks = append(p.marks, paceMark{now, done})
	}
	for len(p.marks) > 1 && now.Sub(p.marks[1].at) >= paceWindow {
		p.marks = p.marks[1:]
	}
	first := p.marks[0]
	looked := now.Sub(first.at)
	if looked < paceLeast || done <= first.done {
		return ""
	}
	perSecond := float64(done-first.done) / looked.Seconds()
	rest := time.Duration(float64(max(0, total-done)) / perSecond * float64(time.Second))
	return fmt.Sprintf("%.0f/s, %s left", perSecond, rest.Round(time.Second))
}
