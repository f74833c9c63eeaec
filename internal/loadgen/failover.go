// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// FailoverConfig is a run in which leaders are killed.
type FailoverConfig struct {
	Nodes int
	Kills int
	Rate  int    // payments a second to offer, each signed by itself
	Dir   string // network folder; kept
}

// Limits of such a run.
const (
	killsMax     = 1000
	failoverRate = 2_000 // most payments a second
	failoverPays = 32    // who pay at once: each waits for one answer
	settledFor   = 500 * time.Millisecond
	settledMax   = 60 * time.Second // until all nodes are there again after a kill
	nextTermMax  = 30 * time.Second // until a later term's block must be certified
	lookInterval = 20 * time.Millisecond
)

// Validate checks the run's settings.
func (c FailoverConfig) Validate() error {
	switch {
	case c.Nodes < 3 || c.Nodes > nodesMax:
		return fault.New(fault.Invalid, "--nodes %d, must be 3 to %d: with fewer the network stops when one dies", c.Nodes, nodesMax)
	case c.Kills < 1 || c.Kills > killsMax:
		return fault.New(fault.Invalid, "--kills %d, must be 1 to %d", c.Kills, killsMax)
	case c.Rate < 1 || c.Rate > failoverRate:
		return fault.New(fault.Invalid, "--rate %d, must be 1 to %d", c.Rate, failoverRate)
	}
	return nil
}

// Fleet is a network whose nodes come back when they die.
type Fleet struct {
	Target
	// Kill ends a node at once, as kill -9 does.
	Kill func(node int) error
}

// FailoverReport is the result, as printed with --json.
type FailoverReport struct {
	NextTermBlockMs Spread       `json:"next_term_block_ms"` // from the kill until a node published the first block of a later term
	LostAcks        int          `json:"lost_acks"`          // payments acknowledged and not found afterwards
	Kills           int          `json:"kills"`
	Acks            int          `json:"acks"`
	GapMs           Spread       `json:"ack_gap_ms"` // longest time without an acknowledgement around each kill
	Nodes           []NodeReport `json:"nodes"`
	RootsEqual      bool         `json:"roots_equal"`
	Conserved       bool         `json:"conserved"`
	EdgeCPUS        float64      `json:"edge_cpu_s"` // of the gateway over the whole run, seconds
	Verified        string       `json:"verified"`
	Machine         string       `json:"machine"`
}

// Spread is a median and a maximum.
type Spread struct {
	P50 float64 `json:"p50"`
	Max float64 `json:"max"`
}

// Failed says why a run does not count, or nothing.
func (r *FailoverReport) Failed() string {
	switch {
	case !r.RootsEqual:
		return "the nodes differ"
	case !r.Conserved:
		return "money was made or lost"
	case r.LostAcks > 0:
		return fmt.Sprintf("%d acknowledged payments are gone", r.LostAcks)
	}
	return ""
}

// kill is one leader's end.
type kill struct {
	at   time.Time
	term uint64
}

// failover is a run in progress.
type failover struct {
	cfg    FailoverConfig
	fleet  *Fleet
	bench  *bench
	payers []payer

	mu     sync.Mutex // guards what follows
	acked  [][32]byte
	ackAt  []time.Time
	seenAt map[chain.Height]time.Time // when any node first published a height
}

// RunFailover kills the leader again and again while payments go on.
func RunFailover(ctx context.Context, cfg FailoverConfig, fleet *Fleet, progress io.Writer) (*FailoverReport, error) {
	f := &failover{cfg: cfg, fleet: fleet, seenAt: map[chain.Height]time.Time{}}
	kills, err := f.run(ctx, progress)
	edge, edgeErr := fleet.Edge.cpu()
	err = errors.Join(err, edgeErr)
	fmt.Fprintln(progress, "stopping the nodes")
	if err := errors.Join(err, fleet.Stop()); err != nil {
		return nil, err
	}
	r, err := f.report(kills)
	if err == nil {
		r.EdgeCPUS = edge.Seconds()
	}
	return r, err
}

