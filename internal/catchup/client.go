// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// inboxMax bounds the answers that wait; an honest peer sends no more than were asked for.
const inboxMax = 16

// logInterval is how often the log tells how far it is.
const logInterval = 5 * time.Second

// ClientConfig sets a Client up. Self, Rules, Dir, FS, Peers and Checkpoints are needed; zero values of the others mean the
// defaults.
type ClientConfig struct {
	Self  chain.ValidatorNo
	Rules Rules
	Dir   string        // where pages are gathered; it is made
	FS    checkpoint.FS // of Dir and Checkpoints
	Peers Peers
	// Checkpoints is the folder of the node's own checkpoints, whose pages need not be fetched.
	Checkpoints string

	// TickInterval is the unit of the client's time. Default 100 ms.
	TickInterval time.Duration
	// AnswerWait is how long a peer may be silent. Default 5 s.
	AnswerWait time.Duration
	// Pause is how long one is not asked that was silent or has nothing. Default 2 s.
	Pause time.Duration
	// Penalty is how long one is not asked that lied. Default 10 minutes.
	Penalty time.Duration
	// WindowMax is how many asks are under way. Default 3.
	WindowMax int

	Metrics prometheus.Registerer // nil means none
	Logger  *slog.Logger          // nil means silence
}

func (c *ClientConfig) setDefaults() {
	c.TickInterval = cmp.Or(c.TickInterval, 100*time.Millisecond)
	c.AnswerWait = cmp.Or(c.AnswerWait, 5*time.Second)
	c.Pause = cmp.Or(c.Pause, 2*time.Second)
	c.Penalty = cmp.Or(c.Penalty, 10*time.Minute)
	c.WindowMax = cmp.Or(c.WindowMax, 3)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *ClientConfig) ticks(d time.Duration) uint64 { return uint64(max(1, d/c.TickInterval)) }

// Client takes a state from a peer.
type Client struct {
	cfg     ClientConfig
	metrics *clientMetrics
	inbox   chan Received
	active  atomic.Bool
}

// NewClient makes a client.
func NewClient(cfg ClientConfig) (*Client, error) {
	cfg.setDefaults()
	m, err := newClientMetrics(cfg.Metrics)
	return &Client{cfg: cfg, metrics: m, inbox: make(chan Received, inboxMax)}, err
}

// Close takes the metrics away. Fetch must have returned.
func (c *Client) Close() { c.metrics.unregister() }

// Receive takes an answer of a peer, or nil for one that was malformed, and keeps what it points to. It never blocks.
func (c *Client) Receive(from chain.ValidatorNo, m Message) {
	if !c.active.Load() {
		c.metrics.refused.WithLabelValues("unasked").Inc()
		return
	}
	select {
	case c.inbox <- Received{from, m}:
	default:
		c.metrics.refused.WithLabelValues("inbox_full").Inc()
	}
}

// Need says what state is wanted.
type Need struct {
	Least chain.Height      // a lower one is of no use
	Known chain.Height      // the executed headers up to this one are here: those between go with the state
	First chain.ValidatorNo // whom to ask first
	// Still is asked each tick. Once it says no, nothing is taken.
	Still func() bool
	// Accepted is told of an offer that was proved.
	Accepted func(height chain.Height, from chain.ValidatorNo)
	// Progress is told each tick how many pages are here.
	Progress func(done, total int)
}

// Fetch takes a state and returns its height once Open finds it; 0 if it is not needed any more. It tries until ctx ends, whose
// error it returns then, or until the disk fails: Unavailable; what was gathered stays. It is called once at a time.
func (c *Client) Fetch(ctx context.Context, need Need) (chain.Height, error) {
	if err := os.MkdirAll(c.cfg.Dir, 0o755); err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "make a folder for a state")
	}
	f := &fetch{Client: c, need: need, partial: newPartial(c.cfg.Dir, c.cfg.FS), hash: pages.NewLeaves(), logged: time.Now()}
	f.core = NewCore(CoreConfig{
		Self: c.cfg.Self, Rules: c.cfg.Rules, Least: need.Least, First: need.First, WindowMax: c.cfg.WindowMax,
		Known: need.Known, AnswerTicks: c.cfg.ticks(c.cfg.AnswerWait), PauseTicks: c.cfg.ticks(c.cfg.Pause), PenaltyTicks: c.cfg.ticks(c.cfg.Penalty),
	})
	c.drain()
	c.active.Store(true)
	c.metrics.active.Set(1)
	defer c.metrics.active.Set(0)
	defer c.active.Store(false)
	height, err := f.run(ctx)
	if closed := f.partial.close(); err == nil {
		err = closed
	}
	return height, err
}

