// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/catchup"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// newForgetful makes a cluster whose nodes keep little: payloads of a MiB, and ordered proposals of so many bytes. Its asset has
// versions, and all nodes have an index.
func newForgetful(t *testing.T, orderBytes int64) *cluster {
	before := orderSegmentBytes
	orderSegmentBytes = orderBytes
	t.Cleanup(func() { orderSegmentBytes = before })
	c := newCluster(t, 4)
	for _, f := range c.folders {
		f.cfg.Commit.SegmentBytes, f.cfg.Commit.RetainBytes = 1<<20, 1<<20
		f.cfg.Index.Enabled = true
		f.genesis.Assets[0].Flags |= chain.AssetVersioned
		f.writeGenesis()
	}
	return c
}

// launch opens a node that is too far behind, and runs it. stop ends it.
func (c *cluster) launch(i int) (r *running, stop func()) {
	c.t.Helper()
	r = c.launchAs(i)
	return r, func() {
		r.stop()
		<-r.ended
		must(c.t, r.Close())
	}
}

// launchAs opens a node and runs it, without waiting until it serves.
func (c *cluster) launchAs(i int) *running {
	c.t.Helper()
	r := c.folders[i].open()
	if before := c.nodes[i]; c.opened != nil {
		c.nodes[i] = r
		c.opened(i)
		c.nodes[i] = before
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	ended := r.ended
	go func() {
		ended <- r.Run(ctx)
		close(ended)
	}()
	c.t.Cleanup(func() { cancel(); <-ended; _ = r.Close() })
	return r
}

// produce lets the running nodes pay until each of them let go of all that its payload log had, and its ordering log, too, if
// its segments are small.
func (c *cluster) produce() {
	c.t.Helper()
	type last struct{ lane, order uint64 }
	newest := make([]last, len(c.nodes))
	newestOf := func(log *seglog.Log) uint64 {
		list := log.Segments()
		return list[len(list)-1].Number
	}
	for i, n := range c.nodes {
		if n != nil {
			newest[i] = last{newestOf(n.laneLog), newestOf(n.orderLog)}
		}
	}
	forgot := func(i int, n *running) bool {
		return n.laneLog.Segments()[0].Number > newest[i].lane && (orderSegmentBytes > 1<<20 || n.orderLog.Segments()[0].Number > newest[i].order+1)
	}
	for range 60 {
		all := true
		for i, n := range c.nodes {
			if n != nil {
				c.pay(i, 40)
				c.sequence++
				if err := n.tryBatch(c.sequence, chain.BatchLegsMax); err != nil {
					c.t.Fatalf("node %d: %v\n%s", i, err, c.logs())
				}
				all = all && forgot(i, n)
			}
		}
		if all {
			return
		}
	}
	c.t.Fatal("the nodes keep all they have")
}

// agreeFrom waits until all have published a height, and compares their blocks from another one on.
func (c *cluster) agreeFrom(from chain.Height) {
	c.t.Helper()
	var height chain.Height
	for _, n := range c.nodes {
		height = max(height, n.loop.Height())
	}
	for i, n := range c.nodes {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err := n.loop.Wait(ctx, height)
		cancel()
		if err != nil {
			c.t.Fatalf("node %d does not reach height %d: %v\n%s", i, height, err, c.logs())
		}
		for h := from; h <= height; h++ {
			for _, read := range []func(store.Reader, chain.Height) ([]byte, error){store.ReadHeader, store.ReadProposal} {
				a, err := read(c.nodes[0].store, h)
				must(c.t, err)
				b, err := read(n.store, h)
				must(c.t, err)
				if !bytes.Equal(a, b) {
					c.t.Fatalf("node %d: height %d differs", i, h)
				}
			}
			if _, err := n.history.Block(h); err != nil && !(h == from && fault.Is(err, fault.Pruned)) {
				c.t.Fatalf("node %d: block %d: %v", i, h, err)
			}
		}
		if a, b := c.nodes[0].paid(), n.paid(); a != b {
			c.t.Errorf("node %d: %d is paid, at node 0 it is %d", i, b, a)
		}
	}
}

// behind is a cluster whose node 2 stood still until the others let go of what it lacks, and its height.
func behind(t *testing.T, orderBytes int64) (*cluster, chain.Height) {
	t.Helper()
	c := newForgetful(t, orderBytes)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.logs())
		}
	})
	c.start(0, 1, 2, 3)
	c.pay(1, 20)
	c.agree()
	old := c.nodes[2].loop.Height()
	c.halt(2)
	c.produce()
	return c, old
}

// isBack wants node 2, which took a state, to be one of the others again.
func (c *cluster) isBack(old chain.Height) {
	c.t.Helper()
	adopted := c.nodes[2].adopted
	if adopted == 0 {
		c.t.Fatalf("nothing was adopted:\n%s", c.nodes[2].log)
	}
	if _, err := os.Stat(c.folders[2].cfg.Data("catchup")); !os.IsNotExist(err) {
		c.t.Errorf("what was taken is still there: %v", err)
	}
	c.pay(2, 30)
	c.agreeFrom(adopted)
	c.pastOf(2, old, adopted)
	c.knowsOf(2, old+1, adopted-1)
}

