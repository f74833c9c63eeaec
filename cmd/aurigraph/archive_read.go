// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
)

// archiveRead is what commands that read an archive are told.
type archiveRead struct {
	place  archivePlace
	signer string
	sample float64
	seed   uint64
}

func (f *archiveRead) add(c *cobra.Command) {
	f.place.add(c, "from", "where the archive is (required)")
	c.Flags().StringVar(&f.signer, "signer", "", "public key that must have signed the manifest, as text (default: anybody's, which is said)")
}

func (f *archiveRead) addSample(c *cobra.Command, of string) {
	c.Flags().Float64Var(&f.sample, "sample", 1, "per cent of the "+of+", chosen at random, at least one")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "chooses the same sample again (default: another each time)")
}

// open checks what was told, and opens the store.
func (f *archiveRead) open(cmd *cobra.Command) (archive.Store, error) {
	if f.place.url == "" {
		return nil, usage(cmd, "name where the archive is with --from")
	}
	if f.sample <= 0 || f.sample > 100 {
		return nil, usage(cmd, "--sample is above 0 and at most 100 per cent")
	}
	if f.signer != "" {
		if _, err := keys.ParsePublicText(f.signer); err != nil {
			return nil, usage(cmd, "--signer: %v", err)
		}
	}
	if !cmd.Flags().Changed("seed") {
		f.seed = rand.Uint64()
	}
	return openArchive(&f.place)
}

func newArchiveShow(a *app) *cobra.Command {
	f := archiveRead{sample: 1}
	c := &cobra.Command{
		Use:   "show",
		Short: "Say what an archive holds, by its manifest",
		Long: `Reads the manifest alone, and checks its signature.

Exit codes: 0 done; 1 there is no archive, or its manifest was changed, or the store does not answer; 2 the command line is wrong.`,
		Example: `  aurigraph archive show --from file:///mnt/worm/bank
  aurigraph archive show --from s3://v10-archive/bank --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			m, err := archive.ReadManifest(cmd.Context(), s, f.signer)
			if err != nil {
				return err
			}
			return a.printArchive(s, m, true)
		},
	}
	f.add(c)
	return c
}

func newArchiveVerify(a *app) *cobra.Command {
	var f archiveRead
	full := false
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that an archive is whole, locked and readable",
		Long: `Checks the manifest's signature, asks the store for each object whether it is there, locked and until when, and reads a sample,
which is compared with its digests. What is damaged or missing is named, with the files that it touches.

Exit codes: 0 nothing is wrong; 1 something is, or the store does not answer; 2 the command line is wrong.`,
		Example: `  aurigraph archive verify --from s3://v10-archive/bank --signer ed25519:5f…
  aurigraph archive verify --from file:///mnt/worm/bank --full --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			bar := a.newBar()
			cfg := archive.VerifyConfig{Store: s, Signer: f.signer, SamplePercent: f.sample, Seed: f.seed, Progress: showArchive(bar)}
			if full {
				cfg.SamplePercent = 100
			}
			r, err := archive.Verify(cmd.Context(), cfg)
			bar.clear()
			if err != nil {
				return err
			}
			return a.printVerified(r)
		},
	}
	f.add(c)
	f.addSample(c, "objects that are read")
	c.Flags().BoolVar(&full, "full", false, "read all objects")
	return c
}

func (a *app) printVerified(r *archive.Report) error {
	err := a.print(r, func(row func(...any)) {
		word := "OK"
		if !r.OK {
			word = fmt.Sprintf("DAMAGED: %d findings", len(r.Findings))
		}
		row(word)
		row("archive of", fmt.Sprintf("%s at %d, until %s", r.Ledger, r.Sequence, r.RetainUntil.Format(time.RFC3339)))
		row("in", r.Store, keptBy(r.Mode))
		row("signed by", r.Signer)
		row("looked at", fmt.Sprintf("%d objects of %d files, %s", r.Objects, r.Files, size(r.Bytes)))
		row("read", fmt.Sprintf("%d objects, %s (--seed %d)", r.Read, size(r.ReadBytes), r.Seed))
		for _, f := range r.Findings[:min(len(r.Findings), findingsShown)] {
			row("  "+f.Flaw, f.Object, fmt.Sprint(f.Files))
		}
	})
	if err == nil && !r.OK {
		err = &reported{fault.Reasoned(fault.Corrupt, "archive_damaged", "%d objects are not as they were written: see docs/runbooks/archive.md", len(r.Findings))}
	}
	return err
}

