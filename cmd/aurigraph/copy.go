// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/copier"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/indexer"
	"github.com/aurigraph/aurigraph/internal/keys"
	namessqlite "github.com/aurigraph/aurigraph/internal/names/sqlite"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/legacy"
)

// copyFolder is where the initial copy of a network keeps its checkpoint and its state.
const copyFolder = "copy"

// latencyDefault is V10's latency above which a copy slows down.
const latencyDefault = 100 * time.Millisecond

func newCopy(a *app) *cobra.Command {
	c := group("copy", "Copy a running V10 into a new V11", newCopyStart(a), newCopyStatus(a))
	c.Long = `The initial copy brings what a running V10 has into a V11 that begins beside it: accounts, assets, balances, idempotency keys
that live, and the history of transactions and rounds. V10 goes on meanwhile; what it does since comes by the sync.
docs/initial-copy.md says how it works.`
	c.Example = `  aurigraph copy start
  aurigraph copy status --network /srv/pair`
	return c
}

// copyFlags are what a copy is told that is not in a network's folder.
type copyFlags struct {
	place copyPlace
	pace  copier.Pace
	keep  bool
}

// copyPlace says where V10 and the parts of V11 are that a copy needs.
type copyPlace struct {
	changes, rest string // URLs of V10
	store         string
	dir           string
	signer        string // file
	aliases       string // file
	names         string // folder of the vault
	history       string // URL of the index
	historyDir    string
	channel       uint8
}

func newCopyStart(a *app) *cobra.Command {
	var f copyFlags
	c := online(a, &cobra.Command{
		Use:   "start",
		Short: "Make the initial copy, or go on with it",
		Long: `Has V10 write a checkpoint, copies it into V11, and ends when both have the same sum of each asset. V11 must have let V10 in for a
copy ("aurigraph sync start"), and this must run on V10's machine, where the checkpoint lies.

Killed anywhere and started again it goes on. Once it is done it does nothing and says so. While V10's answers take longer than
--latency-max it slows down. For a network that "aurigraph up --with-v10" made, --network says it all; for others name every part.

Exit codes: 0 it is done; 1 something did not answer, or it was interrupted: start it again; 2 it cannot be made as it is.`,
		Example: `  aurigraph copy start --network /srv/pair
  aurigraph copy start --rows-per-second 50000 --latency-max 20ms
  aurigraph copy start --endpoint node1:7400 --trust genesis.json --ca ca.pem --changes http://127.0.0.1:4005 --store rocksdb \
    --dir /var/lib/v10-copy --signer inbox.key --alias-key alias.key --names /srv/names --history-dir /srv/imported`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			if err := f.complete(cmd, s); err != nil {
				return err
			}
			report, err := a.copyV10(cmd.Context(), s.Client, s.trust, &f, a.newBar())
			if err != nil {
				return err
			}
			return a.printCopied(&report)
		},
	})
	f.add(c)
	return c
}

func (f *copyFlags) add(c *cobra.Command) {
	s, p := c.Flags(), &f.place
	s.StringVar(&p.changes, "changes", "", "URL of V10's change log (default: as the network's folder says, like all below)")
	s.StringVar(&p.rest, "v10", "", "URL of V10's REST, which is asked how long it takes")
	s.StringVar(&p.store, "store", "", "what keeps V10: "+legacy.EnginePebble+" or "+legacy.EngineRocksDB)
	s.StringVar(&p.dir, "dir", "", "folder for the checkpoint and how far the copy is, on V10's machine")
	s.StringVar(&p.signer, "signer", "", "file of the key for which the inbox was opened")
	s.StringVar(&p.names, "names", "", "folder of the names vault")
	s.StringVar(&p.history, "history", "", "where V10's history goes: sqlite, or the query index's postgres:// URL")
	s.StringVar(&p.historyDir, "history-dir", "", "folder of V10's history, for sqlite")
	s.Uint8Var(&p.channel, "channel", network.CopyChannel, "channel of the institution, which nobody else uses")
	s.Float64Var(&f.pace.RowsPerSecond, "rows-per-second", 0, "rows a second at most; 0: as fast as it goes")
	s.DurationVar(&f.pace.LatencyMax, "latency-max", latencyDefault, "slow down while V10 takes longer to answer; 0: do not look")
	s.BoolVar(&f.keep, "keep", false, "leave the checkpoint behind")
}

