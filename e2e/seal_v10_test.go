// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/network"
)

// TestSealToV10 stops V11 while it serves a share of V10's accounts: two of four validators hang, and nothing gets a certificate. One of them
// comes back, and three seal that all slots are V10's. Clients pay all the time: what they were told is found once, the ledgers are equal, the
// folders prove it, also that of who was away, and slots go to V11 again in the new epoch.
func TestSealToV10(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for a minute")
	}
	m := newMigrating(t, network.Options{}, nil)
	m.do("move", "--weight", "4000")
	m.served()

	hang, away := m.pid(nodeAt(2)), m.pid(nodeAt(3))
	for _, pid := range []int{hang, away} {
		signalTo(t, pid, syscall.SIGSTOP)
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) }) // whoever is stopped does not end
	}
	m.standsStill()

	begun := time.Now()
	seal := exec.Command(program, "validators", "seal", "--to-v10", "--timeout", "50s", "--network", m.dir, "--json")
	out := make(chan []byte)
	go func() {
		text, _ := seal.Output() // what went wrong stands in the text
		out <- text
	}()
	signalTo(t, hang, syscall.SIGCONT)
	version := m.sealed(<-out)
	m.until("V10 to take the debits of all slots", func() bool {
		g, err := m.control.State(t.Context())
		return err == nil && g.Version >= version && g.Closed.Weight()+g.Coming.Weight() == 0
	})
	t.Logf("all slots take debits at V10 %s after the seal began", time.Since(begun).Round(time.Millisecond))
	if s := m.status(); *s.WeightBP != 0 || *s.HomeVersion != version {
		t.Errorf("V11 has %d bp by version %d of the home table, the seal made version %d", *s.WeightBP, *s.HomeVersion, version)
	}
	m.served()

	signalTo(t, away, syscall.SIGCONT)
	m.do("move", "--weight", "1000")
	m.served()
	m.nothingIsLost()
	m.stop()
	for i := range network.NodesDefault {
		verify(t, m.folder.Path(m.folder.Nodes[i].Dir), true)
	}
}

// standsStill waits until a validator that runs shows no new height any more.
func (m *migrating) standsStill() {
	m.t.Helper()
	trust, err := m.folder.Trust()
	if err != nil {
		m.t.Fatal(err)
	}
	c, err := client.Dial(m.t.Context(), client.Config{Endpoints: m.folder.Validators()[:1], CAFile: m.folder.Path(m.folder.CA), Trust: trust})
	if err != nil {
		m.t.Fatal(err)
	}
	defer c.Close()
	height, since := client.Height(0), time.Now()
	for begun := since; time.Since(since) < stuckFor; <-time.After(payerPace) {
		s, err := c.Status(m.t.Context())
		if err != nil {
			m.t.Fatal(err)
		}
		if s.Height > height {
			height, since = s.Height, time.Now()
		}
		if time.Since(begun) > quietMax {
			m.t.Fatal("V11 certifies with two of four validators")
		}
	}
	m.t.Logf("V11 stands still at height %d", height)
}

// sealed is what the command said, which must have given V10 all slots; it returns the version of the home table that it made.
func (m *migrating) sealed(out []byte) uint64 {
	m.t.Helper()
	var s struct {
		sealed
		Verdict     string
		HomeVersion uint64 `json:"home_version"`
	}
	if err := json.Unmarshal(out, &s); err != nil || !s.Sealed || s.Verdict != "to_v10" || s.HomeVersion < 2 || len(s.Next) != network.NodesDefault || s.Running < network.NodesDefault-1 {
		m.t.Fatalf("the seal says %s (%v)", out, err)
	}
	m.t.Logf("epoch %d ended at height %d, certified %t", s.Epoch, s.Height, s.Certified)
	return s.HomeVersion
}
