// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/legacy"
)

func newArchive(a *app) *cobra.Command {
	c := group("archive", "Keep a V10 that is over for years, where nobody can change it",
		newArchiveCreate(a), newArchiveVerify(a), newArchiveRestore(a), newArchiveShow(a))
	c.Long = `An archive is a checkpoint of V10's rows and the files that belong to it, in a bucket with object lock or in a folder, with a
signed manifest. In a bucket each object is locked until its date, against its owner too. docs/archive.md has its form,
docs/runbooks/archive.md what to do when.`
	c.Example = `  aurigraph archive create --to s3://v10-archive/bank --dry-run
  aurigraph archive verify --from s3://v10-archive/bank
  aurigraph archive restore --from s3://v10-archive/bank --dir /srv/restored`
	return c
}

// archiveCreate is what create is told.
type archiveCreate struct {
	place                       archivePlace
	changes, store, ledger, dir string
	key, retain                 string
	files                       []string
	dryRun                      bool
}

func newArchiveCreate(a *app) *cobra.Command {
	var f archiveCreate
	c := networkFlag(a, &cobra.Command{
		Use:   "create",
		Short: "Archive a V10, or go on with it",
		Long: `Has V10 write a checkpoint, and writes it and the named files into the store, each object until its date; the signed manifest
last: without it there is no archive. Killed and started again it goes on with the same checkpoint and date. V10 should take no
more payments: what it takes later is not in the archive. It must run on V10's machine. For a network that "aurigraph up
--with-v10" made, --network says it all but the place; for others name every part.

In a bucket this cannot be undone before the date: nobody can remove the objects, and they cost until then. Try --dry-run first.

Exit codes: 0 it is done; 1 something did not answer, or it was interrupted: start it again; 2 it cannot be made as it is.`,
		Example: `  aurigraph archive create --to file:///mnt/worm/bank --dry-run
  aurigraph archive create --to s3://v10-archive/bank --s3-region eu-central-1 --file code.tar.gz=/srv/v10-code.tar.gz
  aurigraph archive create --to s3://v10/bank --s3-endpoint https://s3.bank.example --retain 10y --changes http://127.0.0.1:4005 \
    --store rocksdb --ledger bank-v10 --dir /var/lib/v10-archive --key auditor.key`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.config(a, cmd)
			if err != nil {
				return err
			}
			if f.dryRun {
				return a.archiveLook(cmd.Context(), cfg)
			}
			return a.archiveCreate(cmd.Context(), cfg)
		},
	})
	f.place.add(c, "to", "where the archive goes (required)")
	s := c.Flags()
	s.StringVar(&f.retain, "retain", "7y", "how long it is kept: 7y, 90d, 24h")
	s.StringArrayVar(&f.files, "file", nil, "NAME=PATH of a file that is kept besides; may be repeated")
	s.StringVar(&f.key, "key", "", "key file to sign the manifest with (default: the network's institution's)")
	s.StringVar(&f.changes, "changes", "", "URL of V10's change log (default: as the network's folder says, like all below)")
	s.StringVar(&f.store, "store", "", "what keeps V10: "+legacy.EnginePebble+" or "+legacy.EngineRocksDB)
	s.StringVar(&f.ledger, "ledger", "", "V10's name of itself")
	s.StringVar(&f.dir, "dir", "", "folder for the checkpoint and how far the archive is, on V10's machine and disk")
	s.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	return c
}

// config fills in what the network's folder says.
func (f *archiveCreate) config(a *app, cmd *cobra.Command) (cfg archive.Config, err error) {
	if f.place.url == "" {
		return cfg, usage(cmd, "name where the archive goes with --to")
	}
	if cfg.RetainUntil, err = parseRetain(f.retain, time.Now()); err != nil {
		return cfg, err
	}
	for _, text := range f.files {
		name, path, ok := strings.Cut(text, "=")
		if !ok {
			return cfg, usage(cmd, "--file %q: write NAME=PATH", text)
		}
		cfg.Files = append(cfg.Files, archive.Named{Name: name, Path: path})
	}
	if f.changes == "" || f.store == "" || f.ledger == "" || f.dir == "" || f.key == "" {
		n, err := a.syncedNetwork()
		if err != nil {
			return cfg, err
		}
		f.or(n)
	}
	if f.store != legacy.EnginePebble && f.store != legacy.EngineRocksDB {
		return cfg, usage(cmd, "--store must be %s or %s", legacy.EnginePebble, legacy.EngineRocksDB)
	}
	cfg.Changes, cfg.Engine, cfg.Ledger = f.changes, f.store, f.ledger
	if cfg.Dir, err = filepath.Abs(f.dir); err != nil {
		return cfg, fault.Wrap(fault.Invalid, err, "--dir")
	}
	if cfg.Signer, err = keys.ReadFile(f.key, nil); err != nil {
		return cfg, err
	}
	cfg.Store, err = openArchive(&f.place)
	return cfg, err
}