func (f *failover) run(ctx context.Context, progress io.Writer) ([]kill, error) {
	if err := f.prepare(ctx, progress); err != nil {
		return nil, err
	}
	defer f.bench.client.Close()
	load, stop := context.WithCancel(ctx)
	defer stop()
	group, load := errgroup.WithContext(load)
	for i := range f.fleet.Endpoints {
		group.Go(func() error { return f.watch(load, i) })
	}
	for i := range f.payers {
		group.Go(func() error { return f.pay(load, &f.payers[i], i) })
	}
	var kills []kill
	var err error
	for n := 0; n < f.cfg.Kills && err == nil; n++ {
		var k kill
		if k, err = f.killLeader(load); err == nil {
			kills = append(kills, k)
			f.bench.say("kill %d of %d: the leader of term %d", n+1, f.cfg.Kills, k.term)
		}
	}
	if err == nil {
		_, err = f.settled(load) // and with it the last term's first block
	}
	stop()
	if waited := group.Wait(); err == nil {
		err = waited
	}
	if err != nil {
		return nil, err
	}
	f.bench.say("reading %d acknowledged payments again", len(f.acked))
	return kills, f.bench.await(ctx)
}

// prepare opens the accounts that pay.
func (f *failover) prepare(ctx context.Context, progress io.Writer) error {
	cfg := Config{Nodes: f.cfg.Nodes, Engine: config.EngineRaft, Accounts: accountsMin, Assets: 1, Auth: AuthSingle, Load: LoadUniform, Duration: time.Second}
	f.bench = &bench{cfg: cfg, target: &f.fleet.Target, out: progress, world: &world{chain: f.fleet.Trust.ChainID}}
	var err error
	if f.bench.client, err = f.bench.dial(ctx, 0); err != nil {
		return err
	}
	if err := f.bench.prepare(ctx, f.fleet.Institution, f.fleet.Signer); err != nil {
		return err
	}
	payers, err := f.bench.openPayers(ctx)
	f.payers = payers[:min(len(payers), failoverPays)]
	return err
}

// pay makes payments one after the other at a payer's share of the rate, each until it is acknowledged.
func (f *failover) pay(ctx context.Context, p *payer, i int) error {
	c, err := client.Dial(ctx, client.Config{Endpoints: slices.Concat(f.fleet.Endpoints[i%f.cfg.Nodes:], f.fleet.Endpoints[:i%f.cfg.Nodes]), CAFile: f.fleet.CAFile, Trust: f.fleet.Trust})
	if err != nil {
		return err
	}
	defer c.Close()
	pace := time.NewTicker(time.Second * time.Duration(len(f.payers)) / time.Duration(f.cfg.Rate))
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil
		}
		p.nonce++
		signed, err := client.SignTx(p.signer, chain.Tx{
			Chain: f.bench.world.chain, Sender: p.no, Key: p.key, Nonce: p.nonce, ValidUntil: validBlocks,
			Body: &chain.Transfer{To: f.bench.house, Asset: f.bench.world.assetOf(0), Amount: chain.Units(1)},
		})
		if err != nil {
			return err
		}
		if err := f.payOne(ctx, c, signed); err != nil {
			return err
		}
	}
}

// payOne sends the same bytes until they are certified: what was accepted before is found, not paid again.
func (f *failover) payOne(ctx context.Context, c *client.Client, signed []byte) error {
	for ctx.Err() == nil {
		t, err := c.SubmitTx(ctx, signed)
		switch {
		case err == nil && t.Outcome == chain.OK:
			f.mu.Lock()
			f.acked, f.ackAt = append(f.acked, t.ID), append(f.ackAt, time.Now())
			f.mu.Unlock()
			return nil
		case err == nil:
			return fault.New(fault.Corrupt, "payment %x came out %s", t.ID, t.Outcome)
		case !passing(err) && ctx.Err() == nil:
			return err
		}
		select {
		case <-time.After(lookInterval):
		case <-ctx.Done():
		}
	}
	return nil
}

