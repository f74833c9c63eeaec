// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/generate"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// besideGCPercent lets the heap of V10 and of its half of the sync, of which little lives, grow to five times that before it is gone through. At the
// usual two that was 6 % of their processor time, beside validators that wait for the same processors.
const besideGCPercent = 400

func newV10(a *app) *cobra.Command {
	c := group("v10", "Run, fill and compare V10 ledgers", newV10Serve(a), newV10Guard(a), newV10Generate(a), newV10Diff(a))
	c.Long = `Runs a V10 as its documents describe it: accounts by name, REST and JSON, one node, every write synced. It is what V11 is compared
with and what a migration is tried on; it knows nothing of V11.`
	c.Example = `  aurigraph v10 serve --dir v10
  aurigraph v10 generate --dir v10 --accounts 100000 --transactions 1000000`
	return c
}

// v10Flags are shared by the commands below v10.
type v10Flags struct {
	dir, store string
}

func (f *v10Flags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", "", "folder of the ledger, made if there is none (required)")
	c.Flags().StringVar(&f.store, "store", legacy.EnginePebble, "what it is kept in: pebble, or rocksdb where the program was built with it")
}

func (f *v10Flags) check(cmd *cobra.Command) error {
	switch {
	case f.dir == "":
		return usage(cmd, "name the ledger's folder with --dir DIR")
	case f.store != legacy.EnginePebble && f.store != legacy.EngineRocksDB:
		return usage(cmd, "--store must be %s or %s", legacy.EnginePebble, legacy.EngineRocksDB)
	}
	return nil
}

func newV10Serve(a *app) *cobra.Command {
	var f v10Flags
	var shared v10SyncFlags
	var funds []string
	cfg := legacy.Config{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve a V10 reference ledger until it is told to stop",
		Long: `Serves the ledger in a folder until SIGTERM or Ctrl-C, then lets requests under way end. There is no access control, as V10 had
none: who reaches the address may pay from any account. All AUR is held by the account "` + ledger.Treasury + `" at first.

With --changes, another process can follow every write from there: docs/v10-reference.md says how. With --sync-key it also takes
what a V11 did, sealed with that key, and with --alias-key it repeats what that V11 answered under a client's Idempotency-Key.
Logs are JSON lines on standard error. With --json it prints one line on standard output once it serves.

Exit codes: 0 it was told to stop; 1 it could not start, or its disk failed: start it again; 2 the options will not do, or the
folder belongs to the other store.`,
		Example: `  aurigraph v10 serve --dir v10
  aurigraph v10 serve --dir v10 --listen 127.0.0.1:4004 --fund alice=1000 --fund bob=1000
  aurigraph v10 serve --dir v10-rocks --store rocksdb --changes 127.0.0.1:0 --json
  aurigraph v10 serve --dir v10 --changes 127.0.0.1:4005 --sync-key sync.key --alias-key alias.key`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			if cfg.RoundMin < 0 || cfg.RoundMin > time.Second {
				return usage(cmd, "--round-min is 0 to 1s")
			}
			var err error
			if cfg.Fund, err = parseFunds(funds); err != nil {
				return usage(cmd, "%v", err)
			}
			if err = shared.into(&cfg); err != nil {
				return usage(cmd, "%v", err)
			}
			cfg.Dir, cfg.Engine, cfg.Version = f.dir, f.store, node.Version
			return a.v10Serve(cmd.Context(), cfg)
		},
	}
	f.add(c)
	shared.add(c)
	c.Flags().StringVar(&cfg.Listen, "listen", "127.0.0.1:4004", "address to serve V10 at, host:port; port 0 is a free one")
	c.Flags().StringVar(&cfg.Changes, "changes", "", "address to serve the change log at (default: it is not served)")
	c.Flags().DurationVar(&cfg.RoundMin, "round-min", 0, "least time from one round to the next, 0 to 1s; what comes meanwhile shares one")
	c.Flags().Int64Var(&cfg.LogBytes, "log-bytes", 0, "how much of the change log to keep, in bytes (default: 1 GiB)")
	c.Flags().StringVar(&cfg.TestSocket, "test-socket", "", "socket, in a folder of mode 0700, over which a test changes rows that nobody logs")
	_ = c.Flags().MarkHidden("test-socket") // it is there
	c.Flags().StringArrayVar(&funds, "fund", nil, "NAME=AMOUNT of AUR that an account has from the beginning, or is paid by the treasury if it is not there yet; may be repeated")
	return c
}

// parseFunds reads NAME=AMOUNT; a name may hold a = itself.
func parseFunds(texts []string) ([]legacy.Fund, error) {
	var all []legacy.Fund
	named := map[string]bool{}
	for _, text := range texts {
		at := strings.LastIndexByte(text, '=')
		if at < 0 {
			return nil, fault.New(fault.Invalid, "--fund %q: write NAME=AMOUNT", text)
		}
		units, err := chain.ParseAmount(text[at+1:], v10.DefaultScale)
		if err == nil {
			err = v10.CheckName("the name", text[:at])
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "--fund %q: %v", text, err)
		}
		if named[text[:at]] {
			return nil, fault.New(fault.Invalid, "--fund names %q twice", text[:at])
		}
		named[text[:at]] = true
		all = append(all, legacy.Fund{Account: text[:at], Units: units})
	}
	return all, nil
}

