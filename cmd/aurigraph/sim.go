// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sim"
)

// simFlags are the options of sim.
type simFlags struct {
	first, seeds uint64
	jobs         int
	without      []int
	stormMillis  int64
	bug          string
	bugs         bool
	resume       string
}

func newSim(a *app) *cobra.Command {
	f := simFlags{}
	c := &cobra.Command{
		Use:   "sim",
		Short: "Simulate networks under faults and lies, each from a seed, and check every promise",
		Long: `Runs whole networks of validators in simulated time: their real ordering, lanes, certificates and ledgers, with simulated disks,
clocks and links. Each seed is a network with faults of its own: lost, doubled, late and overtaken frames, partitions, crashes in
the middle of a record, torn writes, slow disks, wrong clocks, and up to a third of the validators lying. After each step it
checks what is promised; docs/reliability.md says what that is. A seed always gives the same run.

A seed that breaks a promise is made smaller, and the command line that repeats it is printed. --without, --storm-ms and --bug are
for that command line. With --bugs it puts one mistake after the other into its validators, to show that its checks catch them.

Exit codes: 0 every promise was kept, or every mistake was caught; 1 not; 2 the options will not do.`,
		Example: `  aurigraph sim --seeds 100
  aurigraph sim --seed 4711 --seeds 1
  aurigraph sim --seeds 100000 --resume sim.json
  aurigraph sim --bugs --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("jobs") {
				f.jobs = runtime.NumCPU()
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			if f.bugs {
				return a.simBugs(cmd.Context())
			}
			return a.sim(cmd.Context(), &f)
		},
	}
	flags := c.Flags()
	flags.Uint64Var(&f.seeds, "seeds", 100, "how many seeds to run")
	flags.Uint64Var(&f.first, "seed", 1, "the first of them")
	flags.IntVar(&f.jobs, "jobs", 0, "processes to share them (default: as many as there are cores)")
	flags.StringVar(&f.resume, "resume", "", "file in which to note how far it is, and to go on from")
	flags.IntSliceVar(&f.without, "without", nil, "leave these faults of the seed out; with --seeds 1")
	flags.Int64Var(&f.stormMillis, "storm-ms", 0, "end all faults after so many milliseconds; with --seeds 1")
	flags.StringVar(&f.bug, "bug", "", "put this mistake into the validators; with --seeds 1")
	flags.BoolVar(&f.bugs, "bugs", false, "show that every mistake is caught, instead of running seeds")
	return c
}

func (f *simFlags) check(cmd *cobra.Command) error {
	known := slices.ContainsFunc(sim.SeededBugs(), func(b sim.SeededBug) bool { return string(b.Name) == f.bug })
	one := len(f.without) > 0 || f.stormMillis != 0 || f.bug != ""
	switch {
	case f.seeds == 0 || f.seeds > 1<<32:
		return usage(cmd, "--seeds must be 1 to %d", 1<<32)
	case f.jobs < 1 || f.jobs > 1024:
		return usage(cmd, "--jobs must be 1 to 1024")
	case one && f.seeds != 1:
		return usage(cmd, "--without, --storm-ms and --bug are for one run: --seeds 1")
	case f.stormMillis < 0:
		return usage(cmd, "--storm-ms must not be negative")
	case f.bug != "" && !known:
		return usage(cmd, "there is no mistake %q; --bugs lists them", f.bug)
	}
	return nil
}

// sim runs seeds and reports what came of them.
func (a *app) sim(ctx context.Context, f *simFlags) error {
	begin := time.Now()
	report, err := a.simReport(ctx, f)
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "interrupted: nothing was shown%s", resumeHint(f.resume))
	}
	if err != nil {
		return err
	}
	if err := a.print(report, func(row func(...any)) { simTable(report, time.Since(begin), row) }); err != nil {
		return err
	}
	if len(report.Failed) > 0 {
		return &reported{fault.New(fault.Corrupt, "%d seeds broke a promise", len(report.Failed))}
	}
	return nil
}

func resumeHint(file string) string {
	if file == "" {
		return ""
	}
	return "; the same command goes on from " + file
}

func (a *app) simReport(ctx context.Context, f *simFlags) (*sim.Report, error) {
	if f.seeds == 1 || f.jobs == 1 && f.resume == "" {
		return a.simHere(ctx, f)
	}
	bar := a.newBar()
	defer bar.clear()
	c := sim.Campaign{
		First: f.first, Seeds: f.seeds, Jobs: f.jobs, Resume: f.resume,
		Work: func(ctx context.Context, first, seeds uint64) (*sim.Report, error) {
			return simWorker(ctx, above{bar, a.err}, first, seeds)
		},
		Progress: func(done, total uint64) { bar.show("seeds", int64(done), int64(total)) },
	}
	return c.Run(ctx)
}

// simHere runs seeds in this process, and makes the first failing one smaller.
func (a *app) simHere(ctx context.Context, f *simFlags) (*sim.Report, error) {
	report, runner := sim.NewReport(), sim.Runner{}
	bar := a.newBar()
	defer bar.clear()
	for i := range f.seeds {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		o := sim.Options{Seed: f.first + i, Without: f.without, StormMillis: f.stormMillis, Bug: sim.Bug(f.bug)}
		x := runner.Run(o)
		report.Add(x)
		bar.show("seeds", int64(i+1), int64(f.seeds))
		if x.Failure != nil && len(report.Failed) == 1 {
			bar.clear()
			report.Repeat = append(report.Repeat, a.simFailed(&runner, o, x))
		}
	}
	return report, nil
}

// simFailed tells what a run broke, and returns the command line that repeats the smallest one that does.
func (a *app) simFailed(runner *sim.Runner, o sim.Options, x *sim.Result) string {
	fmt.Fprintf(a.err, "seed %d breaks a promise after %.3f s of its time: %s: %s\n", x.Seed, x.Failure.At, x.Failure.Check, x.Failure.Text)
	small := runner.Shrink(o)
	command := small.Options.Command(a.self)
	fmt.Fprintf(a.err, "%d runs later it still does with %d of %d faults:\n", small.Runs, len(small.Result.Episodes), len(x.Episodes))
	for _, line := range small.Result.Plan {
		fmt.Fprintf(a.err, "  %s\n", line)
	}
	fmt.Fprintf(a.err, "  %s: %s\nto repeat it: %s\n", small.Result.Failure.Check, small.Result.Failure.Text, command)
	return command
}

// simWorker runs seeds in a process of its own, for one process makes one run at a time.
func simWorker(ctx context.Context, errOut io.Writer, first, seeds uint64) (*sim.Report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "find this program")
	}
	cmd := exec.CommandContext(ctx, self, "sim", "--json", "--jobs", "1", "--seed", fmt.Sprint(first), "--seeds", fmt.Sprint(seeds))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, errOut
	runErr := cmd.Run()
	report := sim.NewReport()
	if err := json.Unmarshal(bytes.TrimSpace(out.Bytes()), report); err != nil || report.Seeds != seeds {
		return nil, fault.Wrap(fault.Internal, fmt.Errorf("%w: %.200s", runErr, out.String()), "seeds %d to %d", first, first+seeds-1)
	}
	return report, nil
}

func simTable(r *sim.Report, took time.Duration, row func(...any)) {
	row("kind", "happened")
	for _, kind := range sortedKeys(r.Faults) {
		row(kind, r.Faults[kind])
	}
	for _, what := range sortedKeys(r.Seen) {
		row("seen: "+what, r.Seen[what])
	}
	for _, command := range r.Repeat {
		row("repeat", command)
	}
	word := "OK"
	if len(r.Failed) > 0 {
		word = fmt.Sprintf("NOT OK: seeds %v", r.Failed)
	}
	row(fmt.Sprintf("%s: %d seeds, %d certified heights, %.1f s; back to work after the faults within %d ms; %d seeds with a lying leader, of whom no progress is promised",
		word, r.Seeds, r.Blocks, took.Seconds(), r.HealMs, r.Misled))
}

func sortedKeys(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// bugsReport says which seeded mistakes were caught.
type bugsReport struct {
	Bugs   int      `json:"bugs"`
	Caught int      `json:"caught"`
	Missed []string `json:"missed"`
}

// simBugs puts each mistake into the validators in turn.
func (a *app) simBugs(ctx context.Context) error {
	runner, report, tell := sim.Runner{}, bugsReport{Missed: []string{}}, a.out
	if a.json {
		tell = a.err
	}
	for _, b := range sim.SeededBugs() {
		if ctx.Err() != nil {
			return fault.New(fault.Unavailable, "interrupted: not all mistakes were tried")
		}
		report.Bugs++
		c := runner.Catch(b)
		if c.By == nil {
			report.Missed = append(report.Missed, string(b.Name))
			fmt.Fprintf(tell, "MISSED %s: %s: %s\n", b.Name, b.What, c.Reason)
			continue
		}
		report.Caught++
		text, _, _ := strings.Cut(c.By.Text, "\n")
		fmt.Fprintf(tell, "caught %s (%s) by %s, seed %d, which is green without it: %s\n", b.Name, b.What, c.By.Check, c.Seed, text)
	}
	line, err := json.Marshal(report)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the answer")
	}
	fmt.Fprintln(a.out, string(line))
	if len(report.Missed) > 0 {
		return &reported{fault.New(fault.Corrupt, "%d mistakes were not caught", len(report.Missed))}
	}
	return nil
}
