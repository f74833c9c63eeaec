// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/store"
)

// cluster is the folders of several validators, and those of them that run, joined in memory.
type cluster struct {
	t         testing.TB
	folders   []*network
	recentMax int                                   // of the ordering engines; 0: theirs
	lost      func(from, to chain.ValidatorNo) bool // guarded by mu; nil: nothing is

	mu    sync.Mutex
	nodes []*member // guarded by mu; nil for one that does not run
}

// member is a validator that runs.
type member struct {
	*running
	cluster   *cluster
	relay     *lane.Relay
	raft      *raft.Engine
	certifier *certify.Certifier
	inbox     chan func() // frames for it; dropped when full
	alone     atomic.Bool // nothing it sends arrives, and nothing sent to it
	life      uint64      // numbers its connections
}

// inboxMax bounds the frames on their way to a member.
const inboxMax = 4096

func newCluster(t testing.TB, n int) *cluster { return newClusterOf(t, n, n) }

// newClusterOf makes folders of which the first few are of the genesis' validators.
func newClusterOf(t testing.TB, n, validators int) *cluster {
	t.Helper()
	c := &cluster{t: t, nodes: make([]*member, n)}
	cfg := config.Default()
	cfg.Order.Engine = config.EngineRaft
	for i := range n {
		c.folders = append(c.folders, newFolder(t, chain.ValidatorNo(i)))
		cfg.Validators.Addresses = append(cfg.Validators.Addresses, fmt.Sprintf("127.0.0.1:%d", 7460+i))
	}
	genesis := c.folders[0].newGenesis(c.folders[:validators]...)
	genesis.V10Slots = []chain.SlotRange{{From: 0, To: 9}} // nobody has an account in them
	for i, f := range c.folders {
		f.genesis = genesis
		cfg.Validators.Listen = cfg.Validators.Addresses[i]
		f.write(cfg)
	}
	return c
}

// to puts a frame in a member's inbox.
func (c *cluster) to(no chain.ValidatorNo, from *member, take func(*member)) {
	c.mu.Lock()
	m, lost := c.nodes[no], c.lost != nil && c.lost(from.no, no)
	c.mu.Unlock()
	if m == nil || lost || m.alone.Load() || from.alone.Load() {
		return
	}
	select {
	case m.inbox <- func() { take(m) }:
	default:
	}
}

// wire is what one member sends, to one part of the others.
type wire struct {
	from *member
	take func(m *member, frame []byte)
}

// Send sends a frame.
func (w wire) Send(to chain.ValidatorNo, frame []byte) {
	frame = bytes.Clone(frame)
	w.from.cluster.to(to, w.from, func(m *member) { w.take(m, frame) })
}

// lanes is wire for the lanes' frames.
type lanes struct{ from *member }

// Send sends an acknowledgement or an ask.
func (l lanes) Send(to chain.ValidatorNo, kind uint8, frame []byte) {
	l.send(to, kind, bytes.Clone(frame))
}

// SendEntry sends an entry.
func (l lanes) SendEntry(to chain.ValidatorNo, head []byte, payload lane.Body) {
	frame := slices.Concat(head, payload.Payload())
	payload.Release()
	l.send(to, spread.KindEntry, frame)
}

func (l lanes) send(to chain.ValidatorNo, kind uint8, frame []byte) {
	l.from.cluster.to(to, l.from, func(m *member) {
		_ = m.relay.Receive(l.from.no, kind, len(frame), io.Reader(bytes.NewReader(frame)))
	})
}

// Connection numbers the connection to a member.
func (l lanes) Connection(to chain.ValidatorNo) uint64 {
	c := l.from.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.nodes[to]; m != nil {
		return m.life
	}
	return 0
}

// lives numbers the lives of members.
var lives uint64

