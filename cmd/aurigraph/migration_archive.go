// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
)

func newMigrateArchive(a *app) *cobra.Command {
	var dryRun, full bool
	c := networkFlag(a, &cobra.Command{
		Use:   "archive",
		Short: "Read the migration's archive back, or say what will be archived",
		Long: `The controller archives V10 by itself once the way back has ended: its rows, this program, which serves them, the migration's
journal, and the files that the plan names. This reads that archive where the plan has it, signed by the network's institution: is
each object there and locked until its date, and is a random 1 % of them, or with --full everything, as it was written.

With --dry-run it says what would be archived, where and until when, and does nothing; before the close too.

Exit codes: 0 nothing is wrong; 1 something is, or the store does not answer; 2 there is no archive yet, and what to do.`,
		Example: `  aurigraph migrate archive --dry-run
  aurigraph migrate archive --full --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.migrateArchive(cmd.Context(), dryRun, full) },
	})
	c.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be archived, and do nothing")
	c.Flags().BoolVar(&full, "full", false, "read all objects")
	return c
}

func (a *app) migrateArchive(ctx context.Context, dryRun, full bool) error {
	n, err := network.Open(a.network)
	if err != nil {
		return err
	}
	state, err := migrationState(ctx, n)
	if err != nil {
		return err
	}
	if state.Plan == nil {
		return fault.Reasoned(fault.Conflict, migration.ReasonOrder, "there is no plan: `aurigraph migrate init`")
	}
	place := archiveOf(n, &state.Plan.Archive)
	store, err := openArchive(&place)
	if err != nil {
		return err
	}
	if dryRun && state.Archived == nil {
		cfg, err := archiveConfig(n, &state.Plan.Archive, store)
		if err != nil {
			return err
		}
		return a.archiveLook(ctx, cfg)
	}
	if state.Archived == nil {
		return fault.Reasoned(fault.Conflict, migration.ReasonOrder, "nothing is archived yet: the controller does it after the close, and the phase is %s; --dry-run says what it will do", state.Phase)
	}
	sample := archiveSample
	if full {
		sample = 100
	}
	bar := a.newBar()
	r, err := verifyArchive(ctx, n, store, sample, showArchive(bar))
	bar.clear()
	if err != nil {
		return err
	}
	return a.printVerified(r)
}

// verifyArchive reads an archive back, which the network's institution must have signed.
func verifyArchive(ctx context.Context, n *network.Network, store archive.Store, samplePercent float64, progress func(archive.Progress)) (*archive.Report, error) {
	signer, _, err := keys.Inspect(n.Path(n.Institution.Ed25519KeyFile))
	if err != nil {
		return nil, err
	}
	return archive.Verify(ctx, archive.VerifyConfig{Store: store, Signer: signer.String(), SamplePercent: samplePercent, Seed: rand.Uint64(), Progress: progress})
}

// migrationState reads where a migration stands out of its journal.
func migrationState(ctx context.Context, n *network.Network) (s migration.State, err error) {
	j, err := openJournal(ctx, n)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	entries, err := j.Read(ctx, 0)
	if err != nil {
		return s, err
	}
	return migration.Fold(entries)
}
