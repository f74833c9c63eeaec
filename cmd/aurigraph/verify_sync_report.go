// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/verifier"
)

// reportsOf is where a network's reports are.
func (a *app) reportsOf() (dir string, n *network.Network, err error) {
	if n, err = a.syncedNetwork(); err != nil {
		return "", nil, err
	}
	return n.Path(filepath.Join(verifyFolder, reportsFolder)), n, nil
}

// verifyLineJSON is one report of a list.
type verifyLineJSON struct {
	ID          string  `json:"id"`
	Ended       string  `json:"ended"`
	AgeSeconds  float64 `json:"age_s"`
	Equal       bool    `json:"equal"`
	Rows        uint64  `json:"rows_compared"`
	Confirmed   uint64  `json:"confirmed_count"`
	Consistency float64 `json:"consistency"`
	Signer      string  `json:"signer"`
}

func newVerifyStatus(a *app) *cobra.Command {
	return networkFlag(a, &cobra.Command{
		Use:   "status",
		Short: "List what runs found, the newest first",
		Long: `Lists the reports of a network, the newest first, with their age. A report whose hash or signature is wrong is an error.

Exit codes: 0 done, whatever they say; 1 a report was changed, or cannot be read; 2 no V10 is kept in step.`,
		Example: `  aurigraph verify-sync status
  aurigraph verify-sync status --network /srv/pair --json`,
		Args: args(),
		RunE: func(*cobra.Command, []string) error {
			dir, _, err := a.reportsOf()
			if err != nil {
				return err
			}
			ids, err := verifier.Reports(dir)
			if err != nil {
				return err
			}
			lines := make([]verifyLineJSON, 0, len(ids))
			for i := len(ids) - 1; i >= 0; i-- {
				r, signer, err := verifier.ReadReport(dir, ids[i])
				if err != nil {
					return err
				}
				ended, _ := time.Parse(time.RFC3339, r.Ended)
				lines = append(lines, verifyLineJSON{r.ID, r.Ended, time.Since(ended).Seconds(), r.Equal, r.Rows, r.Count, r.Consistency, signer})
			}
			return a.print(lines, func(row func(...any)) {
				if len(lines) == 0 {
					row("nothing was compared yet: aurigraph verify-sync run")
				}
				for _, l := range lines {
					word := "equal"
					if !l.Equal {
						word = fmt.Sprintf("%d confirmed", l.Confirmed)
					}
					row(l.ID, word, thousands(l.Rows)+" rows", fmt.Sprintf("%.4f %%", 100*l.Consistency), (time.Duration(l.AgeSeconds)*time.Second).String()+" ago")
				}
			})
		},
	})
}

func newVerifyShow(a *app) *cobra.Command {
	return networkFlag(a, &cobra.Command{
		Use:   "show ID",
		Short: "Show what one run found",
		Long: `Shows a report: what was compared, and each difference that is confirmed.

Exit codes: 0 done, whatever it says; 1 there is none of that id, or it was changed; 2 the command line is wrong.`,
		Example: `  aurigraph verify-sync show 20261127T204500Z
  aurigraph verify-sync show 20261127T204500Z --json`,
		Args: args("ID"),
		RunE: func(_ *cobra.Command, got []string) error {
			dir, _, err := a.reportsOf()
			if err != nil {
				return err
			}
			r, _, err := verifier.ReadReport(dir, got[0])
			if err != nil {
				return err
			}
			return a.print(r, func(row func(...any)) { reportTable(&r, row) })
		},
	})
}

func newVerifyReport(a *app) *cobra.Command {
	return networkFlag(a, &cobra.Command{
		Use:   "report",
		Short: "Write the newest report as Markdown",
		Long: `Writes the newest report for people: consistency, money, how old it is, what was passed over, and each difference that is
confirmed. With --json it is the signed document's content. The files lie in NETWORK/verify/reports.

Exit codes: 0 done, whatever it says; 1 there is none, or it was changed; 2 the command line is wrong.`,
		Example: `  aurigraph verify-sync report > today.md
  aurigraph verify-sync report --network /srv/pair --json`,
		Args: args(),
		RunE: func(*cobra.Command, []string) error {
			dir, _, err := a.reportsOf()
			if err != nil {
				return err
			}
			r, signer, err := lastVerified(dir)
			if err != nil {
				return err
			}
			return a.print(r, func(row func(...any)) {
				row(string(r.Markdown()))
				row("Signed by " + orNothing(signer) + ".")
			})
		},
	})
}