func (c *Client) drain() {
	for {
		select {
		case <-c.inbox:
		default:
			return
		}
	}
}

// fetch is a Fetch under way.
type fetch struct {
	*Client
	need    Need
	core    *Core
	partial *partial
	hash    pages.Leaves
	logged  time.Time
}

func (f *fetch) run(ctx context.Context) (chain.Height, error) {
	tick := time.NewTicker(f.cfg.TickInterval)
	defer tick.Stop()
	for {
		var in Input
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case r := <-f.inbox:
			in = r
		case <-tick.C:
			if !f.need.Still() {
				return 0, nil
			}
			f.tell()
			in = Tick{}
		}
		done, err := f.step(in)
		if err != nil {
			return 0, err
		}
		if done != nil {
			f.tell()
			f.cfg.Logger.Info("a state was taken whole", obs.KeyHeight, uint64(done.Height), obs.KeyRoot, done.Root.String())
			return done.Height, nil
		}
	}
}

// step does what the core says until it waits for somebody else.
func (f *fetch) step(in Input) (done *Proved, err error) {
	for in != nil {
		out := f.core.Step(in)
		in = nil
		for _, p := range out.Write {
			if err := f.partial.write(p.At, p.Bytes); err != nil {
				return nil, err
			}
		}
		f.metrics.fetched.Add(float64(len(out.Write)))
		f.report(&out)
		for _, e := range out.Send {
			_ = f.cfg.Peers.Send(e.To, e.Message.Kind(), e.Message.Append(nil)) // the peer is dropped if it does not answer
		}
		if out.Look != nil {
			looked, err := f.look(out.Look)
			if err != nil {
				return nil, err
			}
			in = looked
		}
		if out.Done != nil {
			f.metrics.headers.Add(float64(len(out.Below)))
			return out.Done, f.partial.complete(out.Done.Offer, out.Below)
		}
	}
	return nil, nil
}

// look finds pages in the folder and in the newest own checkpoint.
func (f *fetch) look(list []Wanted) (Input, error) {
	var own *checkpoint.Reader
	if found, _ := checkpoint.Find(f.cfg.Checkpoints, f.cfg.FS, f.cfg.Rules.Chain); len(found) > 0 {
		if r, err := checkpoint.OpenReader(f.cfg.Checkpoints, f.cfg.FS, found[0].Name); err == nil {
			own = r
			defer r.Close()
		}
	}
	have, copied, err := f.partial.look(f.hash, list, own)
	if err != nil {
		return nil, err
	}
	f.metrics.found.Add(float64(len(have)))
	f.cfg.Logger.Info("pages of the state that are here already", obs.KeyCount, len(have), "copied", copied)
	return Looked{have}, nil
}

func (f *fetch) report(out *Output) {
	for _, d := range out.Dropped {
		f.metrics.dropped.WithLabelValues(d.Reason).Inc()
		f.cfg.Logger.Warn("a validator is not asked for its state for a while", obs.KeyPeer, d.Peer, obs.KeyReason, d.Reason)
	}
	for _, word := range out.Refused {
		f.metrics.refused.WithLabelValues(word).Inc()
	}
	if out.Accept != nil {
		f.cfg.Logger.Info("taking a state", obs.KeyHeight, uint64(out.Accept.Height), obs.KeyPeer, out.From)
		f.need.Accepted(out.Accept.Height, out.From)
	}
}

// tell shows how far it is.
func (f *fetch) tell() {
	done, total := f.core.Progress()
	f.metrics.done.Set(float64(done))
	f.metrics.total.Set(float64(total))
	f.need.Progress(done, total)
	if total > 0 && time.Since(f.logged) >= logInterval {
		f.logged = time.Now()
		f.cfg.Logger.Info("catching up", "pages_done", done, "pages_total", total)
	}
}