// knowsOf wants a node to know what was executed at heights that are not here: an entry of them that is decided again needs no
// payload.
func (c *cluster) knowsOf(i int, from, to chain.Height) {
	t, n := c.t, c.nodes[i]
	t.Helper()
	a, err := store.ReadAdopted(n.store)
	must(t, err)
	entries := 0
	for h := from; h <= to; h++ {
		want, err := store.ReadHeader(c.nodes[0].store, h)
		must(t, err)
		have, err := store.ReadAnyHeader(n.store, h)
		if err != nil || !bytes.Equal(have, want) {
			t.Fatalf("it does not know header %d of %d to %d: %v", h, from, to, err)
		}
		// What it executed itself before may have been recycled.
		if _, err := n.history.Block(h); !fault.Is(err, fault.Pruned) && (a.Missing(h) || err != nil) {
			t.Errorf("block %d: %v", h, err)
		}
		header, err := codec.DecodeHeader(want)
		must(t, err)
		if len(header.Batches) == 0 || !a.Missing(h) {
			continue
		}
		if entries++; entries%50 == 1 { // each takes a while to be missed
			s, err := n.lane.Fetch(t.Context(), header.Batches[0].Entry)
			if err != nil || !s.Executed {
				t.Errorf("an entry of height %d: %+v, %v", h, s, err)
			}
		}
	}
	if entries == 0 {
		t.Errorf("nothing was executed between heights %d and %d", from, to)
	}
}

// TestCatchUp has peers that hold what was ordered, and not its payloads.
func TestCatchUp(t *testing.T) {
	c, old := behind(t, 16<<20)
	if log := c.takeOnly(2); !strings.Contains(log, "cannot be had from any validator") {
		t.Errorf("it took a state for another reason:\n%s", log)
	}
	c.start(2)
	c.isBack(old)
}

// TestCatchUpAndCrash has peers whose ordering logs begin later. The state that is taken is damaged, and taken anew; then the
// start that adopts it ends after each of its steps.
func TestCatchUpAndCrash(t *testing.T) {
	c, old := behind(t, 64<<10)
	// The leader may have had so much on its way to node 2 that this comes first; then it is the payloads that are gone.
	if log := c.takeOnly(2); !strings.Contains(log, "behind what the leader's log still holds") && !strings.Contains(log, "cannot be had from any validator") {
		t.Errorf("it took a state for another reason:\n%s", log)
	}
	f := c.folders[2]
	file := f.files("data/catchup/section-*.pages")[0]
	raw, err := os.ReadFile(file)
	must(t, err)
	raw[len(raw)-pages.PageBytes] ^= 1
	must(t, os.WriteFile(file, raw, 0o600))
	if log := c.takeOnly(2); !strings.Contains(log, "cannot be used, and is dropped") {
		t.Fatalf("a damaged state was used:\n%s", log)
	}
	for upTo := range 6 {
		n := &Node{cfg: f.cfg, log: newLogger(&logBook{}), metrics: obs.NewRegistry(), health: obs.NewHealth(), fatal: make(chan error, 1)}
		for _, step := range append([]func(context.Context) error{n.openFolder, n.readValidatorKeys, n.openEpochs, n.openLogs}, []func(context.Context) error{
			n.onlyAnchor, n.adopt, n.openState, n.copyAnchor, func(context.Context) error { return n.writeVersions() },
		}[:upTo]...) {
			must(t, step(t.Context()))
		}
		must(t, n.Close())
	}
	c.start(2)
	c.isBack(old)
	c.halt(3)
	c.pay(0, 5) // three of four must vote
	c.start(3)
	c.halt(2)
	c.pay(0, 5)
	c.start(2)
	c.isBack(old)
}

// onlyAnchor is the first part of adopt.
func (n *Node) onlyAnchor(ctx context.Context) error {
	rules := n.rules()
	taken, err := catchup.Open(n.catchUpDir(), checkpoint.OS{}, &rules)
	if err != nil {
		return err
	}
	blob, err := n.adoptedBlob(taken)
	if err != nil {
		return err
	}
	if err = taken.WriteAnchor(ctx, n.checkpoints, n.genesis.Chain, blob); fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// pastOf wants a node that took a state to tell the truth about what lies before it: old is the last height before the hole.
func (c *cluster) pastOf(i int, old, adopted chain.Height) {
	t, n := c.t, c.nodes[i]
	t.Helper()
	a, err := store.ReadAdopted(n.store)
	if err != nil || a.Height != adopted || len(a.Holes) != 1 || a.Holes[0].To != adopted-1 || a.Holes[0].From <= old {
		t.Fatalf("it says %+v, %v; it was at %d and adopted %d", a, err, old, adopted)
	}
	if _, _, err := n.history.Header(old); err != nil {
		t.Errorf("header %d, from before: %v", old, err)
	}
	if _, err := n.history.Receipt(chain.Hash{1}); !fault.Is(err, fault.Pruned) {
		t.Errorf("an unknown batch may be one that was not executed here: %v", err)
	}
	for _, account := range []chain.AccountNo{payer, payee} {
		at := n.loop.Height()
		have, since, err := n.history.Holding(1, account, at)
		want, _, wantErr := c.nodes[0].history.Holding(1, account, at)
		if err != nil || wantErr != nil || have != want || since < adopted {
			t.Errorf("account %d had %v at height %d, %v; at node 0 it had %v, %v", account, have, at, err, want, wantErr)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for n.services.index.Height() <= adopted { // it does so at its own pace
		select {
		case <-ctx.Done():
			t.Fatalf("the index is at %d of %d:\n%s", n.services.index.Height(), n.loop.Height(), n.log)
		case <-time.After(time.Millisecond):
		}
	}
}

// takeOnly runs a node until it took a state, and returns its log.
func (c *cluster) takeOnly(i int) string {
	c.t.Helper()
	r, stop := c.launch(i)
	defer stop()
	select {
	case err := <-r.ended:
		if !errors.Is(err, ErrRestart) {
			c.t.Fatalf("%v\n%s", err, r.log)
		}
	case <-time.After(30 * time.Second):
		c.t.Fatalf("it takes no state:\n%s", r.log)
	}
	return r.log.String()
}
