// SPDX-License-Identifier: Apache-2.0

// Command move searches the models of the move from V10 to V11 and prints what it finds.
//
//	go run ./model/cmd/move                                  list the scenarios
//	go run ./model/cmd/move -run two                         search one
//	go run ./model/cmd/move -run two -without barrier        take a rule away and see what breaks
//	go run ./model/cmd/move -run all -progress               search all that tests do, and look for states without a way on
//	go run ./model/cmd/move -run all -progress -long         and those that take minutes and up to 3 GB
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/model/check"
	"github.com/aurigraph/aurigraph/model/expiry"
	"github.com/aurigraph/aurigraph/model/guards"
	"github.com/aurigraph/aurigraph/model/move"
	"github.com/aurigraph/aurigraph/model/restore"
	"github.com/aurigraph/aurigraph/model/sealing"
)

// gcPercent is small because states live until their search ends: garbage is little, and waiting for it to double the heap is waste.
const gcPercent = 15

func main() {
	debug.SetGCPercent(gcPercent)
	run := flag.String("run", "", "scenario `name`, or all")
	without := flag.String("without", "", "`rules` to take away, separated by commas")
	progress := flag.Bool("progress", false, "look also for states from which no path without faults leads to rest")
	long := flag.Bool("long", false, "with -run all: the long ones too")
	states := flag.Int("states", 0, "bound on states; 0 is 32M")
	workers := flag.Int("workers", 0, "goroutines; 0 is 2")
	flag.Parse()
	scenarios := all()
	if *run == "" {
		list(scenarios)
		return
	}
	scenarios = slices.DeleteFunc(scenarios, func(s check.Scenario) bool {
		return s.Name != *run && (*run != "all" || (s.Tier == check.Long && !*long))
	})
	var rules []string
	if *without != "" {
		rules = strings.Split(*without, ",")
	}
	options := check.Options{Progress: *progress, StatesMax: *states, Workers: *workers}
	if err := search(scenarios, rules, options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func all() []check.Scenario {
	return slices.Concat(move.Scenarios(), guards.Scenarios(), sealing.Scenarios(), expiry.Scenarios(), restore.Scenarios())
}

func list(scenarios []check.Scenario) {
	for _, s := range scenarios {
		fmt.Printf("%-12s %s: %d states, depth %d\n", s.Name, s.What, s.States, s.Depth)
	}
	fmt.Println("\nrules that can be taken away:")
	printed := map[string]bool{}
	for _, s := range scenarios {
		if line := strings.Join(s.Rules, " "); !printed[line] {
			printed[line] = true
			fmt.Printf("%-12s %s\n", s.Name, line)
		}
	}
}

func search(scenarios []check.Scenario, without []string, options check.Options) error {
	if len(scenarios) == 0 {
		return fmt.Errorf("no such scenario")
	}
	var total int64
	begin := time.Now()
	for _, s := range scenarios {
		start := time.Now()
		run := func() (check.Report, error) { return s.Run(without, options) }
		if len(without) == 0 {
			run = func() (check.Report, error) { return s.Verify(options) }
		}
		report, err := run()
		took := time.Since(start).Seconds()
		total += report.States
		fmt.Printf("%-12s %9d states, %9d steps, depth %2d, %5.1f s  %s\n", s.Name, report.States, report.Steps, report.Depth, took, s.What)
		if report.Violation != "" {
			return violation(report)
		}
		if err != nil {
			return err
		}
		if options.Progress && report.Goals > 0 {
			fmt.Printf("%-12s every state has a way to one of %d at rest\n", "", report.Goals)
		}
	}
	fmt.Printf("%d states in %.1f s, no violation\n", total, time.Since(begin).Seconds())
	return nil
}

func violation(r check.Report) error {
	fmt.Println("\nthe shortest way there:")
	for i, line := range r.Trace {
		fmt.Printf("%3d  %s\n", i+1, line)
	}
	return fmt.Errorf("%s, after %d steps", r.Violation, len(r.Trace))
}
