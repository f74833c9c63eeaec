// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Peers carries frames to the other validators. Send must not block and must not change the frame: what cannot be sent
// is dropped, and the certifier sends again what matters.
type Peers interface {
	Send(to chain.ValidatorNo, frame []byte)
}

// Config sets a Certifier up. Self, Members, Header, Root and Peers are needed; zero values of the others mean the
// defaults.
type Config struct {
	Self    chain.ValidatorNo
	Members *Membership
	Header  keys.Signer // Ed25519
	Root    keys.Signer // ML-DSA-65
	Peers   Peers
	// Fetched is the height of a checkpoint that the host took from a peer, above which it published nothing yet.
	Fetched chain.Height
	// Stored reads a certificate that the host stored, for a peer that lags. An error means that it has none. Nil: none.
	Stored func(chain.Height) (*chain.Certificate, error)

	// WindowMax is how many heights ahead of the published one votes are kept. Default 1024.
	WindowMax chain.Height
	// TailMax is how many heights behind it they are kept. Default 64.
	TailMax chain.Height
	// LeadMin is how far a peer must be ahead of a height to be asked for its certificate at once: at least how many
	// blocks it may have executed and not published. Default 16.
	LeadMin chain.Height
	// EvidenceMax is how many pieces of evidence on each validator are kept. Default 16.
	EvidenceMax int
	// TickInterval is the unit of the certifier's time. Default 20 ms.
	TickInterval time.Duration
	// RetryInterval is how long a height may lack its certificate before its vote is sent again. Default 100 ms.
	RetryInterval time.Duration

	// The hooks are called by whoever brought the news, also by several goroutines at once. They must be quick.

	// OnEvidence is told of a validator that signed two headers of one height.
	OnEvidence func(Evidence)
	// OnStuck is told of a height that can get no certificate any more.
	OnStuck func(chain.Height)
	// OnDiverged is told why the certifier halts when a quorum signed another header.
	OnDiverged func(Diverged)
	// OnContradicted is told why the certifier halts when this node computed another header than it signed before.
	OnContradicted func(Contradicted)

	Metrics prometheus.Registerer // nil means none
	Logger  *slog.Logger          // nil means silence
}

func (c *Config) setDefaults() {
	c.WindowMax = cmp.Or(c.WindowMax, 1024)
	c.TailMax = cmp.Or(c.TailMax, 64)
	c.LeadMin = cmp.Or(c.LeadMin, 16)
	c.EvidenceMax = cmp.Or(c.EvidenceMax, 16)
	c.TickInterval = cmp.Or(c.TickInterval, 20*time.Millisecond)
	c.RetryInterval = cmp.Or(c.RetryInterval, 100*time.Millisecond)
	if c.Stored == nil {
		c.Stored = func(h chain.Height) (*chain.Certificate, error) {
			return nil, fault.New(fault.NotFound, "no certificate of height %d is kept", h)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) validate() error {
	if c.Members == nil || !c.Members.has(c.Self) {
		return fault.New(fault.Invalid, "validator %d is no member", c.Self)
	}
	if c.Header == nil || c.Root == nil || c.Header.Public() != c.Members.headers[c.Self].Public() || c.Root.Public() != c.Members.roots[c.Self].Public() {
		return fault.New(fault.Invalid, "the keys of validator %d are not those of its membership: check the key files", c.Self)
	}
	if c.Peers == nil && c.Members.Size() > 1 {
		return fault.New(fault.Invalid, "validator %d has peers and no way to reach them", c.Self)
	}
	return nil
}

func (c *Config) core(published chain.Height) CoreConfig {
	return CoreConfig{
		Self: c.Self, Epoch: c.Members.epoch, Validators: c.Members.Size(), Vacant: c.Members.vacant(), Published: published,
		WindowMax: c.WindowMax, TailMax: c.TailMax, LeadMin: c.LeadMin, EvidenceMax: c.EvidenceMax,
		RetryTicks: uint64(max(1, c.RetryInterval/c.TickInterval)),
	}
}

// open reads a vote log back and makes the core over it.
func (c *Config) open(ctx context.Context, published chain.Height, records *scanner) (*Core, error) {
	start := Start{Self: c.Self, Epoch: c.Members.epoch, Published: published, Fetched: c.Fetched}
	found, err := Recover(start, records.all(ctx))
	if records.err != nil {
		return nil, records.err
	}
	if err != nil {
		return nil, err
	}
	return NewCore(c.core(published), found), nil
}
