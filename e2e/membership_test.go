// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/network"
)

// Bounds of the payers while the membership changes.
const (
	payerPace     = 100 * time.Millisecond
	payerAgain    = 200 * time.Millisecond
	payerCallMax  = 5 * time.Second
	payerValidity = 50_000 // blocks
	changeMax     = 2 * time.Minute
	quietMax      = 30 * time.Second // with no payment acknowledged
)

// steady pays from each demo account to the next, a few times a second, by the SDK, and remembers what was acknowledged. One
// whose outcome is unknown is sent again, the same bytes, until it is known.
type steady struct {
	t      *testing.T
	client *client.Client
	quit   chan struct{}
	work   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	acked  [][32]byte
	newest time.Time
	gap    time.Duration // the longest without an acknowledgement
}

// dialOne connects to one validator.
func dialOne(t *testing.T, dir, id string) *client.Client {
	t.Helper()
	n, err := network.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range n.Nodes {
		if node.ID == id {
			return dialAt(t, n, node.GRPC)
		}
	}
	t.Fatalf("there is no %s", id)
	return nil
}

func dialAt(t *testing.T, n *network.Network, endpoints ...string) *client.Client {
	t.Helper()
	trust, err := n.Trust()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		c, err := client.Dial(t.Context(), client.Config{Endpoints: endpoints, CAFile: n.Path(n.CA), Trust: trust, Timeout: payerCallMax})
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
			return c
		}
		if time.Now().After(deadline) { // one that was late at an epoch's end takes a peer's state, and opens its folder again
			t.Fatal(err)
		}
	}
}

func newSteady(t *testing.T, dir string) *steady {
	n, err := network.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := dialAt(t, n, n.Endpoints()...)
	s := &steady{t: t, client: c, quit: make(chan struct{}), newest: time.Now()}
	var accounts []*client.Account
	for _, address := range n.Accounts {
		signer, err := client.ReadKeyFile(n.Path(n.Keys[address]), nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Account(t.Context(), client.AccountName{Address: signer.Public().Address()}, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, a)
	}
	for i, a := range accounts {
		signer, err := client.ReadKeyFile(n.Path(n.Keys[n.Accounts[i]]), nil)
		if err != nil {
			t.Fatal(err)
		}
		to := accounts[(i+1)%len(accounts)].Number
		s.work.Go(func() { s.run(signer, n, a, to) })
	}
	return s
}

func (s *steady) run(signer client.Signer, n *network.Network, from *client.Account, to client.AccountNo) {
	for nonce := from.Nonce + 1; ; nonce++ {
		select {
		case <-s.quit:
			return
		case <-time.After(payerPace):
		}
		signed, err := client.SignTx(signer, client.Tx{
			Chain: n.Chain, Sender: from.Number, Key: from.Key, Nonce: nonce, ValidUntil: from.Height + payerValidity,
			Body: &client.Transfer{To: to, Asset: from.Holdings[0].Asset, Amount: client.Units(1)},
		})
		if err != nil {
			s.t.Error(err)
			return
		}
		if !s.pay(signed) {
			return
		}
	}
}

// pay sends a payment until its outcome is known; false ends the payer.
func (s *steady) pay(signed []byte) bool {
	for {
		tx, err := s.client.SubmitTx(context.Background(), signed)
		var unknown *client.UnknownOutcomeError
		switch {
		case err == nil && tx.Outcome.String() == "ok" && tx.Verified:
			s.note(tx.ID)
			return true
		case err == nil: // a second copy of one that was executed says that the nonce is used: the first copy is the payment
			first, err := s.client.Transaction(context.Background(), tx.ID, true)
			if err == nil && first.Outcome.String() == "ok" {
				s.note(tx.ID)
				return true
			}
			s.t.Errorf("a payment ended with %s (%v)", tx.Outcome, err)
			return false
		case errors.As(err, &unknown), client.KindOf(err) == client.Unavailable, client.KindOf(err) == client.TryLater, client.KindOf(err) == client.Timeout:
		default:
			s.t.Errorf("a payment was refused: %v", err)
			return false
		}
		select {
		case <-s.quit:
			return false
		case <-time.After(payerAgain):
		}
	}
}

func (s *steady) note(id [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = append(s.acked, id)
	now := time.Now()
	s.gap, s.newest = max(s.gap, now.Sub(s.newest)), now
}

// progress waits until n more payments are acknowledged, and returns the longest time without one until then.
func (s *steady) progress(n int) time.Duration {
	s.t.Helper()
	from := s.count()
	for deadline := time.Now().Add(quietMax); s.count() < from+n; <-time.After(payerPace) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d payments within %s after %d", s.count()-from, quietMax, from)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	gap := s.gap
	s.gap = 0
	return gap
}

func (s *steady) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked)
}

// stop stops the payers.
func (s *steady) stop() {
	close(s.quit)
	s.work.Wait()
}

// allAt finds every acknowledged payment, proved, at one of some validators. One that was away when an epoch ended has not the
// blocks that the state stands for which it took.
func (s *steady) allAt(dir string, ids ...string) {
	s.t.Helper()
	missing := s.acked
	for _, id := range ids {
		before := len(missing)
		missing = s.missingAt(dir, id, missing)
		s.t.Logf("%s has %d of %d payments", id, before-len(missing), before)
	}
	if len(missing) > 0 {
		s.t.Errorf("%d acknowledged payments are not at %v, among them %x", len(missing), ids, missing[0])
	}
}

