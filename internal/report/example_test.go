// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"time"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/router"
)

// startMs is when the made-up migration starts.
const startMs = 1_795_000_000_000

const smallPlan = `canary:
  steps:
    - {weight_bp: 100, minimum_seconds: 4, minimum_requests: 500}
    - {weight_bp: 1000, minimum_seconds: 4, minimum_requests: 500}
    - {weight_bp: 5000, minimum_seconds: 4, minimum_requests: 500, approvals: 1}
    - {weight_bp: 10000, minimum_seconds: 4, minimum_requests: 500}
drills: {count: 2, slots: 100, move_ms_max: 1000}
cutover: {approvals: 1, slice_bp: 2500}
close: {approvals: 1}
warm: {checks_after_seconds: [3]}
`

// story is the journal of a migration of a minute, with one way back.
type story struct{ entries []migration.Entry }

func (s *story) at(seconds float64, by string, kind migration.Kind, more migration.Entry) {
	more.Seq, more.By, more.Kind, more.AtMs = uint64(len(s.entries)+1), by, kind, uint64(startMs+seconds*1000)
	s.entries = append(s.entries, more)
}

type entry = migration.Entry

func (s *story) phase(seconds float64, p migration.Phase) {
	s.at(seconds, migration.Controller, migration.KindPhase, entry{Phase: p})
}

func (s *story) step(seconds float64, step, bp int) {
	s.at(seconds, migration.Controller, migration.KindStep, entry{Step: step, ToBP: bp})
	s.at(seconds+0.3, migration.Controller, migration.KindMoved, entry{ToBP: bp, Ms: 287})
}

func made() *story {
	s, who := &story{}, migration.Controller
	s.at(-20, "root", migration.KindPlan, entry{Text: smallPlan})
	s.at(0, "root", migration.KindStart, entry{Why: "change 4711"})
	s.phase(3, migration.Sync)
	s.phase(4.1, migration.Verify)
	s.at(6.2, who, migration.KindVerified, entry{OK: true, Rows: 412_880, Ms: 2087, Report: "20261118T142646Z"})
	s.phase(6.3, migration.Shadow)
	s.phase(9, migration.Canary)
	s.step(9.1, 0, 100)
	s.step(14, 1, 1000)
	s.at(19, who, migration.KindReverse, entry{FromBP: 1000, ToBP: 0, Why: "errors: V11 fails 5.1 % of its requests, V10 0 %", Verdict: wrong()})
	s.at(19.4, who, migration.KindMoved, entry{ToBP: 0, Ms: 391})
	s.at(23, "ada", migration.KindResume, entry{Why: "the fault is taken out"})
	s.step(23.1, 0, 100)
	s.step(28, 1, 1000)
	s.step(33, 2, 5000)
	s.at(35, "ada", migration.KindRehearse, entry{})
	s.at(36, who, migration.KindDrilled, entry{OK: true, Slots: 100, ReverseMs: 212, ForwardMs: 240.4})
	s.at(37, "ada", migration.KindRehearse, entry{})
	s.at(38, who, migration.KindDrilled, entry{OK: true, Slots: 100, ReverseMs: 187.5, ForwardMs: 231})
	s.at(38.5, "ada", migration.KindApprove, entry{For: migration.ForStep})
	s.phase(39, migration.Cutover)
	s.at(39.2, "head of operations", migration.KindApprove, entry{For: migration.ForCutover, Why: "seen the drills"})
	s.at(40, "ada", migration.KindCutover, entry{})
	s.at(40.1, who, migration.KindSlice, entry{FromBP: 5000, ToBP: 7500})
	s.at(40.5, who, migration.KindMoved, entry{ToBP: 7500, Ms: 401})
	s.at(40.6, who, migration.KindSlice, entry{FromBP: 7500, ToBP: 10_000})
	s.at(41.1, who, migration.KindMoved, entry{ToBP: 10_000, Ms: 466})
	s.step(41.2, 3, 10_000)
	s.phase(46, migration.Warm)
	s.at(49.5, who, migration.KindVerified, entry{OK: true, Rows: 431_002, Ms: 2340, Report: "20261118T142729Z", Checks: []migration.Gate{
		{Name: "pending", OK: true}, {Name: "performance", OK: true},
		{Name: "availability", OK: true, Why: "0 of the last 1841 requests had no good answer"}, {Name: "memory", OK: true, Why: "node2 needs 141 MiB, of 256"},
	}})
	s.at(50, "auditor", migration.KindApprove, entry{For: migration.ForClose})
	s.at(50.4, "ada", migration.KindClose, entry{})
	s.phase(50.5, migration.Close)
	s.at(51, who, migration.KindFailed, entry{Action: migration.EndWayBack, Why: "governance does not answer"})
	s.at(52, who, migration.KindFailed, entry{Action: migration.EndWayBack, Why: "governance does not answer"})
	s.at(54, who, migration.KindClosed, entry{})
	s.phase(54.1, migration.Archive)
	s.at(57, who, migration.KindArchived, entry{Report: "manifest 9f3a61"})
	s.phase(57.1, migration.Decommission)
	return s
}

