// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// skipFlags are how a change is passed over.
type skipFlags struct {
	halfFlags
	reason   string
	key      string
	record   string
	keepOpen bool
}

func newSyncSkip(a *app) *cobra.Command {
	var f skipFlags
	c := online(a, &cobra.Command{
		Use:   "skip v10|v11",
		Short: "Pass over the change that holds a direction, and say why",
		Long: `Passes over the one change that holds a direction. The two ledgers differ by it from then on: whoever skips answers for that, and
the reason stays (aurigraph sync conflicts).

v10: a change of V10 that V11 cannot make. Governance signs it, with the key in the network's folder or --key, and freezes the
slot that the change debits until a person lifts that; --keep-open-slot does not. The chain has the hash of the reason, and
sync-resolutions.jsonl of the network's folder, or --record, its words. v11: a change of V11 that V10 cannot make. It is sealed
with the sync key and sent to V10, which keeps who, what and why as a row.

Exit codes: 0 it is passed over; 1 nothing waits, or nobody answers; 2 refused; 3 it is not known: see "aurigraph sync status".`,
		Example: `  aurigraph sync skip v10 --reason "refunded by hand on both ledgers, ticket 4711"
  aurigraph sync skip v11 --reason "test payment of a closed account" --network /srv/trial --json`,
		Args: args("v10|v11"),
		RunE: func(cmd *cobra.Command, got []string) error {
			if err := direction(cmd, got[0]); err != nil {
				return err
			}
			f.reason = strings.TrimSpace(f.reason)
			if f.reason == "" || len(f.reason) > envelope.SkipReasonBytesMax || !utf8.ValidString(f.reason) {
				return usage(cmd, "say why with --reason TEXT, at most %d bytes: it stays in the report", envelope.SkipReasonBytesMax)
			}
			if f.keepOpen && got[0] != "v10" {
				return usage(cmd, "--keep-open-slot is for v10: V10 freezes nothing")
			}
			return a.syncSkip(cmd.Context(), &f, got[0])
		},
	})
	s := c.Flags()
	s.StringVar(&f.reason, "reason", "", "why, for the report (required)")
	s.StringVar(&f.key, "key", "", "for v10: key file of governance, if it is not in the network's folder")
	s.StringVar(&a.passphrase, "passphrase-file", "", "file with the passphrase of an encrypted --key")
	s.BoolVar(&f.keepOpen, "keep-open-slot", false, "for v10: do not freeze the slot that the change debits")
	s.StringVar(&f.record, "record", "", "for v10: file that the resolution is added to (default: sync-resolutions.jsonl of the network's folder)")
	s.StringArrayVar(&f.bus.cfg.KeyFiles, "sync-key", nil, "for v11: file of the sync key, if it is not in the network's folder")
	f.addSockets(c)
	f.addPort(c)
	return c
}

func (a *app) syncSkip(ctx context.Context, f *skipFlags, d string) error {
	h, err := a.findHalves(&f.halfFlags)
	if err != nil {
		return err
	}
	defer h.close()
	held, err := h.held(ctx, d)
	if err != nil {
		return err
	}
	r := &resolution{
		Side: "v11", Direction: d, Kind: kindSkip, Life: held.Life, Position: held.Position, Tag: held.Tag, Change: held.Kind, Outcome: held.Reason,
		Reason: f.reason, By: whoAmI(), At: time.Now().UTC().Truncate(time.Millisecond),
	}
	if d == "v10" {
		err = a.skipOnV11(ctx, h, f, held, r)
	} else {
		r.Side = "v10"
		err = h.skipOnV10(ctx, held, r)
	}
	if err != nil {
		return err
	}
	return a.print(r, func(row func(...any)) {
		row("passed over", fmt.Sprintf("%s at %s of %s", r.Change, r.Position, d), r.Reason)
		if r.Slot != nil {
			row("frozen", fmt.Sprintf("slot %d, until a person lifts it", *r.Slot))
		}
		row("see", "aurigraph sync conflicts")
	})
}

// skipOnV11 has governance pass over a change of V10's. What was decided is noted before it is done, so that no skip is without its reason.
func (a *app) skipOnV11(ctx context.Context, h *halves, f *skipFlags, held *control.Held, r *resolution) error {
	path, err := h.resolutionsPath(f.record)
	if err != nil {
		return err
	}
	body := &chain.SkipSync{Life: held.Life, Slot: chain.SlotNone, Reason: codec.Sum([]byte(f.reason))}
	position, err := envelope.ParsePosition(held.Position)
	if err != nil {
		return err
	}
	body.Position = chain.SyncPosition(position)
	if body.Tag, err = chain.ParseHash(held.Tag); err != nil {
		return err
	}
	if held.Slot != nil && !f.keepOpen {
		body.Slot, r.Slot = *held.Slot, held.Slot
	}
	r.ReasonHash, r.State = body.Reason.String(), stateAsked
	if err := addResolution(path, r); err != nil {
		return err
	}
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.asGovernance(ctx, f.key, body); err != nil && !s.passed(ctx, body) {
		return err
	}
	r.State = stateDone
	return addResolution(path, r)
}

// passed reports whether the inbox stands at a change that was to be passed over: somebody else did, or an answer was lost.
func (s *session) passed(ctx context.Context, b *chain.SkipSync) bool {
	in, err := s.Inbox(ctx)
	return err == nil && in.Life == b.Life && in.Position == b.Position && in.Tag == b.Tag
}

// skipOnV10 has V10 pass over a change of V11's.
func (h *halves) skipOnV10(ctx context.Context, held *control.Held, r *resolution) error {
	if h.port == nil {
		return &usageError{fmt.Errorf("name V10's change log with --port URL, or the network's folder with --network")}
	}
	keys, err := h.bus.Keys()
	if err != nil {
		return err
	}
	at, err := h.port.Inbox(ctx)
	if err != nil {
		return err
	}
	s := &envelope.Skip{Source: at.Source, Kind: held.Kind, Reason: r.Reason, By: r.By}
	if s.Position, err = envelope.ParsePosition(held.Position); err != nil {
		return err
	}
	if s.Previous, err = envelope.ParsePosition(held.Previous); err != nil {
		return err
	}
	for _, tag := range []struct {
		into *envelope.Tag
		text string
	}{{&s.Tag, held.Tag}, {&s.PreviousTag, held.PreviousTag}} {
		hash, err := chain.ParseHash(tag.text)
		if err != nil {
			return err
		}
		*tag.into = envelope.Tag(hash)
	}
	sealed, err := envelope.SealSkip(&keys[0], s)
	if err != nil {
		return err
	}
	r.State = stateDone
	_, err = h.port.Skip(ctx, sealed)
	if fault.ReasonOf(err) == v10port.ReasonUnreachable {
		return fault.Wrap(fault.Timeout, err, "it is not known whether V10 passed over it: `aurigraph sync status` says")
	}
	return err
}

// whoAmI names who runs this command, in his own words.
func whoAmI() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name[:min(len(name), envelope.SkipByBytesMax)]
}
