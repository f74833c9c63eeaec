// SPDX-License-Identifier: Apache-2.0

// Command peers measures Aurigraph and other systems that keep transfers, one after the other on this machine, and writes
// docs/bench/peers.json and the tables of docs/bench/peers.md. `make bench-peers` builds all that it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/bench/peer"
	"github.com/aurigraph/aurigraph/bench/report"
)

// options of a run.
type options struct {
	root     string // the repository
	ours     string // the aurigraph binary
	postgres string // folder of PostgreSQL's programs
	only     *regexp.Regexp
	rounds   int
	window   peer.Window
	out      string // JSON
	document string // Markdown; "" leaves it
	render   bool   // no measurement: the document from the JSON that is there
	shared   string // folder of the whole run
}

func main() {
	o := options{}
	only := flag.String("only", "", "measure the rows whose name matches this regular expression only")
	flag.StringVar(&o.root, "root", "..", "the repository")
	flag.StringVar(&o.ours, "aurigraph", "", "the aurigraph binary (default: bin/aurigraph of the repository)")
	flag.StringVar(&o.postgres, "postgres", "/usr/lib/postgresql/15/bin", "folder of PostgreSQL's programs")
	flag.IntVar(&o.rounds, "rounds", 2, "rounds over all rows")
	flag.DurationVar(&o.window.WarmUp, "warm-up", 2*time.Second, "of each measurement")
	flag.DurationVar(&o.window.Measure, "duration", 5*time.Second, "of each measurement")
	flag.StringVar(&o.out, "out", "", "JSON file (default: docs/bench/peers.json of the repository)")
	flag.StringVar(&o.document, "document", "", "Markdown file whose tables are written anew")
	flag.BoolVar(&o.render, "render", false, "measure nothing: write the tables of -document from the JSON that is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := o.complete(*only)
	switch {
	case err != nil:
	case o.render:
		err = render(o)
	default:
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func (o *options) complete(only string) error {
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return err
	}
	if o.rounds < 1 || o.window.Measure < time.Second {
		return errors.New("-rounds must be 1 at least, -duration 1s at least")
	}
	if o.root, err = filepath.Abs(o.root); err != nil {
		return err
	}
	if o.ours == "" {
		o.ours = filepath.Join(o.root, "bin", "aurigraph")
	}
	if o.out == "" {
		o.out = filepath.Join(o.root, "docs", "bench", "peers.json")
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	if o.shared, err = folder(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.shared)) }()
	versions, err := versions(o)
	if err != nil {
		return err
	}
	entries, err := picked(o)
	if err != nil {
		return err
	}
	r := &report.Report{
		Taken: time.Now().Format(time.DateOnly), Machine: machine(), Command: "make bench-peers", MeasureS: o.window.Measure.Seconds(),
		WarmUpS: o.window.WarmUp.Seconds(), Rounds: o.rounds, Versions: versions,
	}
	before, err := readTimes("/proc/stat")
	if err != nil {
		return err
	}
	failed := rounds(ctx, o, entries)
	if ctx.Err() != nil {
		return failed
	}
	after, err := readTimes("/proc/stat")
	if err != nil {
		return err
	}
	r.StolenPc = after.stolenPercent(before)
	for _, e := range entries {
		r.Rows = append(r.Rows, e.row)
	}
	r.Finish()
	failed = errors.Join(failed, r.Write(o.out))
	if o.document != "" {
		failed = errors.Join(failed, r.UpdateDocument(o.document))
	}
	return failed
}

// rounds measures all entries again and again. One that fails must not cost the figures of the others: its row says so, and
// so does the exit code.
func rounds(ctx context.Context, o options, entries []entry) error {
	var failed error
	for range o.rounds {
		for i := range entries {
			failed = errors.Join(failed, measure(ctx, o, &entries[i]))
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), failed)
			}
		}
	}
	return failed
}

// render writes the document and the JSON anew from the samples that the JSON has.
func render(o options) error {
	r, err := report.Read(o.out)
	if err != nil {
		return err
	}
	r.Finish()
	return errors.Join(r.Write(o.out), r.UpdateDocument(o.document))
}

// folder makes a temporary one. PostgreSQL runs as another user, who must reach its own below it.
func folder() (string, error) {
	dir, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// measure measures one entry once, in a folder of its own that is removed.
func measure(ctx context.Context, o options, e *entry) (err error) {
	dir, err := folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	began := time.Now()
	s, commands, err := e.contender().Measure(ctx, dir, o.window)
	if err != nil {
		err = fmt.Errorf("%s, %s: %w", e.row.Peer, e.row.Variant, err)
		e.row.Failures = append(e.row.Failures, err.Error())
		return errors.Join(err, logs(dir))
	}
	e.row.Samples, e.row.Commands = append(e.row.Samples, s), shortened(commands, o, dir)
	fmt.Fprintf(os.Stderr, "%-10s %-28s %9.0f/s  p50 %.1f p99 %.1f ms  %.2f us CPU  %.2f us load  %.0f MB  %v  (%.0f s)\n",
		e.row.Peer, e.row.Variant, s.TransfersPerS, s.P50Ms, s.P99Ms, s.CPUUsPerTransfer, s.LoadCPUUsPerTransfer, s.RSSMBTotal, s.Refused, time.Since(began).Seconds())
	return nil
}

// shortened names folders as one would: what lies in the repository from there, the temporary ones as $DIR.
func shortened(commands []string, o options, dir string) []string {
	folders := strings.NewReplacer(dir, "$DIR", o.shared, "$DIR", o.root+"/", "")
	lines := make([]string, len(commands))
	for i, line := range commands {
		lines[i] = folders.Replace(line)
	}
	return lines
}

// logs is the end of each server's log, as an error: the folder is about to be removed.
func logs(dir string) error {
	const most = 2000
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, path := range paths {
		text, readErr := os.ReadFile(path)
		err = errors.Join(err, readErr, fmt.Errorf("%s ends with:\n%s", filepath.Base(path), text[max(0, len(text)-most):]))
	}
	return err
}
