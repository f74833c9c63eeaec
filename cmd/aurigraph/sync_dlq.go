// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// lettersAskMax bounds the reading of dead letters.
const lettersAskMax = 30 * time.Second

func newSyncDLQ(a *app) *cobra.Command {
	var f halfFlags
	c := online(a, group("dlq", "Show the dead letters: changes that could not be made", newDLQList(a, &f), newDLQShow(a, &f)))
	c.Long = `A change that could not be made three times lies as a letter in v10.dlq or v11.dlq, by whose change it is, with what was tried and
why it failed, for as long as records stay. That it lies there decides nothing: its direction stands until "sync retry" or
"sync skip". Letters have names: who reads them is an operator.`
	c.Example = `  aurigraph sync dlq list
  aurigraph sync dlq show v10 918220114.3`
	return c
}

func newDLQList(a *app, f *halfFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List the dead letters of both directions",
		Long: `Lists the newest dead letters, oldest first: which change, since when, why, and whether its ledger has gone past it since.

Exit codes: 0 they are listed; 1 the brokers do not answer; 2 the sync key does not open them.`,
		Example: `  aurigraph sync dlq list
  aurigraph sync dlq list --brokers kafka1:9093 --tls --sync-key sync.key --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			j, err := a.deadLetters(cmd, f, "v10", "v11")
			if err != nil {
				return err
			}
			return a.print(j, j.table)
		},
	}
	f.addBus(c)
	f.addSockets(c)
	return c
}

func newDLQShow(a *app, f *halfFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "show v10|v11 POSITION",
		Short: "Show a dead letter with all that its change says",
		Long: `Shows the dead letter of the change at POSITION (MAJOR.MINOR, as "sync status" has it) of V10 or V11, with names.

Exit codes: 0 it is shown; 1 there is none, or the brokers do not answer; 2 the sync key does not open it.`,
		Example: `  aurigraph sync dlq show v10 918220114.3
  aurigraph sync dlq show v11 4100.2 --network /srv/trial --json`,
		Args: args("v10|v11", "POSITION"),
		RunE: func(cmd *cobra.Command, got []string) error {
			if err := direction(cmd, got[0]); err != nil {
				return err
			}
			at, err := envelope.ParsePosition(got[1])
			if err != nil {
				return usage(cmd, "%v", err)
			}
			j, err := a.deadLetters(cmd, f, got[0])
			if err != nil {
				return err
			}
			i := slices.IndexFunc(j.Letters, func(l letterJSON) bool { return l.Position == at.String() })
			if i < 0 {
				return fault.New(fault.NotFound, "there is no dead letter of %s at %s: see `aurigraph sync dlq list`", got[0], at)
			}
			l := j.Letters[i]
			return a.print(l, l.table)
		},
	}
	f.addBus(c)
	f.addSockets(c)
	return c
}

type lettersJSON struct {
	Letters []letterJSON `json:"letters"`
}

type letterJSON struct {
	Direction string          `json:"direction"`
	Life      uint32          `json:"life"`
	Position  string          `json:"position"`
	Tag       string          `json:"tag"`
	Kind      string          `json:"kind"`
	Reason    string          `json:"reason"`
	Text      string          `json:"text"`
	Tries     int             `json:"tries"`
	HeldAt    time.Time       `json:"held_at"`
	Applier   string          `json:"applier"`
	Past      *bool           `json:"past"` // its ledger has gone past it; null: not known
	Change    envelope.Change `json:"change"`
}

// deadLetters reads the letters of directions.
func (a *app) deadLetters(cmd *cobra.Command, f *halfFlags, directions ...string) (*lettersJSON, error) {
	h, err := a.findHalves(f)
	if err != nil {
		return nil, err
	}
	defer h.close()
	if len(h.bus.Brokers) == 0 || len(h.bus.KeyFiles) == 0 {
		return nil, usage(cmd, "name --brokers and --sync-key, or the network's folder with --network")
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), lettersAskMax)
	defer cancel()
	h.ask(ctx)
	j := &lettersJSON{Letters: []letterJSON{}}
	for _, o := range []envelope.Origin{envelope.V10, envelope.V11} {
		if !slices.Contains(directions, o.String()) {
			continue
		}
		list, err := bus.Letters(ctx, h.bus, o)
		if err != nil {
			return nil, err
		}
		for i := range list {
			j.Letters = append(j.Letters, h.letter(&list[i]))
		}
	}
	return j, nil
}

func (h *halves) letter(l *bus.Letter) letterJSON {
	r := l.Record
	j := letterJSON{
		Direction: r.Origin.String(), Life: r.Life, Position: r.Position.String(), Tag: r.Tag.String(), Kind: envelope.KindOf(r.Change),
		Reason: l.Reason, Text: l.Text, Tries: l.Tries, HeldAt: l.HeldAt.UTC(), Applier: l.Applier, Change: r.Change,
	}
	if x := h.applier(j.Direction); x != nil {
		if at, err := envelope.ParsePosition(x.said.Apply.Position); err == nil {
			past := x.said.Apply.Life > r.Life || !at.Before(r.Position)
			j.Past = &past
		}
	}
	return j
}

func (j *lettersJSON) table(row func(...any)) {
	if len(j.Letters) == 0 {
		row("there are no dead letters")
		return
	}
	row("CHANGE OF", "AT", "WHAT", "REASON", "TRIES", "SINCE", "BY", "")
	for _, l := range j.Letters {
		row(l.Direction, l.Position, l.Kind, l.Reason, l.Tries, l.HeldAt.Local().Format(time.DateTime), l.Applier, l.state())
	}
}

func (l *letterJSON) state() string {
	switch {
	case l.Past == nil:
		return "?"
	case *l.Past:
		return "past"
	}
	return "waits"
}

func (l *letterJSON) table(row func(...any)) {
	row("change of", l.Direction, fmt.Sprintf("life %d, at %s", l.Life, l.Position))
	row("what", l.Kind)
	row("reason", l.Reason, l.Text)
	row("tried", fmt.Sprintf("%d times by %s, held since %s", l.Tries, l.Applier, l.HeldAt.Local().Format(time.DateTime)))
	row("now", l.state())
	text, err := json.Marshal(l.Change)
	if err == nil {
		row("says", string(text))
	}
	row("tag", l.Tag)
}
