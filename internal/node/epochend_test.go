// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/store"
)

// powerLossAtEnd ends the epoch with a change, and takes all checkpoints of node i, which stays down: the last block and the
// handover are on its disk, and no state above the genesis. The others go on: others[0] is given the change, all approve it.
func (c *cluster) powerLossAtEnd(i int, ch *chain.ChangeValidator, others ...int) {
	c.t.Helper()
	n := c.nodes[i]
	c.nodes[i] = nil // else change opens it again
	c.change(others[0], ch, others...)
	select {
	case err := <-n.ended:
		if !errors.Is(err, ErrRestart) {
			c.t.Fatalf("node %d ended with %v\n%s", i, err, n.log)
		}
	case <-time.After(20 * time.Second):
		c.t.Fatalf("the epoch does not end for node %d\n%s", i, n.log)
	}
	must(c.t, n.Close())
	c.losesCheckpoints(i)
}

// leader is the running node that leads the ordering, and the others. It is the first to know what is decided, so it publishes the
// last block of an epoch before the others are gone.
func (c *cluster) leader() (leads int, others []int) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		leads, others = -1, nil
		for i, n := range c.nodes {
			if n == nil {
				continue
			}
			if st, _ := n.orderStatus(); st.Role == roleLeader && leads < 0 {
				leads = i
			} else {
				others = append(others, i)
			}
		}
		if leads >= 0 {
			return leads, others
		}
	}
	c.t.Fatal("nobody leads")
	return 0, nil
}

// losesCheckpoints leaves a folder no state but the genesis's.
func (c *cluster) losesCheckpoints(i int) {
	c.t.Helper()
	dir := c.folders[i].cfg.Data("checkpoints")
	found, _ := checkpoint.Find(dir, checkpoint.OS{}, testChain)
	for _, f := range found {
		must(c.t, os.Remove(filepath.Join(dir, f.Name)))
	}
}

// hasEnd opens a folder, which must have the last block of epoch 1 and no state of it.
func (c *cluster) hasEnd(i int) {
	c.t.Helper()
	r := c.folders[i].open()
	defer func() { must(c.t, r.Close()) }()
	end, ended := r.epochs.End(1)
	head, _, err := store.LastHeader(r.store)
	must(c.t, err)
	if r.state.Height != 0 || !ended || head != end.Height {
		c.t.Fatalf("the state of node %d is of height %d, it published %d, its epoch ended: %v, at height %d", i, r.state.Height, head, ended, end.Height)
	}
}

// goesOnEqual wants all running nodes in epoch 2, with all payments.
func (c *cluster) goesOnEqual() {
	c.t.Helper()
	var height chain.Height
	for _, n := range c.nodes {
		if n != nil {
			height = max(height, n.loop.Height())
		}
	}
	for i, n := range c.nodes {
		if n == nil {
			continue
		}
		if n.epoch != 2 {
			c.t.Errorf("node %d is in epoch %d", i, n.epoch)
		}
		must(c.t, n.loop.Wait(c.t.Context(), height))
		if got := n.paid(); got != c.nonces {
			c.t.Errorf("node %d: %d payments, made were %d", i, got, c.nonces)
		}
	}
}

// TestOneEndsAgain loses power at one node after the last block of an epoch was stored and before the checkpoint of its state was
// durable, and the others have moved on: in the old epoch nothing is decided any more, so it gets to the end by its own log.
func TestOneEndsAgain(t *testing.T) {
	c := newClusterOf(t, 5, 4)
	c.start(0, 1, 2, 3)
	for i := range 4 {
		c.pay(i, 10)
	}
	lost, others := c.leader()
	c.powerLossAtEnd(lost, c.folders[4].admission(4, "v4"), others...)
	c.hasEnd(lost)
	must(t, c.join(lost))
	if n := c.nodes[lost]; n.adopted != 0 || strings.Contains(n.log.String(), "takes a peer's state") {
		t.Errorf("it went on from a peer's state of height %d\n%s", n.adopted, n.log)
	}
	c.pay(lost, 20) // four of five must vote, and the fifth never came
	c.goesOnEqual()
}

// TestEndsElsewhere is the same with a state that does not lead to the certified last header: the node takes a peer's.
func TestEndsElsewhere(t *testing.T) {
	c := newClusterOf(t, 5, 4)
	c.start(0, 1, 2, 3)
	for i := range 4 {
		c.pay(i, 10)
	}
	lost, others := c.leader()
	c.powerLossAtEnd(lost, c.folders[4].admission(4, "v4"), others...)
	c.hasEnd(lost)
	c.tellHandovers(others[0], 4)
	must(t, c.join(4))
	r := c.folders[lost].open()
	stolen := chain.Tx{Chain: testChain, Sender: payer, Key: payerKey, Nonce: c.nonces + 200, ValidUntil: 90_000,
		Body: &chain.Transfer{To: payee, Asset: 1, Amount: chain.Units(1)}}
	r.state.Ledger.RunTx(&stolen, codec.TxID(&stolen))
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context()) }()
	c.pay(others[0], 20) // a state above its own blocks
	select {
	case err := <-ended:
		if !errors.Is(err, ErrRestart) {
			t.Fatalf("node %d ended with %v\n%s", lost, err, r.log)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("node %d takes no state\n%s", lost, r.log)
	}
	must(t, r.Close())
	if log := r.log.String(); !strings.Contains(log, "does not get there again") {
		t.Errorf("it does not say why\n%s", log)
	}
	must(t, c.join(lost))
	if c.nodes[lost].adopted == 0 {
		t.Error("it did not go on from a peer's state")
	}
	c.pay(lost, 20)
	c.goesOnEqual()
}

