// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/verifier/watch"
)

// watchBytes is what a watch's heap keeps to, at the cost of collecting more often: it stands beside what it watches for months.
const watchBytes = 40 << 20

// topicsRetry is how long a reader of topics that cannot be read waits before it tries again.
const topicsRetry = 3 * time.Second

// verifyWatchFlags are what a watch is told.
type verifyWatchFlags struct {
	once           int
	untilDifferent bool
	topics         bool
	every          time.Duration
}

func newVerifyWatch(a *app) *cobra.Command {
	f := verifyWatchFlags{topics: true, every: watch.EveryDefault}
	c := &cobra.Command{
		Use:   "watch",
		Short: "Compare V10 and V11 while both go on, at a barrier every 10 seconds",
		Long: `Reads V10's change log and V11's certified chain, and compares what each ledger executed with what the other made of it, until
Ctrl-C. Balances are never equal at one instant while both take payments, so rows are compared, by origin: they are hashed under
a key of this run and summed in 65,536 buckets, and at each barrier both logs are cut at the same place. A line is EQUAL, or it
says how many rows differ: "maybe" at their first barrier, confirmed, with their ids, at the next.

It also reads the six topics between the two, and checks each record's seal and its place in the chain. A publisher that was
killed leaves records out of order; all else is a finding.

It begins at barriers of its own and knows nothing of what lies before: "aurigraph verify-sync run" compares all that there is.
It has V10 write a barrier, which changes no balance, each time. What it keeps does not grow with the ledgers.

Exit codes: 0 it was told to stop, or --once found nothing; 1 with --once or --until-different: a difference is confirmed; also:
a log cannot be read on, and why; 2 the network has no V10 beside it, or its inbox is not open.`,
		Example: `  aurigraph verify-sync watch
  aurigraph verify-sync watch --once 3 --every 2s --json
  aurigraph verify-sync watch --network /srv/trial --until-different --topics=false`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.once < 0 || f.every < 100*time.Millisecond || f.every > time.Hour {
				return usage(cmd, "--once is a number of barriers, --every 100ms to 1h")
			}
			return a.verifyWatch(cmd.Context(), f)
		},
	}
	c.Flags().IntVar(&f.once, "once", 0, "end when both origins were compared at so many barriers; 0: go on")
	c.Flags().BoolVar(&f.untilDifferent, "until-different", false, "end when a difference is confirmed")
	c.Flags().BoolVar(&f.topics, "topics", f.topics, "check the topics' records too")
	c.Flags().DurationVar(&f.every, "every", f.every, "time between two barriers of V10")
	return online(a, c)
}

func (a *app) verifyWatch(ctx context.Context, f verifyWatchFlags) error {
	n, err := a.syncedNetwork()
	if err != nil {
		return err
	}
	aliases, err := keys.ReadAliasKey(n.Path(n.V10.AliasKey))
	if err != nil {
		return err
	}
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	debug.SetMemoryLimit(watchBytes)
	running, end := context.WithCancel(ctx)
	defer end()
	w := &watchLines{out: a.out, json: a.json, flags: f, end: end}
	log := obs.NewLogger(a.err, slog.LevelWarn)
	both, bothCtx := errgroup.WithContext(running)
	both.Go(func() error {
		return watch.Run(bothCtx, watch.Config{V10: n.Sync.ChangesURL(), V11: s.Client, Aliases: aliases, Every: f.every, Tell: w.verdict, Log: log})
	})
	if f.topics {
		cfg := topicsOf(n, envelope.LedgerID(s.trust.GenesisHash), w.finding)
		both.Go(func() error { return followTopics(bothCtx, cfg, log) })
	}
	err = both.Wait()
	return errors.Join(err, w.ended())
}

func topicsOf(n *network.Network, v11 envelope.LedgerID, tell func(watch.Finding)) watch.TopicsConfig {
	return watch.TopicsConfig{
		Bus: bus.Config{Brokers: []string{n.Sync.Kafka}, KeyFiles: []string{n.Path(n.Sync.Key)}, Prefix: n.Sync.Prefix},
		V10: envelope.V10Ledger(n.Sync.Ledger), V11: v11, Tell: tell,
	}
}