// complete fills in what the network's folder says.
func (f *copyFlags) complete(cmd *cobra.Command, s *session) error {
	if s.network != nil && s.network.Sync != nil {
		of, err := copyPlaceOf(s.network)
		if err != nil {
			return err
		}
		f.place.or(&of)
	}
	p := &f.place
	if s.app.aliasKey != "" {
		p.aliases = s.app.aliasKey
	}
	for flag, value := range map[string]string{
		"changes": p.changes, "store": p.store, "dir": p.dir, "signer": p.signer, "alias-key": p.aliases, "names": p.names,
	} {
		if value == "" {
			return usage(cmd, "--%s is missing, and no network's folder says it", flag)
		}
	}
	if p.history == "" {
		p.history = config.IndexSQLite
	}
	if p.history == config.IndexSQLite && p.historyDir == "" {
		return usage(cmd, "--history-dir is missing: where does V10's history go?")
	}
	return nil
}

// or fills in what is not named.
func (p *copyPlace) or(of *copyPlace) {
	for _, field := range []struct {
		to   *string
		from string
	}{
		{&p.changes, of.changes}, {&p.rest, of.rest}, {&p.store, of.store}, {&p.dir, of.dir}, {&p.signer, of.signer}, {&p.aliases, of.aliases},
		{&p.names, of.names}, {&p.history, of.history}, {&p.historyDir, of.historyDir},
	} {
		if *field.to == "" {
			*field.to = field.from
		}
	}
}

// copyPlaceOf is where the parts of a network are that is in step with a V10.
func copyPlaceOf(n *network.Network) (copyPlace, error) {
	p := copyPlace{
		changes: n.Sync.ChangesURL(), rest: n.Sync.V10URL(), store: n.Sync.Store, dir: n.Path(copyFolder), signer: n.Path(n.Sync.Signer),
		aliases: n.Path(n.V10.AliasKey), names: n.Path(n.V10.Names), channel: network.CopyChannel,
	}
	var err error
	p.history, _, p.historyDir, err = indexPlace(n)
	return p, err
}

// copyOnce makes the initial copy of a network, or goes on with it.
func (a *app) copyOnce(ctx context.Context, n *network.Network, bar *bar) (report copier.Report, err error) {
	place, err := copyPlaceOf(n)
	if err != nil {
		return report, err
	}
	trust, err := n.Trust()
	if err != nil {
		return report, err
	}
	c, err := client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: trust})
	if err != nil {
		return report, err
	}
	defer c.Close()
	return a.copyV10(ctx, c, trust, &copyFlags{place: place, pace: copier.Pace{LatencyMax: latencyDefault}}, bar)
}

// copyV10 makes a copy.
func (a *app) copyV10(ctx context.Context, c *client.Client, trust *client.Trust, f *copyFlags, bar *bar) (report copier.Report, err error) {
	p := &f.place
	signer, err := keys.ReadFile(p.signer, nil)
	if err != nil {
		return report, err
	}
	alias, err := keys.ReadAliasKey(p.aliases)
	if err != nil {
		return report, err
	}
	dir, err := filepath.Abs(p.dir)
	if err != nil {
		return report, fault.Wrap(fault.Invalid, err, "--dir")
	}
	vault, err := namessqlite.Open(ctx, p.names, trust.ChainID, trust.GenesisHash)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, vault.Close()) }()
	if f.pace.Probe = p.rest; p.rest == "" {
		f.pace.LatencyMax = 0
	} else {
		f.pace.Probe += "/api/v10/health"
	}
	report, err = copier.Run(ctx, copier.Config{
		Changes: p.changes, Dir: dir, Open: func(dir string) (copier.Rows, error) { return legacy.OpenRows(p.store, dir, nil) },
		Client: c, Trust: trust, Signer: signer, Channel: p.channel, AliasKey: alias, Shared: custody.SharedKeys{Alias: alias},
		Vault: vault, History: func(ctx context.Context, id imported.Identity) (imported.Writer, error) {
			return indexer.OpenImported(ctx, p.history, p.historyDir, id, nil)
		},
		Pace: f.pace, Keep: f.keep, Progress: func(s copier.Status) { showCopy(bar, &s) },
	})
	bar.clear()
	return report, err
}

