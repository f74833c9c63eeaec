// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"cmp"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Config sets a core up.
type Config struct {
	Self   chain.ValidatorNo
	Quorum int // how many must hold an entry before it is ordered; 0: a quorum of all lanes' owners
	Bounds Bounds
}

// Bounds are the sizes and times of a core. All are at least 1.
type Bounds struct {
	LaneBytesMax   uint64 // of a lane's entries that are not executed: beyond, a peer's are refused, own ones are not cut
	LaneEntriesMax uint64 // the same in entries
	WindowBytes    uint64 // of own entries sent to a peer and not acknowledged; one entry always fits
	WindowEntries  uint64 // the same in entries
	KeepEntries    uint64 // of executed own entries that a peer which fell behind is still streamed
	MissingMax     int    // payloads asked for
	FetchesMax     int    // of them, asked for at a time
	ServeBytes     uint64 // answered to a peer's asks in a tick, and the entry that passes it
	ResendTicks    uint64 // without an acknowledgement until a window is sent again
	FetchTicks     uint64 // without an answer until another peer is asked
	AnnounceTicks  uint64 // between announcements of what is stored here
}

// DefaultBounds are made for ticks of 10 ms and batches of half a mebibyte.
func DefaultBounds() Bounds {
	return Bounds{
		LaneBytesMax: 256 << 20, LaneEntriesMax: 65536, WindowBytes: 8 << 20, WindowEntries: 512, KeepEntries: 16384,
		MissingMax: 1024, FetchesMax: 16, ServeBytes: 4 << 20, ResendTicks: 50, FetchTicks: 50, AnnounceTicks: 100,
	}
}

func (b Bounds) valid() bool {
	return b.LaneBytesMax > 0 && b.LaneEntriesMax > 0 && b.WindowBytes > 0 && b.WindowEntries > 0 && b.KeepEntries > 0 &&
		b.MissingMax > 0 && b.FetchesMax > 0 && b.ServeBytes > 0 && b.ResendTicks > 0 && b.FetchTicks > 0 && b.AnnounceTicks > 0
}

// LaneState is where a lane stands when a core begins.
type LaneState struct {
	Epoch    chain.Epoch // in which the lane's owner joined
	Executed uint64      // sequence of the last executed entry
	Digest   chain.Hash  // its digest
	Stored   []chain.LaneEntry
	Faulted  bool // it forked: evidence of kind Fork or Parent was found, and it did not begin anew since
}

// New makes a core of the lanes of all validators, lanes[i] being validator i's: their executed positions, and the
// entries that the disk holds behind them, in the lane's order. Errors: Invalid (configuration), Corrupt (entries that
// are no chain).
func New(cfg Config, lanes []LaneState) (*Core, error) {
	if n := len(lanes); n == 0 || n > chain.ValidatorsMax || int(cfg.Self) >= n || !cfg.Bounds.valid() {
		return nil, fault.New(fault.Invalid, "lane spreading: validator %d of %d with bounds %+v: all bounds must be at least 1", cfg.Self, n, cfg.Bounds)
	}
	c := &Core{cfg: cfg, quorum: cmp.Or(cfg.Quorum, chain.Quorum(len(lanes))), places: map[chain.Hash]place{}, evidence: make([][]Evidence, len(lanes))}
	for i := range lanes {
		c.peers = append(c.peers, &peer{owed: make([]bool, len(lanes)), budget: cfg.Bounds.ServeBytes})
		c.lanes = append(c.lanes, newLane(chain.ValidatorNo(i), len(lanes), lanes[i]))
	}
	for i, s := range lanes {
		if err := c.restore(c.lanes[i], s.Stored); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Core) restore(l *lane, stored []chain.LaneEntry) error {
	for _, e := range stored {
		if e.Validator != l.no || e.JoinEpoch != l.epoch || e.Sequence != l.tip()+1 || e.Parent != l.tipDigest() {
			return fault.New(fault.Corrupt, "lane %d: stored entry %d does not follow entry %d: give the lane's entries behind its executed one, in order", l.no, e.Sequence, l.tip())
		}
		c.extend(l, newHeld(e))
		c.noteStored(l, len(l.entries)-1)
	}
	return nil
}
