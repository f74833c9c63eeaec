// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/admin"
	"github.com/aurigraph/aurigraph/internal/sync/applier"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// ReasonNoSync is that of questions about the sync to a node that has none.
const ReasonNoSync = "no_sync"

// nodeHalf is a node's half of a sync for who operates it, over whatever of it runs.
type nodeHalf struct{ node *Node }

var _ control.Operated = nodeHalf{}

func (h nodeHalf) running() (*Syncing, error) {
	if s := h.node.syncing.Load(); s != nil {
		return s, nil
	}
	if h.node.cfg.Sync.Ledger == "" {
		return nil, fault.Reasoned(fault.NotFound, ReasonNoSync, "this node syncs with no V10: its settings have no sync.ledger")
	}
	return nil, fault.Reasoned(fault.Unavailable, ReasonNoSync, "this node's half of the sync has not begun yet")
}

// Status says where the half is.
func (h nodeHalf) Status(context.Context) (*control.Half, error) {
	s, err := h.running()
	if err != nil {
		return nil, err
	}
	return &control.Half{Ledger: envelope.V11.String(), Apply: applyOf(s.applier.Status()), Capture: s.captureOf()}, nil
}

// Retry has the held change tried again.
func (h nodeHalf) Retry(context.Context) error {
	s, err := h.running()
	if err != nil {
		return err
	}
	if !s.applier.Retry() {
		return control.NotHeld(envelope.V10.String())
	}
	return nil
}

// Set turns a knob.
func (h nodeHalf) Set(_ context.Context, name string, value uint64) error {
	s, err := h.running()
	if err != nil {
		return err
	}
	return control.SetRate(s.applier.Rate(), envelope.V10.String(), name, value)
}

// applyOf writes an applier's status, without names.
func applyOf(s applier.Status) *control.Apply {
	a := &control.Apply{
		Direction: envelope.V10.String(), State: string(s.State), Since: s.Since, Reason: s.Reason, Error: s.Error, Life: s.Life,
		Position: envelope.Position(s.Position).String(), Stated: s.Stated.String(), Applied: s.Applied, Skipped: s.Skipped,
		PerSecond: s.PerSecond, RateMax: s.RateMax, LagMs: control.Ms(s.Lag), P50Ms: control.Ms(s.P50), P99Ms: control.Ms(s.P99), Samples: s.Samples,
	}
	if h := s.Held; h != nil {
		r := h.Record
		a.Held = &control.Held{
			Life: h.Life, Position: r.Position.String(), Tag: r.Tag.String(), Kind: envelope.KindOf(r.Change), Reason: h.Outcome.String(), Text: h.Text,
			Tries: h.Tries, Letter: h.Parked, Previous: r.Previous.String(), PreviousTag: r.PreviousTag.String(),
		}
		if h.Slot != chain.SlotNone {
			a.Held.Slot = &h.Slot
		}
	}
	return a
}

// captureOf says how far V11's changes are told to V10.
func (s *Syncing) captureOf() *control.Capture {
	out := &control.Capture{Direction: envelope.V11.String(), State: control.StateStarting, Head: uint64(s.chain.query.Height())}
	c := s.CaptureStatus()
	out.Position = uint64(c.Height)
	if s.over.Load() {
		out.State = control.StateClosed
		return out
	}
	if s.capture.Load() != nil {
		out.State = control.StateApplying
	}
	out.Reason, out.Error = c.Reason, c.Error
	if why := s.ended.Load(); c.Reason == "" && why != nil {
		out.Reason, out.Error = reasonOr(*why), (*why).Error()
	}
	if p := s.topics.Load(); out.Reason == "" && p != nil {
		if why := p.State().Trouble; why != nil {
			out.Reason, out.Error = reasonOr(why), why.Error()
		}
	}
	if out.Reason != "" {
		out.State = control.StateTrouble
	}
	return out
}

// reasonOr is an error's reason, or its kind.
func reasonOr(err error) string {
	if reason := fault.ReasonOf(err); reason != "" {
		return reason
	}
	return fault.KindOf(err).String()
}

// serveAdmin answers who operates this machine, until ctx ends.
func (n *Node) serveAdmin(ctx context.Context) error {
	l, err := admin.Listen(n.cfg.Dir)
	if err != nil {
		return err
	}
	doors := admin.Doors{Sync: nodeHalf{n}}
	if n.sealing != nil {
		doors.Seal = n.sealing.sealer
		doors.Alarm = n.drilled.raise
	}
	return admin.Serve(ctx, l, doors, n.log)
}

// park puts a change of V10's that cannot be made here among the dead letters.
func (s *Syncing) park(ctx context.Context, h *applier.Held) error {
	return bus.PutLetter(ctx, s.cfg.Bus, &bus.Letter{
		Record: h.Record, Reason: h.Outcome.String(), Text: h.Text, Tries: h.Tries, HeldAt: h.Since, Applier: s.node.cfg.Name,
	})
}