// followTopics reads on after brokers were away. What the ledgers did is compared without them.
func followTopics(ctx context.Context, cfg watch.TopicsConfig, log *slog.Logger) error {
	for {
		err := watch.ReadTopics(ctx, cfg)
		if err == nil || fault.Is(err, fault.Invalid) {
			return err
		}
		log.Warn("the topics are not read; trying again", obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
		if await(ctx, topicsRetry); ctx.Err() != nil {
			return nil
		}
	}
}

// watchLines writes what a watch finds, and knows when it is enough.
type watchLines struct {
	out   io.Writer
	json  bool
	flags verifyWatchFlags
	end   func()

	mu        sync.Mutex // guards what follows
	barriers  map[string]int
	confirmed uint64
	err       error
}

type watchLineJSON struct {
	Time    string         `json:"time"`
	Verdict *watch.Verdict `json:"verdict,omitempty"`
	Finding *watch.Finding `json:"finding,omitempty"`
}

func (w *watchLines) verdict(v watch.Verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write(watchLineJSON{Verdict: &v}, func(now string) { writeVerdict(w.out, now, &v) })
	if w.barriers == nil {
		w.barriers = map[string]int{}
	}
	w.barriers[v.Origin]++
	w.confirmed += v.Confirmed
	enough := w.flags.once > 0 && w.barriers[watch.V10.String()] >= w.flags.once && w.barriers[watch.V11.String()] >= w.flags.once
	if enough || w.flags.untilDifferent && w.confirmed > 0 {
		w.end()
	}
}

func (w *watchLines) finding(f watch.Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write(watchLineJSON{Finding: &f}, func(now string) {
		fmt.Fprintf(w.out, "%s  TOPIC    %s offset %d  %s  %s  %s\n", now, f.Topic, f.Offset, f.Flaw, f.Position, f.Text)
	})
	if f.Flaw != watch.OutOfOrder {
		w.confirmed++
	}
	if w.flags.untilDifferent && w.confirmed > 0 {
		w.end()
	}
}

// write writes one line as the flags ask for it; the first error ends the watch.
func (w *watchLines) write(line watchLineJSON, text func(now string)) {
	now := time.Now()
	if !w.json {
		text(now.Format(time.TimeOnly))
		return
	}
	line.Time = now.UTC().Format(time.RFC3339Nano)
	b, err := json.Marshal(line)
	if err == nil {
		_, err = fmt.Fprintln(w.out, string(b))
	}
	if err != nil && w.err == nil {
		w.err = fault.Wrap(fault.Unavailable, err, "write a line")
		w.end()
	}
}

// ended is what the exit code says. Told to stop by a person, a watch has done its work whatever it found.
func (w *watchLines) ended() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.confirmed == 0 || w.flags.once == 0 && !w.flags.untilDifferent {
		return w.err
	}
	return &reported{fault.Reasoned(fault.Corrupt, "ledgers_differ", "%d differences are confirmed: see docs/runbooks/divergence.md", w.confirmed)}
}

func writeVerdict(out io.Writer, now string, v *watch.Verdict) {
	word, at := "EQUAL  ", "barrier "+strconv.FormatUint(v.Barrier, 10)
	if !v.Equal {
		word = "DIFFERS"
	}
	if v.UpToMs != 0 {
		at = "block time " + time.UnixMilli(int64(v.UpToMs)).UTC().Format(time.TimeOnly)
	}
	rows := thousands(v.Executed) + " rows"
	if v.Executed != v.Applied {
		rows = thousands(v.Executed) + " rows executed, " + thousands(v.Applied) + " applied"
	}
	fmt.Fprintf(out, "%s  %s  %s/%s  %s  %s  %s", now, word, thousands(uint64(v.Buckets)), thousands(watch.BucketCount), v.Origin, at, rows)
	for _, part := range []struct {
		n    uint64
		what string
	}{{v.Maybe, "maybe"}, {v.Confirmed, "confirmed"}, {v.Standing, "standing"}, {v.Reordered, "reordered"}} {
		if part.n > 0 {
			fmt.Fprintf(out, "  %s %s", thousands(part.n), part.what)
		}
	}
	fmt.Fprintln(out)
	for _, d := range v.Named {
		fmt.Fprintf(out, "          %s  %s  bucket %d\n", d.Class, d.ID, d.Bucket)
	}
}

// thousands writes a number with commas.
func thousands(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
