// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/report"
)

func newMigratePlan(a *app) *cobra.Command {
	var file string
	c := networkFlag(a, &cobra.Command{
		Use:   "plan",
		Short: "Show the plan in force: its phases, what each waits for, and how far it is",
		Long: `Shows the phases of the plan in order, what has to hold before the next one begins, which are done and when they began, and what
the controller does next. If the network does not answer, it says so and shows what the journal has. With --file it checks a plan
that is not in force yet, and shows it: it needs no network then.

Exit codes: 0 it was shown; 1 there is no plan, or the journal cannot be used; 2 the plan in the file cannot be followed.`,
		Example: `  aurigraph migrate plan
  aurigraph migrate plan --network /srv/pair --json
  aurigraph migrate plan --file plan.yaml`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			j, err := a.lookAtPlan(cmd.Context(), file)
			if err != nil {
				return err
			}
			return a.print(j, j.table)
		},
	})
	c.Flags().StringVar(&file, "file", "", "file of a plan to check and show, YAML")
	return c
}

// planJSON is what "migrate plan" says.
type planJSON struct {
	File    string         `json:"file,omitempty"` // of a plan that is not in force
	Seq     uint64         `json:"seq,omitempty"`  // of the plan's entry
	By      string         `json:"by,omitempty"`
	AtMs    uint64         `json:"at_ms,omitempty"`
	Phases  []report.Stage `json:"phases"`
	Next    string         `json:"next,omitempty"`    // what the controller does now
	Unknown string         `json:"unknown,omitempty"` // why nobody knows what is next
}

func (a *app) lookAtPlan(ctx context.Context, file string) (*planJSON, error) {
	if file != "" {
		text, err := readPlan(file)
		if err != nil {
			return nil, err
		}
		return planOf(text, &planJSON{File: file}, nil)
	}
	n, err := a.movingNetwork()
	if err != nil {
		return nil, err
	}
	entries, _, err := readJournal(ctx, n)
	if err != nil {
		return nil, err
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if e := &entries[i]; e.Kind == migration.KindPlan {
			j, err := planOf(e.Text, &planJSON{Seq: e.Seq, By: e.By, AtMs: e.AtMs}, entries)
			if err == nil {
				a.foresee(ctx, j)
			}
			return j, err
		}
	}
	return nil, fault.New(fault.NotFound, "there is no plan: `aurigraph migrate init`")
}

func planOf(text string, j *planJSON, entries []migration.Entry) (*planJSON, error) {
	p, err := migration.ParsePlan([]byte(text))
	if err != nil {
		return nil, err
	}
	j.Phases, err = report.CourseOf(&p, entries)
	return j, err
}

// foresee says what is next, as far as the network tells how things stand.
func (a *app) foresee(ctx context.Context, j *planJSON) {
	m, err := a.seeMigration(ctx)
	if err != nil {
		j.Unknown = err.Error()
		return
	}
	next := migration.Next(&m.state, &m.facts)
	j.Next = actionWords(&next)
}

func (j *planJSON) table(row func(...any)) {
	if j.File != "" {
		row("plan", j.File+" can be followed")
	} else {
		row("plan", fmt.Sprintf("entry %d, %s, by %s", j.Seq, atText(j.AtMs), j.By))
	}
	boxes := map[string]string{report.Done: "[x]", report.Now: "[>]", report.Ahead: "[ ]"}
	for i := range j.Phases {
		p := &j.Phases[i]
		row(boxes[p.Is]+" "+string(p.Phase), p.Does+stageTimes(p))
		for _, s := range p.Steps {
			row("    "+boxes[s.Is]+" "+percent(s.WeightBP), stepText(&s))
		}
		if p.Is != report.Done {
			for _, w := range p.Waits {
				row("", "- "+w)
			}
		}
	}
	if j.Next != "" {
		row("next", j.Next)
	}
	if j.Unknown != "" {
		row("next", "not known: "+j.Unknown)
	}
}

// stageTimes tells when a phase was.
func stageTimes(p *report.Stage) string {
	switch {
	case p.Is == report.Ahead || p.BeganMs == 0:
		return ""
	case p.Is == report.Now:
		return "; since " + atText(p.BeganMs)
	}
	return fmt.Sprintf("; %s, took %s", atText(p.BeganMs), report.Length(float64(p.EndedMs-p.BeganMs)))
}

func stepText(s *report.Step) string {
	text := strings.Join(s.Waits, ", ")
	if s.BeganMs != 0 {
		text += "; began " + atText(s.BeganMs)
	}
	return text
}

func atText(ms uint64) string { return time.UnixMilli(int64(ms)).UTC().Format(time.DateTime) }
