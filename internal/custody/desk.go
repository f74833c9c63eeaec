// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/cache"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Desk pays for V10 clients. Make it with New; Run must run for anything to be paid. It is safe for concurrent use.
type Desk struct {
	cfg     Config
	chain   Chain
	vault   Vault
	log     *slog.Logger
	metrics *metrics
	leases  leases
	caps    *caps

	directory *directory
	assets    *cache.Cache[string, Asset]
	opener    *opener
	keeper    *keeper
	homes     *homes

	carriers []*carrier
	stopped  chan struct{} // closed when nothing is taken any more
	gone     chan struct{} // closed by Hurry

	mu       sync.Mutex // guards all below
	core     *core
	stopping bool
}

// New makes a desk. Invalid: a setting is missing or out of bounds.
func New(cfg Config, p Parts) (*Desk, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	d := &Desk{
		cfg: cfg, chain: p.Chain, vault: p.Vault, log: p.Log, caps: newCaps(cfg.Caps),
		core: newCore(cfg.WaitingMax, cfg.LegsMax), stopped: make(chan struct{}), gone: make(chan struct{}),
		assets: cache.New[string, Asset](assetsCachedMax),
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.leases = leases{cfg: &d.cfg, taken: map[uint8]bool{}}
	d.metrics = newMetrics(p.Metrics, d.waiting)
	d.keeper = newKeeper(d)
	d.homes = &homes{chain: d.chain}
	d.directory = newDirectory(d)
	d.opener = newOpener(d)
	for no := range cfg.Carriers {
		d.carriers = append(d.carriers, &carrier{desk: d, no: no, loads: make(chan []*request, 1)})
	}
	return d, nil
}

// UseKey sets the number of the custodian's key, where the ledger told it only after New. Call it before Run.
func (d *Desk) UseKey(no chain.KeyNo) { d.cfg.Key = no }

func (d *Desk) waiting() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return float64(d.core.waiting)
}

// Run pays until ctx ends. Then nothing more is taken, what waits is told so, and batches under way have DrainMax to end. It is
// called once. Invalid: nobody said which number the custodian's key has.
func (d *Desk) Run(ctx context.Context) error {
	if d.cfg.Key == 0 {
		return fault.New(fault.Invalid, "custody: the number of the custodian's key must be named")
	}
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var workers sync.WaitGroup
	for _, c := range d.carriers {
		workers.Go(func() { c.run(hard) })
	}
	workers.Go(func() { d.opener.run(hard) })
	workers.Go(func() { d.keeper.run(hard) })
	ended := make(chan struct{})
	go func() { workers.Wait(); close(ended) }()
	select {
	case <-ctx.Done():
	case <-d.gone:
	}
	d.stop()
	select {
	case <-ended:
	case <-d.gone:
	case <-time.After(d.cfg.DrainMax):
	}
	cut()
	<-ended
	return nil
}

// Hurry stops the desk, once, whose ledger has ended: what is under way is let go at once, its fate unknown.
func (d *Desk) Hurry() { close(d.gone) }

// stop takes nothing any more, and answers what waits.
func (d *Desk) stop() {
	d.mu.Lock()
	d.stopping = true
	left := d.core.all()
	close(d.stopped)
	d.mu.Unlock()
	d.fail(left, errStopping())
}

func errStopping() error {
	return fault.Reasoned(fault.Unavailable, "stopping", "the desk is stopping: nothing was done, send it to another one")
}

// dispatch says that a carrier is free, and hands out what waits.
func (d *Desk) dispatch(carrier int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopping {
		d.hand(d.core.leave(carrier))
	}
}

// hand gives loads to their carriers, which are free and so have a place for it.
func (d *Desk) hand(out []load) {
	for _, l := range out {
		d.carriers[l.carrier].loads <- l.requests
	}
}

// enqueue takes requests, or answers those for which there is no room.
func (d *Desk) enqueue(rs []*request) {
	now := time.Now()
	for _, r := range rs {
		r.since = now
	}
	d.mu.Lock()
	if d.stopping {
		d.mu.Unlock()
		d.fail(rs, errStopping())
		return
	}
	n, out := d.core.arrive(rs)
	d.hand(out)
	d.mu.Unlock()
	if n < len(rs) {
		d.fail(rs[n:], fault.Reasoned(fault.TryLater, "waiting_full", "%d payments wait already: nothing was done, send it again in a moment", d.cfg.WaitingMax))
	}
}

// await waits for a group's answers. When ctx ends, all that is left is answered: what still waits was not done, of what was sent
// nobody knows yet.
func (d *Desk) await(ctx context.Context, g *group, rs []*request) []Answer {
	select {
	case <-g.done:
		return g.answers
	case <-ctx.Done():
	}
	d.mu.Lock()
	for _, r := range rs {
		d.core.withdraw(r)
	}
	d.mu.Unlock()
	g.abandon()
	<-g.done
	return g.answers
}

// deliver answers requests with the fate of their batch.
func (d *Desk) deliver(rs []*request, f *BatchFate) {
	for i, r := range rs {
		a := Answer{Result: Result{Height: f.Height, TimeUs: f.TimeUs, Batch: f.Index, Item: uint32(i), Outcome: f.Outcomes[i], First: true}}
		if !r.group.settle(r.at, a) {
			d.metrics.late.Inc()
		}
	}
}

// fail answers requests of which nothing was done.
func (d *Desk) fail(rs []*request, err error) {
	for _, r := range rs {
		r.group.settle(r.at, Answer{Err: err})
	}
}

// lose answers requests of which nobody knows what became.
func (d *Desk) lose(rs []*request) { d.fail(rs, errUnknown()) }

// refuse counts an error by its reason and passes it on. nil stays nil.
func (d *Desk) refuse(err error) error {
	if err != nil {
		d.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	}
	return err
}

// bounded gives a context that ends later than PayMax, or never, that end.
func (d *Desk) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d.cfg.PayMax)
}

// today is the day since 1970, UTC.
func today() int64 { return time.Now().Unix() / (24 * 60 * 60) }

// legOf is a payment as a leg.
func legOf(p *Payment, from, to chain.AccountNo, asset chain.AssetNo) chain.Leg {
	leg := chain.Leg{From: from, To: to, Asset: asset, Kind: chain.LegTransfer, Amount: p.Amount}
	if p.Keyed {
		leg.Arg, leg.Reference = chain.LegKeyed, chain.KeyedReference(p.Key, p.Body)
	}
	return leg
}
