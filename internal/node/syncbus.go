// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/applier"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/chainlog"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// syncRetry is how long a half of the sync that ended waits before it begins anew: the brokers may be away, or a person at work.
const syncRetry = time.Second

// SyncConfig is what a node syncs with V10 by. Several nodes of a network may sync at once: each change is made once, and what V10 is
// told twice is told in the same words.
type SyncConfig struct {
	Bus bus.Config
	// Ledger is V10's id (envelope.V10Ledger of its name).
	Ledger envelope.LedgerID
	// Signer has the key for which the inbox is open. Nothing else signs with it, nor ever did: what it signs is not told to V10.
	Signer keys.Signer
	// Channel of the custodian's institution; its desks must not lease it.
	Channel uint8
	// EarlierKeys are the numbers of keys for which the inbox was open before.
	EarlierKeys []chain.KeyNo
	// Start is where V10 begins to be told, if the topics hold nothing yet: the state of V11 that V10 was copied to.
	Start envelope.Position
}

// Syncing is a sync under way.
type Syncing struct {
	node    *Node
	cfg     SyncConfig
	chain   *syncChain
	applier *applier.Applier
	capture atomic.Pointer[chainlog.Capture]
	topics  atomic.Pointer[bus.Publisher] // to which the newest capture tells; nil: none yet
	ended   atomic.Pointer[error]         // why the newest capture ended, or could not begin; nil: one runs
	over    atomic.Bool                   // the migration is closed, and the topics have all that V10 is told
}

// syncConfig reads what the settings name.
func (n *Node) syncConfig() (c SyncConfig, err error) {
	from := &n.cfg.Sync
	if c.Signer, err = keys.ReadFile(n.cfg.Path(from.Signer), nil); err != nil {
		return c, err
	}
	if from.Start != "" {
		if c.Start, err = envelope.ParsePosition(from.Start); err != nil {
			return c, err
		}
	}
	c.Ledger, c.Channel = envelope.V10Ledger(from.Ledger), from.Channel
	for _, no := range from.EarlierKeys {
		c.EarlierKeys = append(c.EarlierKeys, chain.KeyNo(no))
	}
	c.Bus = bus.Config{
		Brokers: from.Brokers, Prefix: from.TopicPrefix, Log: n.log,
		TLS: bus.TLS{
			Enabled: from.TLS.Enabled, CA: n.cfg.Path(from.TLS.CA), Cert: n.cfg.Path(from.TLS.Cert), Key: n.cfg.Path(from.TLS.Key), ServerName: from.TLS.ServerName,
		},
		SASL: bus.SASL{Mechanism: from.SASL.Mechanism, User: from.SASL.User, PasswordFile: n.cfg.Path(from.SASL.PasswordFile)},
	}
	for _, path := range from.Keys {
		c.Bus.KeyFiles = append(c.Bus.KeyFiles, n.cfg.Path(path))
	}
	if err := bus.CheckPrefix(from.TopicPrefix); err != nil {
		return c, err
	}
	_, err = c.Bus.Keys() // a node that cannot read them says so at the start
	return c, err
}

// openSync reads the settings of the sync, if there are any.
func (r *rest) openSync() error {
	if r.node.cfg.Sync.Ledger == "" {
		return nil
	}
	c, err := r.node.syncConfig()
	if err == nil {
		r.sync = &c
	}
	return err
}

// runSync syncs with V10 while the dialect serves, if the settings want it. Its end is not the node's.
func (r *rest) runSync(ctx context.Context) {
	if r.sync == nil {
		return
	}
	select {
	case <-r.keyed:
	case <-ctx.Done():
		return
	}
	for ctx.Err() == nil {
		s, err := r.node.NewSync(*r.sync)
		if err == nil {
			r.node.syncing.Store(s)
			err = s.Run(ctx)
			r.node.syncing.Store(nil)
		}
		if err != nil && ctx.Err() == nil {
			r.node.log.Error("the sync with V10 does not run for a moment", obs.Err(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(syncRetry):
		}
	}
}

// NewSync prepares the sync of a node that serves V10's dialect, whose names and alias key it shares.
func (n *Node) NewSync(cfg SyncConfig) (s *Syncing, err error) {
	r := n.services.rest
	if r == nil {
		return nil, fault.New(fault.Invalid, "only a node that serves V10's dialect can sync with V10: it has the names")
	}
	c := n.newSyncChain()
	s = &Syncing{node: n, cfg: cfg, chain: c}
	s.applier, err = applier.New(
		applier.Config{Chain: n.genesis.Chain, Ledger: chain.Hash(cfg.Ledger), Signer: cfg.Signer, AliasKey: r.custody.AliasKey, Channel: cfg.Channel},
		applier.Parts{Chain: c, Open: s.open, Park: s.park, Vault: r.vault, Log: n.log, Metrics: n.metrics})
	return s, err
}

// Applier is the half that makes V10's changes here.
func (s *Syncing) Applier() *applier.Applier { return s.applier }

// CaptureStatus is where the half is that tells V10 of ours.
func (s *Syncing) CaptureStatus() (status chainlog.Status) {
	if c := s.capture.Load(); c != nil {
		status = c.Status()
	}
	return status
}

// Run syncs until ctx ends.
func (s *Syncing) Run(ctx context.Context) error {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return s.applier.Run(ctx) })
	both.Go(func() error { s.captures(ctx); return nil })
	return both.Wait()
}

