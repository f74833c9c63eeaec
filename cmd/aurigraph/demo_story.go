// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/report"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Times of the demo.
const (
	demoPoll     = 100 * time.Millisecond
	demoPhaseMax = 90 * time.Second // until something that must happen happens
	demoFaultAt  = 1000             // weight at which V11's door is shut
	demoDrills   = 3
	demoVerdicts = 2 * time.Minute // of reading both ledgers back
)

// demoRun is a demo in progress.
type demoRun struct {
	app     *app
	cfg     *demoConfig
	began   time.Time
	pair    *moving
	door    *door
	network *network.Network
	journal journal.Journal
	story   *syncload.Story
	state   migration.State
	log     []migration.Entry
	picture *picture
}

// tell tells the whole story, and says how it ended.
func (d *demoRun) tell(ctx context.Context) (j *demoJSON, err error) {
	d.picture = newPicture(d)
	d.picture.now("starting V10, and V11 beside it")
	if d.door, err = openDoor(); err != nil {
		return nil, err
	}
	defer d.door.close()
	if d.pair, err = d.app.startMoving(ctx, d.cfg.dir, "--v10-store", d.cfg.store, "--router", d.cfg.router, "--v11-door", d.door.address); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.pair.stop(), d.leave()) }()
	if d.network, err = network.Open(d.pair.dir); err != nil {
		return nil, err
	}
	d.door.lead(strings.TrimPrefix(d.network.REST()[0], "http://"))
	if d.journal, err = openJournal(ctx, d.network); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.journal.Close()) }()
	target, err := ledgersOf(d.network)
	if err != nil {
		return nil, err
	}
	d.picture.now("opening the clients' accounts")
	if d.story, err = syncload.BeginStory(ctx, d.cfg.clients(), &target, d.network.Sync.Move.Edge, d.picture); err != nil {
		return nil, err
	}
	defer d.story.Close()
	d.story.Pay(ctx)
	err = d.migrate(ctx)
	d.picture.now("the clients wait for their last answers")
	if err = errors.Join(err, d.story.Stop()); err != nil {
		return nil, err
	}
	return d.end(ctx)
}

// leave has the network reach V11 directly: the door is gone with the demo.
func (d *demoRun) leave() error {
	n, err := network.Open(d.pair.dir)
	if err != nil || n.Sync == nil || n.Sync.Move == nil {
		return err
	}
	n.Sync.Move.Door = ""
	return n.Save()
}

// migrate does what operators do, from the plan until all is V11's.
func (d *demoRun) migrate(ctx context.Context) error {
	for _, chapter := range []struct {
		now string
		do  func(context.Context) error
	}{
		{"the plan is written, and followed", d.start},
		{"V11's door is shut: its clients get nothing", d.breakDown},
		{"the door is open again: the canary goes on", d.climb},
		{"rollbacks are rehearsed", d.drill},
		{"the cutover is approved, and made", d.cutover},
		{"all is V11's: both ledgers are compared", d.validate},
	} {
		d.picture.now(chapter.now)
		if err := chapter.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", chapter.now, err)
		}
	}
	return nil
}

// plan is that of the demo: steps of seconds.
func (d *demoRun) plan() string {
	seconds := 5
	if d.cfg.quick {
		seconds = 1
	}
	var steps strings.Builder
	for _, bp := range demoSteps {
		fmt.Fprintf(&steps, "    - {weight_bp: %d, minimum_seconds: %d, minimum_requests: 20}\n", bp, seconds)
	}
	window := 250
	if d.cfg.router == network.RouterNginx { // which writes its log once a second
		window = 1000
	}
	return fmt.Sprintf(`window_ms: %d
shadow: {minimum_compared: 20, differs_bp: 500}
canary:
  steps:
%s  reverse_to_bp: 9999
  objectives: {error_rate_bp: 100, wrong_rate_bp: 500, p99_ms: 5000}
  rails: {minimum_requests: 20, error_rate_bp: 1000, error_for_seconds: 2, p99_ms: 10000, p99_for_seconds: 60, health_down_seconds: 2, sync_lag_ms: 10000, hold_ms: 20000}
sync: {lag_ms_max: 3000}
drills: {count: %d, slots: 200}
cutover: {approvals: 2, slice_bp: 1250}
availability: {over_seconds: 2}
warm: {checks_after_seconds: [1], memory_mib_max: 1024}
close: {approvals: 1}
archive: {to: %q, s3_endpoint: %q, s3_region: %q, s3_credentials: %q}
`, window, steps.String(), demoDrills, d.cfg.archive.url, d.cfg.archive.endpoint, d.cfg.archive.region, d.cfg.archive.credentials)
}

