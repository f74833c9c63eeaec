// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

func newSyncStatus(a *app) *cobra.Command {
	var f halfFlags
	var watch bool
	c := online(a, &cobra.Command{
		Use:   "status",
		Short: "Show where both directions of a sync are, how late, and what holds them",
		Long: `Asks both halves of the sync of the network in --network, V11's inbox and V10, and shows both directions: what is applied, up to
where the other side has published, how late that is (by heart-beats; median and 99th percentile of the last minutes), and what
holds it. A direction that a change holds stands until somebody acts: the last column says by which command.

Without the network's folder name the sockets of the halves with --socket, V10's change log with --port, and a validator with
--endpoint; what is not named is not shown.

Exit codes: 0 both directions go on, the initial copy is under way, or the migration is closed; 1 one is held or in trouble, or
does not answer.`,
		Example: `  aurigraph sync status
  aurigraph sync status -w --network /srv/trial
  aurigraph sync status --socket /srv/aurigraph/node0/admin.sock --socket sync-v10.sock --port http://v10:4005 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onceOrWatch(cmd.Context(), watch, func(a *app) error {
				p, err := a.lookAtSync(cmd.Context(), &f)
				if err == nil {
					err = a.print(p, p.table)
				}
				if err == nil && !watch && !p.goesOn() {
					err = &reported{fault.New(fault.Unavailable, "the sync does not go on")}
				}
				return err
			})
		},
	})
	f.addSockets(c)
	f.addPort(c)
	watchFlag(c, &watch)
	return c
}

func newSyncLag(a *app) *cobra.Command {
	var f halfFlags
	c := online(a, &cobra.Command{
		Use:   "lag",
		Short: "Show how late both directions of a sync are, in figures",
		Long: `Asks both halves, as "sync status" does, and shows the figures alone: how old what is not applied may be now, and the median and
99th percentile of how late the heart-beats of the last minutes were applied, in milliseconds. -1: not known yet.

Exit codes: 0 both directions answer; 1 one does not.`,
		Example: `  aurigraph sync lag
  aurigraph sync lag --network /srv/trial --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.lookAtSync(cmd.Context(), &f)
			if err != nil {
				return err
			}
			for _, d := range p.directions() {
				if d.State == stateSilent {
					return fault.New(fault.Unavailable, "%s", d.Error)
				}
			}
			j := lagsJSON{p.V10ToV11.figures(), p.V11ToV10.figures()}
			return a.print(j, func(row func(...any)) {
				row("DIRECTION", "NOW", "P50", "P99", "OF", "CHANGES/S")
				row("v10 to v11", msText(j.V10ToV11.LagMs), msText(j.V10ToV11.P50Ms), msText(j.V10ToV11.P99Ms), j.V10ToV11.Samples, j.V10ToV11.PerSecond)
				row("v11 to v10", msText(j.V11ToV10.LagMs), msText(j.V11ToV10.P50Ms), msText(j.V11ToV10.P99Ms), j.V11ToV10.Samples, j.V11ToV10.PerSecond)
			})
		},
	})
	f.addSockets(c)
	return c
}

// stateSilent is that of a direction whose applier does not answer.
const stateSilent = "silent"

// syncPicture is what "sync status" shows.
type syncPicture struct {
	V10ToV11 directionJSON `json:"v10_to_v11"`
	V11ToV10 directionJSON `json:"v11_to_v10"`
	Inbox    *inboxJSON    `json:"inbox,omitempty"` // V11's
	V10      *v10HeadJSON  `json:"v10,omitempty"`
	Verified *verifiedJSON `json:"verified,omitempty"` // the newest comparison
	Halves   []halfJSON    `json:"halves"`
}

// directionJSON is one direction: its applier, and who tells of the changes.
type directionJSON struct {
	control.Apply
	At      string           `json:"at,omitempty"` // the half that says so
	Capture *control.Capture `json:"capture,omitempty"`
	Help    string           `json:"help,omitempty"`
}

type halfJSON struct {
	Name   string `json:"name"`
	Ledger string `json:"ledger,omitempty"`
	State  string `json:"state"`
	Error  string `json:"error,omitempty"`
}

type inboxJSON struct {
	Life     uint32 `json:"life"` // 0: it was never opened
	Position string `json:"position"`
	Applied  uint64 `json:"applied"`
	Skipped  uint64 `json:"skipped"`
}

type v10HeadJSON struct {
	Incarnation string `json:"incarnation"`
	Head        uint64 `json:"head"`
	Applied     string `json:"applied"` // V11's changes, up to there
}

type lagJSON struct {
	LagMs     float64 `json:"lag_ms"`
	P50Ms     float64 `json:"p50_ms"`
	P99Ms     float64 `json:"p99_ms"`
	Samples   int     `json:"samples"`
	PerSecond float64 `json:"per_second"`
}

type lagsJSON struct {
	V10ToV11 lagJSON `json:"v10_to_v11"`
	V11ToV10 lagJSON `json:"v11_to_v10"`
}

func (d *directionJSON) figures() lagJSON {
	return lagJSON{d.LagMs, d.P50Ms, d.P99Ms, d.Samples, d.PerSecond}
}

