// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/controller"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/seal"
	"github.com/aurigraph/aurigraph/internal/server/admin"
)

// Bounds of what validators are asked.
const (
	rollEvery = time.Second      // windows are shorter
	sealMax   = 50 * time.Second // one try; whoever asked for it waits longer
	raiseMax  = 5 * time.Second
	raisePoll = 50 * time.Millisecond
)

// roll is what the validators said when they were last asked.
type roll struct {
	at     time.Time
	vitals controller.Vitals
	alarms []migration.Alarm
}

// startRoll begins to ask the validators, unless that was done a moment ago. What it returns waits for that, and fills in what they say.
func (w *world) startRoll(ctx context.Context) func(*controller.Sight) {
	done := make(chan struct{})
	if time.Since(w.roll.at) >= rollEvery {
		go func() {
			defer close(done)
			w.roll = w.call(ctx)
		}()
	} else {
		close(done)
	}
	return func(s *controller.Sight) {
		<-done
		s.Vitals, s.Alarms = w.roll.vitals, w.roll.alarms
	}
}

// call asks each validator how it is.
func (w *world) call(ctx context.Context) (all roll) {
	all.at = time.Now()
	a := *w.app
	a.endpoint = ""
	r, err := a.callRoll(ctx)
	if err != nil { // none answers
		all.vitals.Members = len(w.network.Nodes)
		return all
	}
	all.vitals = controller.Vitals{Members: r.members(), Answer: r.answered(), Led: r.leader != nil, Height: uint64(r.certified()), Decided: uint64(r.decided())}
	for i := range r.rows {
		if s := r.rows[i].said; s != nil {
			all.alarms = append(all.alarms, alarmsOf(r.rows[i].id, s)...)
		}
	}
	return all
}

// alarmsOf are what one validator says against others, and against itself.
func alarmsOf(id string, s *client.Status) []migration.Alarm {
	said := migration.Alarm{Source: "evidence at " + id, Count: uint64(s.EvidenceLeftOut)}
	broken := migration.Alarm{Source: "invariants of " + id}
	all := []migration.Alarm{}
	for _, e := range s.Evidence {
		if e.Kind == client.EvidenceDrill {
			all = append(all, migration.Alarm{Source: migration.AlarmDrill, Count: e.Sequence, Newest: "raised at " + id})
			continue
		}
		said.Count++
		said.Newest = fmt.Sprintf("%s of validator %d", e.Kind, e.Validator)
	}
	if s.Halted && strings.Contains(s.HaltedReason, fault.InvariantBroken) {
		broken.Count, broken.Newest = 1, s.HaltedReason
	}
	return append(all, said, broken)
}

// Raise has the first validator that can show the alarm of a drill, and waits until its status does.
func (w *world) Raise(ctx context.Context, drill uint64) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, raiseMax)
	defer cancel()
	var err error
	for _, node := range w.network.Nodes {
		if err = admin.Dial(admin.SocketPath(w.network.Path(node.Dir))).RaiseDrill(ctx, drill); err != nil {
			continue
		}
		for ctx.Err() == nil {
			for _, a := range w.call(ctx).alarms {
				if a.Source == migration.AlarmDrill && a.Count == drill {
					return node.ID, nil
				}
			}
			await(ctx, raisePoll)
		}
		return "", fault.New(fault.Timeout, "%s took the alarm and does not show it: `aurigraph validators`", node.ID)
	}
	return "", fault.Wrap(fault.Unavailable, err, "no validator takes the alarm of a drill")
}

// Seal ends V11's epoch with all slots V10's. A ledger that says that V11 has none is left alone: somebody was here before.
func (w *world) Seal(ctx context.Context, without []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, sealMax)
	defer cancel()
	if none, err := w.hasNone(ctx); err == nil && none {
		return "", nil
	}
	c := &seal.Coordinator{Voters: votersOf(w.network), Without: without, Verdict: chain.VerdictToV10}
	r, err := c.Run(ctx)
	if fault.ReasonOf(err) == seal.ReasonOtherVerdict { // it went on with the seal of somebody who wanted less: the epoch behind that is ended now
		r, err = c.Run(ctx)
	}
	if err != nil {
		reason := fault.ReasonOf(err)
		return "", fault.Reasoned(fault.KindOf(err), reason, "seal V11: %s: %v (docs/runbooks/seal.md)", reason, err)
	}
	return fmt.Sprintf("epoch %d ended at height %d", r.Epoch.Epoch(), r.Decision.Height), nil
}

// hasNone reports whether V11 has no slot, as its ledger says now.
func (w *world) hasNone(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookMax)
	defer cancel()
	h, err := w.client.Homes(ctx)
	if err != nil {
		return false, err
	}
	var v10 router.Slots
	err = v10.Set(h.V10...)
	return v10.Weight() == router.WeightWhole && len(w.named.Except(v10.Has)) == 0, err
}
