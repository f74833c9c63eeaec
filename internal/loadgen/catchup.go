// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of such a run.
const (
	behindMax  = 15 * time.Minute // until the others are so far ahead
	backMax    = 5 * time.Minute  // until the node is one of them again
	nearBlocks = 16               // behind the others is beside them: as many as are ordered at once by default
	paceAfter  = 5 * time.Second  // from when on the rate of blocks says how long it will take
	lookEvery  = 50 * time.Millisecond
)

// Process is a validator's process.
type Process interface {
	PID() int
	Ended() <-chan struct{}
}

// Revivable is a network of which a node can be killed and started again.
type Revivable struct {
	Target
	// Kill ends a node at once, as kill -9 does, and waits until it is gone.
	Kill func(node int) error
	// Start starts a node that was killed. It does not wait until it serves.
	Start func(node int) (Process, error)
}

// Progress is told how a run goes: lines, and how far a stage is whose end is known.
type Progress interface {
	io.Writer
	Show(stage string, done, total int64)
}

// catchUp is a run in progress in which one node falls behind.
type catchUp struct {
	cfg      CatchUpConfig
	from     string
	network  *Revivable
	bench    *bench
	progress Progress
	load     *steady
	others   []*client.Client // of the nodes that stay, by number; nil: the one that falls
	fallen   int
	process  Process // of the node that fell, once it is started again
	at       moments
	own      chain.Height // what the fallen node had certified when it fell
	report   *CatchUpFrom
}

// moments are the times between which a run is looked at.
type moments struct{ begun, killed, started, back time.Time }

// RunCatchUp lets a node fall behind while payments go on, and measures how it comes back: once for each way that is asked for,
// each in a network of its own.
func RunCatchUp(ctx context.Context, cfg CatchUpConfig, launch func(ctx context.Context, from string) (*Revivable, error), progress Progress) (*CatchUpReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := newCatchUpReport(cfg)
	for _, from := range cfg.ways() {
		network, err := launch(ctx, from)
		if err != nil {
			return nil, err
		}
		c := &catchUp{cfg: cfg, from: from, network: network, progress: progress, report: &CatchUpFrom{}}
		err = c.run(ctx)
		c.say("stopping the nodes")
		if err := errors.Join(err, network.Stop()); err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "catching up from %s", from)
		}
		if err := c.readDisks(); err != nil {
			return nil, err
		}
		r.From[from] = c.report
	}
	return r, nil
}

func (c *catchUp) say(format string, args ...any) { c.bench.say(format, args...) }

// run does all that needs the nodes running.
func (c *catchUp) run(ctx context.Context) error {
	defer c.close()
	if err := c.prepare(ctx); err != nil {
		return err
	}
	group, loading := errgroup.WithContext(ctx)
	group.Go(func() error { return c.load.run(loading) })
	err := c.fallAndComeBack(loading)
	c.load.stop()
	if loaded := group.Wait(); loaded != nil {
		err = loaded // what ended the load is the reason that the rest ended
	}
	if err != nil {
		return err
	}
	c.measure()
	return c.bench.await(ctx)
}

// prepare opens the accounts that pay, chooses the node that is to fall and opens the load to the others.
func (c *catchUp) prepare(ctx context.Context) (err error) {
	cfg := Config{Nodes: c.cfg.Nodes, Engine: config.EngineRaft, Accounts: c.cfg.Accounts, Assets: 1, Auth: AuthBatchMLDSA, Load: LoadUniform, Rate: c.cfg.Rate, Duration: time.Second}
	c.bench = &bench{cfg: cfg, target: &c.network.Target, out: c.progress, world: &world{chain: c.network.Trust.ChainID}}
	if c.bench.client, err = c.bench.dial(ctx, 0); err != nil {
		return err
	}
	c.say("from %s: opening %d accounts", c.from, c.cfg.Accounts)
	if err = c.bench.prepare(ctx, c.network.Institution, c.network.Signer); err != nil {
		return err
	}
	if c.fallen, err = c.aFollower(ctx); err != nil {
		return err
	}
	c.others = make([]*client.Client, c.cfg.Nodes)
	for i := range c.others {
		if i != c.fallen {
			if c.others[i], err = c.bench.dial(ctx, i); err != nil {
				return err
			}
		}
	}
	c.load, err = newSteady(ctx, c.bench, c.others, c.cfg.Rate, c.cfg.Legs)
	return err
}

