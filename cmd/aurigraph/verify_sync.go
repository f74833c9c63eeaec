// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/verifier"
)

// scrubHeapBytes is what a scrub may use of memory besides the program's code, whatever it compares.
const scrubHeapBytes = 28 << 20

// Folders of a network that the verifier writes.
const (
	verifyFolder  = "verify"
	reportsFolder = "reports"
)

func newVerifySync(a *app) *cobra.Command {
	c := group("verify-sync", "Compare a V10 and a V11 that are kept in step",
		newVerifyRun(a), newVerifyStatus(a), newVerifyShow(a), newVerifyReport(a), newVerifyRepair(a), newVerifyWatch(a))
	c.Long = `Shares no code with what copies and applies changes: it reads both ledgers' rows by itself, and says what of them does not agree.
"run" compares all that there is, "watch" what happens while it runs. docs/verifier.md says what is compared and how.`
	c.Example = `  aurigraph verify-sync run
  aurigraph verify-sync watch
  aurigraph verify-sync report > today.md`
	return c
}

type verifyRunFlags struct {
	rate   int
	resume bool
	key    string
	wait   time.Duration
}

func newVerifyRun(a *app) *cobra.Command {
	var f verifyRunFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Compare all rows of both ledgers, and confirm what differs by a second look",
		Long: `Has V10 write a barrier and a checkpoint, waits until V11 has that barrier, and compares V10's rows, V11's certified state and
V11's tables: each transaction, account, asset, balance and round, and each ledger with itself. Both go on meanwhile. What
differs is looked at again after twice the lag, at least 2 s, from a new barrier: only what is there both times is confirmed.
The last line of --json has it all; the report lies in NETWORK/verify/reports. It changes nothing, and its memory
does not grow with the size.

It must run on V10's machine, where the checkpoint lies, and reads the files of one validator and of the query index.

Exit codes: 0 they are equal; 1 they differ, or something did not answer, or V11 is not in step; 2 the command line is wrong, or
no V10 is kept in step.`,
		Example: `  aurigraph verify-sync run
  aurigraph verify-sync run --network /srv/pair --rate 50000 --json
  aurigraph verify-sync run --resume --key auditor.key`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.rate < 0 || f.wait <= 0 {
				return usage(cmd, "--rate is a number of rows a second, --wait a time")
			}
			return a.verifyRun(cmd.Context(), &f)
		},
	}
	c.Flags().IntVar(&f.rate, "rate", 0, "rows a second at most, of both sides together; 0: as fast as it goes")
	c.Flags().BoolVar(&f.resume, "resume", false, "go on with a run that was interrupted, if there is one")
	c.Flags().StringVar(&f.key, "key", "", "key file to sign the report with (default: the network's institution's)")
	c.Flags().DurationVar(&f.wait, "wait", time.Minute, "how long V11 may take to come up with V10's barrier")
	return networkFlag(a, c)
}

func (a *app) verifyRun(ctx context.Context, f *verifyRunFlags) error {
	n, err := a.syncedNetwork()
	if err != nil {
		return err
	}
	signer, err := reportSigner(n, f.key)
	if err != nil {
		return err
	}
	unlock, err := lockFolder(n.Path(verifyFolder))
	if err != nil {
		return err
	}
	defer unlock()
	debug.SetMemoryLimit(scrubHeapBytes)
	cuts, err := newNetworkCuts(ctx, n, f.wait)
	if err != nil {
		return err
	}
	bar := a.newBar()
	report, err := a.scrub(ctx, n, f, cuts, scrubProgress(bar))
	bar.clear()
	if err != nil && ctx.Err() != nil {
		err = fault.New(fault.Unavailable, "the run was interrupted: go on with --resume")
	}
	if err = errors.Join(err, cuts.close(err == nil)); err != nil {
		return err
	}
	if err := verifier.SaveReport(n.Path(filepath.Join(verifyFolder, reportsFolder)), report, signer); err != nil {
		return err
	}
	return a.printReport(report)
}

