// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/journal/postgres"
	"github.com/aurigraph/aurigraph/internal/journal/sqlite"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/report"
)

// Bounds of an operator's entry.
const (
	entryTries   = 16 // while others write
	outcomePoll  = 100 * time.Millisecond
	outcomeWait  = time.Minute
	whyBytesMax  = 1000
	nameBytesMax = 200
)

// verbFlags are those of all verbs that write into the journal.
type verbFlags struct {
	as     string
	why    string
	dryRun bool
	wait   time.Duration
	typed  string
	plain  bool // nothing is to be typed after all
}

// verb makes a command that writes one entry. entry makes it of the flags; typed asks the operator to type the network's name.
func (a *app) verb(c *cobra.Command, f *verbFlags, typed bool, entry func() (migration.Entry, error)) *cobra.Command {
	c.Args = args()
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		e, err := entry()
		if err != nil {
			return usage(cmd, "%v", err)
		}
		if e.By, err = f.by(); err != nil {
			return usage(cmd, "%v", err)
		}
		if len(f.why) > whyBytesMax {
			return usage(cmd, "--why has %d bytes, at most %d", len(f.why), whyBytesMax)
		}
		if e.Why == "" {
			e.Why = f.why
		}
		return a.operate(cmd.Context(), f, typed, e)
	}
	s := c.Flags()
	f.add(c, "say what it would do, and do nothing")
	s.StringVar(&f.why, "why", "", "a reason, for those who read the journal")
	if typed {
		s.StringVar(&f.typed, "confirm", "", "the name of the network's folder, which is otherwise asked for")
	}
	return networkFlag(a, c)
}

func (f *verbFlags) waits(c *cobra.Command) *cobra.Command {
	c.Flags().DurationVar(&f.wait, "wait", outcomeWait, "how long to wait for what comes of it; 0: not")
	return c
}

// add adds what every verb has. dryRun says what a dry run does.
func (f *verbFlags) add(c *cobra.Command, dryRun string) {
	c.Flags().StringVar(&f.as, "as", "", "who asks (default: the user of this shell)")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, dryRun)
}

// by is who asks.
func (f *verbFlags) by() (string, error) {
	name := f.as
	if name == "" {
		u, err := user.Current()
		if err != nil {
			return "", errors.New("nobody knows who asks: give --as NAME")
		}
		name = u.Username
	}
	if len(name) > nameBytesMax || strings.ContainsAny(name, "\n\r\t") || name == migration.Controller {
		return "", fmt.Errorf("--as is a name of at most %d bytes, and not %q", nameBytesMax, migration.Controller)
	}
	return name, nil
}

// operatedJSON says what a verb did.
type operatedJSON struct {
	Verb    migration.Kind   `json:"verb"`
	Changed bool             `json:"changed"`
	Seq     uint64           `json:"seq,omitempty"` // of its entry
	Phase   migration.Phase  `json:"phase"`
	Why     string           `json:"why,omitempty"` // it changed nothing
	Outcome *migration.Entry `json:"outcome,omitempty"`
	DryRun  bool             `json:"dry_run,omitempty"`
}

