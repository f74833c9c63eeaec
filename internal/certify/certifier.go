// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"context"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// poolBytesMax bounds the votes on their way to the disk.
const poolBytesMax = 1 << 20

// Certifier is the world around a core: its keys, its disk, its peers and its clock. Its methods are safe for concurrent
// use.
type Certifier struct {
	cfg     Config
	log     *seglog.Log
	pool    *seglog.Pool
	spans   *spans
	metrics *metrics

	signing sync.Mutex // held by Sign, so that votes reach the log in the core's order
	refuses bool       // guarded by signing; nothing is signed any more

	// mu guards the fields below it.
	mu      sync.Mutex
	core    *Core
	failed  error
	broken  chan struct{} // closed with failed
	changed chan struct{} // closed and made anew when heights are certified
}

// Open reads the vote log back. published is the newest height that the host published. The log is the certifier's alone
// and stays the caller's to close, after Run has returned. Corrupt: the log is damaged, another node's, or lost its end.
func Open(ctx context.Context, log *seglog.Log, published chain.Height, cfg Config) (*Certifier, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Certifier{
		cfg: cfg, log: log, pool: seglog.NewPool(poolBytesMax, poolBytesMax/4), spans: &spans{},
		broken: make(chan struct{}), changed: make(chan struct{}),
	}
	var err error
	if c.core, err = cfg.open(ctx, published, &scanner{log: log, spans: c.spans}); err != nil {
		return nil, err
	}
	c.metrics, err = newMetrics(cfg.Metrics)
	return c, err
}

// Run sends again what got no certificate, until ctx ends (nil) or the certifier must stop (Halted).
func (c *Certifier) Run(ctx context.Context) error {
	defer c.metrics.unregister()
	tick := time.NewTicker(c.cfg.TickInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.broken:
			return c.failure()
		case <-tick.C:
			_, _ = c.step(Tick{}) // an error closes broken
		}
	}
}

// Certify is Sign and Await.
func (c *Certifier) Certify(ctx context.Context, h *chain.ExecutedHeader, hash chain.Hash) (*chain.Certificate, error) {
	if err := c.Sign(ctx, h, hash); err != nil {
		return nil, err
	}
	return c.Await(ctx, h.Height)
}

// Await returns the certificate of a height that was signed. It is called in height order: it says that all below height
// is published. Its error is ctx's, Pruned for a height forgotten long ago, or what stopped the certifier.
func (c *Certifier) Await(ctx context.Context, height chain.Height) (*chain.Certificate, error) {
	if height > 0 {
		c.Published(height - 1)
	}
	for {
		c.mu.Lock()
		cert, err, changed := c.core.Certificate(height), c.failed, c.changed
		forgotten := height <= c.core.floor
		c.mu.Unlock()
		switch {
		case cert != nil:
			return cert, nil
		case err != nil:
			return nil, err
		case forgotten:
			return nil, fault.New(fault.Pruned, "the certificate of height %d was handed out long ago: read it from the store", height)
		}
		select {
		case <-changed:
		case <-c.broken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Published says that the host published all up to a height, or took it from a checkpoint. Await says it too.
func (c *Certifier) Published(height chain.Height) { _, _ = c.step(Published{height}) }

// Receive takes a frame that the transport knows to be from a peer, verifies it on this goroutine, and keeps no reference
// to it. Invalid: it is no frame, or a signature is wrong; Refused: it is of no use here. An error needs no answer: it is
// counted.
func (c *Certifier) Receive(from chain.ValidatorNo, frame []byte) error {
	m, err := ParseFrame(frame)
	if err != nil {
		return c.refuse("malformed", err)
	}
	in, word, own := c.admit(from, m)
	if word != "" {
		return c.refuse(word, fault.Reasoned(fault.Refused, word, "a message of validator %d is not acted on: %s", from, word))
	}
	if !c.verify(m, own) {
		c.cfg.Logger.Warn("a signature of a vote is wrong", obs.KeyPeer, from)
		return c.refuse("wrong_signature", fault.Reasoned(fault.Invalid, "wrong_signature", "a signature in a message of validator %d is wrong", from))
	}
	out, err := c.step(in)
	for _, s := range out.Serve {
		c.serve(s)
	}
	return err
}

// admit refuses what is of no use before its signatures cost time. own is the own vote of a certificate's height.
func (c *Certifier) admit(from chain.ValidatorNo, m Message) (in Input, word string, own *Vote) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case m.Vote != nil:
		return Received{From: from, Vote: *m.Vote}, c.core.Admit(from, m.Vote), nil
	case m.Certificate != nil:
		return ReceivedCertificate{From: from, Certificate: m.Certificate}, c.core.AdmitCertificate(from, m.Certificate), c.core.Own(m.Certificate.Height)
	}
	return Wanted{From: from, Height: m.Wanted}, "", nil
}

func (c *Certifier) verify(m Message, own *Vote) bool {
	switch {
	case m.Vote != nil:
		return c.cfg.Members.Verify(m.Vote)
	case m.Certificate != nil:
		return c.cfg.Members.VerifyCertificate(m.Certificate, own)
	}
	return true
}

func (c *Certifier) refuse(word string, err error) error {
	c.metrics.refused.WithLabelValues(word).Inc()
	return err
}

// serve answers a peer from the host's store.
func (c *Certifier) serve(s Serve) {
	cert, err := c.cfg.Stored(s.Height)
	if err != nil {
		_ = c.refuse("not_stored", err)
		return
	}
	c.cfg.Peers.Send(s.To, AppendFrame(nil, Message{Certificate: cert}))
}

// Evidence lists what is kept of validators that signed two headers of one height, oldest first.
func (c *Certifier) Evidence() []Evidence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Evidence()
}

// Newest is the newest height that this node signed in its epoch, in this life or an earlier one; 0: none.
func (c *Certifier) Newest() chain.Height {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.core.executed, c.core.recovered.last)
}

// Trim lets the vote log forget votes below a height, in whole segments. The host's durable state must be at below-1 or
// above: a height whose vote is forgotten is never signed again.
func (c *Certifier) Trim(below chain.Height) error {
	_, err := c.log.Recycle(c.spans.below(c.cfg.Members.epoch, below))
	return err
}