// open opens a member, which hears nothing yet.
func (c *cluster) open(i int, s settings) *member {
	t, f := c.t, c.folders[i]
	t.Helper()
	m := &member{running: f.open(s), cluster: c, inbox: make(chan func(), inboxMax)}
	lives++
	m.life = lives
	quiet := slog.New(slog.DiscardHandler)
	membership := m.state.Ledger.Membership()
	set, err := epoch.NewSet(testChain, membership)
	must(t, err)
	base := raft.Genesis{TimeUs: f.genesis.TimeUs}
	for _, v := range membership.Members {
		base.Voters = append(base.Voters, v.No)
	}
	if membership.Epoch > 1 {
		raw, err := store.ReadHandover(m.store, membership.Epoch)
		must(t, err)
		p, err := codec.DecodeProvedHandover(raw)
		must(t, err)
		h, err := codec.DecodeHeader(p.HeaderBytes)
		must(t, err)
		base.Height, base.TimeUs = h.Height, h.TimeUs
	}
	var places []lane.Place
	for v := range c.folders {
		epoch, sequence, tip := m.state.Ledger.Lane(chain.ValidatorNo(v))
		if epoch == 0 {
			epoch = membership.Epoch // vacant: what was left behind is of an earlier epoch
		}
		places = append(places, lane.Place{Epoch: epoch, Sequence: sequence, Tip: tip})
	}
	own := places[f.no]
	m.state.Lane.Sequence, m.state.Lane.Tip = own.Sequence, own.Tip
	m.raft, err = raft.Open(t.Context(), m.orderLog, m.state.Height, raft.Config{
		Self: f.no, Fetched: f.adopted, Genesis: base, TickInterval: 5 * time.Millisecond,
		IntervalMin: time.Microsecond, RecentMax: c.recentMax, Now: func() time.Time { return time.UnixMilli(c.folders[0].clock.Add(3)) },
		Peers: wire{m, func(to *member, frame []byte) { _ = to.raft.Receive(f.no, frame) }},
	})
	must(t, err)
	m.engine = m.raft
	decided := m.raft.Replayed()
	m.relay, err = lane.OpenRelay(t.Context(), m.laneLog, lane.RelayConfig{
		Self: f.no, Quorum: set.Quorum(), Peers: lanes{m}, Pool: seglog.NewPool(64<<20, 1<<20), TickInterval: 5 * time.Millisecond,
		Check: func(*spread.EntryHead, []byte) error { return nil },
		Offer: func(d chain.Hash) {
			if !decided[d] {
				must(t, m.raft.Offer(d))
			}
		},
		Executed: m.executedBefore,
		OnFailed: func(err error) { t.Error(err) },
		Metrics:  obs.NewRegistry(), Logger: quiet,
	}, own.Epoch, places, m.state.Lane)
	must(t, err)
	m.lane = m.relay
	if set.Size() == 1 {
		return m
	}
	votes := f.log("votes", 64<<10, m.pool)
	m.closers = append(m.closers, votes.Close)
	m.certifier, err = certify.Open(t.Context(), votes, m.published(), certify.Config{
		Self: f.no, Fetched: f.adopted, Members: certify.Of(set), Header: f.header, Root: f.root, Stored: m.storedCertificate,
		Peers: wire{m, func(to *member, frame []byte) { _ = to.certifier.Receive(f.no, frame) }},
	})
	must(t, err)
	return m
}

// start starts members together: each needs the others before it gets anywhere.
func (c *cluster) start(s settings, which ...int) {
	c.t.Helper()
	var fresh []*member
	for _, i := range which {
		fresh = append(fresh, c.open(i, s))
	}
	for _, m := range fresh {
		m.start()
		m.relay.Offer()
		c.mu.Lock()
		c.nodes[m.no] = m
		c.mu.Unlock()
	}
}

func (m *member) start() {
	if m.certifier == nil {
		m.running.start(&commit.Self{Header: m.header, Root: m.root}, m.raft.Trim, m.relay.Run)
		return
	}
	m.running.start(m.certifier, m.trim, m.relay.Run, m.certifier.Run, m.listen)
}

func (m *member) trim(below chain.Height) error {
	if err := m.raft.Trim(below); err != nil {
		return err
	}
	return m.certifier.Trim(below)
}

// executedBefore looks for an entry in the headers.
func (m *member) executedBefore(digest chain.Hash) bool {
	for h := chain.Height(1); h <= m.loop.Height(); h++ {
		for _, b := range readHeader(m.t, m.store, h).Batches {
			if b.Entry == digest {
				return true
			}
		}
	}
	return false
}

func (m *member) storedCertificate(h chain.Height) (*chain.Certificate, error) {
	raw, err := store.ReadCertificate(m.store, h)
	if err != nil {
		return nil, err
	}
	return codec.DecodeCertificate(raw)
}

func (m *member) listen(ctx context.Context) error {
	for {
		select {
		case take := <-m.inbox:
			take()
		case <-ctx.Done():
			return nil
		}
	}
}

// blamesNobody asserts that the member found no evidence: nobody lies here.
func (m *member) blamesNobody() {
	m.t.Helper()
	if m.relay == nil {
		return
	}
	for v := range m.cluster.folders {
		if e := m.relay.Evidence(chain.ValidatorNo(v)); len(e) > 0 {
			m.t.Errorf("validator %d has evidence: %+v", m.no, e)
		}
	}
}

// halt stops members cleanly.
func (c *cluster) halt(which ...int) {
	c.t.Helper()
	for _, i := range which {
		c.mu.Lock()
		m := c.nodes[i]
		c.nodes[i] = nil
		c.mu.Unlock()
		m.blamesNobody()
		m.close()
	}
}

// leader is the member that leads.
func (c *cluster) leader() *member {
	for range 2000 {
		for _, m := range c.nodes {
			if m != nil && m.raft.Status().Role == "leader" {
				return m
			}
		}
		<-time.After(time.Millisecond)
	}
	c.t.Fatal("nobody leads")
	return nil
}

// submit puts items on a member's lane and waits until it published them.
func (c *cluster) submit(i int, items ...lane.Item) {
	c.t.Helper()
	m := c.nodes[i]
	for _, it := range items {
		must(c.t, m.lane.Append(c.t.Context(), it))
	}
	for _, it := range items {
		m.awaitPublished(it.ID)
	}
}

// agree waits until all members published what the furthest one did, and then some.
func (c *cluster) agree() {
	c.t.Helper()
	var height chain.Height
	for _, m := range c.nodes {
		if m != nil {
			height = max(height, m.loop.Height())
		}
	}
	for _, m := range c.nodes {
		if m == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
		if err := m.loop.Wait(ctx, height); err != nil {
			c.t.Errorf("validator %d stands at height %d of %d: %v", m.no, m.loop.Height(), height, err)
		}
		cancel()
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
}
