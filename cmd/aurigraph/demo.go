// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/generate"
)

// demoConfig says what a demo shows, and on what.
type demoConfig struct {
	quick    bool
	dir      string // of the network; empty: one that is removed
	report   string // file of the HTML report
	accounts uint64
	payers   int // of each band
	readers  int
	store    string
	kafka    string
	index    string
	router   string
	archive  archivePlace
}

// Sizes of the demo, and of its quick form.
const (
	demoFilled      = 100_000
	demoFilledQuick = 5_000
	demoReport      = "migration-report.html"
)

func newDemo(a *app) *cobra.Command {
	c := group("demo", "See it work, on this machine", newDemoMigration(a))
	c.Long = `Stories that are told with real processes, and proved at the end: nothing in them is played.`
	c.Example = `  aurigraph demo migration
  aurigraph demo migration --quick`
	return c
}

func newDemoMigration(a *app) *cobra.Command {
	cfg := demoConfig{payers: 4, readers: 4}
	c := &cobra.Command{
		Use:   "migration",
		Short: "Watch a running V10 become V11 under paying clients, go back by itself, and get there",
		Long: `Fills a V10 reference ledger, runs V11 beside it ("aurigraph up --with-v10" in a folder of its own), and starts clients that
pay over V10's REST dialect through the router. Then it does what operators do: plan, start, and watch. The controller waits
for copy and sync, compares both ledgers and their answers, and gives V11 one per cent of the accounts, five, ten. There V11's
door is shut: its clients get nothing, the judge sees that, and the controller gives the slots back to V10 by itself. The demo
opens the door, resumes, rehearses three rollbacks, approves and orders the cutover, has both ledgers compared once more, and
closes and archives.

At the end the clients stop, and both ledgers are read back: each payment that was answered must be on both exactly once. The
report is an HTML file. Times are compressed: a step of the canary takes seconds where a plan for a bank has days.

Exit codes: 0 the verdict is PASS; 1 it is FAIL, or something did not work; 2 the options will not do.`,
		Example: `  aurigraph demo migration
  aurigraph demo migration --quick --json
  aurigraph demo migration --router nginx --v10-store rocksdb --kafka 127.0.0.1:9092 --report /tmp/report.html`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.complete(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.demoMigration(cmd.Context(), &cfg)
		},
	}
	f := c.Flags()
	f.BoolVar(&cfg.quick, "quick", false, "fewer accounts and shorter steps: within a minute")
	f.StringVar(&cfg.dir, "network", "", "new folder for the demo's network, kept at the end (default: one that is removed)")
	f.StringVar(&cfg.report, "report", demoReport, "file of the report")
	f.Uint64Var(&cfg.accounts, "accounts", 0, "V10's accounts (default: 100000, with --quick 5000)")
	f.IntVar(&cfg.payers, "payers", cfg.payers, "paying clients for each band of slots, of which there are ten")
	f.IntVar(&cfg.readers, "readers", cfg.readers, "clients that read balances")
	f.StringVar(&cfg.store, "v10-store", legacy.EnginePebble, "what keeps V10: pebble, or rocksdb where the program was built with it")
	f.StringVar(&cfg.router, "router", network.RouterEmbedded, "what sends each account to its ledger: embedded, or nginx, which must be installed")
	f.StringVar(&cfg.kafka, "kafka", "", "brokers that carry the sync, host:port (default: one in the process)")
	cfg.archive.add(c, "archive", "where V10 is archived (default: a folder in the demo's)")
	f.StringVar(&cfg.index, "index", "", "where transfers are listed from: sqlite, or postgres://user@host/database?passfile=/path (default: sqlite)")
	return c
}

func (c *demoConfig) complete() error {
	if c.accounts == 0 {
		c.accounts = demoFilled
		if c.quick {
			c.accounts = demoFilledQuick
		}
	}
	if err := (&generate.Config{Accounts: c.accounts, Transactions: c.accounts}).Check(); err != nil {
		return err
	}
	s := c.clients()
	return s.Validate()
}

// demoSteps are the weights of the demo's canary.
var demoSteps = []int{100, 500, 1000, 2500, 5000, 7500, router.WeightWhole}

