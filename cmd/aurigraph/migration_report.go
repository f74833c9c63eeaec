// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/report"
)

type migrateReportFlags struct {
	html, markdown string
	force          bool
	costs          report.Costs
}

func newMigrateReport(a *app) *cobra.Command {
	var f migrateReportFlags
	c := &cobra.Command{
		Use:   "report",
		Short: "Make a report of the migration, as a page with plots or as Markdown",
		Long: `Makes a report of what the journal and its windows of requests say: V11's share over time, requests, errors, how slow and how
late, each way back with the judge's numbers, drills, comparisons, approvals, all entries and the plan. Without a file the
Markdown goes to standard output. The HTML page is one file that loads nothing; a browser prints it.

A file is replaced if it is a report; another one only with --force. With --cost-v10 and --cost-v11, what each costs a month, the
report says what is saved.

Exit codes: 0 it is made; 1 the journal cannot be used, or a file cannot be written; 2 a file is no report, or the costs are none.`,
		Example: `  aurigraph migrate report > report.md
  aurigraph migrate report --html report.html --markdown report.md
  aurigraph migrate report --html report.html --cost-v10 48000 --cost-v11 31500 --currency EUR --work-hours 320`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := report.Input{MadeAt: time.Now()}
			if s := cmd.Flags(); s.Changed("cost-v10") || s.Changed("cost-v11") {
				if !s.Changed("cost-v10") || !s.Changed("cost-v11") {
					return usage(cmd, "give both --cost-v10 and --cost-v11, or none")
				}
				in.Costs = &f.costs
			}
			return a.migrateReport(cmd.Context(), &f, &in)
		},
	}
	s := c.Flags()
	s.StringVar(&f.html, "html", "", "file of the page")
	s.StringVar(&f.markdown, "markdown", "", "file of the same as Markdown")
	s.BoolVar(&f.force, "force", false, "replace a file that is no report, too")
	s.Float64Var(&f.costs.V10, "cost-v10", 0, "what V10 costs a month")
	s.Float64Var(&f.costs.V11, "cost-v11", 0, "what V11 costs a month")
	s.StringVar(&f.costs.Currency, "currency", "EUR", "of the costs")
	s.Float64Var(&f.costs.WorkHours, "work-hours", 0, "hours of work that the migration took")
	return networkFlag(a, c)
}

// reportedJSON says what was made.
type reportedJSON struct {
	HTML     string `json:"html"` // the file; empty: none
	Markdown string `json:"markdown"`
	Entries  int    `json:"entries"`
}

func (a *app) migrateReport(ctx context.Context, f *migrateReportFlags, in *report.Input) error {
	n, err := network.Open(a.network)
	if err == nil && n.Retired == nil {
		n, err = a.movingNetwork()
	}
	if err != nil {
		return err
	}
	if in.Entries, in.Windows, err = readJournal(ctx, n); err != nil {
		return err
	}
	if in.Figures, err = report.FiguresOf(in.Entries, in.Windows); err != nil {
		return err
	}
	in.Title = "Migration of " + baseName(n.Dir)
	return a.writeReports(f, in)
}

// readJournal reads all of a journal.
func readJournal(ctx context.Context, n *network.Network) (entries []migration.Entry, windows []journal.Window, err error) {
	j, err := openJournal(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if entries, err = j.Read(ctx, 0); err != nil {
		return nil, nil, err
	}
	windows, err = j.Windows(ctx)
	return entries, windows, err
}

// writeReports writes the files that are asked for, or the Markdown to standard output.
func (a *app) writeReports(f *migrateReportFlags, in *report.Input) error {
	text, err := report.Markdown(in)
	if err != nil {
		return err
	}
	if f.html == "" && f.markdown == "" && !a.json {
		_, err := a.out.Write(text)
		return err
	}
	page, err := report.HTML(in)
	if err != nil {
		return err
	}
	files := []struct {
		path string
		text []byte
	}{{f.html, page}, {f.markdown, text}}
	for _, file := range files { // before any is written
		if err := mayReplace(file.path, f.force); err != nil {
			return err
		}
	}
	for _, file := range files {
		if file.path == "" {
			continue
		}
		if err := replaceReport(file.path, file.text); err != nil {
			return fault.Wrap(fault.Unavailable, err, "write the report %s", file.path)
		}
	}
	return a.print(reportedJSON{f.html, f.markdown, len(in.Entries)}, func(row func(...any)) {
		for _, file := range files {
			if file.path != "" {
				row("report", file.path)
			}
		}
	})
}

// mayReplace refuses to write over what is no report.
func mayReplace(path string, force bool) error {
	if path == "" || force {
		return nil
	}
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "look at what is in the place of the report")
	}
	defer file.Close()
	begin, err := io.ReadAll(io.LimitReader(file, report.BeginBytesMax))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "look at what is in %s", path)
	}
	if len(begin) > 0 && !report.Is(begin) {
		return fault.New(fault.Conflict, "%s is there and is no report: name another file, or give --force", path)
	}
	return nil
}

// replaceReport puts a file in its place at once, for all to read.
func replaceReport(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Chmod(0o644)
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