func (d *demoRun) start(ctx context.Context) error {
	if err := d.write(ctx, migration.Entry{Kind: migration.KindPlan, Text: d.plan()}); err != nil {
		return err
	}
	if err := d.write(ctx, migration.Entry{Kind: migration.KindStart, Why: "the demo begins"}); err != nil {
		return err
	}
	return d.until(ctx, "the canary to reach the weight of the fault", func() bool {
		return d.state.StepSeq > 0 && d.state.ReachedBP == demoFaultAt && d.state.TargetBP == demoFaultAt
	})
}

// breakDown shuts V11's door until the controller has given the slots back.
func (d *demoRun) breakDown(ctx context.Context) error {
	d.door.shut()
	return d.until(ctx, "the controller to go back by itself", func() bool { return d.state.Reversed != nil && d.state.ReachedBP == d.state.TargetBP })
}

func (d *demoRun) climb(ctx context.Context) error {
	if err := d.door.reopen(); err != nil {
		return err
	}
	if err := d.write(ctx, migration.Entry{Kind: migration.KindResume, Why: "the door is open again"}); err != nil {
		return err
	}
	return d.until(ctx, "the canary to reach its last step", func() bool { return d.state.Phase == migration.Cutover })
}

func (d *demoRun) drill(ctx context.Context) error {
	for i := range demoDrills {
		if err := d.write(ctx, migration.Entry{Kind: migration.KindRehearse, Alarm: i == demoDrills-1}); err != nil {
			return err
		}
		if err := d.until(ctx, "the drill to end", func() bool { return len(d.state.Drills) > i }); err != nil {
			return err
		}
	}
	return nil
}

func (d *demoRun) cutover(ctx context.Context) error {
	for _, who := range []string{"head of operations", "auditor"} {
		if err := d.write(ctx, migration.Entry{Kind: migration.KindApprove, For: migration.ForCutover, By: who}); err != nil {
			return err
		}
	}
	if err := d.write(ctx, migration.Entry{Kind: migration.KindCutover}); err != nil {
		return err
	}
	return d.until(ctx, "all slots to be V11's", func() bool { return d.state.Phase == migration.Warm && d.state.ReachedBP == router.WeightWhole })
}

func (d *demoRun) validate(ctx context.Context) error {
	return d.until(ctx, "the comparison", func() bool { return d.state.WarmChecks > 0 })
}

// write writes an operator's entry.
func (d *demoRun) write(ctx context.Context, e migration.Entry) error {
	if e.By == "" {
		e.By = "operator"
	}
	_, err := writeEntry(ctx, d.journal, e, false)
	return err
}

// until follows the journal until something is so.
func (d *demoRun) until(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, demoPhaseMax)
	defer cancel()
	for {
		if err := d.follow(ctx); err != nil {
			return err
		}
		if is() {
			return nil
		}
		if await(ctx, demoPoll); ctx.Err() != nil {
			return fault.New(fault.Timeout, "waited %s for %s: the phase is %s, V11 has %s of %s", demoPhaseMax, what, phaseOf(&d.state), percent(d.state.ReachedBP), percent(d.state.TargetBP))
		}
	}
}

// follow reads what is new in the journal.
func (d *demoRun) follow(ctx context.Context) error {
	entries, err := d.journal.Read(ctx, d.state.Seq)
	if err != nil {
		if ctx.Err() != nil {
			return nil // who waits sees that
		}
		return err
	}
	for i := range entries {
		if err := d.state.Apply(&entries[i]); err != nil {
			return err
		}
		d.log = append(d.log, entries[i])
		d.picture.entry(&entries[i])
	}
	d.picture.draw()
	return nil
}

// close ends the way back, and has V10 archived.
func (d *demoRun) close(ctx context.Context) error {
	for _, e := range []migration.Entry{{Kind: migration.KindApprove, For: migration.ForClose, By: "auditor"}, {Kind: migration.KindClose}} {
		if err := d.write(ctx, e); err != nil {
			return err
		}
	}
	return d.until(ctx, "V10 to be archived", func() bool { return d.state.Phase == migration.Decommission })
}

