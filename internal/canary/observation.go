// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"fmt"
	"strings"

	"github.com/aurigraph/aurigraph/internal/router"
)

// Bounds of an observation.
const (
	WindowMsMax       = 60_000
	WindowRequestsMax = 100_000_000
	SamplesMax        = 5 // of a class, and of a verdict
	GatesMax          = 64
	ApproversMax      = 16
	sampleTextMax     = 256
	timeMsMax         = 1 << 53
)

// Observation is what happened from FromMs until before ToMs, on whatever clock, and how things stand at its end.
type Observation struct {
	FromMs, ToMs uint64
	Canary       Counts
	Control      Counts
	Named        Counts
	Samples      []Sample // of Canary and Named, SamplesMax of each class; what is more is not looked at

	Divergences uint64 // differences between the ledgers that were confirmed
	Health      Health // of V11
	SyncLag     Gauge  // of the direction that is further behind
	Hold        Gauge  // the longest that a payment waited for a move in this window
	Approvers   []string
	Gates       []Gate // of others: all must be OK
}

// Counts are of requests that ended in a window.
type Counts struct {
	Requests uint64 `json:"requests"`
	Errors   uint64 `json:"errors"`
	Slow     uint64 `json:"slow"`      // slower than Objectives.P99Ms
	SlowRail uint64 `json:"slow_rail"` // slower than Rails.P99Ms
	Compared uint64 `json:"compared"`  // answers that were compared with the other side's
	Wrong    uint64 `json:"wrong"`     // of those, the wrong ones
}

// Health is what V11's probe says. The zero value is that nobody knows.
type Health uint8

// Healths.
const (
	HealthUnknown Health = iota
	HealthUp
	HealthDown
)

// Gauge is a time that was measured, or not.
type Gauge struct {
	Known bool
	Ms    uint64
}

// Gate is a condition of the next step.
type Gate struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why"`
}

// Class is what was wrong with a request.
type Class string

// Classes of samples.
const (
	ClassError Class = "error"
	ClassWrong Class = "wrong"
	ClassSlow  Class = "slow"
)

// Sample is a request that speaks against V11. It has no account in it.
type Sample struct {
	Class  Class  `json:"class"`
	ID     string `json:"id"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	Ms     uint64 `json:"ms"`
}

// Add counts a request by its slot, not by the side that it reached first: a hop from the wrong side is part of what the account's owner sees. Requests without
// an account belong to nobody. An error is an answer of 500 and above, or none; what the client itself gave up is none.
func (o *Observation) Add(p *Plan, c *Cohorts, out *router.Outcome) {
	counts := o.counts(c, out.Slot)
	if counts == nil {
		return
	}
	counts.Requests++
	ms := out.Seconds * 1000
	failed, slow := out.Status >= 500 || out.Status == 0, ms > float64(p.Objectives.P99Ms)
	if failed {
		counts.Errors++
	}
	if slow {
		counts.Slow++
	}
	if ms > float64(p.Rails.P99Ms) {
		counts.SlowRail++
	}
	if counts == &o.Control {
		return
	}
	switch {
	case failed:
		o.Samples = keep(o.Samples, sampleOf(ClassError, out))
	case slow:
		o.Samples = keep(o.Samples, sampleOf(ClassSlow, out))
	}
}

// AddCompared counts an answer that was compared with the other side's.
func (o *Observation) AddCompared(c *Cohorts, out *router.Outcome, wrong bool) {
	counts := o.counts(c, out.Slot)
	if counts == nil {
		return
	}
	counts.Compared++
	if !wrong {
		return
	}
	counts.Wrong++
	if counts != &o.Control {
		o.Samples = keep(o.Samples, sampleOf(ClassWrong, out))
	}
}

func (o *Observation) counts(c *Cohorts, slot uint16) *Counts {
	switch {
	case c.Canary.Has(slot):
		return &o.Canary
	case c.Control.Has(slot):
		return &o.Control
	case c.Named.Has(slot):
		return &o.Named
	}
	return nil
}

func sampleOf(class Class, out *router.Outcome) Sample {
	return Sample{Class: class, ID: out.ID, Method: out.Method, Path: out.Path, Status: out.Status, Ms: uint64(max(0, min(out.Seconds*1000, 1<<53)))}
}

// keep puts a sample behind others, and lets the oldest of its class go at the bound.
func keep(all []Sample, s Sample) []Sample {
	s.ID, s.Method, s.Path = cut(s.ID), cut(s.Method), cut(s.Path)
	n, oldest := 0, 0
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Class == s.Class {
			n, oldest = n+1, i
		}
	}
	if n >= SamplesMax {
		all = append(all[:oldest], all[oldest+1:]...)
	}
	return append(all, s)
}

func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), sampleTextMax)], "") }

func (c *Counts) add(o *Counts) {
	c.Requests += o.Requests
	c.Errors += o.Errors
	c.Slow += o.Slow
	c.SlowRail += o.SlowRail
	c.Compared += o.Compared
	c.Wrong += o.Wrong
}

// check says what cannot be in an observation; empty: nothing.
func (o *Observation) check(last uint64) string {
	switch {
	case o.ToMs <= o.FromMs || o.ToMs-o.FromMs > WindowMsMax:
		return fmt.Sprintf("a window from %d to %d ms: it must be above 0 and at most %d ms long", o.FromMs, o.ToMs, WindowMsMax)
	case o.ToMs > timeMsMax:
		return fmt.Sprintf("a window until %d ms, at most %d", o.ToMs, uint64(timeMsMax))
	case o.FromMs < last:
		return fmt.Sprintf("a window from %d ms: the time up to %d was seen already", o.FromMs, last)
	case len(o.Gates) > GatesMax || len(o.Approvers) > ApproversMax:
		return fmt.Sprintf("%d gates and %d approvers, at most %d and %d", len(o.Gates), len(o.Approvers), GatesMax, ApproversMax)
	case len(o.Samples) > 3*SamplesMax:
		return fmt.Sprintf("%d samples, at most %d of each class", len(o.Samples), SamplesMax)
	case o.Health > HealthDown:
		return fmt.Sprintf("health %d, at most %d", o.Health, HealthDown)
	}
	for _, s := range o.Samples {
		if s.Class != ClassError && s.Class != ClassWrong && s.Class != ClassSlow {
			return fmt.Sprintf("a sample of class %q: it is none of error, wrong, slow", cut(string(s.Class)))
		}
	}
	for _, c := range []*Counts{&o.Canary, &o.Control, &o.Named} {
		if c.Requests > WindowRequestsMax || c.Compared > WindowRequestsMax || c.Errors > c.Requests || c.Slow > c.Requests || c.SlowRail > c.Slow || c.Wrong > c.Compared {
			return fmt.Sprintf("counts %+v: a part is more than its whole, or more than %d", *c, WindowRequestsMax)
		}
	}
	return ""
}
