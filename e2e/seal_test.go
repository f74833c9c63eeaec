// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/network"
)

// Bounds of a seal.
const (
	joinedMax = 30 * time.Second // for a validator to serve in the epoch that a seal began
	behindMax = 16               // heights, of one that follows the others
	stuckFor  = 3 * time.Second  // that nothing may be acknowledged by validators that do not agree
)

// sealed is what `validators seal --json` says.
type sealed struct {
	Epoch      client.Epoch  `json:"epoch"`
	Height     client.Height `json:"height"`
	Certified  bool          `json:"certified"`
	Signers    []string      `json:"signers"`
	Sealed     bool          `json:"sealed"`
	NextEpoch  client.Epoch  `json:"next_epoch"`
	Next       []string      `json:"next_members"`
	Running    int           `json:"running"`
	Validators []struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"validators"`
}

// seal ends the epoch by the command, which must start the next one.
func (f *fleet) seal(from client.Epoch, running int) (s sealed) {
	f.t.Helper()
	begun := time.Now()
	out, code := runIn(f.t, "validators", "seal", "--network", f.network.Dir, "--timeout", "40s", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
		f.t.Fatalf("validators seal: exit %d (%v): %s\n%s", code, err, out, describe(f.statuses()))
	}
	if s.Epoch != from || s.NextEpoch != from+1 || !s.Sealed || s.Running < running || len(s.Next) != fleetSize {
		f.t.Errorf("%+v", s)
	}
	f.t.Logf("epoch %d ended at height %d (certified %t, signers %v) within %s: %+v", s.Epoch, s.Height, s.Certified, s.Signers, time.Since(begun).Round(time.Millisecond), s.Validators)
	return s
}

// joins waits until validators serve in an epoch.
func (f *fleet) joins(e client.Epoch, which ...int) {
	f.t.Helper()
	begun, all := time.Now(), f.statuses()
	for ; time.Since(begun) < joinedMax; all = f.statuses() {
		if !slices.ContainsFunc(which, func(i int) bool { return all[i] == nil || all[i].Epoch != e || all[i].Halted }) {
			f.t.Logf("%v serve in epoch %d after %s more", which, e, time.Since(begun).Round(time.Millisecond))
			return
		}
		<-time.After(lookAgain)
	}
	f.t.Fatalf("validators %v do not serve in epoch %d within %s: %s", which, e, joinedMax, describe(all))
}

// follows waits until a validator that was behind is about where the others are.
func (f *fleet) follows(i int) {
	f.t.Helper()
	all := f.statuses()
	for deadline := time.Now().Add(joinedMax); time.Now().Before(deadline); all = f.statuses() {
		if all[i] != nil && all[i].Height+behindMax >= highest(all) {
			return
		}
		<-time.After(lookAgain)
	}
	f.t.Fatalf("node%d does not follow within %s: %s", i, joinedMax, describe(all))
}

// followsAll reads every block at a validator that was there from the beginning: each is proved, whoever certified it.
func (f *fleet) followsAll(i int) {
	f.t.Helper()
	c := f.dial(i)
	head := f.statuses()[i]
	ctx, cancel := context.WithTimeout(f.t.Context(), joinedMax)
	defer cancel()
	seen, sealed := client.Height(0), 0
	err := c.FollowBlocks(ctx, 1, func(b *client.Block) error {
		if seen++; b.Height != seen || !b.Verified {
			f.t.Errorf("block %d follows %d, verified %t", b.Height, seen-1, b.Verified)
		}
		if codec.IsSealedTail(b.Certified.Certificate) {
			sealed++
		}
		if b.Height >= head.Height {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || seen < head.Height {
		f.t.Errorf("%d of %d blocks were followed: %v", seen, head.Height, err)
	}
	f.t.Logf("%d blocks are proved, %d of them by a seal", seen, sealed)
}

// endsWith stops the payers, finds all that was acknowledged, stops the validators and proves each one's folder.
func (f *fleet) endsWith(p *steady, e client.Epoch) (reports []map[string]any) {
	f.t.Helper()
	p.stop()
	f.equal()
	out, code := runIn(f.t, "status", "--network", f.network.Dir, "--json")
	var status struct {
		Epoch client.Epoch `json:"membership_epoch"`
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 || status.Epoch != e {
		f.t.Errorf("status: exit %d (%v): %s", code, err, out)
	}
	p.allAt(f.network.Dir, "node0", "node1", "node2", "node3")
	f.followsAll(0)
	if err := network.StopAll(f.running); err != nil {
		f.t.Error(err)
	}
	f.running = make([]*network.Process, fleetSize)
	for i := range fleetSize {
		report := verify(f.t, f.dir(i), true)
		if legs := int(report["legs"].(float64)); i == 0 && legs < len(p.acked) {
			f.t.Errorf("%d legs proved, %d acknowledged", legs, len(p.acked))
		}
		reports = append(reports, report)
	}
	return reports
}

// equal waits until all validators stand at one height with one state root. What one counted of transfers may be less: it does
// not know those in a state that it took from a peer.
func (f *fleet) equal() {
	f.t.Helper()
	all := f.statuses()
	for deadline := time.Now().Add(settleMax); time.Now().Before(deadline); all = f.statuses() {
		if !slices.ContainsFunc(all, func(s *client.Status) bool {
			return s == nil || all[0] == nil || s.Height != all[0].Height || s.RootHeight != all[0].RootHeight || s.StateRoot != all[0].StateRoot
		}) {
			return
		}
		<-time.After(lookAgain)
	}
	f.t.Fatalf("the validators do not stand at one height within %s: %s", settleMax, describe(all))
}

// TestSeal ends epochs of a network that is well, under payments: one while a validator is down, which joins afterwards by
// itself, and one with all four. No acknowledged payment is lost, and each node's disk proves the same history.
func TestSeal(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators for half a minute")
	}
	f := newFleet(t)
	f.startAll()
	p := newSteady(t, f.network.Dir)
	p.progress(10)

	away := 3
	f.kill(away)
	f.seal(1, fleetSize-1)
	t.Log("sealed while one is down; the longest without a payment:", p.progress(10))
	f.launch(away)
	f.joins(2, f.everybody()...)
	f.follows(away)
	p.progress(10)

	f.seal(2, fleetSize-1) // one that is late joins afterwards
	t.Log("sealed with all; the longest without a payment:", p.progress(10))
	f.joins(3, f.everybody()...)
	f.endsWith(p, 3)
}

// TestSealOfDamagedStates changes a balance in the memory of two of four validators, differently: no header that carries a
// state root gets a quorum any more. A seal brings the network back, and with it the right balance.
func TestSealOfDamagedStates(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators for half a minute")
	}
	f := newFleet(t)
	f.startAll()
	m := newMark(f)
	p := newSteady(t, f.network.Dir)
	p.progress(10)

	m.damage(f, map[int]uint64{2: 1 << 20, 3: 1 << 21})
	p.stalls()
	f.seal(1, 3)
	t.Log("sealed; the longest without a payment:", p.progress(10))
	f.joins(2, f.everybody()...)
	p.progress(10)
	for i, report := range f.endsWith(p, 2) {
		if notes := fmt.Sprint(report["notes"]); strings.Contains(notes, "this node signed") != (i >= 2) {
			t.Errorf("node%d: of what it signed in vain verify says: %s", i, notes)
		}
	}
}

// stalls waits until no payment is acknowledged any more.
func (s *steady) stalls() {
	s.t.Helper()
	count, since := s.count(), time.Now()
	for begun := since; time.Since(since) < stuckFor; <-time.After(payerPace) {
		if now := s.count(); now != count {
			count, since = now, time.Now()
		}
		if time.Since(begun) > quietMax {
			s.t.Fatalf("payments are acknowledged %s after two of four states were damaged", quietMax)
		}
	}
	s.t.Logf("nothing is acknowledged after %d payments", count)
}