// operate writes an entry, waits for what comes of it if that is wanted, and says so.
func (a *app) operate(ctx context.Context, f *verbFlags, typed bool, e migration.Entry) (err error) {
	n, err := a.movingNetwork()
	if err != nil {
		return err
	}
	if err := checkNamed(n, &e); err != nil {
		return err
	}
	j, err := openJournal(ctx, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if typed && !f.plain && !f.dryRun {
		if err := a.confirmed(f.typed, baseName(n.Dir), e.Kind); err != nil {
			return err
		}
	}
	out, err := writeEntry(ctx, j, e, f.dryRun)
	if err != nil {
		return err
	}
	if out.Changed && f.wait > 0 && !f.dryRun {
		bar := a.newBar()
		bar.spin("waiting for the controller")
		out.Outcome, err = awaitOutcome(ctx, j, out.Seq, &e, f.wait)
		bar.clear()
		if err != nil {
			return err
		}
	}
	if err := a.print(out, out.table); err != nil {
		return err
	}
	if o := out.Outcome; o != nil && (o.Kind == migration.KindFailed || !o.OK && (o.Kind == migration.KindDrilled || o.Kind == migration.KindVerified)) {
		return &reported{fault.New(fault.Unavailable, "it did not work: %s", o.Why)}
	}
	return nil
}

func (o *operatedJSON) table(row func(...any)) {
	switch {
	case o.DryRun && o.Changed:
		row(fmt.Sprintf("would write %q behind entry %d; the phase is %s. Nothing was written.", o.Verb, o.Seq-1, o.Phase))
	case !o.Changed:
		row("nothing to do: " + o.Why)
	default:
		row(fmt.Sprintf("entry %d: %s; the phase is %s", o.Seq, o.Verb, o.Phase))
	}
	if o.Outcome != nil {
		row(report.Words(o.Outcome))
	}
}

// openJournal opens the journal of a network's migration: in its folder, or in the database that the network names.
func openJournal(ctx context.Context, n *network.Network) (journal.Journal, error) {
	if url := n.Journal(); url != "" {
		return postgres.Open(ctx, url)
	}
	return sqlite.Open(ctx, n.Migration())
}

// checkNamed wants a plan to name only accounts that have a slot of their own in the network.
func checkNamed(n *network.Network, e *migration.Entry) error {
	if e.Kind != migration.KindPlan {
		return nil
	}
	p, err := migration.ParsePlan([]byte(e.Text))
	if err != nil {
		return err
	}
	named, err := n.Named()
	if err != nil {
		return err
	}
	return p.Canary.Named.CheckOwn(named)
}

// writeEntry makes an entry durable if it may stand there. That it is so already is no error.
func writeEntry(ctx context.Context, j journal.Journal, e migration.Entry, dryRun bool) (*operatedJSON, error) {
	for range entryTries {
		entries, err := j.Read(ctx, 0)
		if err != nil {
			return nil, err
		}
		s, err := migration.Fold(entries)
		if err != nil {
			return nil, err
		}
		out := &operatedJSON{Verb: e.Kind, Phase: phaseOf(&s), DryRun: dryRun}
		switch err := migration.May(&s, &e); {
		case fault.ReasonOf(err) == migration.ReasonAlready:
			out.Why = err.Error()
			return out, nil
		case err != nil:
			return nil, err
		}
		out.Changed, out.Seq = true, s.Seq+1
		if dryRun {
			return out, nil
		}
		e.AtMs = uint64(time.Now().UnixMilli())
		made, err := j.Append(ctx, s.Seq, journal.NoTerm, e)
		if fault.ReasonOf(err) == journal.ReasonBehind {
			continue
		}
		if err == nil {
			err = s.Apply(&made)
		}
		out.Phase = phaseOf(&s)
		return out, err
	}
	return nil, fault.New(fault.TryLater, "others write into the journal all the time: do it again")
}

func phaseOf(s *migration.State) migration.Phase {
	if s.Phase == "" {
		return migration.Idle
	}
	return s.Phase
}

// outcomes of verbs that somebody waits for.
var outcomeKinds = map[migration.Kind][]migration.Kind{
	migration.KindRollback: {migration.KindMoved},
	migration.KindFailback: {migration.KindMoved, migration.KindFailed},
	migration.KindRehearse: {migration.KindDrilled, migration.KindFailed},
	migration.KindCheck:    {migration.KindVerified, migration.KindFailed},
}

// awaitOutcome waits for the controller's entry about what was asked for. A weight that a move reached which was under way before is none.
func awaitOutcome(ctx context.Context, j journal.Journal, seq uint64, asked *migration.Entry, wait time.Duration) (*migration.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		entries, err := j.Read(ctx, seq)
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		for i := range entries {
			e := &entries[i]
			if slices.Contains(outcomeKinds[asked.Kind], e.Kind) && (e.Kind != migration.KindMoved || e.ToBP == asked.ToBP) {
				return e, nil
			}
		}
		if await(ctx, outcomePoll); ctx.Err() != nil {
			return nil, fault.New(fault.Timeout, "it was asked for (entry %d), and nothing came of it in %s: `aurigraph migrate explain` says why", seq, wait)
		}
	}
}

// confirmed asks for a name to be typed, where something cannot be undone.
func (a *app) confirmed(given, name string, what migration.Kind) error {
	if given == "" {
		fmt.Fprintf(a.err, "%s cannot be taken back so easily. Type the name of the network's folder, %s, to go on: ", what, name)
		text, err := io.ReadAll(io.LimitReader(&lineReader{os.Stdin}, nameBytesMax))
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read the confirmation")
		}
		given = strings.TrimSpace(string(text))
	}
	if given != name {
		return fault.New(fault.Refused, "%q is not %q: nothing was written; give --confirm %s", given, name, name)
	}
	return nil
}

// lineReader ends with the line.
type lineReader struct{ from io.Reader }

// Read reads a byte at most, and nothing behind a line's end.
func (r *lineReader) Read(p []byte) (int, error) {
	if len(p) == 0 || r.from == nil {
		return 0, io.EOF
	}
	n, err := r.from.Read(p[:1])
	if n == 1 && p[0] == '\n' {
		r.from = nil
	}
	return n, err
}