func newArchiveRestore(a *app) *cobra.Command {
	var f archiveRead
	dir, rest, only := "", "", false
	c := &cobra.Command{
		Use:   "restore",
		Short: "Bring an archive back into a folder, and check V10's books",
		Long: `Writes all files into a new folder, each compared with its digests: V10's rows into v10 below it, what was kept besides into
files. Then it opens the rows and checks that the balances of each asset are what was issued. With --v10 it compares a sample of
the accounts with a V10 that still runs and takes no more payments.

Exit codes: 0 it is there and right; 1 it is damaged, or differs, or something does not answer; 2 the command line is wrong, or
this program cannot open the rows, which are there then.`,
		Example: `  aurigraph archive restore --from s3://v10-archive/bank --dir /srv/restored --v10 http://127.0.0.1:4004
  aurigraph archive restore --from file:///mnt/worm/bank --dir restored
  aurigraph v10 serve --dir restored/v10 --store rocksdb`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.open(cmd)
			if err == nil && dir == "" {
				err = usage(cmd, "name a new folder with --dir")
			}
			if err != nil {
				return err
			}
			cfg := archive.AccountsConfig{SamplePercent: f.sample, Seed: f.seed}
			if rest != "" {
				cfg.Balances = restBalances(rest)
			}
			return a.archiveRestore(cmd.Context(), archive.RestoreConfig{Store: s, Signer: f.signer, Dir: dir}, cfg, only)
		},
	}
	f.add(c)
	f.addSample(c, "accounts that are compared")
	c.Flags().StringVar(&dir, "dir", "", "folder to restore into, new or empty (required)")
	c.Flags().StringVar(&rest, "v10", "", "URL of the REST of a V10 that still runs, to compare accounts with")
	c.Flags().BoolVar(&only, "files-only", false, "do not open V10's rows")
	return c
}

type restoredJSON struct {
	Dir   string                  `json:"dir"`
	Files int                     `json:"files"`
	Bytes int64                   `json:"bytes"`
	Books *archive.AccountsReport `json:"books,omitempty"`
	Seed  uint64                  `json:"seed"`
}

func (a *app) archiveRestore(ctx context.Context, from archive.RestoreConfig, cfg archive.AccountsConfig, only bool) error {
	bar := a.newBar()
	defer bar.clear()
	from.Progress = showArchive(bar)
	m, err := archive.Restore(ctx, from)
	if err != nil {
		return err
	}
	j := restoredJSON{Dir: from.Dir, Files: len(m.Files), Bytes: m.Bytes, Seed: cfg.Seed}
	rows := filepath.Join(from.Dir, archive.LedgerFolder)
	if !only {
		bar.spin("checking V10's books")
		if j.Books, err = openBooks(ctx, m.Engine, rows, cfg); err != nil {
			return err
		}
	}
	bar.clear()
	return a.printRestored(&j, fmt.Sprintf("aurigraph v10 serve --dir %s --store %s", rows, m.Engine))
}

// openBooks opens a restored checkpoint and looks into it.
func openBooks(ctx context.Context, engine, dir string, cfg archive.AccountsConfig) (*archive.AccountsReport, error) {
	rows, err := legacy.OpenRows(engine, dir, nil)
	if err != nil {
		return nil, err
	}
	r, err := archive.Accounts(ctx, rows, cfg)
	return r, errors.Join(err, rows.Close())
}

func (a *app) printRestored(j *restoredJSON, serve string) error {
	err := a.print(j, func(row func(...any)) {
		row("restored", fmt.Sprintf("%d files, %s, into %s", j.Files, size(j.Bytes), j.Dir))
		if b := j.Books; b != nil {
			row("books", fmt.Sprintf("%d accounts, %d assets, %d transactions; sums right: %s", b.Accounts, b.Assets, b.Transactions, yesNo(len(b.WrongSums) == 0)))
			if b.Compared > 0 {
				row("compared", fmt.Sprintf("%d accounts, of which %d differ (--seed %d)", b.Compared, len(b.Differ), j.Seed))
			}
		}
		row("serve it with", serve)
	})
	if err == nil && j.Books != nil && !j.Books.OK {
		err = &reported{fault.Reasoned(fault.Corrupt, "books_differ", "what was restored is not right: see docs/runbooks/archive.md")}
	}
	return err
}

const (
	restTimeout   = 15 * time.Second
	restAnswerMax = 16 << 20
)

// restBalances asks a V10 for the balances of an account, as its clients do.
func restBalances(base string) archive.Balances {
	client := &http.Client{Timeout: restTimeout}
	return func(ctx context.Context, account string) (map[string]string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v10/accounts/"+url.PathEscape(account)+"/balances", nil)
		if err != nil {
			return nil, fault.New(fault.Invalid, "--v10 is no URL")
		}
		answer, err := client.Do(r)
		if err != nil {
			return nil, fault.New(fault.Unavailable, "V10 does not answer at %s", base) // the URL has a name
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusNotFound {
			return nil, fault.New(fault.NotFound, "V10 has no such account")
		}
		var b v10.Balances
		err = json.NewDecoder(io.LimitReader(answer.Body, restAnswerMax)).Decode(&b)
		if err != nil || answer.StatusCode != http.StatusOK {
			return nil, fault.New(fault.Unavailable, "V10 at %s answers with status %s", base, answer.Status)
		}
		says := map[string]string{}
		for _, h := range b.Balances {
			says[h.Asset] = h.Amount.Text
		}
		return says, nil
	}
}
