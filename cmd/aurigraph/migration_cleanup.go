// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
)

// Times of V10's end.
const (
	offMax  = time.Minute // until nothing of V10's answers any more
	offPoll = 100 * time.Millisecond
	dialMax = time.Second
)

func newMigrateStop(a *app) *cobra.Command {
	return a.plainVerb(migration.KindStop, false, true, "Switch V10 off for good, once its customers' notice is over", `Says that the operator wants it; when the days of decommission.notice_days are over the controller has V10 end, with its guard,
its half of the sync and a broker of the network's own. "aurigraph up" does not start them again. Nothing of V10's is removed
by that: "aurigraph migrate cleanup" does it. Type the name of the network's folder, or give --confirm.`, `  aurigraph migrate stop --dry-run
  aurigraph migrate stop
  aurigraph migrate stop --network /srv/pair --confirm pair`)
}

// SwitchOff implements controller.World. Whoever runs V10 sees the note, and ends it.
func (w *world) SwitchOff(ctx context.Context) error {
	n, err := network.Open(w.network.Dir) // looks read the world's own meanwhile
	if err == nil {
		err = n.NoteOff(time.Now())
	}
	if err != nil {
		return err
	}
	w.off.Store(true)
	ctx, cancel := context.WithTimeout(ctx, offMax)
	defer cancel()
	s := w.network.Sync
	for {
		still := ""
		for _, of := range []struct{ what, address string }{{"V10's REST", s.V10}, {"V10's change log", s.Changes}, {"V10's guard", s.Move.Rest}, {"the guard's control", s.Move.Control}} {
			if listens(ctx, of.address) {
				still = of.what + " at " + of.address
			}
		}
		if still == "" {
			return nil
		}
		if await(ctx, offPoll); ctx.Err() != nil {
			return fault.New(fault.Timeout, "%s still answers: `aurigraph up` ends it; where something else runs it, stop it there", still)
		}
	}
}

func listens(ctx context.Context, address string) bool {
	d := net.Dialer{Timeout: dialMax}
	c, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = c.Close() // nothing was said
	}
	return err == nil
}

type cleanupFlags struct {
	verbFlags
	sample float64
}

func newMigrateCleanup(a *app) *cobra.Command {
	var f cleanupFlags
	c := networkFlag(a, &cobra.Command{
		Use:   "cleanup",
		Short: "Remove what only V10 needed, once it is off and its archive is whole",
		Long: `Reads the archive back, lists what only V10 needed with its size, and removes it: V10's ledger, the guard's and the router's
folders, the broker's topics, the archive's working folder, and the keys of sync, guard and mover. The settings of validators
and gateway name no V10 any more. The network must not run; afterwards "aurigraph up" runs it as one without a V10, which serves
V10's dialect as before, at the addresses of its validators and gateway: the router's is gone. The archive and the migration's
journal stay.

It cannot be undone: the archive is the only V10 then. Interrupted, the same command goes on. Try --dry-run first. Type the name
of the network's folder, or give --confirm.

Exit codes: 0 done, or done before; 1 the archive is not whole or does not answer, or something cannot be removed; 2 V10 is not
off yet, the network runs, or the confirmation is wrong.`,
		Example: `  aurigraph migrate cleanup --dry-run
  aurigraph migrate cleanup --network /srv/pair --confirm pair
  aurigraph migrate cleanup --sample 5 --confirm .aurigraph`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := f.by()
			if err != nil {
				return usage(cmd, "%v", err)
			}
			if f.sample <= 0 || f.sample > 100 {
				return usage(cmd, "--sample is above 0 and at most 100 per cent")
			}
			return a.migrateCleanup(cmd.Context(), &f, by)
		},
	})
	s := c.Flags()
	f.add(c, "say what it would remove, and remove nothing")
	s.StringVar(&f.typed, "confirm", "", "the name of the network's folder, which is otherwise asked for")
	s.Float64Var(&f.sample, "sample", 100, "per cent of the archive's objects that are read back before")
	return c
}

