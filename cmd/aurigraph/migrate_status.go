// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/controller"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/report"
)

// lookMax bounds one look at a migration.
const lookMax = 10 * time.Second

func newMigrateStatus(a *app) *cobra.Command {
	var watch bool
	c := networkFlag(a, &cobra.Command{
		Use:   "status",
		Short: "Show where the migration stands, which share is V11's, and what stands in the way",
		Long: `Asks the ledger for the home table, the guard where it stands, both halves of the sync how late they are, and reads the
migration's journal. A gate is something that must hold before it goes on; a reason is beside each that does not. "rollback
ready" says whether all slots could go back to V10 now.

Exit codes: 0 it was told; 1 the network's folder or the journal cannot be used.`,
		Example: `  aurigraph migrate status
  aurigraph migrate status -w
  aurigraph migrate status --network /srv/trial --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onceOrWatch(cmd.Context(), watch, func(a *app) error {
				j, err := a.lookAtMigration(cmd.Context())
				if err == nil {
					err = a.print(j, j.table)
				}
				return err
			})
		},
	})
	watchFlag(c, &watch)
	return c
}

// migrationJSON is what "migrate status" says.
type migrationJSON struct {
	Phase         migration.Phase    `json:"phase"`
	HomeVersion   uint64             `json:"home_version"`
	WeightBP      int                `json:"weight_bp"`
	Named         *namedJSON         `json:"named,omitempty"` // accounts with a slot of their own; nil: nobody has
	Moving        int                `json:"moving"`          // slots that take no debits now
	LagMs         map[string]float64 `json:"lag_ms"`          // by direction; -1: not known
	Gates         []migration.Gate   `json:"gates"`
	RollbackReady bool               `json:"rollback_ready"`
	RollbackWhy   string             `json:"rollback_why,omitempty"` // what keeps it from being ready
	Verdict       string             `json:"verdict"`

	TargetBP      int             `json:"target_bp"`
	Step          int             `json:"step"`  // of the canary, from 1; 0: none is under way
	Steps         int             `json:"steps"` // of the plan
	Paused        string          `json:"paused,omitempty"`
	Reversed      string          `json:"reversed,omitempty"`
	Drills        int             `json:"drills"`
	DrillsWanted  int             `json:"drills_wanted"`
	AutoRollbacks int             `json:"auto_rollbacks"`
	Failed        string          `json:"failed,omitempty"`
	Judge         *canary.Verdict `json:"judge,omitempty"` // the newest of the step under way
	Seq           uint64          `json:"seq"`             // newest entry of the journal
	Next          string          `json:"next"`            // what the controller does now
	Driver        driverJSON      `json:"driver"`
}

// driverJSON is who drives the migration, by the journal.
type driverJSON struct {
	Holder  string `json:"holder"` // empty: nobody does
	LeaseMs int64  `json:"lease_ms"`
}

func (d driverJSON) table(row func(...any)) {
	if d.Holder == "" {
		row("driven by", "nobody: `aurigraph migrate run`, which `aurigraph up` keeps running")
		return
	}
	row("driven by", d.Holder, fmt.Sprintf("its lease ends in %d s, unless it renews it", (d.LeaseMs+999)/1000))
}

// namedJSON counts accounts with a slot of their own by their home.
type namedJSON struct {
	V10 int `json:"v10"`
	V11 int `json:"v11"`
}

func namedOf(f *migration.Facts) *namedJSON {
	if len(f.Own) == 0 || f.Unknown != "" {
		return nil
	}
	n := &namedJSON{V10: len(f.Own)}
	for _, r := range f.NamedV11 {
		n.V11 += int(r.To-r.From) + 1
	}
	n.V10 -= n.V11
	return n
}

// migrationSeen is a migration as it stands: its journal and the world.
type migrationSeen struct {
	state migration.State
	facts migration.Facts
	judge controller.Judge
	log   []migration.Entry
	by    driverJSON
}

func (a *app) seeMigration(ctx context.Context) (m *migrationSeen, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookMax)
	defer cancel()
	w, err := a.openWorld(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	j, err := openJournal(ctx, w.network)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	m = &migrationSeen{}
	if m.log, err = j.Read(ctx, 0); err != nil {
		return nil, err
	}
	if m.state, err = migration.Fold(m.log); err != nil {
		return nil, err
	}
	if m.judge, err = controller.ReadJudge(ctx, j); err != nil {
		return nil, err
	}
	holder, left, err := j.Driver(ctx)
	if err != nil {
		return nil, err
	}
	m.by = driverJSON{holder, left.Milliseconds()}
	sight := w.Look(ctx)
	m.facts = sight.Facts
	m.facts.Stands = sight.Vitals.Why()
	m.facts.NowMs = uint64(time.Now().UnixMilli())
	if m.state.Phase == migration.Cutover {
		m.facts.Alerts = w.Alerts(ctx, &m.state.Plan.Alerts)
		if m.facts.Served, err = controller.ReadServed(ctx, j, &m.state.Plan.Availability, m.facts.NowMs); err != nil {
			return nil, err
		}
	}
	if m.judge.Seq != 0 && m.judge.Seq == m.state.StepSeq {
		m.facts.Verdict = m.judge.Verdict
	}
	return m, nil
}

func (a *app) lookAtMigration(ctx context.Context) (*migrationJSON, error) {
	m, err := a.seeMigration(ctx)
	if err != nil {
		return nil, err
	}
	return m.status(), nil
}

func (m *migrationSeen) status() *migrationJSON {
	s, f := &m.state, &m.facts
	j := &migrationJSON{
		Phase: phaseOf(s), HomeVersion: f.Version, WeightBP: f.WeightBP, Named: namedOf(f), Moving: f.Moving, LagMs: map[string]float64{"v10_to_v11": f.ToV11.Ms, "v11_to_v10": f.ToV10.Ms},
		TargetBP: s.TargetBP, Paused: s.Paused, Drills: s.GoodDrills(), AutoRollbacks: s.AutoRollbacks, Judge: f.Verdict, Seq: s.Seq, Driver: m.by,
	}
	lagMax := migration.DefaultPlan().Sync.LagMsMax
	if s.Plan == nil {
		j.Gates = migration.Standing(f, lagMax)
		j.Verdict, j.Next = "may go on", "wait for a plan"
		if g := firstUnmet(j.Gates); g != nil {
			j.Verdict = "hold: " + g.Name
		}
		j.RollbackWhy = migration.RollbackReady(s, f)
		j.RollbackReady = j.RollbackWhy == "" && j.Verdict == "may go on"
		return j
	}
	j.Gates, j.Steps, j.DrillsWanted = migration.Gates(s, f), len(s.Plan.Canary.Steps), s.Plan.Drills.Count
	if s.StepSeq > 0 {
		j.Step = s.Step + 1
	}
	if r := s.Reversed; r != nil {
		j.Reversed = fmt.Sprintf("to %d bp by %s: %s", r.ToBP, r.By, r.Why)
	}
	if s.Failed != nil {
		j.Failed = fmt.Sprintf("%s: %s", s.Failed.Action, s.Failed.Why)
	}
	j.RollbackWhy = migration.RollbackReady(s, f)
	j.RollbackReady = j.RollbackWhy == ""
	a := migration.Next(s, f)
	j.Next, j.Verdict = actionWords(&a), "goes on"
	if a.Verb == migration.Hold {
		j.Verdict = "hold: " + a.Gate
	}
	return j
}

func firstUnmet(gates []migration.Gate) *migration.Gate {
	for i := range gates {
		if !gates[i].OK {
			return &gates[i]
		}
	}
	return nil
}

// actionWords say what the controller does next.
func actionWords(a *migration.Action) string {
	switch a.Verb {
	case migration.Hold:
		return "wait: " + a.Why
	case migration.Record:
		return "write down: " + report.Words(a.Entry)
	case migration.Weigh:
		return "move slots until V11 has " + percent(a.ToBP)
	case migration.Rehearse:
		return fmt.Sprintf("rehearse a rollback with %d slots", a.Slots)
	case migration.Raise:
		return "have a validator raise the alarm of a drill"
	case migration.Seal:
		return "seal V11, with all slots V10's" + withoutWords(a.Without)
	case migration.Compare:
		return "compare both ledgers"
	case migration.PutAway:
		return "archive V10"
	case migration.EndWayBack:
		return "have the ledger end the way back"
	case migration.Notify:
		return fmt.Sprintf("give notice to %d who call V10", len(a.Due))
	case migration.SwitchOff:
		return "switch V10 off"
	}
	return string(a.Verb)
}

func withoutWords(without []string) string {
	if len(without) == 0 {
		return ""
	}
	return ", without " + strings.Join(without, ", ")
}

func (j *migrationJSON) table(row func(...any)) {
	where := string(j.Phase)
	if j.Step > 0 {
		where += fmt.Sprintf(", step %d of %d", j.Step, j.Steps)
	}
	row("migration", where, fmt.Sprintf("home version %d", j.HomeVersion), fmt.Sprintf("entry %d", j.Seq))
	row("weight", weightBar(j.WeightBP), percent(j.WeightBP)+" V11's", fmt.Sprintf("want %s, %d slots moving", percent(j.TargetBP), j.Moving))
	if j.Named != nil {
		row("named", fmt.Sprintf("%d accounts with a slot of their own", j.Named.V10+j.Named.V11), fmt.Sprintf("%d V11's, %d V10's", j.Named.V11, j.Named.V10))
	}
	row("sync", "V10 to V11 "+msText(j.LagMs["v10_to_v11"])+" late", "V11 to V10 "+msText(j.LagMs["v11_to_v10"])+" late")
	if j.Judge != nil {
		row("judge", string(j.Judge.Decision), j.Judge.Rule, j.Judge.Why)
	}
	for _, g := range j.Gates {
		box := "[x]"
		if !g.OK {
			box = "[ ]"
		}
		row("gate", box+" "+g.Name, g.Why)
	}
	for _, note := range []struct{ name, text string }{{"paused", j.Paused}, {"went back", j.Reversed}, {"failed", j.Failed}} {
		if note.text != "" {
			row(note.name, note.text)
		}
	}
	ready := yesNo(j.RollbackReady)
	if j.RollbackWhy != "" {
		ready += ": " + j.RollbackWhy
	}
	row("rollback ready", ready, fmt.Sprintf("drills %d of %d", j.Drills, j.DrillsWanted), fmt.Sprintf("%d went back by themselves", j.AutoRollbacks))
	j.Driver.table(row)
	row("next", j.Next)
	row("verdict", j.Verdict)
}

// weightBarCells is how wide the picture of the weight is.
const weightBarCells = 40

// weightBar draws V11's share.
func weightBar(bp int) string {
	cells := []byte("[" + "........................................" + "]")
	for i := range weightBarCells * bp / 10_000 {
		cells[i+1] = '#'
	}
	return string(cells)
}

func percent(bp int) string { return fmt.Sprintf("%.2f %%", float64(bp)/100) }

func baseName(dir string) string { return filepath.Base(dir) }

func newMigrateExplain(a *app) *cobra.Command {
	return networkFlag(a, &cobra.Command{
		Use:   "explain",
		Short: "Say why it does not go on: the first gate that does not hold, its evidence, and what would help",
		Long: `Reads the journal and looks at the world as the controller does, and says what it decides and why.

Exit codes: 0 it was told; 1 the network's folder or the journal cannot be used.`,
		Example: `  aurigraph migrate explain
  aurigraph migrate explain --network /srv/pair --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.seeMigration(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(m.explain(), m.explainTable)
		},
	})
}

// explainJSON is what "migrate explain" says.
type explainJSON struct {
	Phase   migration.Phase   `json:"phase"`
	Next    string            `json:"next"`
	Gate    *migration.Gate   `json:"gate,omitempty"` // the first that does not hold
	Judge   *canary.Verdict   `json:"judge,omitempty"`
	Entries []migration.Entry `json:"entries"` // the newest
	Driver  driverJSON        `json:"driver"`
}

// entriesExplained is how many entries of the journal explain shows.
const entriesExplained = 8

func (m *migrationSeen) explain() *explainJSON {
	a := migration.Next(&m.state, &m.facts)
	j := &explainJSON{
		Phase: phaseOf(&m.state), Next: actionWords(&a), Judge: m.facts.Verdict, Driver: m.by,
		Entries: append([]migration.Entry{}, m.log[max(0, len(m.log)-entriesExplained):]...),
	}
	if a.Verb == migration.Hold {
		j.Gate = &migration.Gate{Name: a.Gate, Why: a.Why}
	}
	for i := range j.Entries {
		j.Entries[i].Text = "" // a plan is long
	}
	return j
}

func (m *migrationSeen) explainTable(row func(...any)) {
	j := m.explain()
	row("phase", string(j.Phase))
	if j.Gate != nil {
		row("waits for", j.Gate.Name)
		row("because", j.Gate.Why)
	} else {
		row("next", j.Next)
	}
	j.Driver.table(row)
	if v := j.Judge; v != nil {
		row("judge", fmt.Sprintf("%s by %s: %s", v.Decision, v.Rule, v.Why))
		for _, n := range v.Numbers {
			row("", fmt.Sprintf("%s %.4g, limit %.4g", n.Name, n.Value, n.Limit))
		}
		for _, s := range v.Samples {
			row("", fmt.Sprintf("sample %s: %s %s answered %d in %d ms", s.ID, s.Method, s.Path, s.Status, s.Ms))
		}
	}
	for i := range j.Entries {
		e := &j.Entries[i]
		row(time.UnixMilli(int64(e.AtMs)).UTC().Format(time.DateTime), e.By, report.Words(e))
	}
}
