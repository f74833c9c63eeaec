// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Peers carries frames to the other validators. Send must not block: what cannot be sent is dropped, and the engine
// sends again what matters. Frames to one peer should arrive in order; the engine only gets slower where they do not.
type Peers interface {
	Send(to chain.ValidatorNo, frame []byte)
}

// Config sets the engine up. Self, Genesis.Voters and Peers are needed; zero values of the others mean the defaults.
type Config struct {
	Self    chain.ValidatorNo
	Genesis Genesis
	Peers   Peers
	// Fetched is the height of a checkpoint that the host took from a peer, above which it executed nothing yet.
	Fetched chain.Height

	// WindowMax is how many proposals may be on their way to the leader's executor. Default 16.
	WindowMax int
	// PendingMax bounds the node's digests that are not decided; Offer answers TryLater above it. Default 4096.
	PendingMax int
	// EntriesMax is how many digests a proposal takes. Default and most: chain.EntriesPerBlockMax.
	EntriesMax int
	// RecentMax is how many decided digests are remembered, so that they are not ordered twice. Default 16384.
	RecentMax int
	// OfferedEverywhere says that each node is offered every digest. A leader then orders what was offered to itself and takes
	// nobody's word for a digest: a lying peer could name one that nobody has the payload of. False: followers forward what
	// they are offered.
	OfferedEverywhere bool
	// InboxMax bounds the frames of one peer that wait; Receive answers TryLater above it. Default 1024.
	InboxMax int
	// IntervalMin is the shortest time between two proposals. The first one after a pause is cut at once. Below a
	// microsecond there is none: what the window has room for is cut in one go. Default 2 ms.
	IntervalMin time.Duration
	// TickInterval is the unit of the engine's time. Default 10 ms.
	TickInterval time.Duration
	// HeartbeatTicks is how often the leader says that it lives. Default 3.
	HeartbeatTicks int
	// ElectionTicks is how long a follower waits for that at least, and at most twice as long. Default 10.
	ElectionTicks int
	// RetryInterval is the pause after which undecided digests are forwarded again. Default 300 ms.
	RetryInterval time.Duration
	// OverdueAfter is how long a digest may stay undecided before OnUnordered is told. Default 1 s.
	OverdueAfter time.Duration
	// Now is the proposer's clock. Default time.Now.
	Now func() time.Time

	// OnUnordered is told once of each digest of this node that stays undecided for OverdueAfter: a leader may not pass
	// over a lane unseen. It must be quick.
	OnUnordered func(digest chain.Hash, since time.Duration)
	// SnapshotRef says where peers find the state of a height that the log is about to forget. Nil means nowhere but here.
	SnapshotRef func(chain.Height) []byte
	// FetchSnapshot gets a certified checkpoint at ref's height or above, proves it, and returns its height once the host
	// continues from it. Nil means that a node too far behind stays there.
	FetchSnapshot func(ctx context.Context, ref SnapshotRef) (chain.Height, error)

	Metrics prometheus.Registerer // nil means none
	Logger  *slog.Logger          // nil means silence
}

func (c *Config) setDefaults() {
	c.WindowMax = cmp.Or(c.WindowMax, 16)
	c.PendingMax = cmp.Or(c.PendingMax, 4096)
	c.EntriesMax = cmp.Or(c.EntriesMax, chain.EntriesPerBlockMax)
	c.RecentMax = cmp.Or(c.RecentMax, 16384)
	c.InboxMax = cmp.Or(c.InboxMax, 1024)
	c.IntervalMin = cmp.Or(c.IntervalMin, 2*time.Millisecond)
	c.TickInterval = cmp.Or(c.TickInterval, 10*time.Millisecond)
	c.HeartbeatTicks = cmp.Or(c.HeartbeatTicks, 3)
	c.ElectionTicks = cmp.Or(c.ElectionTicks, 10)
	c.RetryInterval = cmp.Or(c.RetryInterval, 300*time.Millisecond)
	c.OverdueAfter = cmp.Or(c.OverdueAfter, time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) validate() error {
	seen := map[chain.ValidatorNo]bool{}
	for _, v := range c.Genesis.Voters {
		if int(v) >= chain.ValidatorsMax || seen[v] {
			return fault.New(fault.Invalid, "validators must have numbers of their own below %d, not %v", chain.ValidatorsMax, c.Genesis.Voters)
		}
		seen[v] = true
	}
	if !seen[c.Self] {
		return fault.New(fault.Invalid, "validator %d is none of the %d", c.Self, len(seen))
	}
	if c.Peers == nil && len(seen) > 1 {
		return fault.New(fault.Invalid, "validator %d has peers and no way to reach them", c.Self)
	}
	if c.EntriesMax < 1 || c.EntriesMax > chain.EntriesPerBlockMax {
		return fault.New(fault.Invalid, "a proposal cannot take %d digests: 1 to %d", c.EntriesMax, chain.EntriesPerBlockMax)
	}
	if c.HeartbeatTicks < 1 || c.ElectionTicks <= c.HeartbeatTicks {
		return fault.New(fault.Invalid, "an election after %d ticks needs heartbeats more often than every %d", c.ElectionTicks, c.HeartbeatTicks)
	}
	return nil
}

// burst is how many proposals may be cut in one go.
func (c *Config) burst() int {
	if c.IntervalMin < time.Microsecond {
		return c.WindowMax
	}
	return 1
}

func (c *Config) ticks(d time.Duration) int { return max(1, int(d/c.TickInterval)) }

func (c *Config) core(incarnation uint64) CoreConfig {
	return CoreConfig{
		Self: c.Self, ElectionTicks: c.ElectionTicks, HeartbeatTicks: c.HeartbeatTicks,
		RetryTicks: c.ticks(c.RetryInterval), OverdueTicks: c.ticks(c.OverdueAfter), SnapshotTicks: c.ticks(time.Second),
		WindowMax: c.WindowMax, PendingMax: c.PendingMax, EntriesMax: c.EntriesMax, RecentMax: c.RecentMax,
		OfferedEverywhere: c.OfferedEverywhere, Incarnation: incarnation,
		Logger: logger{c.Logger},
	}
}