// scrub compares the ledgers of a network.
func (a *app) scrub(ctx context.Context, n *network.Network, f *verifyRunFlags, cuts *networkCuts, progress func(verifier.Progress)) (*verifier.Report, error) {
	alias, err := keys.ReadAliasKey(n.Path(n.V10.AliasKey))
	if err != nil {
		return nil, err
	}
	cfg := verifier.Config{Dir: cuts.dir, AliasKey: alias, Rate: f.rate, Progress: progress}
	if _, err := rand.Read(cfg.Secret[:]); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "draw the run's secret")
	}
	if f.resume {
		from, err := verifier.ReadProgress(cuts.dir)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		if err == nil {
			cfg.From, cfg.Secret = from, from.Secret()
		}
	}
	return verifier.Scrub(ctx, cfg, cuts)
}

// etaAfter is how long a run goes on before its end is guessed at.
const etaAfter = 5 * time.Second

// scrubProgress shows how far a run is, and when it may end.
func scrubProgress(bar *bar) func(verifier.Progress) {
	begin := time.Now()
	return func(p verifier.Progress) {
		note := ""
		if took := time.Since(begin); took > etaAfter && p.Rows > 0 && p.Total > p.Rows {
			left := time.Duration(float64(took) * float64(p.Total-p.Rows) / float64(p.Rows))
			note = fmt.Sprintf("%.0fk rows/s, about %s left", float64(p.Rows)/took.Seconds()/1000, left.Round(time.Second))
		}
		bar.showNoted(p.Step, int64(p.Rows), int64(max(p.Total, p.Rows+1)), note)
	}
}

// lockFolder makes a folder, in which one run is at a time.
func lockFolder(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make %s", dir)
	}
	file, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "lock %s", dir)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fault.New(fault.Conflict, "another run is under way in %s: wait for it", dir), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// reportSigner reads the key that reports are signed with.
func reportSigner(n *network.Network, path string) (keys.Signer, error) {
	if path == "" {
		path = n.Path(n.Institution.Ed25519KeyFile)
	}
	return client.ReadKeyFile(path, nil)
}

func (a *app) printReport(r *verifier.Report) error {
	if err := a.print(r, func(row func(...any)) { reportTable(r, row) }); err != nil {
		return err
	}
	if !r.Equal {
		return &reported{fault.Reasoned(fault.Corrupt, "ledgers_differ", "%d differences are confirmed: see docs/runbooks/divergence.md", r.Count)}
	}
	return nil
}

// findingsShown bounds the findings that a table lists; --json lists them all.
const findingsShown = 30

func reportTable(r *verifier.Report, row func(...any)) {
	word := "EQUAL"
	if !r.Equal {
		word = fmt.Sprintf("DIFFERENT: %d confirmed", r.Count)
	}
	row(fmt.Sprintf("%s.  %s rows compared in %.1f s, %.4f %% consistent", word, thousands(r.Rows), r.Seconds, 100*r.Consistency))
	row(fmt.Sprintf("V10 up to round %d, V11 at height %d; report %s", r.Round, r.Height, r.ID))
	for _, k := range r.Kinds {
		row(fmt.Sprintf("  %d × %s", k.Count, k.Kind))
	}
	for i := range r.Confirmed {
		if i == findingsShown {
			row(fmt.Sprintf("  … and %d more: aurigraph verify-sync show %s --json", len(r.Confirmed)-i, r.ID))
			break
		}
		f := &r.Confirmed[i]
		row("  "+f.Kind(), f.Key, "is to be "+orNothing(f.Expected), "is "+orNothing(f.Found))
	}
	for _, n := range r.Notes {
		row("note: " + n)
	}
}

func orNothing(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// indexFolder is where a process keeps its query index.
const indexFolder = "index"

// indexPlace is where a network's query index is, and its folders if it is in files: its own, and that of the copied history.
func indexPlace(n *network.Network) (url, index, imported string, err error) {
	if n.Gateway != nil {
		cfg, err := config.LoadGateway(n.Path(n.Gateway.Dir))
		return cfg.Index.URL, cfg.Data(indexFolder), cfg.Data(config.ImportedFolder), err
	}
	for i := range n.Nodes {
		if !n.Nodes[i].Left() {
			cfg, err := config.Load(n.Path(n.Nodes[i].Dir))
			return cfg.Index.URL, cfg.Data(indexFolder), cfg.Data(config.ImportedFolder), err
		}
	}
	return "", "", "", fault.New(fault.NotFound, "the network in %s has no node that keeps an index", n.Dir)
}