func lastVerified(dir string) (r verifier.Report, signer string, err error) {
	ids, err := verifier.Reports(dir)
	if err == nil && len(ids) == 0 {
		err = fault.New(fault.NotFound, "nothing was compared yet: aurigraph verify-sync run")
	}
	if err != nil {
		return r, "", err
	}
	return verifier.ReadReport(dir, ids[len(ids)-1])
}

type repairFlags struct {
	plan  string
	key   string
	apply bool
}

func newVerifyRepair(a *app) *cobra.Command {
	var f repairFlags
	c := &cobra.Command{
		Use:   "repair",
		Short: "Write a signed plan of how to mend what the newest run confirmed",
		Long: `Writes a plan: for each kind of difference how it is made equal through the normal path, and the command for it. The verifier
changes nothing of a ledger. With --apply it carries out what it honestly can of a signed plan: it moves a damaged query index
in a file away, while nobody has it open, and whoever is started next builds it anew from the chain. All else is for people.

Exit codes: 0 the plan is written, or what could be applied was; 1 there is no report, or the plan was changed; 2 it is not
signed, or the index is in use.`,
		Example: `  aurigraph verify-sync repair --plan plan.json
  aurigraph verify-sync repair --plan plan.json --key auditor.key
  aurigraph verify-sync repair --plan plan.json --apply`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.plan == "" {
				return usage(cmd, "name the plan's file with --plan FILE")
			}
			dir, n, err := a.reportsOf()
			if err != nil {
				return err
			}
			if f.apply {
				return a.applyPlan(n, f.plan)
			}
			return a.makePlan(n, dir, &f)
		},
	}
	c.Flags().StringVar(&f.plan, "plan", "", "file of the plan: a new one, or with --apply one that was made (required)")
	c.Flags().StringVar(&f.key, "key", "", "key file to sign the plan with (default: the network's institution's)")
	c.Flags().BoolVar(&f.apply, "apply", false, "carry out what can be of the plan")
	return networkFlag(a, c)
}

func (a *app) makePlan(n *network.Network, dir string, f *repairFlags) error {
	r, _, err := lastVerified(dir)
	if err != nil {
		return err
	}
	signer, err := reportSigner(n, f.key)
	if err != nil {
		return err
	}
	p := verifier.PlanOf(&r)
	if err := verifier.SavePlan(f.plan, p, signer); err != nil {
		return err
	}
	return a.print(p, func(row func(...any)) {
		if len(p.Steps) == 0 {
			row("report " + p.Report + " confirms nothing: there is nothing to mend")
		}
		for _, s := range p.Steps {
			row(fmt.Sprintf("%d × %s", s.Count, s.Kind), s.Way)
			row("  " + s.Command)
		}
	})
}

// appliedJSON is what was done of a plan.
type appliedJSON struct {
	Aside string   `json:"index_moved_to,omitempty"`
	Left  []string `json:"left_to_people"`
}

func (a *app) applyPlan(n *network.Network, path string) error {
	p, _, err := verifier.ReadPlan(path)
	if err != nil {
		return err
	}
	done := appliedJSON{Left: []string{}}
	for _, s := range p.Steps {
		if !s.Applies {
			done.Left = append(done.Left, s.Kind+": "+s.Command)
		}
	}
	if p.RebuildsIndex() {
		if done.Aside, err = setIndexAside(n, p.Report); err != nil {
			return err
		}
	}
	return a.print(done, func(row func(...any)) {
		if done.Aside != "" {
			row("the index was moved to " + done.Aside + "; start its process, and it is built anew from the chain")
		}
		for _, l := range done.Left {
			row("left to people: " + l)
		}
	})
}

// setIndexAside moves the query index of a network away, but for the copied history, of which nothing is built anew.
func setIndexAside(n *network.Network, report string) (string, error) {
	url, dir, _, err := indexPlace(n)
	if err != nil {
		return "", err
	}
	if url != config.IndexSQLite {
		return "", fault.New(fault.Refused, "the index is in a database: a person stops who writes it, and drops its schema: DROP SCHEMA aurigraph CASCADE")
	}
	for i := range n.Nodes {
		cfg, err := config.Load(n.Path(n.Nodes[i].Dir))
		if err == nil && network.InUse(&cfg) {
			return "", fault.New(fault.Conflict, "%s runs: stop the network first", n.Nodes[i].ID)
		}
	}
	run, err := network.ReadRun(n.Dir)
	switch {
	case err == nil && (run.PID != 0 || run.Edge != nil && run.Edge.PID != 0):
		return "", fault.New(fault.Conflict, "the network in %s runs, and who keeps the index would go on writing the one that is moved: stop it first", n.Dir)
	case err != nil && !fault.Is(err, fault.NotFound):
		return "", err
	}
	return verifier.SetIndexAside(dir, report)
}