// clients pay from slots of each step, and from those that the judge compares each with, which are as many from the end.
func (c *demoConfig) clients() syncload.StoryConfig {
	s := syncload.StoryConfig{Each: c.payers, Readers: c.readers, Seed: 1}
	bounds := []int{0, router.WeightWhole}
	for _, bp := range demoSteps {
		bounds = append(bounds, bp, router.WeightWhole-bp)
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	for i, from := range bounds[:len(bounds)-1] {
		s.Bands = append(s.Bands, chain.SlotRange{From: uint16(from), To: uint16(bounds[i+1] - 1)})
	}
	return s
}

// demoJSON is what the demo says at the end.
type demoJSON struct {
	Verdict       string         `json:"verdict"` // PASS or FAIL
	Sent          int            `json:"sent"`
	Acknowledged  int            `json:"acknowledged"`
	Found         int            `json:"found"` // of them, on both ledgers exactly once
	DoubleDebits  int            `json:"double_debits"`
	Differences   uint64         `json:"differences"` // that the verifier confirmed, in all comparisons
	LongestMs     float64        `json:"longest_interruption_ms"`
	AutoRollbacks int            `json:"auto_rollbacks"`
	Drills        int            `json:"drills"`
	WeightBP      int            `json:"weight_bp"`
	ServedBy      map[string]int `json:"served_by"`
	Report        string         `json:"report"`
	Lost          int            `json:"lost"`
	Repeats       int            `json:"repeats"`
	Reads         uint64         `json:"reads"`
	Seconds       float64        `json:"seconds"`
	Why           string         `json:"why,omitempty"` // of FAIL
}

func (a *app) demoMigration(ctx context.Context, cfg *demoConfig) (err error) {
	began := time.Now()
	remove, err := benchFolder(&cfg.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if cfg.report, err = filepath.Abs(cfg.report); err != nil {
		return fault.Wrap(fault.Invalid, err, "--report")
	}
	if err := a.fillDemo(ctx, cfg); err != nil {
		return err
	}
	d := &demoRun{app: a, cfg: cfg, began: began}
	j, err := d.tell(ctx)
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: the demo has no verdict")
	}
	if err != nil {
		return err
	}
	j.Seconds = time.Since(began).Seconds()
	if a.json {
		err = a.print(j, nil)
	} else {
		err = a.printDemo(j)
	}
	if err == nil && j.Verdict != verdictPass {
		err = &reported{fault.New(fault.Corrupt, "%s", j.Why)}
	}
	return err
}

// Verdicts of a demo.
const (
	verdictPass = "PASS"
	verdictFail = "FAIL"
)

func (a *app) printDemo(j *demoJSON) error {
	text := fmt.Sprintf("%d of %d answered payments found on both ledgers, %d paid twice, %d differences, longest interruption %.0f ms, %d automatic rollbacks, %d drills, %s on V11, %.0f s",
		j.Found, j.Acknowledged, j.DoubleDebits, j.Differences, j.LongestMs, j.AutoRollbacks, j.Drills, percent(j.WeightBP), j.Seconds)
	if j.Why != "" {
		text = j.Why + "; " + text
	}
	_, err := fmt.Fprintf(a.out, "report: %s\nverdict: %s %s\n", j.Report, j.Verdict, text)
	return fault.Wrap(fault.Unavailable, err, "write the verdict")
}

// fillDemo makes the network, whose V10 has a history before V11 begins.
func (a *app) fillDemo(ctx context.Context, cfg *demoConfig) error {
	dir := pairFolder(cfg.dir)
	if _, err := os.Stat(filepath.Join(dir, network.FileName)); err == nil {
		return fault.New(fault.Conflict, "%s holds a network already: the demo makes its own, name a new folder", dir)
	}
	n, err := network.Create(dir, network.Options{
		Name: "demo", Nodes: network.NodesDefault, Demo: true, Accounts: demoAccounts, V10: true, Index: cfg.index,
		Sync: &network.SyncOptions{Store: cfg.store, Kafka: cfg.kafka, Moves: true},
	})
	if err != nil {
		return err
	}
	bar := a.newBar()
	defer bar.clear()
	return a.fillV10(ctx, n, generate.Config{Accounts: cfg.accounts, Transactions: cfg.accounts, Seed: 1}, bar)
}
