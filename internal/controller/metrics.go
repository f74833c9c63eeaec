// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Labels of what went back, besides the rules of the judge.
const (
	ruleAlarm    = "alarm"  // evidence, or a broken invariant
	ruleStands   = "stands" // V11 certifies nothing, and is sealed
	byController = "controller"
	byOperator   = "operator"
)

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("aurigraph_migration_"+name, help, labels, nil)
}

var (
	leaseDesc    = described("lease_held", "1 while this controller drives the migration. Of several one does.")
	ageDesc      = described("tick_age_seconds", "Time since this controller last looked at the migration.")
	phaseDesc    = described("phase", "1 for the phase that the migration is in.", "phase")
	stepDesc     = described("step", "Step of the canary that is under way, from 1. 0: none.")
	targetDesc   = described("target_basis_points", "Share of the slots that V11 is to have.")
	reversedDesc = described("reversed", "1 from when slots went back until an operator resumes, by who wanted it.", "by")
	reversesDesc = described("reverses_total", "Times that slots went back, by rule of the judge; alarm: validators said so; stands: V11 was sealed; operator: a person wanted it.", "rule")
	drillsDesc   = described("drills_total", "Rehearsed rollbacks, by whether they count for the cutover.", "ok")
	failuresDesc = described("failures_total", "Actions that did not work, by action.", "action")
	differDesc   = described("differences", "Differences that the newest comparison of both ledgers confirms. Not there before the first one.")
	weightDesc   = described("weight_basis_points", "Share of the slots that V11 has, by its ledger.")
	versionDesc  = described("home_version", "Version of the ledger's home table.")
	movingDesc   = described("moving_slots", "Slots that take no debits now.")
	lagDesc      = described("lag_seconds", "How late a direction of the sync is. Not there while nobody knows.", "direction")
	gateDesc     = described("gate_unmet", "1 for a gate that does not hold, 0 for one that does: those of what comes next.", "gate")
	readyDesc    = described("rollback_ready", "1 while all slots could go back to V10.")
	windowsDesc  = described("windows_total", "Windows of requests that this controller's judge looked at, by what it said.", "decision")
	evidenceDesc = described("judge_evidence", "How much more likely the step's requests are if V11 is worse than it may be, by test.", "test")
	limitDesc    = described("judge_evidence_limit", "The evidence at which a test goes back.", "test")
)

// Metrics show what a controller knows. One that does not drive shows that, and nothing of the migration. It is safe for concurrent use.
type Metrics struct {
	seen atomic.Pointer[seen] // nil: it does not drive
}

// seen is what was shown by a look: it is made once and read at each scrape.
type seen struct {
	at      time.Time
	metrics []prometheus.Metric
}

// NewMetrics makes and registers them.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{}
	_, err := obs.Register(r, "the migration", m)
	return m, err
}

// Describe lists the metrics.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		leaseDesc, ageDesc, phaseDesc, stepDesc, targetDesc, reversedDesc, reversesDesc, drillsDesc, failuresDesc, differDesc, weightDesc, versionDesc, movingDesc, lagDesc,
		gateDesc, readyDesc, windowsDesc, evidenceDesc, limitDesc,
	} {
		out <- d
	}
}

