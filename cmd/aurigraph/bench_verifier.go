// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/verifier/damage"
)

// What the verifier must keep to.
const (
	kindsMin     = 40
	verifierMB   = 64
	rowsPerSMin  = 500_000
	largeOfSmall = 10
)

// verifierBenchConfig is what a bench of the verifier is told.
type verifierBenchConfig struct {
	Dir          string
	Nodes        int
	Small, Large uint64 // transactions of V10 before the copy
	Only         []string
	Seed         uint64
}

func (c *verifierBenchConfig) accounts(transactions uint64) uint64 { return max(100, transactions/20) }

func (c *verifierBenchConfig) check() error {
	if c.Nodes < 1 || c.Nodes > network.NodesMax || c.Small < 1000 || c.Large != 0 && c.Large < c.Small || c.Large > 1_000_000_000 {
		return fault.New(fault.Invalid, "--nodes is 1 to %d, --small at least 1000, --large none or at least as many", network.NodesMax)
	}
	for _, id := range c.Only {
		if !slices.ContainsFunc(damage.Kinds(), func(k damage.Kind) bool { return k.ID == id }) {
			return fault.New(fault.Invalid, "--only %q is no kind of damage: internal/verifier/damage/kinds.go lists them", id)
		}
	}
	return nil
}

// kinds are those that are planted.
func (c *verifierBenchConfig) kinds() (all []damage.Kind) {
	for _, k := range damage.Kinds() {
		if len(c.Only) == 0 || slices.Contains(c.Only, k.ID) {
			all = append(all, k)
		}
	}
	return all
}

func newBenchVerifier(a *app) *cobra.Command {
	cfg := verifierBenchConfig{}
	c := &cobra.Command{
		Use:   "verifier",
		Short: "Plant damage in a pair that runs, and see whether the verifier names it",
		Long: `Starts a pair of its own, V10 filled before the copy, with payments at both doors all the time. A process of its own plants each
kind of damage at random rows: V10's over a test socket, V11's tables by SQL, the topics as any client of the brokers.
"aurigraph verify-sync run" is not told what or where. A damage is named if a confirmed finding has its kind and its row. What
is confirmed and follows from no damage is "false_confirmed": also before anything is planted, while rows are written during a
run, and after all was undone.

Then pairs of two sizes are compared at rest. "rows_per_s" is the pairs of rows compared a second, of the larger one, while rows
are compared: without the wait for barriers and checkpoints. "rss_mb_max" is the highest VmHWM that a verifier's process had in
any run.

Exit codes: 0 all kinds are named, none falsely, within 64 MiB, at 500,000 rows/s; 1 not; 2 the options will not do.`,
		Example: `  aurigraph bench verifier
  aurigraph bench verifier --json
  aurigraph bench verifier --large 0 --only v10-dropped,index-reordered`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.check(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.benchVerifier(cmd.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Dir, "network", "", "new folder for the bench's networks, kept at the end (default: one that is removed)")
	f.IntVar(&cfg.Nodes, "nodes", network.NodesDefault, "validators of a pair")
	f.Uint64Var(&cfg.Small, "small", 200_000, "V10's transactions before the copy, in the pair that is damaged")
	f.Uint64Var(&cfg.Large, "large", largeOfSmall*200_000, "in the larger pair; 0: there is none, and nothing is said of speed")
	f.StringSliceVar(&cfg.Only, "only", nil, "kinds of damage to plant (default: all)")
	f.Uint64Var(&cfg.Seed, "seed", 1, "of the payments and of where damage lies")
	return c
}

// verifierReport is what a bench of the verifier found.
type verifierReport struct {
	Kinds          int               `json:"kinds"`
	Named          int               `json:"named"`
	FalseConfirmed int               `json:"false_confirmed"`
	RSSMBMax       float64           `json:"rss_mb_max"`
	RowsPerS       float64           `json:"rows_per_s"`
	Unnamed        []string          `json:"unnamed"`
	Unexplained    []damage.Found    `json:"unexplained"`
	Passing        passingReport     `json:"write_during_scan"`
	Scrubs         []scrubReport     `json:"scrubs"`
	Sizes          []sizeReport      `json:"sizes"`
	Load           loadReport        `json:"load"`
	ByKind         map[string]string `json:"by_kind"` // the finding that named each
	Seconds        float64           `json:"seconds"`
	Nodes          int               `json:"nodes"`
	CPUs           int               `json:"cpus"`
}

// passingReport is about damage that was there for a moment.
type passingReport struct {
	Damages   int    `json:"damages"`
	Maybe     uint64 `json:"maybe"`
	Confirmed uint64 `json:"confirmed"`
}

// sizeReport is a comparison at rest.
type sizeReport struct {
	Transactions uint64  `json:"v10_transactions"`
	Rows         uint64  `json:"rows_compared"`
	RowsPerS     float64 `json:"rows_per_s"`
	RSSMB        float64 `json:"rss_mb"`
	Seconds      float64 `json:"seconds"` // of the whole run, with its waits
}

// unexplainedSaid is how many false confirmations are said where a bench does not pass; its report has all.
const unexplainedSaid = 3

// failed says why a bench does not pass, "" if it does.
func (r *verifierReport) failed() string {
	var why []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			why = append(why, fmt.Sprintf(format, args...))
		}
	}
	add(r.Kinds < kindsMin, "%d kinds of damage, %d are asked for", r.Kinds, kindsMin)
	add(r.Named != r.Kinds, "%d of %d kinds are named", r.Named, r.Kinds)
	add(r.FalseConfirmed > 0, "%d findings follow from nothing that was planted, the first %v", r.FalseConfirmed, r.Unexplained[:min(unexplainedSaid, len(r.Unexplained))])
	add(r.RSSMBMax > verifierMB, "%.1f MiB of memory", r.RSSMBMax)
	add(r.RowsPerS < rowsPerSMin, "%.0f rows/s", r.RowsPerS)
	return strings.Join(why, ", ")
}

