// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/catchup"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// ErrRestart is what Run returns when the node took a peer's state: close it and open its folder again, and it goes on from
// there.
var ErrRestart = fault.Reasoned(fault.Unavailable, "restart", "the node goes on from a peer's state: open its folder again")

const (
	// componentCatchUp is ready unless a state is being taken.
	componentCatchUp = "catch_up"
	// lostAfter is how long decided entries may be looked for at all peers, and none come, before a peer's state is asked for.
	lostAfter = 4 * time.Second
	// catchUpPause is the time between two tries after the disk refused.
	catchUpPause = 5 * time.Second
)

// catchUp gives this node's checkpoints to peers that are behind, and takes theirs when it is.
type catchUp struct {
	node    *Node
	server  *catchup.Server
	client  *catchup.Client
	inquiry *catchup.Inquiry
	wants   chan want

	// mu guards both below, and the order of opening and closing the API.
	mu      sync.Mutex
	taking  bool // an offer was accepted
	late    bool // peers are in a later membership epoch
	serving bool // the API was opened
}

// want is a state that is needed.
type want struct {
	least chain.Height
	first chain.ValidatorNo
	still func() bool
	ended chan struct{} // closed when it is not needed any more
}

func (n *Node) catchUpDir() string { return n.cfg.Data("catchup") }

// rules are what a peer's state is proved by: it is one of the newest epoch.
func (n *Node) rules() catchup.Rules {
	set := n.newest()
	rules := catchup.Rules{
		Chain: n.genesis.Chain, Epoch: set.Epoch(), Validators: set.Size(), Quorum: set.Quorum(),
		Verify: func(h *chain.ExecutedHeader, hash chain.Hash, c *chain.Certificate) bool {
			return set.VerifyCertificate(h, hash, c) == nil
		},
	}
	if end, ok := n.epochs.End(set.Epoch() - 1); ok {
		before := n.epochs.At(set.Epoch() - 1)
		rules.Begins = &end
		rules.Before = func(h *chain.ExecutedHeader, hash chain.Hash, c *chain.Certificate) bool {
			return before.VerifyCertificate(h, hash, c) == nil
		}
	}
	return rules
}

func (n *Node) openCatchUp(context.Context) error {
	if !n.several() {
		return nil
	}
	n.health.Ready(componentCatchUp)
	rules := n.rules()
	err := n.peers.handovers.open()
	if err != nil {
		return err
	}
	c := &catchUp{node: n, wants: make(chan want, 1)}
	links, checkpoints := syncLinks{n.peers.links}, n.cfg.Data("checkpoints")
	if c.server, err = catchup.NewServer(catchup.ServerConfig{
		Chain: n.genesis.Chain, Dir: checkpoints, FS: checkpoint.OS{}, Store: n.store, Peers: links, Leaves: n.leaves,
		Metrics: n.metrics, Logger: n.log,
	}); err != nil {
		return err
	}
	if c.inquiry, err = catchup.NewInquiry(catchup.InquiryConfig{Rules: rules, Peers: links, Metrics: n.metrics}); err != nil {
		return err
	}
	n.onClose(func() error { c.inquiry.Close(); return nil })
	c.client, err = catchup.NewClient(catchup.ClientConfig{
		Self: n.self, Rules: rules, Dir: n.catchUpDir(), FS: checkpoint.OS{}, Checkpoints: checkpoints, Peers: links,
		Metrics: n.metrics, Logger: n.log,
	})
	n.peers.catchUp = c
	return err
}

// syncLinks carries what is said to catch up.
type syncLinks struct{ links *transport.TCP }

// Send sends a frame.
func (l syncLinks) Send(to chain.ValidatorNo, kind uint8, body []byte) error {
	return l.links.Send(to, transport.Sync, kind, body)
}

// frame takes a frame of a peer. One that is malformed ends the connection, and the peer's part in what is under way.
func (c *catchUp) frame(from chain.ValidatorNo, kind uint8, bytes int, r io.Reader) error {
	body := make([]byte, bytes)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	m, err := catchup.Parse(kind, body)
	if err != nil {
		c.client.Receive(from, nil)
		return err
	}
	switch m.(type) {
	case catchup.Ask, catchup.AskLeaves, catchup.AskPages, catchup.Done, catchup.AskTable, catchup.AskRootLeaves, catchup.AskHeader, catchup.AskBelow:
		c.server.Receive(from, m)
	case catchup.Table, catchup.RootLeaves, catchup.HeaderOf, catchup.Unheld:
		c.inquiry.Receive(from, m)
	default:
		c.client.Receive(from, m)
	}
	return nil
}