// Collect hands over what the newest look saw.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	s := m.seen.Load()
	if s == nil {
		out <- gauge(leaseDesc, 0)
		return
	}
	out <- gauge(leaseDesc, 1)
	out <- gauge(ageDesc, time.Since(s.at).Seconds())
	for _, one := range s.metrics {
		out <- one
	}
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(d *prometheus.Desc, v uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// show shows how things stand. f is nil while nothing is looked at.
func (m *Metrics) show(s *migration.State, t *tally, f *migration.Facts) {
	if m == nil {
		return
	}
	all := append(ofState(s), t.metrics()...)
	if f != nil {
		all = append(all, ofFacts(s, f)...)
	}
	m.seen.Store(&seen{time.Now(), all})
}

// end shows that this controller does not drive.
func (m *Metrics) end() {
	if m != nil {
		m.seen.Store(nil)
	}
}

func ofState(s *migration.State) (all []prometheus.Metric) {
	now := s.Phase
	if now == "" {
		now = migration.Idle
	}
	for _, p := range migration.Phases() {
		all = append(all, gauge(phaseDesc, truth(p == now), string(p)))
	}
	step := 0
	if s.StepSeq > 0 {
		step = s.Step + 1
	}
	if v := s.Verified; v != nil {
		all = append(all, gauge(differDesc, float64(v.Differences)))
	}
	back := s.Reversed
	return append(all,
		gauge(stepDesc, float64(step)), gauge(targetDesc, float64(s.TargetBP)),
		gauge(reversedDesc, truth(back != nil && back.By == migration.Controller), byController),
		gauge(reversedDesc, truth(back != nil && back.By != migration.Controller), byOperator),
	)
}

func ofFacts(s *migration.State, f *migration.Facts) (all []prometheus.Metric) {
	for _, g := range migration.Gates(s, f) {
		all = append(all, gauge(gateDesc, truth(!g.OK), g.Name))
	}
	for direction, l := range map[string]*migration.Lag{"v10_to_v11": &f.ToV11, "v11_to_v10": &f.ToV10} {
		if l.Ms >= 0 {
			all = append(all, gauge(lagDesc, l.Ms/1000, direction))
		}
	}
	all = append(all, gauge(readyDesc, truth(migration.RollbackReady(s, f) == "")))
	if f.Unknown == "" {
		all = append(all, gauge(weightDesc, float64(f.WeightBP)), gauge(versionDesc, float64(f.Version)), gauge(movingDesc, float64(f.Moving)))
	}
	if f.Verdict == nil {
		return all
	}
	for _, n := range f.Verdict.Numbers {
		if test, is := strings.CutSuffix(n.Name, "_evidence"); is {
			all = append(all, gauge(evidenceDesc, n.Value, test), gauge(limitDesc, n.Limit, test))
		}
	}
	return all
}

// tally counts what the journal says that happened, and what the judge of this driver said.
type tally struct {
	reverses map[string]uint64 // by rule
	drills   map[bool]uint64   // by whether they count
	failures map[migration.Verb]uint64
	windows  map[canary.Decision]uint64
}

// newTally has all that may be counted at 0, so that a first time is a rise.
func newTally() tally {
	t := tally{
		reverses: map[string]uint64{byOperator: 0}, drills: map[bool]uint64{true: 0, false: 0}, failures: map[migration.Verb]uint64{},
		windows: map[canary.Decision]uint64{canary.Hold: 0, canary.Promote: 0, canary.Reverse: 0},
	}
	for _, rule := range []string{
		canary.RuleDivergence, canary.RuleErrorRate, canary.RuleP99, canary.RuleHealth, canary.RuleSyncLag, canary.RuleHoldTime, canary.RuleErrors, canary.RuleWrong,
		canary.RuleSlow, canary.RuleSlower, ruleAlarm, ruleStands,
	} {
		t.reverses[rule] = 0
	}
	for _, v := range []migration.Verb{migration.Weigh, migration.Rehearse, migration.Compare, migration.PutAway, migration.EndWayBack, migration.Raise, migration.Seal} {
		t.failures[v] = 0
	}
	return t
}

// note counts an entry of the journal.
func (t *tally) note(e *migration.Entry) {
	switch e.Kind {
	case migration.KindReverse:
		t.reverses[ruleOf(e)]++
	case migration.KindFailback:
		if e.By == migration.Controller {
			t.reverses[ruleStands]++
		} else {
			t.reverses[byOperator]++
		}
	case migration.KindRollback:
		t.reverses[byOperator]++
	case migration.KindDrilled:
		t.drills[e.OK]++
	case migration.KindFailed:
		t.failures[e.Action]++
	}
}

// ruleOf is why something went back by itself.
func ruleOf(e *migration.Entry) string {
	switch {
	case e.Known != nil:
		return ruleAlarm
	case e.Verdict != nil && e.Verdict.Decision == canary.Reverse:
		return e.Verdict.Rule
	}
	return canary.RuleDivergence
}

func (t *tally) metrics() (all []prometheus.Metric) {
	for rule, n := range t.reverses {
		all = append(all, counter(reversesDesc, n, rule))
	}
	for ok, n := range t.drills {
		all = append(all, counter(drillsDesc, n, strconv.FormatBool(ok)))
	}
	for action, n := range t.failures {
		all = append(all, counter(failuresDesc, n, string(action)))
	}
	for decision, n := range t.windows {
		all = append(all, counter(windowsDesc, n, string(decision)))
	}
	return all
}