// or fills in what is not named.
func (f *archiveCreate) or(n *network.Network) {
	f.changes, f.store, f.ledger = cmp.Or(f.changes, n.Sync.ChangesURL()), cmp.Or(f.store, n.Sync.Store), cmp.Or(f.ledger, n.Sync.Ledger)
	f.dir, f.key = cmp.Or(f.dir, n.Path(network.ArchiveFolder)), cmp.Or(f.key, n.Path(n.Institution.Ed25519KeyFile))
}

func (a *app) archiveCreate(ctx context.Context, cfg archive.Config) error {
	unlock, err := lockFolder(cfg.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	bar := a.newBar()
	cfg.Progress = showArchive(bar)
	m, err := archive.Write(ctx, cfg)
	bar.clear()
	if err != nil {
		return err
	}
	return a.printArchive(cfg.Store, m, false)
}

// showArchive shows how far an archive is.
func showArchive(b *bar) func(archive.Progress) {
	var counting sync.Once
	return func(p archive.Progress) {
		if p.Total == 0 {
			b.spin(p.Step)
			return
		}
		counting.Do(b.clear)
		b.showNoted(p.Step, p.Done, p.Total, size(p.Done)+" of "+size(p.Total))
	}
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

type archiveLookJSON struct {
	DryRun bool `json:"dry_run"`
	*archive.Outlook
}

func (a *app) archiveLook(ctx context.Context, cfg archive.Config) error {
	o, err := archive.Look(ctx, cfg)
	if err != nil {
		return err
	}
	return a.print(archiveLookJSON{true, o}, func(row func(...any)) {
		switch {
		case o.Whole:
			row("nothing to do", "the archive is there")
		case o.GoesOn:
			row("would go on", fmt.Sprintf("with the checkpoint of %s at %d: %d files, %s", o.Ledger, o.Sequence, o.Files, size(o.Bytes)))
		default:
			row("would begin", fmt.Sprintf("with a checkpoint of %s, which is at %d now, and %d more files, %s", o.Ledger, o.Head, o.Files, size(o.Bytes)))
		}
		row("in", o.Store, keptBy(o.Mode))
		row("until", o.RetainUntil.Format(time.RFC3339))
	})
}

// keptBy says what a mode is worth.
func keptBy(mode string) string {
	if mode == archive.ModeFolder {
		return "not locked: whoever may write the folder can change it"
	}
	return "locked (" + mode + "): nobody can change or remove it before its date"
}

type archivedJSON struct {
	Store   string `json:"store"`
	Ledger  string `json:"ledger"`
	Engine  string `json:"engine"`
	Life    string `json:"incarnation"`
	At      uint64 `json:"sequence"`
	Taken   string `json:"taken"`
	Until   string `json:"retain_until"`
	Mode    string `json:"mode"`
	Signer  string `json:"signer"`
	Objects int    `json:"objects"`
	Bytes   int64  `json:"bytes"`
	Count   int    `json:"files"`

	List []archivedFile `json:"list,omitempty"`
}

type archivedFile struct {
	Name   string         `json:"name"`
	Bytes  int64          `json:"bytes"`
	Digest archive.Digest `json:"sha256"`
}

// printArchive shows an archive, with its files if list.
func (a *app) printArchive(s archive.Store, m *archive.Manifest, list bool) error {
	j := archivedJSON{
		Store: s.String(), Ledger: m.Ledger, Engine: m.Engine, Life: m.Incarnation, At: m.Sequence, Taken: m.Taken.Format(time.RFC3339),
		Until: m.RetainUntil.Format(time.RFC3339), Mode: m.Mode, Signer: m.Signer, Objects: len(m.Objects), Bytes: m.Bytes, Count: len(m.Files),
	}
	for i := range m.Files {
		if list {
			j.List = append(j.List, archivedFile{m.Files[i].Name, m.Files[i].Bytes, m.Files[i].Digest})
		}
	}
	return a.print(j, func(row func(...any)) {
		row("archive of", fmt.Sprintf("%s (%s) at %d, taken %s", j.Ledger, j.Engine, j.At, j.Taken))
		row("in", j.Store, keptBy(j.Mode))
		row("until", j.Until)
		row("signed by", j.Signer)
		row("holds", fmt.Sprintf("%d files, %s in %d objects", j.Count, size(j.Bytes), j.Objects))
		for _, f := range j.List {
			row("  "+f.Name, fmt.Sprint(f.Bytes), f.Digest)
		}
	})
}