func showCopy(b *bar, s *copier.Status) {
	switch s.State {
	case copier.StateCopy:
		b.showNoted("copying V10", int64(s.Done), int64(s.Total), copyPace(s))
	case copier.StateCheckpoint, copier.StateSurvey, copier.StateFinish:
		b.spin("copying V10: " + s.State)
	}
}

// copyPace is how fast a copy is, in words.
func copyPace(s *copier.Status) string {
	text := fmt.Sprintf("%.0f rows/s", s.RowsPerS)
	if s.EtaS >= 0 {
		text += fmt.Sprintf(", %s left", (time.Duration(s.EtaS) * time.Second).String())
	}
	if s.Share < 1 {
		text += fmt.Sprintf(", held back to %.0f %% by V10's %.0f ms", 100*s.Share, s.LatencyMs)
	}
	return text
}

type copiedJSON struct {
	Done bool `json:"done"`
	copier.Report
}

func (a *app) printCopied(r *copier.Report) error {
	return a.print(copiedJSON{true, *r}, func(row func(...any)) {
		if r.Already {
			row("done", "before: nothing was copied now")
		}
		row("of", fmt.Sprintf("V10 at %d", r.Sequence))
		if r.Accounts == 0 {
			return // it was made from another folder
		}
		row("accounts", r.Accounts)
		row("assets", r.Assets, "sums equal: "+yesNo(r.SumsEqual))
		row("balances", r.Balances)
		row("keys", r.Keys)
		row("transactions", r.Transactions)
		row("rounds", r.Rounds)
		row("rows/s", fmt.Sprintf("%.0f", r.RowsPerS))
	})
}

func newCopyStatus(a *app) *cobra.Command {
	dir := ""
	c := networkFlag(a, &cobra.Command{
		Use:   "status",
		Short: "Say how far the initial copy is",
		Long: `Reads how far the copy is from the folder that it works in: what it last said, and when. A copy that was killed says no more:
start it again.

Exit codes: 0 it is done or under way; 1 there is none, or it failed.`,
		Example: `  aurigraph copy status
  aurigraph copy status --dir /var/lib/v10-copy --json`,
		Args: args(),
		RunE: func(*cobra.Command, []string) error {
			if dir == "" {
				dir = filepath.Join(a.network, copyFolder)
			}
			s, err := copier.ReadStatus(dir)
			if err != nil {
				return err
			}
			if err := a.printCopy(&s); err != nil || s.State != copier.StateFailed {
				return err
			}
			return &reported{fault.New(fault.Unavailable, "%s", s.Error)}
		},
	})
	c.Flags().StringVar(&dir, "dir", "", "folder of the copy (default: copy in the network's folder)")
	return c
}

func (a *app) printCopy(s *copier.Status) error {
	return a.print(s, func(row func(...any)) {
		row("state", s.State, fmt.Sprintf("as of %s ago", time.Since(time.UnixMilli(s.UpdatedMs)).Round(time.Second)))
		if s.Sequence > 0 {
			row("of", fmt.Sprintf("V10 at %d", s.Sequence))
		}
		for _, step := range s.Steps {
			row(step.Name, fmt.Sprintf("%d of %d", step.Done, step.Total))
		}
		if s.State == copier.StateCopy {
			row("pace", copyPace(s))
		}
		if s.Error != "" {
			row("error", s.Error)
		}
	})
}
