// SPDX-License-Identifier: Apache-2.0

// Command coverage says how much of the module's code tests run, those included that run in processes which tests start, and how many
// tests are integration tests. scripts/coverage makes what it reads.
//
//	coverage -root . -profile all.txt -events events.jsonl
//
// What it counts, and what not, it prints above the numbers.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	root := flag.String("root", ".", "the module's `folder`")
	profile := flag.String("profile", "", "coverage profile, as `go tool covdata textfmt` writes it")
	events := flag.String("events", "", "what `go test -json` said")
	least := flag.Float64("least", 0, "fail below so many `per cent` of all statements")
	flag.Parse()
	if err := show(os.Stdout, *root, *profile, *events, *least); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func show(out io.Writer, root, profilePath, eventsPath string, least float64) error {
	profile, err := os.Open(profilePath)
	if err != nil {
		return err
	}
	defer profile.Close()
	events, err := os.Open(eventsPath)
	if err != nil {
		return err
	}
	defer events.Close()
	covered, err := readProfile(profile)
	if err != nil {
		return err
	}
	ran, err := readEvents(events)
	if err != nil {
		return err
	}
	whole := covered.print(out)
	if err := printTests(out, root, ran); err != nil {
		return err
	}
	switch {
	case whole.of == 0:
		return errors.New("no statement was counted")
	case whole.percent() < least:
		return fmt.Errorf("%.1f %% of all statements, below %.1f %%", whole.percent(), least)
	}
	return nil
}
