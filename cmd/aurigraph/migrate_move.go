// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/migrate"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/router"
)

// moveWait bounds a move: slots that are fenced take no debits meanwhile.
const (
	moveWait  = 10 * time.Second
	abortWait = 10 * time.Second
)

// moveFlags say what is to be where.
type moveFlags struct {
	to     string
	slots  string
	weight int
	wait   time.Duration
}

func newMigrateMove(a *app) *cobra.Command {
	f := moveFlags{weight: -1}
	c := online(a, &cobra.Command{
		Use:   "move",
		Short: "Give slots the other home, and return when it takes their debits",
		Long: `With --weight the first so many basis points of V11's share: 100 is one per cent, the slots 0 to 99, and those above are V10's.
With --to and --slots just these slots; those of named accounts are 10000 and above, and --weight moves them with all or nothing
only. What is there already is left alone, so the same command may be given again.

A payment of a slot that moves waits meanwhile. If a move to V11 does not end within --wait it is aborted: V10 keeps the slots
and takes their debits again. Kafka or V11 that stands still is a reason; "aurigraph sync status" says which.

Exit codes: 0 the slots are there; 1 not, and V10 has what it had, or the text says otherwise; 2 the options will not do.`,
		Example: `  aurigraph migrate move --weight 100
  aurigraph migrate move --to v11 --slots 0-99,250 --network /srv/trial
  aurigraph migrate move --to v11 --slots 10000-10000
  aurigraph migrate move --to v10 --slots 0-9999 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := f.goals(nil); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.migrateMove(cmd.Context(), &f)
		},
	})
	s := c.Flags()
	s.StringVar(&f.to, "to", "", "with --slots: v10 or v11")
	s.StringVar(&f.slots, "slots", "", "with --to: slots like 0-99,250")
	s.IntVar(&f.weight, "weight", -1, "V11's share in basis points, 0 to 10000, from slot 0 on")
	s.DurationVar(&f.wait, "wait", moveWait, "longest time that slots may be closed before a move to V11 is aborted")
	return c
}

// goals are what is to be reached, one after the other.
func (f *moveFlags) goals(named keys.Named) (goals []migrate.Goal, err error) {
	switch {
	case f.wait <= 0:
		return nil, errors.New("--wait must be more than 0")
	case f.weight >= 0 && f.slots == "" && f.to == "":
		return handGoals(f.weight, named)
	case f.weight >= 0 || f.slots == "" || f.to != "v10" && f.to != "v11":
		return nil, errors.New("give either --weight 0 to 10000, or --slots with --to v10 or --to v11")
	}
	s, err := parseSlots(f.slots)
	return []migrate.Goal{{ToV11: f.to == "v11", Slots: s}}, err
}

// handGoals bring V11's share to a weight without a plan: named accounts go with all or nothing, and stay where they are otherwise.
func handGoals(weight int, named keys.Named) ([]migrate.Goal, error) {
	switch {
	case weight == 0:
		return weightGoals(0, nil, named.Last())
	case weight == router.WeightWhole && len(named) > 0:
		return weightGoals(weight, []chain.SlotRange{{From: chain.SlotsMax, To: named.Last()}}, named.Last())
	}
	return weightGoals(weight, nil, chain.SlotsMax-1)
}

// weightGoals give V11 the slots from 0 on and those of some named accounts, and V10 the rest up to the last. What goes to V10 goes first: it
// needs no fence.
func weightGoals(weight int, named []chain.SlotRange, last uint16) (goals []migrate.Goal, err error) {
	if weight > router.WeightWhole {
		return nil, errors.New("--weight is at most 10000")
	}
	toV10, toV11 := migrate.Goal{}, migrate.Goal{ToV11: true}
	if weight > 0 {
		err = toV11.Slots.Set(append([]chain.SlotRange{{From: 0, To: uint16(weight - 1)}}, named...)...)
	}
	if weight <= int(last) {
		err = errors.Join(err, toV10.Slots.Set(chain.SlotRange{From: uint16(weight), To: last}), toV10.Slots.Clear(named...))
	}
	for _, g := range []migrate.Goal{toV10, toV11} {
		if g.Slots != (router.Slots{}) {
			goals = append(goals, g)
		}
	}
	return goals, err
}

// movedJSON says what a move did.
type movedJSON struct {
	HomeVersion uint64  `json:"home_version"`
	WeightBP    int     `json:"weight_bp"`
	Moves       int     `json:"moves"`
	Refusals    int     `json:"refusals"` // moves that something else was before
	Ms          float64 `json:"ms"`
}

func (a *app) migrateMove(ctx context.Context, f *moveFlags) error {
	n, err := network.Open(a.network)
	if err != nil {
		return err
	}
	named, err := n.Named()
	if err != nil {
		return err
	}
	goals, err := f.goals(named)
	if err != nil {
		return err
	}
	bar := a.newBar()
	defer bar.clear()
	m, c, err := a.mover(ctx, n, func(action migrate.Action) { bar.spin(moveWords(action)) })
	if err != nil {
		return err
	}
	defer c.Close()
	var j movedJSON
	began := time.Now()
	for i := range goals {
		if err := moveOrAbort(ctx, m, &goals[i], f.wait, &j); err != nil {
			return err
		}
	}
	j.Ms = float64(time.Since(began).Microseconds()) / 1000
	if j.WeightBP, err = weightOf(ctx, c); err != nil {
		return err
	}
	bar.clear()
	return a.print(j, func(row func(...any)) {
		row("weight", percent(j.WeightBP)+" V11's")
		row("home version", j.HomeVersion)
		row("moves", j.Moves, time.Duration(j.Ms*float64(time.Millisecond)).Round(time.Millisecond).String())
	})
}

// moveOrAbort moves, and where that does not end in time gives back what it closed.
func moveOrAbort(ctx context.Context, m *migrate.Mover, g *migrate.Goal, wait time.Duration, j *movedJSON) error {
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	r, err := m.Move(bounded, *g)
	j.HomeVersion, j.Moves, j.Refusals = r.Version, j.Moves+r.Moves, j.Refusals+r.Refusals
	if err == nil || !g.ToV11 {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortWait)
	defer cancel()
	return errors.Join(err, m.Abort(last))
}

// weightOf is V11's share in basis points.
func weightOf(ctx context.Context, c *client.Client) (int, error) {
	h, err := c.Homes(ctx)
	if err != nil {
		return 0, err
	}
	var v10 router.Slots
	if err := v10.Set(h.V10...); err != nil {
		return 0, err
	}
	return router.WeightWhole - v10.Weight(), nil
}

func moveWords(a migrate.Action) string {
	switch a.Verb {
	case migrate.TakeFence:
		return "closing slots on V10"
	case migrate.Move:
		return "moving slots in the ledger"
	case migrate.Wait:
		return "waiting for " + map[string]string{
			migrate.WaitGuard: "the guard to follow", migrate.WaitSync: "V11 to apply what V10 did", migrate.WaitV10: "V10 to apply what V11 did",
		}[a.Why]
	}
	return "done"
}

func newMigrateAbort(a *app) *cobra.Command {
	return online(a, &cobra.Command{
		Use:   "abort",
		Short: "Open what a move closed on V10 and did not move",
		Long: `Slots that were closed for a move which nobody ended take no debits on either side. This makes the next version of the home
table without moving anything: the fence is of no use then, and the guard opens the slots. Nothing closed: nothing is done.

Exit codes: 0 nothing is closed; 1 V11 or the guard does not answer.`,
		Example: `  aurigraph migrate abort
  aurigraph migrate abort --network /srv/trial`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := network.Open(a.network)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), abortWait)
			defer cancel()
			m, c, err := a.mover(ctx, n, nil)
			if err != nil {
				return err
			}
			defer c.Close()
			if err := m.Abort(ctx); err != nil {
				return err
			}
			return a.print(struct {
				Closed int `json:"closed"`
			}{}, func(row func(...any)) { row("nothing is closed") })
		},
	})
}