// cleanedJSON says what was removed, or would be.
type cleanedJSON struct {
	DryRun  bool             `json:"dry_run"`
	Changed bool             `json:"changed"`
	Archive string           `json:"archive"` // where V10 is; empty: an earlier run has looked
	Read    int              `json:"read"`    // objects of it that were read back
	Bytes   uint64           `json:"bytes"`
	Remains []network.Remain `json:"removed"`
}

func (a *app) migrateCleanup(ctx context.Context, f *cleanupFlags, by string) (err error) {
	n, err := network.Open(a.network)
	if err != nil {
		return err
	}
	out := &cleanedJSON{DryRun: f.dryRun, Remains: []network.Remain{}}
	if n.Retired != nil && n.Retired.Cleaned {
		return a.print(out, out.table)
	}
	if n.Retired == nil && (n.Sync == nil || n.Sync.Move == nil) {
		return fault.New(fault.Invalid, "the network in %s has no V10 that a migration has left behind", n.Dir)
	}
	if err := a.notRunning(n.Dir); err != nil {
		return err
	}
	if run, err := network.ReadRun(n.Dir); err == nil && run.PID != 0 {
		return fault.New(fault.Conflict, "`aurigraph up` runs the network in %s (pid %d): stop it first", n.Dir, run.PID)
	}
	j, err := openJournal(ctx, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	entries, err := j.Read(ctx, 0)
	if err != nil {
		return err
	}
	s, err := migration.Fold(entries)
	if err != nil {
		return err
	}
	e := migration.Entry{Kind: migration.KindCleaned, By: by}
	if err := migration.May(&s, &e); err != nil && fault.ReasonOf(err) != migration.ReasonAlready {
		return err
	}
	if out.Remains, err = n.Remains(); err != nil {
		return err
	}
	if err := out.checkArchive(ctx, n, &s, f.sample); err != nil {
		return err
	}
	for _, r := range out.Remains {
		out.Bytes += r.Bytes
	}
	out.Changed = true
	if f.dryRun {
		return a.print(out, out.table)
	}
	if err := a.confirmed(f.typed, baseName(n.Dir), "cleanup"); err != nil {
		return err
	}
	if err := n.Retire(out.Remains); err != nil {
		return err
	}
	e.Bytes, e.Why = n.Retired.Bytes, fmt.Sprintf("%d things; V10 is in the archive: %s", len(out.Remains), s.Archived.Report)
	if _, err := writeEntry(ctx, j, e, false); err != nil {
		return err
	}
	if err := n.NoteCleaned(); err != nil {
		return err
	}
	return a.print(out, out.table)
}

// checkArchive reads the archive back. A run that was interrupted has looked before it removed anything.
func (o *cleanedJSON) checkArchive(ctx context.Context, n *network.Network, s *migration.State, sample float64) error {
	if n.Retired != nil {
		return nil
	}
	if s.Archived == nil {
		return fault.New(fault.Refused, "V10 is in no archive: nothing is removed")
	}
	place := archiveOf(n, &s.Plan.Archive)
	if path := place.path(); path != "" && n.Within(o.Remains, path) {
		return fault.New(fault.Refused, "the archive is in %s, which would be removed: move it first", path)
	}
	store, err := openArchive(&place)
	if err != nil {
		return err
	}
	r, err := verifyArchive(ctx, n, store, sample, nil)
	if err != nil {
		return fmt.Errorf("nothing is removed: %w", err)
	}
	if !r.OK {
		return fault.New(fault.Corrupt, "nothing is removed: of the archive in %s %d objects are not as they were written: `aurigraph archive verify`", r.Store, len(r.Findings))
	}
	o.Archive, o.Read = r.Store, r.Read
	return nil
}

func (o *cleanedJSON) table(row func(...any)) {
	if !o.Changed {
		row("nothing to do: what only V10 needed is removed")
		return
	}
	if o.Archive != "" {
		row("archive", o.Archive, fmt.Sprintf("%d objects read back", o.Read))
	}
	for _, r := range o.Remains {
		row(r.Path, size(int64(r.Bytes)), r.What)
	}
	if o.DryRun {
		row("would remove", size(int64(o.Bytes)), "nothing was removed")
		return
	}
	row("removed", size(int64(o.Bytes)), "`aurigraph up` runs the network without a V10")
}
