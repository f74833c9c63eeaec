// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"cmp"
	"log/slog"
	"time"
)

// ConnectionsDefault is how many connections stay open to each validator.
const ConnectionsDefault = 10

// DefaultLimits are a group's bounds. What goes through consensus has a minute, all else half of one.
func DefaultLimits(g Group) Limits {
	switch g {
	case GroupPay:
		return Limits{InFlightMax: 4096, WaitMax: 50 * time.Millisecond, Total: time.Minute, AttemptMax: 10 * time.Second}
	case GroupManage:
		return Limits{InFlightMax: 256, WaitMax: 50 * time.Millisecond, Total: time.Minute, AttemptMax: 10 * time.Second}
	case GroupList, GroupChain:
		return Limits{InFlightMax: 512, WaitMax: 50 * time.Millisecond, Total: 30 * time.Second, AttemptMax: 10 * time.Second}
	}
	return Limits{InFlightMax: 4096, WaitMax: 50 * time.Millisecond, Total: 30 * time.Second, AttemptMax: 3 * time.Second}
}

func (c *Config) setDefaults() {
	c.ConnectionsPerValidator = cmp.Or(c.ConnectionsPerValidator, ConnectionsDefault)
	c.Budget = BudgetConfig{Share: cmp.Or(c.Budget.Share, 0.1), Floor: cmp.Or(c.Budget.Floor, 100)}
	b := &c.Breaker
	b.SamplesMin, b.ShareMax, b.ProbesMax = cmp.Or(b.SamplesMin, 50), cmp.Or(b.ShareMax, 0.2), cmp.Or(b.ProbesMax, 3)
	b.OpenMin, b.OpenMax = cmp.Or(b.OpenMin, time.Second), cmp.Or(b.OpenMax, 30*time.Second)
	e := &c.Ejection
	e.FailuresMax, e.SamplesMin, e.ShareMin = cmp.Or(e.FailuresMax, 3), cmp.Or(e.SamplesMin, 20), cmp.Or(e.ShareMin, 0.2)
	e.PauseMin, e.PauseMax = cmp.Or(e.PauseMin, 2*time.Second), cmp.Or(e.PauseMax, time.Minute)
}

// limits of a group, with the defaults for what is not set.
func (c *Config) limits(g Group) Limits {
	set, d := c.Limits[g], DefaultLimits(g)
	return Limits{
		InFlightMax: cmp.Or(set.InFlightMax, d.InFlightMax), WaitMax: cmp.Or(set.WaitMax, d.WaitMax),
		Total: cmp.Or(set.Total, d.Total), AttemptMax: cmp.Or(set.AttemptMax, d.AttemptMax),
	}
}

func (p *Parts) setDefaults() {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Changed == nil {
		p.Changed = func() {}
	}
	if p.Now == nil {
		p.Now = time.Now
	}
}
