// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
)

const codesOfVerbs = `

Exit codes: 0 it is written, or was so already; 1 the journal cannot be used; 2 it may not stand here now, and why; 3 nobody
knows what came of it yet.`

func newMigrateInit(a *app) *cobra.Command {
	var f verbFlags
	var plan string
	var example bool
	c := a.verb(&cobra.Command{
		Use:   "init",
		Short: "Write the plan of the migration into its journal",
		Long: `Checks a plan and writes it down. --example prints one with all defaults, explained: begin with that. Without --plan the
defaults are the plan. While a migration is paused or was rolled back another plan may take the place of its plan.` + codesOfVerbs,
		Example: `  aurigraph migrate init --example > plan.yaml
  aurigraph migrate init --plan plan.yaml
  aurigraph migrate init --plan plan.yaml --dry-run`,
	}, &f, false, func() (e migration.Entry, err error) {
		e.Kind, e.Text = migration.KindPlan, migration.Example
		if plan != "" {
			e.Text, err = readPlan(plan)
		}
		return e, err
	})
	c.Flags().StringVar(&plan, "plan", "", "file of the plan, YAML")
	c.Flags().BoolVar(&example, "example", false, "print a plan with all defaults, and do nothing else")
	write := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if example {
			_, err := fmt.Fprint(a.out, migration.Example)
			return err
		}
		return write(cmd, args)
	}
	return c
}

func readPlan(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "the plan")
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, migration.PlanBytesMax+1))
	if err == nil && len(text) > migration.PlanBytesMax {
		err = fmt.Errorf("it has more than %d bytes", migration.PlanBytesMax)
	}
	return string(text), fault.Wrap(fault.Invalid, err, "the plan in %s", path)
}

// plainVerb is a verb without flags of its own.
func (a *app) plainVerb(kind migration.Kind, waits bool, typed bool, short, long, example string) *cobra.Command {
	var f verbFlags
	c := a.verb(&cobra.Command{Use: string(kind), Short: short, Long: long + codesOfVerbs, Example: example}, &f, typed, func() (migration.Entry, error) {
		return migration.Entry{Kind: kind}, nil
	})
	if waits {
		f.waits(c)
	}
	return c
}

func newMigrateStart(a *app) *cobra.Command {
	return a.plainVerb(migration.KindStart, false, false, "Begin with what the plan says", `The controller goes on by itself from here: it waits for the initial copy and the sync, compares both ledgers, compares
answers, and begins with the first step of the canary. It stops for what the plan wants a person for.`, `  aurigraph migrate start
  aurigraph migrate start --why "change 4711"
  aurigraph migrate start --dry-run`)
}

func newMigratePause(a *app) *cobra.Command {
	var f verbFlags
	return a.verb(&cobra.Command{
		Use: "pause", Short: "Let nothing go forward until resume",
		Long: `V11 keeps the share it has. Rails and tests still watch it, and go back by themselves; requests of this time count for the
step.` + codesOfVerbs,
		Example: `  aurigraph migrate pause
  aurigraph migrate pause --why "month end"`,
	}, &f, false, func() (migration.Entry, error) {
		e := migration.Entry{Kind: migration.KindPause, Why: f.why}
		if e.Why == "" {
			e.Why = "an operator wants it"
		}
		return e, nil
	})
}

func newMigrateResume(a *app) *cobra.Command {
	return a.plainVerb(migration.KindResume, false, false, "Go on after a pause, a rollback or a failure", `After a rollback it goes on with the step that it went back to, which is judged anew. Mend the cause first: "aurigraph migrate
explain" names it.`, `  aurigraph migrate resume
  aurigraph migrate resume --why "the disk is replaced"`)
}

func newMigratePromote(a *app) *cobra.Command {
	return a.plainVerb(migration.KindPromote, false, false, "Do not wait for the rest of the step's time and samples", `The next step begins as soon as what always counts holds: ledger, guard and both directions of the sync. What the judge would
still have waited for is passed over, and stands in the journal as that.`, `  aurigraph migrate promote --why "enough seen"
  aurigraph migrate promote --dry-run`)
}

func newMigrateApprove(a *app) *cobra.Command {
	var f verbFlags
	var what string
	c := a.verb(&cobra.Command{
		Use: "approve", Short: "Approve the step, the cutover or the close, as one of the people that the plan wants, or say that you are on call",
		Long: `Counts once for each --as. A reverse takes approvals away, and a step that begins those of the step before. "oncall" says that
whoever is woken by alarms is there: the cutover waits for it where the plan has an alerts.prometheus.` + codesOfVerbs,
		Example: `  aurigraph migrate approve --as cto
  aurigraph migrate approve --for cutover --as "head of operations"
  aurigraph migrate approve --for oncall --as bob
  aurigraph migrate approve --for close --as auditor`,
	}, &f, false, func() (migration.Entry, error) { return migration.Entry{Kind: migration.KindApprove, For: what}, nil })
	c.Flags().StringVar(&what, "for", migration.ForStep, "step, cutover, oncall or close")
	return c
}