// end reads both ledgers back, and says how it went.
func (d *demoRun) end(ctx context.Context) (*demoJSON, error) {
	ctx, cancel := context.WithTimeout(ctx, demoVerdicts)
	defer cancel()
	d.picture.now("both ledgers are read back")
	r, err := d.story.ReadBack(ctx)
	if err != nil {
		return nil, err
	}
	j := &demoJSON{
		Verdict: verdictPass, Sent: r.Sent, Acknowledged: r.Acknowledged, Found: r.Found, DoubleDebits: r.DoubleDebits, LongestMs: r.LongestMs, AutoRollbacks: d.state.AutoRollbacks,
		Drills: d.state.GoodDrills(), WeightBP: d.state.ReachedBP, ServedBy: r.ServedBy, Lost: r.Lost, Repeats: r.Repeats, Reads: r.Reads,
	}
	d.picture.now("both ledgers are compared at rest")
	last, err := runVerifier(ctx, d.pair.program, d.pair.dir)
	if err != nil {
		return nil, err
	}
	j.Differences = last.Count
	for _, e := range d.log {
		j.Differences += e.Differences
	}
	d.picture.now("the way back ends, and V10 is archived")
	if err := d.close(ctx); err != nil {
		return nil, err
	}
	if why := errors.Join(r.Failed(), j.failed()); why != nil {
		j.Verdict, j.Why = verdictFail, strings.ReplaceAll(why.Error(), "\n", "; ")
	}
	d.picture.done()
	return j, d.report(ctx, j)
}

// report writes the migration's report, with what the clients saw.
func (d *demoRun) report(ctx context.Context, j *demoJSON) error {
	in := &report.Input{Title: "A running V10 becomes V11", MadeAt: time.Now(), Verdict: j.Verdict}
	var err error
	if in.Entries, in.Windows, err = readJournal(ctx, d.network); err != nil {
		return err
	}
	if in.Figures, err = report.FiguresOf(in.Entries, in.Windows); err != nil {
		return err
	}
	in.Figures = append(j.figures(), in.Figures...)
	page, err := report.HTML(in)
	if err != nil {
		return err
	}
	j.Report = d.cfg.report
	return fault.Wrap(fault.Unavailable, replaceReport(j.Report, page), "write the report")
}

// figures are those of the verdict.
func (j *demoJSON) figures() []report.Figure {
	n := func(i int) string { return thousands(uint64(i)) }
	return []report.Figure{
		{Name: "Payments sent", Value: n(j.Sent)},
		{Name: "Payments answered as made", Value: n(j.Acknowledged), Want: "more than 0", OK: j.Acknowledged > 0},
		{Name: "of them found on both ledgers, once", Value: n(j.Found), Want: n(j.Acknowledged), OK: j.Found == j.Acknowledged},
		{Name: "Paid twice", Value: n(j.DoubleDebits), Want: "0", OK: j.DoubleDebits == 0},
		{Name: "Differences between the ledgers", Value: thousands(j.Differences), Want: "0", OK: j.Differences == 0},
		{Name: "Longest interruption that a client saw", Value: report.Length(j.LongestMs), Want: "less than " + report.Length(float64(interruptionMax.Milliseconds())), OK: j.LongestMs < float64(interruptionMax.Milliseconds())},
		{Name: "Payments made by V10", Value: n(j.ServedBy[syncload.V10.String()])},
		{Name: "Payments made by V11", Value: n(j.ServedBy[syncload.V11.String()])},
		{Name: "Repeats that clients sent", Value: n(j.Repeats)},
	}
}

// interruptionMax is the longest that a client may wait.
const interruptionMax = 30 * time.Second

func (j *demoJSON) failed() error {
	switch {
	case j.Differences > 0:
		return fmt.Errorf("%d differences are confirmed", j.Differences)
	case j.AutoRollbacks < 1:
		return errors.New("nothing went back by itself")
	case j.Drills < demoDrills:
		return fmt.Errorf("%d drills of %d", j.Drills, demoDrills)
	case j.WeightBP != router.WeightWhole:
		return fmt.Errorf("V11 has %s", percent(j.WeightBP))
	case j.LongestMs >= float64(interruptionMax.Milliseconds()):
		return fmt.Errorf("a client waited %.0f ms", j.LongestMs)
	case j.ServedBy[syncload.V10.String()] == 0 || j.ServedBy[syncload.V11.String()] == 0:
		return errors.New("one of the ledgers served nobody")
	}
	return nil
}
