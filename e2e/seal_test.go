// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/network"
)

// Bounds of a seal.
const (
	joinedMax = 30 * time.Second // for a validator to serve in the epoch that a seal began
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

// endsWith stops the payers, finds all that was acknowledged, stops the validators and proves each one's folder.
func (f *fleet) endsWith(p *steady, e client.Epoch) {
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
	if err := network.StopAll(f.running); err != nil {
		f.t.Error(err)
	}
	f.running = make([]*network.Process, fleetSize)
	for i := range fleetSize {
		report := verify(f.t, f.dir(i), true)
		if legs := int(report["legs"].(float64)); i == 0 && legs < len(p.acked) {
			f.t.Errorf("%d legs proved, %d acknowledged", legs, len(p.acked))
		}
	}
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
	p.progress(10)

	f.seal(2, fleetSize)
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

	m.damage(f, 2, 1<<20)
	m.damage(f, 3, 1<<21)
	p.stalls()
	f.seal(1, 3)
	t.Log("sealed; the longest without a payment:", p.progress(10))
	f.joins(2, f.everybody()...)
	p.progress(10)
	f.endsWith(p, 2)
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
