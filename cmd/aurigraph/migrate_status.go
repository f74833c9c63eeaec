// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migrate"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/router"
)

// phaseIdle is that of a migration that no plan drives: slots move when somebody says so.
const phaseIdle = "idle"

// lagMaxMs is how late a direction may be for the gate of the sync.
const lagMaxMs = 1000

func newMigrateStatus(a *app) *cobra.Command {
	var watch bool
	c := online(a, &cobra.Command{
		Use:   "status",
		Short: "Show which share of the accounts is V11's, what is moving, and what stands in the way",
		Long: `Asks the ledger for the home table, the guard where it stands, and both halves of the sync how late they are. A gate is
something that must hold before more slots move; a reason is beside each that does not. "rollback ready" says whether all slots
could go back to V10 now.

Exit codes: 0 it was told; 1 V11 does not answer.`,
		Example: `  aurigraph migrate status
  aurigraph migrate status -w
  aurigraph migrate status --network /srv/trial --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onceOrWatch(cmd.Context(), watch, func(a *app) error {
				j, err := a.lookAtMigration(cmd.Context())
				if err == nil {
					err = a.print(j, j.table)
				}
				return err
			})
		},
	})
	watchFlag(c, &watch)
	return c
}

// migrationJSON is what "migrate status" says.
type migrationJSON struct {
	Phase         string             `json:"phase"`
	HomeVersion   uint64             `json:"home_version"`
	WeightBP      int                `json:"weight_bp"`
	Moving        int                `json:"moving"` // slots that take no debits now
	LagMs         map[string]float64 `json:"lag_ms"` // by direction; -1: not known
	Gates         []gateJSON         `json:"gates"`
	RollbackReady bool               `json:"rollback_ready"`
	Verdict       string             `json:"verdict"`
}

// gateJSON is something that must hold before more slots move.
type gateJSON struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"`
}

func (j *migrationJSON) gate(name string, why string) {
	j.Gates = append(j.Gates, gateJSON{Name: name, OK: why == "", Why: why})
}

func (a *app) lookAtMigration(ctx context.Context) (*migrationJSON, error) {
	n, err := network.Open(a.network)
	if err != nil {
		return nil, err
	}
	if n.Sync == nil || n.Sync.Move == nil {
		return nil, fault.New(fault.Invalid, "the network in %s has no V10 whose accounts could move", n.Dir)
	}
	trust, err := n.Trust()
	if err != nil {
		return nil, err
	}
	c, err := client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: trust})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	h, err := c.Homes(ctx)
	if err != nil {
		return nil, err
	}
	var v10 router.Slots
	if err := v10.Set(h.V10...); err != nil {
		return nil, err
	}
	j := &migrationJSON{Phase: phaseIdle, HomeVersion: h.Version, WeightBP: router.WeightWhole - v10.Weight(), LagMs: map[string]float64{}}
	j.askGuard(ctx, n, h.Version)
	a.askSync(ctx, j)
	j.judge()
	return j, nil
}

// askGuard looks whether the guard follows, and what it has closed.
func (j *migrationJSON) askGuard(ctx context.Context, n *network.Network, version uint64) {
	g, err := migrate.NewControl("http://" + n.Sync.Move.Control).State(ctx)
	switch {
	case err != nil:
		j.gate("guard", err.Error())
		return
	case g.Version < version:
		j.gate("guard", fmt.Sprintf("it is at version %d of the home table, the ledger at %d", g.Version, version))
	default:
		j.gate("guard", "")
	}
	j.Moving = g.Closed.Weight() + g.Coming.Weight()
	why := ""
	if closed := g.Closed.Weight(); closed > 0 {
		why = fmt.Sprintf("%d slots are closed on V10: a move is under way, or nobody ended it (`aurigraph migrate abort`)", closed)
	}
	j.gate("slots open", why)
}

// askSync looks how late both directions are.
func (a *app) askSync(ctx context.Context, j *migrationJSON) {
	p, err := a.lookAtSync(ctx, &halfFlags{})
	if err != nil {
		j.gate("sync", err.Error())
		return
	}
	for _, d := range p.directions() {
		name := map[bool]string{true: "v10_to_v11", false: "v11_to_v10"}[d == &p.V10ToV11]
		j.LagMs[name] = d.LagMs
		why := ""
		switch {
		case !p.goesOn():
			why = "it does not go on: `aurigraph sync status` says why"
		case d.LagMs < 0:
			why = "nobody knows how late it is yet"
		case d.LagMs > lagMaxMs:
			why = fmt.Sprintf("it is %.0f ms late, more than %d", d.LagMs, lagMaxMs)
		}
		j.gate("sync "+name, why)
	}
}

// judge says what the gates come to.
func (j *migrationJSON) judge() {
	j.RollbackReady, j.Verdict = true, "may go on"
	for _, g := range j.Gates {
		if !g.OK {
			j.RollbackReady, j.Verdict = false, "hold: "+g.Name
			return
		}
	}
}

func (j *migrationJSON) table(row func(...any)) {
	row("phase", j.Phase, "home version", j.HomeVersion)
	row("weight", percent(j.WeightBP)+" V11's", fmt.Sprintf("%d slots moving", j.Moving))
	for _, g := range j.Gates {
		word := "ok"
		if !g.OK {
			word = "no: " + g.Why
		}
		row("gate", g.Name, word)
	}
	row("rollback ready", yesNo(j.RollbackReady))
	row("verdict", j.Verdict)
}

func percent(bp int) string { return fmt.Sprintf("%.2f %%", float64(bp)/100) }
