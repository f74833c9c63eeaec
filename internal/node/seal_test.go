// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/seal"
	"github.com/aurigraph/aurigraph/internal/server/admin"
	"github.com/aurigraph/aurigraph/internal/store"
)

// damage changes the state of a validator behind its back.
func (c *cluster) damage(i int, amount uint64) {
	c.t.Helper()
	stolen := chain.Tx{Chain: testChain, Sender: payer, Key: payerKey, Nonce: c.nonces + 200, ValidUntil: 90_000,
		Body: &chain.Transfer{To: payee, Asset: 1, Amount: chain.Units(amount)}}
	_, err := c.nodes[i].loop.View(context.Background(), func(l *ledger.Ledger) { l.RunTx(&stolen, codec.TxID(&stolen)) })
	must(c.t, err)
}

// supervise opens a node again as often as it asks for that, as its process does, until ctx ends.
func (c *cluster) supervise(ctx context.Context, i int) error {
	for n := c.nodes[i]; ; {
		select {
		case err := <-n.ended:
			if err := errors.Join(err, n.Close()); !errors.Is(err, ErrRestart) {
				return fmt.Errorf("node %d ended with %w\n%s", i, err, n.log)
			}
		case <-ctx.Done():
			c.nodes[i] = n
			return nil
		}
		n = &running{folder: c.folders[i], log: n.log, ended: make(chan error, 1)}
		var err error
		if n.Node, err = Open(context.Background(), n.folder.cfg, newLogger(n.log)); err != nil {
			return err
		}
		run, cancel := context.WithCancel(context.Background())
		n.stop = cancel
		again := n
		go func() {
			defer close(again.ended)
			again.ended <- again.Run(run)
		}()
		c.t.Cleanup(func() {
			again.stop()
			<-again.ended
			_ = again.Close()
		})
	}
}

// seal ends the epoch of all running nodes, and returns once they serve in the next one.
func (c *cluster) seal(without ...string) *seal.Report {
	c.t.Helper()
	return c.sealBy(&seal.Coordinator{Without: without, Grace: time.Second})
}

func (c *cluster) sealBy(co *seal.Coordinator) *seal.Report {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	supervised, stop := context.WithCancel(context.Background())
	defer stop()
	var group errgroup.Group
	for i, n := range c.nodes {
		if n == nil {
			continue
		}
		group.Go(func() error { return c.supervise(supervised, i) })
		co.Voters = append(co.Voters, seal.Voter{Name: fmt.Sprintf("v%d", i), Validator: admin.Dial(admin.SocketPath(n.cfg.Dir))})
	}
	report, err := co.Run(ctx)
	if err != nil {
		c.t.Fatalf("the seal: %v\n%+v\n%s", err, report, c.logs())
	}
	<-time.After(4 * time.Second)
	stop()
	must(c.t, group.Wait())
	return report
}

// TestSeal seals an epoch in which nothing more is certified: two validators compute other states than the others. Nothing that
// was acknowledged is lost, and the next epoch goes on.
func TestSeal(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 20)
	c.agree()
	c.sealsDamaged(func() {
		c.damage(2, 1)
		c.damage(3, 2)
	})
}

// TestSealToV10 gives V10 all slots with the end of an epoch: all nodes have one home table in the next one.
func TestSealToV10(t *testing.T) {
	c := newCluster(t, 4)
	for _, f := range c.folders {
		f.genesis.V10Slots = []chain.SlotRange{{From: 0, To: 9}}
		f.writeGenesis()
	}
	c.start(0, 1, 2, 3)
	c.pay(0, 20)
	c.agree()
	report := c.sealBy(&seal.Coordinator{Verdict: chain.VerdictToV10, Grace: time.Second})
	if h := report.Handover; h.Verdict != chain.VerdictToV10 || h.HomeVersion != 2 {
		t.Fatalf("%+v", h)
	}
	for i, n := range c.nodes {
		select {
		case <-n.Ready():
			c.pay(i, 5)
		case <-time.After(20 * time.Second):
			t.Fatalf("node %d does not serve in the next epoch\n%s", i, n.log)
		}
	}
	c.agreeLast()
	for i, n := range c.nodes {
		made, err := n.services.query.HomeMove(t.Context(), 2)
		must(t, err)
		table, err := n.services.query.HomeTable(t.Context())
		must(t, err)
		if made != (ledger.HomeMove{Height: report.Handover.Height}) || table.Version != 2 || len(table.V10) != 1 || table.V10[0] != (chain.SlotRange{From: 0, To: chain.SlotNone - 1}) {
			t.Errorf("node %d: version %d, made by %+v, V10 owns %v", i, table.Version, made, table.V10)
		}
	}
}

// TestSealOfHalted is the same after one of the two was halted, because the others still were a quorum without it.
func TestSealOfHalted(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 20)
	c.agree()
	c.sealsDamaged(func() {
		c.damage(2, 1)
		for deadline := time.Now().Add(20 * time.Second); !c.nodes[2].diverged.Load(); <-time.After(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("a validator of another state goes on")
			}
			c.pay(0, 1)
		}
		c.damage(3, 2)
	})
}

// sealsDamaged seals an epoch in which nothing more is certified, once two states were damaged, and goes on in the next.
func (c *cluster) sealsDamaged(damage func()) {
	t := c.t
	t.Helper()
	damage()
	paid := c.nonces
	f := c.folders[0]
	f.nonce = c.nonces
	c.nodes[0].submit(1) // its own block is certified, and some above it: the states differ, and only headers that carry a root do
	c.nonces = f.nonce
	c.awaitDisagreement(0, 3)
	stuck := c.nodes[0].submit(1)
	c.nonces = f.nonce
	select {
	case <-stuck[0].Done():
		t.Fatalf("a payment was certified by validators that do not agree\n%s", c.logs())
	case <-time.After(500 * time.Millisecond):
	}
	c.seal()
	for i, n := range c.nodes {
		select {
		case <-n.Ready():
		case <-time.After(20 * time.Second):
			t.Fatalf("node %d does not serve in the next epoch\n%s", i, n.log)
		}
		if n.epoch != 2 {
			t.Errorf("node %d is in epoch %d", i, n.epoch)
		}
	}
	for i := range c.nodes {
		c.pay(i, 10)
	}
	c.agreeLast()
	for i, n := range c.nodes {
		if n.adopted != 0 {
			continue
		}
		if got := n.paidAtLast(paid + 40); got < paid+40 {
			t.Errorf("node %d: %d payments, made were %d", i, got, paid+40)
		}
	}
}

// agreeLast is agree for nodes that may not have all blocks: one that halted was not there when the last of its epoch were
// ordered, and took a peer's state.
func (c *cluster) agreeLast() {
	c.t.Helper()
	height := c.nodes[0].loop.Height()
	var want []byte
	for i, n := range c.nodes {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err := n.loop.Wait(ctx, height)
		cancel()
		must(c.t, err)
		got, err := store.ReadHeader(n.store, height)
		must(c.t, err)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			c.t.Errorf("node %d has another header of height %d", i, height)
		}
	}
}