// TestRekeyEndsAgain gives a validator that lost its power so other keys: it can sign nothing in the epoch of its state, and takes
// a peer's.
func TestRekeyEndsAgain(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	for i := range c.nodes {
		c.pay(i, 10)
	}
	f := c.folders[3]
	header, root := signer(t, keys.Ed25519, 90), signer(t, keys.MLDSA65, 91)
	c.powerLossAtEnd(3, &chain.ChangeValidator{Validator: 3, Name: "anew", Ed25519: header.Public().Bytes()[1:], MLDSA65: root.Public().Bytes()[1:]}, 0, 1, 2)
	for path, k := range map[string]keys.Signer{f.cfg.Keys.Validator: header, f.cfg.Keys.Root: root} {
		must(t, os.Remove(f.cfg.Path(path)))
		must(t, keys.WriteFile(f.cfg.Path(path), k, nil))
	}
	c.pay(0, 20) // a state above its own blocks
	must(t, c.join(3))
	if c.nodes[3].adopted == 0 {
		t.Error("it did not go on from a peer's state")
	}
	c.halt(2)
	c.pay(3, 20) // its vote counts
	c.goesOnEqual()
}

// TestFalseHandover has a peer send a handover that is proved and behind it one that is not: what was proved is kept, over a
// restart too, and the node goes on.
func TestFalseHandover(t *testing.T) {
	c := newClusterOf(t, 5, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 10)
	c.agree()
	c.halt(3)
	c.change(0, c.folders[4].admission(4, "v4"), 0, 1, 2)
	c.tellHandovers(0, 4)
	must(t, c.join(4))
	c.pay(0, 10)
	rows, err := store.ReadHandovers(c.nodes[0].store, chain.FirstHandover)
	must(t, err)
	p, err := codec.DecodeProvedHandover(rows[0])
	must(t, err)
	p.Next.Epoch++
	body := codec.AppendHandovers(nil, rows[0], codec.AppendProvedHandover(nil, p))

	r := c.folders[3].open()
	must(t, r.peers.handovers.learn(1, body))
	select {
	case err := <-r.fatal:
		if !errors.Is(err, ErrRestart) {
			t.Error(err)
		}
	default:
		t.Error("the node does not act on what it learned")
	}
	if got := testutil.ToFloat64(r.peers.handovers.refused.WithLabelValues("1")); got != 1 {
		t.Errorf("%v handovers of peer 1 are counted as refused", got)
	}
	if log := r.log.String(); !strings.Contains(log, `"peer":1`) || !strings.Contains(log, "handover is refused") {
		t.Errorf("the log does not name the peer\n%s", log)
	}
	must(t, r.peers.handovers.learn(2, codec.AppendHandovers(nil, rows[0])))
	if len(r.fatal) != 0 || testutil.CollectAndCount(r.peers.handovers.refused) != 1 {
		t.Error("what is known already is neither new nor false")
	}
	must(t, r.Close())

	r = c.folders[3].open()
	if r.newest().Epoch() != 2 || !r.lags {
		t.Errorf("opened again it knows epoch %d, lags: %v", r.newest().Epoch(), r.lags)
	}
	must(t, r.Close())
	must(t, c.join(3))
	c.pay(3, 20)
	c.goesOnEqual()
}

// TestFalseHandoversFile: a newcomer's file that ends with a false handover is refused, and says where to get another.
func TestFalseHandoversFile(t *testing.T) {
	c := newClusterOf(t, 5, 4)
	c.start(0, 1, 2, 3)
	c.change(0, c.folders[4].admission(4, "v4"), 0, 1, 2)
	rows, err := store.ReadHandovers(c.nodes[0].store, chain.FirstHandover)
	must(t, err)
	p, err := codec.DecodeProvedHandover(rows[0])
	must(t, err)
	p.Root[0]++
	f := c.folders[4]
	must(t, os.MkdirAll(f.cfg.Data(""), 0o755))
	must(t, os.WriteFile(f.cfg.Data(handoversName), codec.AppendHandovers(nil, codec.AppendProvedHandover(nil, p)), 0o600))
	if _, err := Open(context.Background(), f.cfg, newLogger(&logBook{})); err == nil || !strings.Contains(err.Error(), "get the file again") {
		t.Errorf("open: %v", err)
	}
	c.tellHandovers(0, 4)
	must(t, c.join(4))
}