// captures runs one capture after another: one that ended is begun anew from what the topics have, until nothing more is to be told.
func (s *Syncing) captures(ctx context.Context) {
	told := ""
	for ctx.Err() == nil {
		err := s.captureOnce(ctx)
		if s.over.Load() {
			return
		}
		if err != nil {
			s.ended.Store(&err)
		}
		if err != nil && ctx.Err() == nil && err.Error() != told {
			s.node.log.Error("V10 is not told of V11's changes for a moment", obs.Err(err))
			told = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-time.After(syncRetry):
		}
	}
}

func (s *Syncing) captureOnce(ctx context.Context) error {
	in, err := s.chain.Inbox(ctx)
	if err != nil {
		return err
	}
	if in.Life == 0 && in.Closed { // it was closed before anything began
		s.over.Store(true)
		return nil
	}
	if in.Life == 0 {
		return fault.Reasoned(fault.Unavailable, "inbox_closed", "the inbox was never opened: V10 is told nothing before")
	}
	genesis := envelope.LedgerID(codec.GenesisHash(s.node.genesis))
	p, err := bus.OpenPublisher(ctx, bus.PublisherConfig{
		Config: s.cfg.Bus, Start: s.cfg.Start, Registerer: s.node.metrics,
		Source: envelope.Source{Ledger: genesis, Origin: envelope.V11, Incarnation: envelope.V11Incarnation(genesis)},
	})
	if err != nil {
		return err
	}
	defer p.Close()
	c, err := chainlog.New(
		chainlog.Config{Institution: in.Institution, SyncKeys: append([]chain.KeyNo{in.Key}, s.cfg.EarlierKeys...)},
		chainlog.Parts{
			Chain: s.chain, Names: s.node.services.rest.vault, Sink: busSink{p}, Metrics: s.node.metrics,
			Log: s.node.log.With(slog.String(obs.KeyComponent, "sync/chainlog")),
		})
	if err != nil {
		return err
	}
	s.capture.Store(c)
	s.topics.Store(p)
	s.ended.Store(nil)
	return s.runWith(ctx, c, p)
}

// runWith runs a capture until ctx ends or its publisher does, which nothing else tells while this ledger does nothing.
func (s *Syncing) runWith(ctx context.Context, c *chainlog.Capture, p *bus.Publisher) error {
	both, inner := errgroup.WithContext(ctx)
	both.Go(func() error {
		select {
		case <-p.Done():
			return p.Failed()
		case <-inner.Done():
			return nil
		}
	})
	both.Go(func() error {
		if err := c.Run(inner); err != nil || ctx.Err() != nil {
			return err
		}
		if !c.Status().Closed {
			return p.Failed()
		}
		if err := p.Flush(inner); err != nil {
			return err
		}
		s.over.Store(true)
		return nil // the heart-beats go on, by which V10's half knows that it has all
	})
	return both.Wait()
}

// open reads V10's records behind a place.
func (s *Syncing) open(ctx context.Context, start envelope.Start) (applier.Reader, error) {
	r, err := bus.OpenReader(ctx, bus.ReaderConfig{Config: s.cfg.Bus, Start: start, Registerer: s.node.metrics})
	if err != nil {
		return nil, err
	}
	return busReader{r}, nil
}

// busSink is a publisher as a capture sees it.
type busSink struct{ *bus.Publisher }

// Tip is the position of the newest record that is sent, and whether it is the last one of its block.
func (s busSink) Tip() (envelope.Position, bool) {
	tip := s.Publisher.Tip()
	return tip.Position, tip.End
}

// Publish sends a record.
func (s busSink) Publish(ctx context.Context, d chainlog.Draft) error {
	return s.Publisher.Publish(ctx, bus.Draft(d))
}

// busReader is a reader as an applier sees it.
type busReader struct{ *bus.Reader }

// Beat is the newest heart-beat.
func (r busReader) Beat() (envelope.Position, uint64) {
	s := r.State()
	return s.Stated, s.Beat
}

// Trouble is why the brokers do not answer.
func (r busReader) Trouble() error { return r.State().Trouble }