func (s *steady) missingAt(dir, id string, payments [][32]byte) (missing [][32]byte) {
	s.t.Helper()
	c := dialOne(s.t, dir, id)
	for _, payment := range payments {
		tx, err := c.Transaction(s.t.Context(), payment, true)
		if err != nil || tx.Outcome.String() != "ok" || !tx.Verified {
			missing = append(missing, payment)
		}
	}
	return missing
}

// change runs `aurigraph validators …` on the network.
func (n *net) change(want int, args ...string) (changed network.Changed) {
	n.t.Helper()
	out, code := runIn(n.t, append(append([]string{"validators"}, args...), "--network", n.dir, "--json")...)
	if code != want {
		n.t.Fatalf("%v: exit %d, want %d: %s", args, code, want, out)
	}
	if err := json.Unmarshal([]byte(out), &changed); err != nil {
		n.t.Fatalf("%v printed %q: %v", args, out, err)
	}
	return changed
}

// TestMembership changes who validates while payments are made: a fifth joins, one leaves, one that lost its disk comes back
// under new keys, and a change travels from operator to operator. No acknowledged payment is lost, and each node's disk proves
// the same history.
func TestMembership(t *testing.T) {
	if testing.Short() {
		t.Skip("runs five validators for half a minute")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	p := newSteady(t, n.dir)
	p.progress(10)

	added := n.change(0, "add", "--name", "berlin")
	if added.Validator != 4 || added.Epoch != 2 || added.Members != 5 || added.Quorum != 4 || added.Serving != 5 {
		t.Errorf("%+v", added)
	}
	t.Log("a fifth joined; the longest without a payment:", p.progress(10))

	removed := n.change(0, "remove", "node1")
	if removed.Epoch != 3 || removed.Members != 4 || removed.Quorum != 3 {
		t.Errorf("%+v", removed)
	}
	t.Log("one left; the longest without a payment:", p.progress(10))
	if again := n.change(0, "remove", "node1"); !again.Already || again.Epoch != 3 {
		t.Errorf("%+v", again)
	}

	rekeyed := n.change(0, "rekey", "node2", "--lost-disk")
	if rekeyed.Epoch != 4 || rekeyed.Serving < 3 || len(rekeyed.OldFiles) != 4 {
		t.Errorf("%+v", rekeyed)
	}
	t.Log("one came back with new keys and an empty disk; the longest without a payment:", p.progress(10))

	plain := n.change(0, "rekey", "node0") // whose lane the payments came by
	if plain.Epoch != 5 || plain.Serving < 3 {
		t.Errorf("%+v", plain)
	}
	t.Log("one that keeps its disk has new keys; the longest without a payment:", p.progress(10))

	n.byHand(plain.Epoch)
	t.Log("one left by the word of its peers; the longest without a payment:", p.progress(10))

	p.stop()
	p.allAt(n.dir, "node0", "node3")
	if s := n.status(); len(s.Validators) != 3 {
		t.Errorf("%+v", s)
	}
	n.stop()
	most := 0.0 // one that was late at an epoch's end took a peer's state, and proves what comes after it
	for _, dir := range []string{"node0", "node1", "node2", "node3", "node4"} {
		report := verify(t, filepath.Join(n.dir, dir), true)
		most = max(most, report["legs"].(float64))
	}
	if int(most) < len(p.acked) {
		t.Errorf("at most %v legs proved, %d acknowledged", most, len(p.acked))
	}
}

// byHand removes the validator berlin as several operators do, and tidies the folder.
func (n *net) byHand(epoch client.Epoch) {
	n.t.Helper()
	file := filepath.Join(n.t.TempDir(), "proposal.json")
	if p := n.run(0, "validators", "propose", file, "--remove", "berlin"); p["missing"] != 3.0 || p["epoch"] != float64(epoch) {
		n.t.Error(p)
	}
	if e := n.run(2, "validators", "submit", file)["error"].(map[string]any); e["reason"] != "not_approved" {
		n.t.Error(e)
	}
	for _, node := range []string{"node0", "node2", "node3"} {
		out, code := runIn(n.t, "validators", "approve", file, "--dir", filepath.Join(n.dir, node), "--json")
		if code != 0 {
			n.t.Fatalf("approve: exit %d: %s", code, out)
		}
	}
	if out, code := runIn(n.t, "validators", "approve", file, "--dir", filepath.Join(n.dir, "node1"), "--json"); code != 2 {
		n.t.Errorf("one that left approves: exit %d: %s", code, out)
	}
	handovers := filepath.Join(n.t.TempDir(), "handovers")
	for _, already := range []bool{false, true} {
		s := n.run(0, "validators", "submit", file, "--handovers", handovers)
		if s["already"] != already || s["epoch"] != float64(epoch+1) || s["validators"] != 3.0 {
			n.t.Error(s)
		}
	}
	if info, err := os.Stat(handovers); err != nil || info.Size() == 0 {
		n.t.Error("no handovers", err)
	}
	if done := n.change(0, "remove", "berlin"); done.Epoch != epoch+1 || done.Members != 3 {
		n.t.Errorf("%+v", done)
	}
}