// passing reports whether a refusal is about the moment and not about the payment.
func passing(err error) bool {
	var unknown *client.UnknownOutcomeError
	return errors.As(err, &unknown) || fault.Is(err, fault.TryLater) || fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout)
}

// watch notes when a node published each height, and goes on when the node is back.
func (f *failover) watch(ctx context.Context, node int) error {
	next := chain.Height(0)
	for ctx.Err() == nil {
		c, err := f.bench.dial(ctx, node)
		if err == nil {
			_ = c.FollowBlocks(ctx, next, func(b *client.Block) error { // it ends with the node
				now := time.Now()
				f.mu.Lock()
				defer f.mu.Unlock()
				if _, seen := f.seenAt[b.Height]; !seen {
					f.seenAt[b.Height] = now
				}
				next = b.Height + 1
				return nil
			})
			c.Close()
		}
		select {
		case <-time.After(lookInterval):
		case <-ctx.Done():
		}
	}
	return nil
}

// killLeader waits until all nodes are well, kills the leader, and waits for a later term.
func (f *failover) killLeader(ctx context.Context) (kill, error) {
	leader, err := f.settled(ctx)
	if err != nil {
		return kill{}, err
	}
	k := kill{at: time.Now(), term: leader.Term}
	if err := f.fleet.Kill(int(leader.Leader)); err != nil {
		return k, err
	}
	deadline := time.Now().Add(nextTermMax)
	for time.Now().Before(deadline) {
		for _, s := range f.statuses(ctx) {
			if s != nil && s.HasLeader && s.Term > k.term {
				return k, nil
			}
		}
		if ctx.Err() != nil {
			return k, context.Cause(ctx)
		}
		time.Sleep(lookInterval) //lint:sleep polls other processes
	}
	return k, fault.New(fault.Timeout, "no node knows of a leader %s after that of term %d was killed", nextTermMax, k.term)
}

// settled waits until all nodes have followed one leader for a while, and returns what that one says.
func (f *failover) settled(ctx context.Context) (*client.Status, error) {
	var since time.Time
	var term uint64
	deadline := time.Now().Add(settledMax)
	for time.Now().Before(deadline) {
		leader := oneLeader(f.statuses(ctx))
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case leader == nil:
			since = time.Time{}
		case since.IsZero() || leader.Term != term:
			since, term = time.Now(), leader.Term
		case time.Since(since) >= settledFor:
			return leader, nil
		}
		time.Sleep(lookInterval) //lint:sleep polls other processes
	}
	return nil, fault.New(fault.Timeout, "the nodes do not all follow one leader within %s: look into their logs", settledMax)
}

// oneLeader is the leader's own status if every node answers, names it, and is not behind; else nil.
func oneLeader(all []*client.Status) (leader *client.Status) {
	for _, s := range all {
		if s == nil || !s.HasLeader || s.State != client.StateLeader && s.State != client.StateFollower {
			return nil
		}
		if s.State == client.StateLeader {
			leader = s
		}
	}
	for _, s := range all {
		if leader == nil || s.Leader != leader.Validator || s.Term != leader.Term {
			return nil
		}
	}
	return leader
}

// statuses asks all nodes at once; nil for one that does not answer soon.
func (f *failover) statuses(ctx context.Context) []*client.Status {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	all := make([]*client.Status, len(f.fleet.Endpoints))
	var asking sync.WaitGroup
	for i, endpoint := range f.fleet.Endpoints {
		asking.Go(func() {
			all[i], _ = client.StatusOf(ctx, client.Config{CAFile: f.fleet.CAFile, Trust: f.fleet.Trust, Endpoints: []string{endpoint}}, endpoint)
		})
	}
	asking.Wait()
	return all
}

