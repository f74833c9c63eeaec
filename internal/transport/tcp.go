// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Defaults of Options.
const (
	DefaultPingInterval       = time.Second
	DefaultDeadAfter          = 3 * time.Second
	DefaultLinkBytesPerSecond = 1_250_000_000 // 10 Gbit/s
)

// Options set a TCP transport up. Zero values mean the defaults named here.
type Options struct {
	Chain    chain.ChainID
	Self     chain.ValidatorNo
	Address  string // to listen on, host:port
	Identity Identity
	// Limits bound the queues by class. Default DefaultLimits.
	Limits [ClassCount]Limits
	// LinkBytesPerSecond is what this node's link carries; Sync is measured by it. Default 10 Gbit/s.
	LinkBytesPerSecond int64
	// PingInterval is how often a connection shows that it lives, and how often the round trip is measured.
	PingInterval time.Duration
	// DeadAfter is how long a connection may show nothing before it is ended, and how long frames are kept for a peer that
	// is not connected. At least twice PingInterval.
	DeadAfter time.Duration
	// Log takes what a person should know. Default none.
	Log *slog.Logger
	// Metrics takes the transport's metrics. Default none.
	Metrics prometheus.Registerer

	recordsMax int64 // of one connection's keys; tests lower it
}

func (o *Options) setDefaults() {
	for c := range ClassCount {
		o.Limits[c] = cmp.Or(o.Limits[c], DefaultLimits(c))
	}
	o.LinkBytesPerSecond = cmp.Or(o.LinkBytesPerSecond, DefaultLinkBytesPerSecond)
	o.PingInterval = cmp.Or(o.PingInterval, DefaultPingInterval)
	o.DeadAfter = cmp.Or(o.DeadAfter, DefaultDeadAfter)
	o.recordsMax = cmp.Or(o.recordsMax, recordsMax)
}

func (o *Options) validate() error {
	for c := range ClassCount {
		if err := o.Limits[c].Check(c); err != nil {
			return err
		}
	}
	if o.LinkBytesPerSecond < linkBytesLeast {
		return fault.New(fault.Invalid, "a link of %d bytes per second is too slow: at least %d", o.LinkBytesPerSecond, linkBytesLeast)
	}
	if o.PingInterval <= 0 || o.DeadAfter < 2*o.PingInterval {
		return fault.New(fault.Invalid, "a peer cannot be dead after %v when it is pinged every %v: at least twice that", o.DeadAfter, o.PingInterval)
	}
	return o.Identity.check(o.Chain, o.Self)
}

// TCP is the Transport between real nodes.
type TCP struct {
	opts       Options
	listener   net.Listener
	metrics    *metrics
	complaints *complaints
	share      *share
	handshakes *handshakes
	receiver   Receiver // set once by Start

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	peers atomic.Pointer[map[chain.ValidatorNo]*peer] // replaced whole under mu
	epoch atomic.Uint64

	mu      sync.Mutex
	started bool // guarded by mu
	closed  bool // guarded by mu
}

var _ Transport = (*TCP)(nil)

// Listen takes the address. Nothing is accepted or dialed before Start, but frames may be sent: they wait.
func Listen(o Options) (*TCP, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "listen for validators on %s", o.Address)
	}
	t := &TCP{
		opts: o, listener: listener, complaints: newComplaints(o.Log),
		share: newShare(o.LinkBytesPerSecond, time.Now()), handshakes: newHandshakes(),
	}
	t.peers.Store(&map[chain.ValidatorNo]*peer{})
	if t.metrics, err = newMetrics(o.Metrics, t.queueBytes); err != nil {
		listener.Close()
		return nil, err
	}
	t.ctx, t.cancel = context.WithCancel(context.Background()) //lint:context lives until Close
	return t, nil
}

// Address is where the transport listens, with the port that was chosen for port 0.
func (t *TCP) Address() string { return t.listener.Addr().String() }

// Start implements Transport.
func (t *TCP) Start(r Receiver) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClosed()
	}
	if t.started {
		return fault.New(fault.Conflict, "the transport was started before")
	}
	t.started, t.receiver = true, r
	for _, p := range *t.peers.Load() {
		t.startPeer(p)
	}
	t.work.Go(t.accept)
	return nil
}