func (p *syncPicture) directions() []*directionJSON {
	return []*directionJSON{&p.V10ToV11, &p.V11ToV10}
}

// goesOn reports whether nobody has to look.
func (p *syncPicture) goesOn() bool { return p.V10ToV11.goesOn() && p.V11ToV10.goesOn() }

func (d *directionJSON) goesOn() bool {
	if d.State == stateSilent && d.Capture != nil && d.Capture.State == control.StateClosed {
		return true // it is told nothing more, and may be gone
	}
	ok := d.State == control.StateApplying || d.State == control.StateCopying || d.State == control.StateStarting || d.State == control.StateClosed
	return ok && (d.Capture == nil || d.Capture.State != control.StateTrouble)
}

// trouble names what keeps it from going on.
func (d *directionJSON) trouble() string {
	if c := d.Capture; c != nil && c.State == control.StateTrouble && d.State != control.StateTrouble {
		return cmp.Or(c.Reason, c.State)
	}
	return cmp.Or(d.Reason, d.State)
}

// lookAtSync asks all who know something of the sync. What does not answer is in the picture as that.
func (a *app) lookAtSync(ctx context.Context, f *halfFlags) (*syncPicture, error) {
	h, err := a.findHalves(f)
	if err != nil {
		return nil, err
	}
	defer h.close()
	h.ask(ctx)
	p := &syncPicture{V10ToV11: h.direction(envelope.V10.String()), V11ToV10: h.direction(envelope.V11.String()), Halves: []halfJSON{}}
	for _, x := range h.list {
		j := halfJSON{Name: x.Name, State: stateSilent}
		if x.said != nil {
			j.Ledger, j.State = x.said.Ledger, x.said.Apply.State
		} else {
			j.Error = x.err.Error()
		}
		p.Halves = append(p.Halves, j)
	}
	p.V10 = h.v10Head(ctx)
	if h.network != nil || a.endpoint != "" {
		p.Inbox = a.inboxNow(ctx)
	}
	if h.network != nil {
		p.Verified = newestReport(h.network.Path("verify"))
	}
	return p, nil
}

func (h *halves) direction(d string) directionJSON {
	x := h.applier(d)
	if x == nil {
		j := directionJSON{Apply: control.Apply{Direction: d, State: stateSilent, Error: h.silent(d).Error(), LagMs: -1}, Capture: h.capturer(d)}
		j.Help = "start it, and look into its log"
		return j
	}
	j := directionJSON{Apply: *x.said.Apply, At: x.Name, Capture: h.capturer(d)}
	j.Help = helpFor(&j)
	return j
}

// v10Head asks V10 where it is; nil: it is not asked, or does not answer.
func (h *halves) v10Head(ctx context.Context) *v10HeadJSON {
	if h.port == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, halfAskMax)
	defer cancel()
	life, head, err := h.port.Head(ctx)
	if err != nil {
		return nil
	}
	j := &v10HeadJSON{Incarnation: life.String(), Head: head}
	if at, err := h.port.Inbox(ctx); err == nil {
		j.Applied = at.Position.String()
	}
	return j
}

// inboxNow asks V11 where its inbox is; nil: it does not answer.
func (a *app) inboxNow(ctx context.Context) *inboxJSON {
	ctx, cancel := context.WithTimeout(ctx, halfAskMax)
	defer cancel()
	s, err := a.dial(ctx)
	if err != nil {
		return nil
	}
	defer s.Close()
	in, err := s.Inbox(ctx)
	if err != nil {
		return nil
	}
	return &inboxJSON{Life: in.Life, Position: envelope.Position(in.Position).String(), Applied: in.Applied, Skipped: in.Skipped}
}

// verifiedJSON is the newest report of a comparison of the two ledgers.
type verifiedJSON struct {
	File        string    `json:"file"`
	At          time.Time `json:"at"`
	Equal       bool      `json:"equal"`
	Consistency float64   `json:"consistency"`
	Rows        uint64    `json:"rows_compared"`
}

// reportBytesMax bounds a report that is looked into.
const reportBytesMax = 64 << 20

// newestReport reads what the newest comparison found; nil: there was none.
func newestReport(dir string) *verifiedJSON {
	found, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil
	}
	var newest *verifiedJSON
	for _, path := range found {
		info, err := os.Stat(path)
		if err != nil || info.Size() > reportBytesMax || newest != nil && !info.ModTime().After(newest.At) {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var said struct {
			Equal       *bool   `json:"equal"`
			Consistency float64 `json:"consistency"`
			Rows        uint64  `json:"rows_compared"`
		}
		if json.Unmarshal(text, &said) != nil || said.Equal == nil {
			continue // another kind of file
		}
		newest = &verifiedJSON{path, info.ModTime(), *said.Equal, said.Consistency, said.Rows}
	}
	return newest
}

// msText writes milliseconds for people.
func msText(ms float64) string {
	switch {
	case ms < 0:
		return "not known yet"
	case ms >= 10_000:
		return (time.Duration(ms) * time.Millisecond).Round(time.Second).String()
	}
	return fmt.Sprintf("%.1f ms", ms)
}