func wrong() *canary.Verdict {
	return &canary.Verdict{
		Decision: canary.Reverse, Rule: canary.RuleErrors, Why: "V11 fails 5.1 % of its requests, V10 0 %", AtMs: startMs + 19_000,
		Numbers: []canary.Number{
			{Name: "seconds", Value: 4.5, Limit: 4}, {Name: "control_requests", Value: 1390}, {Name: "errors_bp", Value: 512.25, Limit: 10},
			{Name: "errors_evidence", Value: 48_211, Limit: 8000}, {Name: "slow_bp", Value: 12.5, Limit: 100},
		},
		Samples: []canary.Sample{
			{Class: canary.ClassError, ID: "5f0c61aa-2", Method: "POST", Path: "/api/v10/transactions", Status: 503, Ms: 12},
			{Class: canary.ClassError, ID: "5f0c61aa-9", Method: "POST", Path: "/api/v10/transactions", Status: 0, Ms: 2001},
		},
	}
}

// madeWindows are what a judge saw meanwhile.
func madeWindows(every time.Duration) []journal.Window {
	weight := func(s float64) int {
		for _, at := range []struct {
			until float64
			bp    int
		}{{9.4, 0}, {14.3, 100}, {19.2, 1000}, {23.4, 0}, {28.3, 100}, {33.3, 1000}, {40.3, 5000}, {40.9, 7500}} {
			if s < at.until {
				return at.bp
			}
		}
		return router.WeightWhole
	}
	var all []journal.Window
	for ms := 9_500.0; ms <= 57_000; ms += float64(every.Milliseconds()) {
		s := ms / 1000
		w := journal.Window{AtMs: uint64(startMs + ms), LengthMs: uint64(every.Milliseconds()), WeightBP: weight(s)}
		all = append(all, w)
		rate := (620 + 60*math.Sin(s/3) + 45*math.Sin(s*4.7)) * every.Seconds()
		n := &all[len(all)-1]
		n.Requests = [2]uint64{uint64(rate * float64(10_000-w.WeightBP) / 10_000), uint64(rate * float64(w.WeightBP) / 10_000)}
		if s > 17.5 && s < 19.6 {
			n.Errors[router.V11] = n.Requests[router.V11] / 4
		}
		n.P99Ms = 6 + 2*math.Sin(s*2.1) + 2*math.Sin(s*7.3)
		n.SlowestMs = n.P99Ms + 14 + 9*math.Sin(s*3.3)
		if moving := math.Mod(s, 4.8); moving < 0.5 {
			n.SlowestMs += 240
		}
		n.ToV11LagMs, n.ToV10LagMs = 42+20*math.Sin(s), 55+24*math.Sin(s*1.7)
		if s > 30 && s < 31.5 {
			n.ToV10LagMs = -1
		}
	}
	return all
}

func example() *Input {
	return &Input{
		Title: "Migration of pair", MadeAt: time.UnixMilli(startMs + 60_000), Entries: made().entries, Windows: madeWindows(500 * time.Millisecond), Verdict: Pass,
		Figures: []Figure{
			{"Payments sent", "34,120", "", false},
			{"Payments acknowledged", "33,904", "", false},
			{"Acknowledged payments found once", "33,904", "33,904", true},
			{"Double debits", "0", "0", true},
			{"Differences between the ledgers", "0", "0", true},
			{"Longest interruption", "412 ms", "below 30 s", true},
			{"Went back by itself", "1", "1", true},
			{"Drills", "2", "at least 2", true},
			{"V11's share", "100 %", "100 %", true},
			{"Served by V10 / V11", "14,020 / 19,884", "", false},
		},
		Costs: &Costs{V10: 48_000, V11: 31_500.5, Currency: "EUR", WorkHours: 320},
	}
}