func (t *TCP) startPeer(p *peer) {
	for _, l := range p.links {
		t.work.Go(l.run)
	}
}

// Send implements Transport.
func (t *TCP) Send(to chain.ValidatorNo, class Class, kind uint8, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	l, err := t.link(to, class, kind, n)
	if err != nil {
		return err
	}
	return l.push(newFrame(kind, n, parts...))
}

// SendOwned implements Transport.
func (t *TCP) SendOwned(to chain.ValidatorNo, class Class, kind uint8, head []byte, body Body) error {
	n := len(head) + len(body.Payload())
	l, err := t.link(to, class, kind, n)
	if err != nil {
		return err
	}
	f := newFrame(kind, n, head)
	f.body = body
	return l.push(f)
}

func (t *TCP) link(to chain.ValidatorNo, class Class, kind uint8, n int) (*link, error) {
	if err := CheckFrame(class, kind, n); err != nil {
		return nil, err
	}
	if to == t.opts.Self {
		return nil, fault.New(fault.Invalid, "validator %d sends to itself", to)
	}
	p := (*t.peers.Load())[to]
	if p == nil {
		return nil, fault.Reasoned(fault.NotFound, "unknown_peer", "validator %d is no peer of this membership", to)
	}
	return p.links[class], nil
}

// SetPeers implements Transport.
func (t *TCP) SetPeers(epoch chain.Epoch, peers []Peer) error {
	wanted, err := peerSet(t.opts.Self, peers)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClosed()
	}
	before := *t.peers.Load()
	after := make(map[chain.ValidatorNo]*peer, len(wanted))
	for no, address := range wanted {
		p := before[no]
		if p == nil {
			p = newPeer(t, no, address)
			if t.started {
				t.startPeer(p)
			}
		}
		p.move(address)
		after[no] = p
	}
	t.epoch.Store(uint64(epoch))
	t.peers.Store(&after)
	for no, p := range before {
		if after[no] == nil {
			p.leave(fault.Reasoned(fault.NotFound, "unknown_peer", "validator %d is no peer any more", no), "peer_removed")
		}
	}
	return nil
}

func peerSet(self chain.ValidatorNo, peers []Peer) (map[chain.ValidatorNo]string, error) {
	set := make(map[chain.ValidatorNo]string, len(peers))
	for _, p := range peers {
		if _, twice := set[p.No]; twice {
			return nil, fault.New(fault.Invalid, "validator %d is listed twice", p.No)
		}
		if p.Address == "" && p.No != self {
			return nil, fault.New(fault.Invalid, "validator %d has no address", p.No)
		}
		set[p.No] = p.Address
	}
	delete(set, self)
	return set, nil
}

// Status implements Transport.
func (t *TCP) Status() []PeerStatus {
	peers := *t.peers.Load()
	all := make([]PeerStatus, 0, len(peers))
	for _, no := range slices.Sorted(maps.Keys(peers)) {
		all = append(all, peers[no].status())
	}
	return all
}

// Connection numbers the connection for what is sent to a peer in a class: each one has a higher number than those before
// it. 0: there is none now.
func (t *TCP) Connection(to chain.ValidatorNo, class Class) uint64 {
	p, ok := (*t.peers.Load())[to]
	if !ok || class >= ClassCount {
		return 0
	}
	l := p.links[class]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return 0
	}
	return l.connects
}

func (t *TCP) queueBytes(c Class) int64 {
	var sum int64
	for _, p := range *t.peers.Load() {
		_, bytes := p.links[c].queue.size()
		sum += bytes
	}
	return sum
}

// Close implements Transport.
func (t *TCP) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	err := t.listener.Close()
	t.handshakes.closeAll()
	for _, p := range *t.peers.Load() {
		p.leave(errClosed(), "closed")
	}
	t.work.Wait()
	t.metrics.unregister()
	return fault.Wrap(fault.Unavailable, err, "stop listening for validators")
}

func errClosed() error { return fault.New(fault.Unavailable, "the transport is closed") }
