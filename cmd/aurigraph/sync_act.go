// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

func newSyncRetry(a *app) *cobra.Command {
	var f halfFlags
	c := online(a, &cobra.Command{
		Use:   "retry [v10|v11]",
		Short: "Have the change that holds a direction tried again",
		Long: `Asks for another try of the change that waits for a person: of V10's changes (v10), of V11's (v11), or of whichever waits. It is
tried three times more; if it still cannot be made the direction is held again, and nothing is lost. Mend first what made it
fail: "aurigraph sync status" says what.

Exit codes: 0 it is tried again; 1 nothing waits, or nobody answers.`,
		Example: `  aurigraph sync retry
  aurigraph sync retry v10 --network /srv/trial`,
		Args: func(cmd *cobra.Command, got []string) error {
			if len(got) == 0 {
				return nil
			}
			return args("v10|v11")(cmd, got)
		},
		RunE: func(cmd *cobra.Command, got []string) error {
			for _, d := range got {
				if err := direction(cmd, d); err != nil {
					return err
				}
			}
			return a.syncRetry(cmd.Context(), &f, got)
		},
	})
	f.addSockets(c)
	return c
}

type retriedJSON struct {
	Retried []string `json:"retried"` // directions
}

func (a *app) syncRetry(ctx context.Context, f *halfFlags, asked []string) error {
	h, err := a.findHalves(f)
	if err != nil {
		return err
	}
	defer h.close()
	h.ask(ctx)
	j := retriedJSON{Retried: []string{}}
	for _, d := range []string{"v10", "v11"} {
		if len(asked) > 0 && asked[0] != d {
			continue
		}
		done, err := h.retry(ctx, d)
		if err != nil && (len(asked) > 0 || !fault.Is(err, fault.Unavailable)) {
			return err
		}
		if done {
			j.Retried = append(j.Retried, d)
		}
	}
	if len(j.Retried) == 0 {
		return fault.Reasoned(fault.NotFound, control.ReasonNotHeld, "no change waits for a person: see `aurigraph sync status`")
	}
	return a.print(j, func(row func(...any)) {
		for _, d := range j.Retried {
			row("the held change of "+d, "is tried again: `aurigraph sync status` says what comes of it")
		}
	})
}

// retry asks every half that holds a direction, and reports whether one does.
func (h *halves) retry(ctx context.Context, d string) (done bool, err error) {
	if h.applier(d) == nil {
		return false, h.silent(d)
	}
	for _, x := range h.list {
		if x.said == nil || x.said.Apply.Direction != d || x.said.Apply.State != control.StateHeld {
			continue
		}
		err := x.client.SyncRetry(ctx)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return done, err
		}
		done = done || err == nil
	}
	return done, nil
}

func newSyncSet(a *app) *cobra.Command {
	var f halfFlags
	c := online(a, &cobra.Command{
		Use:   "set NAME=VALUE",
		Short: "Bound how fast changes are applied, at once",
		Long: `Sets how many changes a second are applied at most: apply.v10 of V10's changes on V11 (on each validator that syncs), apply.v11 of
V11's on V10. 0 lifts the bound. It counts at once, and until the process of the half ends; "aurigraph sync status" shows it.
What waits is late, not lost, as long as the topics keep it.

Exit codes: 0 it is set; 1 nobody answers; 2 there is no such name or value.`,
		Example: `  aurigraph sync set apply.v11=2000
  aurigraph sync set apply.v10=0 --network /srv/trial`,
		Args: args("NAME=VALUE"),
		RunE: func(cmd *cobra.Command, got []string) error {
			name, text, ok := strings.Cut(got[0], "=")
			value, err := strconv.ParseUint(text, 10, 64)
			if !ok || err != nil {
				return usage(cmd, "%q is no setting: write NAME=VALUE with a number, as apply.v10=2000", got[0])
			}
			for _, o := range []envelope.Origin{envelope.V10, envelope.V11} {
				if name == control.RateName(o.String()) {
					return a.syncSet(cmd.Context(), &f, o.String(), name, value)
				}
			}
			return usage(cmd, "there is no setting %q: %s and %s", name, control.RateName("v10"), control.RateName("v11"))
		},
	})
	f.addSockets(c)
	return c
}

type setJSON struct {
	Name  string   `json:"name"`
	Value uint64   `json:"value"`
	At    []string `json:"at"` // the halves that have it
}

func (a *app) syncSet(ctx context.Context, f *halfFlags, d, name string, value uint64) error {
	h, err := a.findHalves(f)
	if err != nil {
		return err
	}
	defer h.close()
	h.ask(ctx)
	j := setJSON{Name: name, Value: value, At: []string{}}
	for _, x := range h.list {
		if x.said == nil || x.said.Apply.Direction != d {
			continue
		}
		if err := x.client.SyncSet(ctx, name, value); err != nil {
			return err
		}
		j.At = append(j.At, x.Name)
	}
	if len(j.At) == 0 {
		return h.silent(d)
	}
	return a.print(j, func(row func(...any)) {
		row(name, orDash(fmt.Sprintf("at most %d changes a second", value), value > 0), "at "+strings.Join(j.At, ", "))
	})
}