func (a *app) benchVerifier(ctx context.Context, cfg verifierBenchConfig) (err error) {
	remove, err := benchFolder(&cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	began := time.Now()
	bar := a.newBar()
	b := &verifierBench{app: a, cfg: cfg, bar: bar, report: &verifierReport{Unnamed: []string{}, Unexplained: []damage.Found{}, ByKind: map[string]string{}, Nodes: cfg.Nodes, CPUs: runtime.NumCPU()}}
	err = b.run(ctx)
	bar.clear()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was measured")
	}
	if err != nil {
		return err
	}
	b.report.Seconds = time.Since(began).Seconds()
	if err := a.print(b.report, func(row func(...any)) { verifierTable(b.report, row) }); err != nil {
		return err
	}
	if why := b.report.failed(); why != "" {
		return &reported{fault.New(fault.Corrupt, "the verifier does not pass: %s", why)}
	}
	return nil
}

// verifierBench is a run of the bench.
type verifierBench struct {
	app    *app
	cfg    verifierBenchConfig
	bar    *bar
	report *verifierReport
}

func (b *verifierBench) run(ctx context.Context) error {
	if err := b.damaged(ctx); err != nil || b.cfg.Large == 0 {
		return err
	}
	return b.large(ctx)
}

// damaged starts the smaller pair, damages it, and compares it at rest.
func (b *verifierBench) damaged(ctx context.Context) (err error) {
	t, err := b.launch(ctx, filepath.Join(b.cfg.Dir, "small"), b.cfg.Small, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	p, err := b.startPlanter(ctx, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := b.loaded(ctx, t, func() error { return b.underLoad(ctx, t, p) }); err != nil {
		return err
	}
	if b.cfg.Large > 0 {
		if err := b.atRest(ctx, t, b.cfg.Small); err != nil {
			return err
		}
	}
	// Last: what stands wrong in the topics holds the sync until a person has decided.
	return b.loaded(ctx, t, func() error { return b.topics(ctx, t, p) })
}

// loaded does something while payments run.
func (b *verifierBench) loaded(ctx context.Context, t *verifiedPair, do func() error) error {
	load, err := b.startLoad(ctx, t)
	if err != nil {
		return err
	}
	err = do()
	paid := load.stop()
	b.report.Load.V10 += paid.V10
	b.report.Load.V11 += paid.V11
	b.report.Load.Failed += paid.Failed
	return err
}

// underLoad plants everything in turn.
func (b *verifierBench) underLoad(ctx context.Context, t *verifiedPair, p *planterProcess) error {
	if err := b.scrubFor(ctx, t, "before any damage", nil); err != nil {
		return err
	}
	kinds := b.cfg.kinds()
	b.report.Kinds = len(kinds)
	for group := 1; ; group++ {
		var ids []string
		more := false
		for _, k := range kinds {
			more = more || k.Group > group
			if k.Group == group {
				ids = append(ids, k.ID)
			}
		}
		if err := b.group(ctx, t, p, group, ids); err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := b.passing(ctx, t, p); err != nil {
		return err
	}
	return b.scrubFor(ctx, t, "after all damage was undone", nil)
}

// group plants what may be there together, has it found, and takes it back.
func (b *verifierBench) group(ctx context.Context, t *verifiedPair, p *planterProcess, group int, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	a, err := p.tell(damage.Command{Plant: ids})
	if err != nil {
		return err
	}
	if err := b.scrubFor(ctx, t, fmt.Sprintf("group %d, %d kinds", group, len(ids)), a.Planted); err != nil {
		return err
	}
	_, err = p.tell(damage.Command{Undo: true})
	return err
}

// passing plants and takes back all the time while rows are read.
func (b *verifierBench) passing(ctx context.Context, t *verifiedPair, p *planterProcess) error {
	if _, err := p.tell(damage.Command{Pass: true}); err != nil {
		return err
	}
	if err := b.scrubFor(ctx, t, "rows written during the run", nil); err != nil {
		return err
	}
	a, err := p.tell(damage.Command{Undo: true})
	if err != nil {
		return err
	}
	last := &b.report.Scrubs[len(b.report.Scrubs)-1]
	b.report.Passing = passingReport{Damages: a.Passed, Maybe: last.Maybe, Confirmed: last.Confirmed}
	return nil
}

// scrubFor runs the verifier and judges what it confirmed by what is planted.
func (b *verifierBench) scrubFor(ctx context.Context, t *verifiedPair, what string, planted []damage.Planted) error {
	b.bar.spin("comparing: " + what)
	s, err := b.scrub(ctx, t)
	if err != nil {
		return err
	}
	s.What, s.Planted = what, len(planted)
	b.report.Scrubs = append(b.report.Scrubs, s.scrubReport)
	b.judge(planted, s.found)
	return nil
}

func (b *verifierBench) judge(planted []damage.Planted, found []damage.Found) {
	r := b.report
	v := damage.Judge(planted, found)
	r.Named += len(v.Named)
	for i := range planted {
		if slices.Contains(v.Named, planted[i].ID) {
			r.ByKind[planted[i].ID] = planted[i].Finding
		}
	}
	r.Unnamed = append(r.Unnamed, v.Unnamed...)
	r.Unexplained = append(r.Unexplained, v.Unexplained...)
	r.FalseConfirmed += len(v.Unexplained)
}

// atRest compares a pair that nobody pays in.
func (b *verifierBench) atRest(ctx context.Context, t *verifiedPair, transactions uint64) error {
	what := fmt.Sprintf("at rest, %s transactions", thousands(transactions))
	if err := b.scrubFor(ctx, t, what, nil); err != nil {
		return err
	}
	s := b.report.Scrubs[len(b.report.Scrubs)-1]
	b.report.Sizes = append(b.report.Sizes, sizeReport{Transactions: transactions, Rows: s.Rows, RowsPerS: s.RowsPerS, RSSMB: s.RSSMB, Seconds: s.Seconds})
	b.report.RowsPerS = s.RowsPerS
	return nil
}

// large compares a larger pair.
func (b *verifierBench) large(ctx context.Context) (err error) {
	t, err := b.launch(ctx, filepath.Join(b.cfg.Dir, "large"), b.cfg.Large, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	return b.atRest(ctx, t, b.cfg.Large)
}

func verifierTable(r *verifierReport, row func(...any)) {
	row("damage", fmt.Sprintf("%d kinds", r.Kinds), fmt.Sprintf("%d named", r.Named), fmt.Sprintf("%d findings that follow from nothing", r.FalseConfirmed))
	for _, id := range r.Unnamed {
		row("  not named", id)
	}
	for i, f := range r.Unexplained {
		if i == findingsShown {
			row("  …", fmt.Sprintf("%d more", len(r.Unexplained)-i))
			break
		}
		row("  follows from nothing", f.Kind, f.Key)
	}
	row("written during a run", fmt.Sprintf("%d damages, each for a moment", r.Passing.Damages), fmt.Sprintf("%d seen once", r.Passing.Maybe), fmt.Sprintf("%d confirmed", r.Passing.Confirmed))
	for _, s := range r.Scrubs {
		row("  run", s.What, fmt.Sprintf("%s rows, %.1f s", thousands(s.Rows), s.Seconds), fmt.Sprintf("%d confirmed", s.Confirmed), fmt.Sprintf("%.1f MiB", s.RSSMB))
	}
	for _, s := range r.Sizes {
		row("size", fmt.Sprintf("%s transactions", thousands(s.Transactions)), fmt.Sprintf("%.0f rows/s", s.RowsPerS), fmt.Sprintf("%.1f MiB", s.RSSMB), fmt.Sprintf("%.1f s", s.Seconds))
	}
	row("memory", fmt.Sprintf("%.1f MiB at most", r.RSSMBMax))
	row("payments meanwhile", fmt.Sprintf("%d at V10, %d at V11", r.Load.V10, r.Load.V11), fmt.Sprintf("%d refused", r.Load.Failed))
	row("took", fmt.Sprintf("%.0f s", r.Seconds), fmt.Sprintf("%d validators, %d CPUs", r.Nodes, r.CPUs))
}

// newBenchPlanter is the process that plants damage for `bench verifier`. It is led over standard input and output.
func newBenchPlanter(a *app) *cobra.Command {
	var socket string
	var seed uint64
	c := &cobra.Command{
		Use: benchPlanter, Hidden: true, Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.servePlanter(cmd, socket, seed)
		},
	}
	c.Flags().StringVar(&socket, "socket", "", "V10's test socket")
	c.Flags().Uint64Var(&seed, "seed", 1, "of where damage lies")
	return networkFlag(a, c)
}

const benchPlanter = "verifier-planter"