func (f *failover) report(kills []kill) (*FailoverReport, error) {
	r := &FailoverReport{Kills: len(kills), Acks: len(f.acked), Conserved: true, Machine: machine(), Verified: fmt.Sprintf(
		"one ed25519 signature per payment; %d nodes of a quorum of %d; each acknowledgement's certificate verified by the client, and each acknowledged payment found again on every node's disk; terms read from the nodes' block stores",
		f.cfg.Nodes, chain.Quorum(f.cfg.Nodes))}
	var err error
	if r.RootsEqual, err = sameHeaders(f.fleet.Nodes); err != nil {
		return nil, err
	}
	for _, n := range f.fleet.Nodes {
		d, err := readBack(n.Dir, f.bench.issued)
		if err != nil {
			return nil, err
		}
		r.RootsEqual, r.Conserved = r.RootsEqual && d.rootEqual, r.Conserved && d.conserved
		r.Nodes = append(r.Nodes, NodeReport{ID: n.ID, Dir: n.Dir})
		lost, err := missing(n.Dir, f.acked)
		if err != nil {
			return nil, err
		}
		r.LostAcks = max(r.LostAcks, lost)
	}
	first, err := firstHeights(f.fleet.Nodes[0].Dir)
	if err != nil {
		return nil, err
	}
	var next, gaps []float64
	for i, k := range kills {
		ms, err := f.nextTermMs(k, first)
		if err != nil {
			return nil, err
		}
		until := time.Now()
		if i+1 < len(kills) {
			until = kills[i+1].at
		}
		next = append(next, ms)
		gaps = append(gaps, f.gapMs(k.at, until))
	}
	r.NextTermBlockMs, r.GapMs = spreadOf(next), spreadOf(gaps)
	return r, nil
}

// nextTermMs is the time from a kill until a block of a later term was published.
func (f *failover) nextTermMs(k kill, first map[uint64]chain.Height) (float64, error) {
	lowest := chain.Height(0)
	for term, h := range first {
		if term > k.term && (lowest == 0 || h < lowest) {
			lowest = h
		}
	}
	at, seen := f.seenAt[lowest]
	if lowest == 0 || !seen {
		return 0, fault.New(fault.Internal, "nobody saw a block of a term after %d", k.term)
	}
	return at.Sub(k.at).Seconds() * 1e3, nil
}

// gapMs is the longest time without an acknowledgement between two times.
func (f *failover) gapMs(from, until time.Time) float64 {
	longest, last := time.Duration(0), from
	for _, at := range f.ackAt {
		if at.After(from) && at.Before(until) {
			longest, last = max(longest, at.Sub(last)), at
		}
	}
	return longest.Seconds() * 1e3
}

func spreadOf(ms []float64) Spread {
	if len(ms) == 0 {
		return Spread{}
	}
	slices.Sort(ms)
	return Spread{P50: ms[len(ms)/2], Max: ms[len(ms)-1]}
}

// missing counts the payments that a stopped node's store does not know.
func missing(dir string, acked [][32]byte) (lost int, err error) {
	return lost, withStore(dir, func(s store.Store) error {
		for _, id := range acked {
			_, err := store.ReadTx(s, id)
			if fault.Is(err, fault.NotFound) {
				lost++
			} else if err != nil {
				return err
			}
		}
		return nil
	})
}

// firstHeights finds the first published height of each term in a stopped node's store.
func firstHeights(dir string) (map[uint64]chain.Height, error) {
	first := map[uint64]chain.Height{}
	return first, withStore(dir, func(s store.Store) error {
		head, _, err := store.LastHeader(s)
		if err != nil {
			return err
		}
		for h := chain.Height(1); h <= head; h++ {
			raw, err := store.ReadProposal(s, h)
			if err != nil {
				return err
			}
			p, err := codec.DecodeProposal(raw)
			if err != nil {
				return err
			}
			if _, ok := first[p.Term]; !ok {
				first[p.Term] = h
			}
		}
		return nil
	})
}
