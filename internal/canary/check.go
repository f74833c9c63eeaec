// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const (
	weightWhole    = router.WeightWhole
	secondsMax     = 90 * 24 * 3600 // of a step
	railSecondsMax = 600
	msMax          = 600_000
	requestsMax    = 1_000_000_000
	approvalsMax   = ApproversMax
)

// Check says whether a plan can be followed. Invalid: it names the first field that is wrong, and what would do.
func (p *Plan) Check() error {
	if err := p.checkSteps(); err != nil {
		return err
	}
	if err := p.Named.check(); err != nil {
		return err
	}
	return p.checkNumbers()
}

func (p *Plan) checkSteps() error {
	if n := len(p.Steps); n == 0 || n > StepsMax {
		return bad("steps", "%d of them, must be 1 to %d", n, StepsMax)
	}
	before := 0
	for i, s := range p.Steps {
		field := func(name string) string { return fmt.Sprintf("steps[%d].%s", i, name) }
		if s.WeightBP <= before || s.WeightBP > weightWhole {
			return bad(field("weight_bp"), "%d, must be above %d, that of the step before, and at most %d", s.WeightBP, before, weightWhole)
		}
		before = s.WeightBP
		for _, r := range []bounds{
			{field("minimum_seconds"), s.MinimumSeconds, 1, secondsMax},
			{field("minimum_requests"), s.MinimumRequests, 1, requestsMax},
			{field("approvals"), s.Approvals, 0, approvalsMax},
		} {
			if err := r.check(); err != nil {
				return err
			}
		}
	}
	if before != weightWhole {
		return bad(fmt.Sprintf("steps[%d].weight_bp", len(p.Steps)-1), "%d, must be %d in the last step: the move ends with all accounts", before, weightWhole)
	}
	return nil
}

func (n *Named) check() error {
	if all := len(n.First) + len(n.Back); all > router.CohortsMax {
		return bad("named", "%d accounts, at most %d", all, router.CohortsMax)
	}
	where := map[string]string{}
	for _, list := range n.lists() {
		for i, name := range list.names {
			field := fmt.Sprintf("%s[%d]", list.field, i)
			if err := v10.CheckName("an account", name); err != nil {
				return bad(field, "%v", err)
			}
			if other, twice := where[name]; twice {
				return bad(field, "%q stands at %s already: name it once", name, other)
			}
			where[name] = field
		}
	}
	return nil
}

// namedList is a list of names, and what the plan calls it.
type namedList struct {
	field string
	names []string
}

func (n *Named) lists() []namedList {
	return []namedList{{"named.first", n.First}, {"named.back", n.Back}}
}

// bounds is a number of the plan with what it may be.
type bounds struct {
	field           string
	value, min, max int
}

func (b bounds) check() error {
	if b.value < b.min || b.value > b.max {
		return bad(b.field, "%d, must be %d to %d", b.value, b.min, b.max)
	}
	return nil
}

func (p *Plan) checkNumbers() error {
	o, t, r := &p.Objectives, &p.Tests, &p.Rails
	for _, b := range []bounds{
		{"reverse_to_bp", p.ReverseToBP, 0, weightWhole - 1},
		{"objectives.error_rate_bp", o.ErrorRateBP, 1, 5000},
		{"objectives.wrong_rate_bp", o.WrongRateBP, 1, 5000},
		{"objectives.p99_ms", o.P99Ms, 1, msMax},
		{"tests.false_alarm_ppm", t.FalseAlarmPPM, 1, 100_000},
		{"tests.error_margin_bp", t.ErrorMarginBP, 0, 5000},
		{"tests.wrong_margin_bp", t.WrongMarginBP, 0, 5000},
		{"tests.slow_margin_bp", t.SlowMarginBP, 0, 5000},
		{"rails.minimum_requests", r.MinimumRequests, 1, requestsMax},
		{"rails.error_rate_bp", r.ErrorRateBP, o.ErrorRateBP, weightWhole - 1}, // below the objective it would reverse what may be promoted
		{"rails.error_for_seconds", r.ErrorForSeconds, 1, railSecondsMax},
		{"rails.p99_ms", r.P99Ms, o.P99Ms, msMax},
		{"rails.p99_for_seconds", r.P99ForSeconds, 1, railSecondsMax},
		{"rails.health_down_seconds", r.HealthDownSeconds, 1, railSecondsMax},
		{"rails.sync_lag_ms", r.SyncLagMs, 1, msMax},
		{"rails.sync_lag_for_seconds", r.SyncLagForSeconds, 1, railSecondsMax},
		{"rails.hold_ms", r.HoldMs, 1, msMax},
	} {
		if err := b.check(); err != nil {
			return err
		}
	}
	return nil
}