// run serves peers and takes what is wanted until ctx ends, or with ErrRestart.
func (c *catchUp) run(ctx context.Context) error {
	defer c.client.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.server.Run(ctx) })
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case w := <-c.wants:
				if err := c.take(ctx, w); err != nil {
					return err
				}
			}
		}
	})
	return group.Wait()
}

// take takes a state, unless it is not needed any more. A disk that refuses is tried again.
func (c *catchUp) take(ctx context.Context, w want) error {
	defer close(w.ended)
	for {
		height, err := c.client.Fetch(ctx, catchup.Need{Least: w.least, Known: c.node.loop.Height(), First: w.first, Still: w.still, Accepted: c.accepted, Progress: c.progress})
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && height == 0:
			c.giveUp()
			return nil
		case err == nil:
			c.node.log.Info("the node opens its folder again to go on from a peer's state", obs.KeyHeight, uint64(height))
			return ErrRestart
		}
		c.node.log.Error("a peer's state cannot be taken for now", obs.Err(err))
		select {
		case <-time.After(catchUpPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// accepted closes the API: what it would answer is old.
func (c *catchUp) accepted(height chain.Height, from chain.ValidatorNo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taking = true
	c.show()
	c.node.health.NotReady(componentCatchUp, fmt.Sprintf("catching up: taking the state of height %d from validator %d", height, from))
}

// takes reports whether a state is being taken.
func (c *catchUp) takes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taking
}

func (c *catchUp) progress(done, total int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taking && total > 0 {
		c.node.health.NotReady(componentCatchUp, fmt.Sprintf("catching up: %d of %d pages of a peer's state are here", done, total))
	}
}

// giveUp goes on with the own state.
func (c *catchUp) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taking = false
	c.node.health.Ready(componentCatchUp)
	c.show()
}

// opened is told that the API was opened; it is closed again while a state is taken, or the node is late at its epoch's end.
func (c *catchUp) opened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serving = true
	c.show()
}

// setLate closes the API while others are in a later epoch: what is admitted here is ordered by nobody.
func (c *catchUp) setLate(late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if late == c.late {
		return
	}
	c.late = late
	c.show()
}

// show opens or closes the API. The caller holds mu.
func (c *catchUp) show() { c.node.services.api.SetServing(c.serving && !c.taking && !c.late) }

// snapshotRef says where peers find a state: here, as anybody who is asked for the newest one.
func (n *Node) snapshotRef(height chain.Height) []byte {
	return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint64(nil, uint64(height)), uint16(n.self))
}

// fetchSnapshot is asked for a state when this node fell behind its leader's log. It returns at once if the state is that far,
// as it is after ErrRestart; else Run ends with that.
func (n *Node) fetchSnapshot(ctx context.Context, ref raft.SnapshotRef) (chain.Height, error) {
	w := want{
		least: max(ref.Height, n.loop.Height()+1, n.aboveSigned()), first: ref.From, ended: make(chan struct{}),
		still: func() bool { return n.loop.ExecutedHeight() < ref.Height },
	}
	if w.still() {
		n.log.Warn("this node is behind what the leader's log still holds", obs.KeyHeight, uint64(n.loop.ExecutedHeight()), obs.KeyTo, uint64(ref.Height), obs.KeyPeer, ref.From)
		select {
		case n.peers.catchUp.wants <- w:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		select {
		case <-w.ended:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if w.still() {
		return 0, fault.New(fault.Unavailable, "the node ends to go on from a peer's state")
	}
	return n.loop.ExecutedHeight(), nil
}

// aboveSigned is the height above all that this node signed in its epoch. From a lower state it might compute other headers than
// it signed, if these stood on another history.
func (n *Node) aboveSigned() chain.Height {
	if n.peers.certifier == nil {
		return 0
	}
	return n.peers.certifier.Newest() + 1
}

// missed is told of an entry that was decided and cannot be had. Its payload may be gone everywhere; then a state is taken that
// is past it, once a peer has one.
func (n *Node) missed(digest chain.Hash, since time.Duration) {
	if since < lostAfter {
		return
	}
	at := n.loop.ExecutedHeight()
	w := want{
		least: max(at+1, n.loop.Height()+1, n.aboveSigned()), first: (n.self + 1) % chain.ValidatorNo(n.newest().Size()), ended: make(chan struct{}),
		still: func() bool { return n.loop.ExecutedHeight() == at },
	}
	select {
	case n.peers.catchUp.wants <- w:
		n.log.Warn("an entry that was ordered cannot be had from any validator", "entry", digest.String(), obs.KeyHeight, uint64(at)+1, obs.KeySeconds, since.Seconds())
	default: // one is wanted already
	}
}