func newMigrateRollback(a *app) *cobra.Command {
	var f verbFlags
	to := 0
	c := a.verb(&cobra.Command{
		Use: "rollback", Short: "Give slots back to V10, all of them or down to a step of the plan",
		Long: `Needs no gate but V11's ledger and V10's guard, and returns when V10 takes the debits. Nothing goes forward after it before
"aurigraph migrate resume". Until the close it can be done in each phase.` + codesOfVerbs,
		Example: `  aurigraph migrate rollback --why "complaints from branch 12"
  aurigraph migrate rollback --to 1000
  aurigraph migrate rollback --dry-run`,
	}, &f, false, func() (migration.Entry, error) {
		e := migration.Entry{Kind: migration.KindRollback, ToBP: to, Why: f.why}
		if e.Why == "" {
			e.Why = "an operator wants it"
		}
		return e, nil
	})
	c.Flags().IntVar(&to, "to", 0, "V11's share then in basis points: 0, or that of a step")
	return f.waits(c)
}

func newMigrateFailback(a *app) *cobra.Command {
	var f verbFlags
	var sealed bool
	var without []string
	c := a.verb(&cobra.Command{
		Use: "failback", Short: "Give everything back to V10, because V11 is not to be trusted or cannot go on",
		Long: `A rollback to nothing, with an alarm as its reason. V11 must still certify, because it is its ledger that gives the slots
away.

--sealed is for a V11 that cannot: its membership epoch is ended by a seal that a quorum of its validators signs, and that says
that all slots are V10's. V10 has what V11 certified until then before it takes their debits. The controller does it, by the
validators' admin.sock in the network's folder; it can be asked for again at any time. --without leaves out validators that
lie or are gone for good, as "aurigraph validators seal" does. Type the name of the network's folder, or give --confirm. With
failback.sealed: automatic in the plan the controller does it by itself. docs/runbooks/failback.md says what to do when there
is no quorum.` + codesOfVerbs,
		Example: `  aurigraph migrate failback --why "validator 3 shows another balance"
  aurigraph migrate failback --sealed --without node3 --why "no block since 10:14"
  aurigraph migrate failback --dry-run --why "an exercise"`,
	}, &f, true, func() (migration.Entry, error) {
		f.plain = !sealed
		switch {
		case f.why == "":
			return migration.Entry{}, errors.New("--why is needed: those who are woken by it read it")
		case sealed:
			return migration.Entry{Kind: migration.KindFailback, Without: without, Why: f.why}, nil
		case len(without) > 0:
			return migration.Entry{}, errors.New("--without belongs to --sealed")
		}
		return migration.Entry{Kind: migration.KindRollback, Why: "alarm: " + f.why}, nil
	})
	c.Flags().BoolVar(&sealed, "sealed", false, "V11 cannot certify: end its epoch by a seal, with all slots V10's")
	c.Flags().StringSliceVar(&without, "without", nil, "with --sealed: leave this validator out, by id or number; may be given again")
	return f.waits(c)
}

func newMigrateDrill(a *app) *cobra.Command {
	var f verbFlags
	var alarm bool
	c := a.verb(&cobra.Command{
		Use: string(migration.KindRehearse), Short: "Rehearse a rollback: give some slots back to V10 and take them again",
		Long: `The same code as a real rollback, with some of V11's slots and real payments. The plan says how many drills the cutover wants,
and how long the way back may take for one to count.

With --alarm a validator raises an alarm, which is seen and decided on as one about a validator that lies, and begins the drill.
Its time counts from the alarm. The plan's drills.alarm wants one of the drills to be like that.` + codesOfVerbs,
		Example: `  aurigraph migrate drill
  aurigraph migrate drill --alarm
  aurigraph migrate drill --wait 5m --json
  aurigraph migrate drill --dry-run`,
	}, &f, false, func() (migration.Entry, error) {
		return migration.Entry{Kind: migration.KindRehearse, Alarm: alarm}, nil
	})
	c.Flags().BoolVar(&alarm, "alarm", false, "have an alarm of a validator begin it")
	return f.waits(c)
}

func newMigrateVerify(a *app) *cobra.Command {
	return a.plainVerb(migration.KindCheck, true, false, "Have both ledgers compared whole, as a gate of the migration", `"aurigraph verify-sync run" by the controller, and the result in the journal. A difference stops everything that goes forward;
while V11 owns all slots it also goes back.`, `  aurigraph migrate verify
  aurigraph migrate verify --wait 1h`)
}

func newMigrateCutover(a *app) *cobra.Command {
	return a.plainVerb(migration.KindCutover, false, true, "Move the remaining slots, once all gates hold", `Says that the operator wants it; the controller does it when the drills, the newest comparison and the approvals are there:
slice after slice, and then the judge looks at the whole. It can go back until the close. Type the name of the network's
folder, or give --confirm.`, `  aurigraph migrate cutover --dry-run
  aurigraph migrate cutover
  aurigraph migrate cutover --network /srv/pair --confirm pair`)
}

func newMigrateClose(a *app) *cobra.Command {
	return a.plainVerb(migration.KindClose, false, true, "End the way back to V10, for good", `Possible when all comparisons of the warm phase are made. Governance ends the migration in the ledger: V10's accounts are
V11's from then on like all others, V10 is archived, and no rollback brings anything back. It cannot be undone. Type the name
of the network's folder, or give --confirm.`, `  aurigraph migrate close --dry-run
  aurigraph migrate close
  aurigraph migrate close --network /srv/pair --confirm pair`)
}