// close closes what prepare opened, as far as it came.
func (c *catchUp) close() {
	if c.load != nil {
		c.load.close()
	}
	for _, o := range append(c.others, c.bench.client) {
		if o != nil {
			o.Close()
		}
	}
}

// aFollower is the highest number that does not lead.
func (c *catchUp) aFollower(ctx context.Context) (int, error) {
	s, err := c.bench.client.Status(ctx)
	if err != nil {
		return 0, err
	}
	last := c.cfg.Nodes - 1
	if s.HasLeader && int(s.Leader) == last {
		last--
	}
	return last, nil
}

// fallAndComeBack is the run itself, while the load goes on.
func (c *catchUp) fallAndComeBack(ctx context.Context) error {
	c.say("paying %d/s to the %d that stay, for %s", c.cfg.Rate, c.cfg.Nodes-1, c.cfg.Baseline)
	if err := pause(ctx, warmTime(c.cfg.Baseline)); err != nil {
		return err
	}
	c.at.begun = time.Now()
	if err := pause(ctx, c.cfg.Baseline); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{c.fall, c.awaitBehind, c.start, c.awaitBack, c.peaks} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// warmTime goes before the baseline: what a node touches for the first time it has from then on.
func warmTime(baseline time.Duration) time.Duration { return baseline / 2 }

func (c *catchUp) fall(ctx context.Context) error {
	s, err := c.statusOfFallen(ctx)
	if err != nil {
		return err
	}
	c.own, c.at.killed = s.Height, time.Now()
	return c.network.Kill(c.fallen)
}

// awaitBehind waits until the others are so many blocks ahead; if a checkpoint is to be taken, also until none of them has the
// payload of the first block that the fallen node lacks.
func (c *catchUp) awaitBehind(ctx context.Context) error {
	id := c.network.Nodes[c.fallen].ID
	c.say("%s is dead since height %d", id, c.own)
	for ; ; time.Sleep(lookEvery) { //lint:sleep polls other processes
		head, oldest, err := c.heights(ctx)
		if err != nil {
			return err
		}
		behind, since := int(head-c.own), time.Since(c.at.killed)
		gone := oldest > c.own+1
		c.progress.Show(id+" is dead", int64(behind), int64(c.cfg.Blocks))
		if behind >= c.cfg.Blocks && (gone || c.from == FromBlocks) {
			c.report.BehindBlocks = behind
			return c.fit(gone)
		}
		if err := c.inTime(behind, since); err != nil {
			return err
		}
	}
}

// fit refuses what would not be the way that was asked for.
func (c *catchUp) fit(gone bool) error {
	if gone && c.from == FromBlocks {
		return fault.New(fault.Refused, "the others hold no payload of height %d any more: ask for fewer --blocks or --legs, they keep %d bytes", c.own+1, config.Default().Commit.RetainBytes)
	}
	return nil
}

// inTime refuses to wait for blocks that come too slowly.
func (c *catchUp) inTime(behind int, since time.Duration) error {
	if since < paceAfter {
		return nil
	}
	perS := float64(behind) / since.Seconds()
	if since < behindMax && perS*behindMax.Seconds() >= float64(c.cfg.Blocks) {
		return nil
	}
	return fault.New(fault.Timeout, "%d blocks came in %.0f s, %.1f a second, and are waited for for %s at most: a block comes when a batch is on a quorum's disks, so --rate and --legs say how many; ask for more of the first, less of the second, or for --blocks %d",
		behind, since.Seconds(), perS, behindMax, int(perS*behindMax.Seconds()/2))
}

// heights are the highest certified height of the nodes that stay, and the lowest from which any of them has all payloads.
func (c *catchUp) heights(ctx context.Context) (head, oldest chain.Height, err error) {
	for _, o := range c.others {
		if o == nil {
			continue
		}
		s, err := o.Status(ctx)
		if err != nil {
			return 0, 0, err
		}
		if head = max(head, s.Height); oldest == 0 || s.OldestPayload < oldest {
			oldest = s.OldestPayload
		}
	}
	return head, oldest, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