// v10Ready is the line of --json once the ledger serves.
type v10Ready struct {
	Ready   bool   `json:"ready"`
	V10     string `json:"v10"`
	Changes string `json:"changes,omitempty"`
	Store   string `json:"store"`
	PID     int    `json:"pid"`
}

func (a *app) v10Serve(ctx context.Context, cfg legacy.Config) error {
	cfg.Log = obs.NewLogger(a.err, slog.LevelInfo).With(obs.KeyComponent, "v10")
	var printed error
	debug.SetGCPercent(besideGCPercent)
	err := legacy.Run(ctx, cfg, func(at legacy.Addresses) { printed = a.v10Announce(cfg, at) })
	return errors.Join(err, printed)
}

func (a *app) v10Announce(cfg legacy.Config, at legacy.Addresses) error {
	ready := v10Ready{Ready: true, V10: "http://" + at.Rest, Store: cfg.Engine, PID: os.Getpid()}
	if at.Changes != "" {
		ready.Changes = "http://" + at.Changes
	}
	if a.json {
		text, err := json.Marshal(ready)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "encode the ready line")
		}
		_, err = fmt.Fprintln(a.out, string(text))
		return err
	}
	fmt.Fprintf(a.out, "V10 reference ledger on %s, kept in %s by %s. Try in another terminal:\n", ready.V10, cfg.Dir, cfg.Engine)
	fmt.Fprintf(a.out, "  curl -H 'content-type: application/json' -d '{\"from\":%q,\"to\":\"alice\",\"amount\":12.5}' %s/api/v10/transactions\n", ledger.Treasury, ready.V10)
	_, err := fmt.Fprintf(a.out, "  curl %s/api/v10/accounts/alice/balances\n", ready.V10)
	return err
}

func newV10Generate(a *app) *cobra.Command {
	var f v10Flags
	var cfg generate.Config
	c := &cobra.Command{
		Use:   "generate",
		Short: "Fill a stopped V10 reference ledger with accounts and payments",
		Long: `Opens accounts with 5 AUR each and pays between them: few accounts are busy, most are not, and small amounts are more frequent
than large ones. Payments for which the payer lacks the funds are in the history as refused. The same seed gives the same
ledger. Stop or kill it and run it again: it goes on where it was, and with more transactions than before it adds the difference.
The bar says how much is left at the speed of the last minute.

Exit codes: 0 all is there; 1 not; 2 the options will not do, or the ledger is being served.`,
		Example: `  aurigraph v10 generate --dir v10 --accounts 100000 --transactions 1000000
  aurigraph v10 generate --dir v10 --accounts 1000000 --transactions 10000000
  aurigraph v10 generate --dir v10 --accounts 1000 --transactions 5000 --seed 7 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return usage(cmd, "%v", err)
			}
			return a.v10Generate(cmd.Context(), f, cfg)
		},
	}
	f.add(c)
	c.Flags().Uint64Var(&cfg.Accounts, "accounts", 10_000, "accounts to open, 2 to 100000000")
	c.Flags().Uint64Var(&cfg.Transactions, "transactions", 100_000, "payments between them, at most 1000000000")
	c.Flags().Uint64Var(&cfg.Seed, "seed", 1, "what the payments are drawn from")
	return c
}

// v10Generated is what a run of generate made.
type v10Generated struct {
	Accounts     uint64  `json:"accounts"`
	Transactions uint64  `json:"transactions"`
	Refused      uint64  `json:"refused"` // of them, in the whole ledger
	Blocks       uint64  `json:"blocks"`
	Seconds      float64 `json:"seconds"` // of this run
	PerSecond    float64 `json:"per_second"`
}

func (a *app) v10Generate(ctx context.Context, f v10Flags, cfg generate.Config) error {
	began, first := time.Now(), uint64(0)
	var speed pace
	bar := a.newBar()
	defer bar.clear()
	var made v10Generated
	err := legacy.With(ctx, legacy.Config{Dir: f.dir, Engine: f.store, Log: obs.NewLogger(above{bar, a.err}, slog.LevelWarn)}, func(ctx context.Context, l *ledger.Ledger) error {
		first = l.Totals().Transactions
		p, err := generate.Run(ctx, l, cfg, func(p generate.Progress) {
			done, total := int64(p.Done), int64(cfg.Total())
			bar.showNoted("generate", done, total, speed.left(time.Now(), done, total))
		})
		if err != nil && ctx.Err() != nil {
			return fault.New(fault.Unavailable, "interrupted after %d of %d; the same command goes on from there", p.Done, cfg.Total())
		}
		t := l.Totals()
		made = v10Generated{Accounts: t.Accounts, Transactions: t.Transactions, Refused: t.Refused, Blocks: t.Round + 1}
		return err
	})
	if err != nil {
		return err
	}
	made.Seconds = time.Since(began).Seconds()
	made.PerSecond = float64(made.Transactions-first) / made.Seconds
	bar.clear()
	return a.print(made, func(row func(...any)) {
		row("accounts", made.Accounts)
		row("transactions", made.Transactions, fmt.Sprintf("%d refused", made.Refused), fmt.Sprintf("%d blocks", made.Blocks))
		row("this run", fmt.Sprintf("%.1f s", made.Seconds), fmt.Sprintf("%.0f transactions/s", made.PerSecond))
	})
}
