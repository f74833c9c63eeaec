// SPDX-License-Identifier: Apache-2.0

package index

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
)

// Position is a place on the chain between two batches: everything before batch Batch of block Height is behind it.
type Position struct {
	Height chain.Height
	Batch  uint32
}

// Start is the position of an empty index.
func Start() Position { return Position{Height: 1} }

// Less reports whether p lies before q.
func (p Position) Less(q Position) bool {
	return p.Height < q.Height || p.Height == q.Height && p.Batch < q.Batch
}

// Complete is the newest height that lies before p as a whole.
func (p Position) Complete() chain.Height { return p.Height - 1 }

// Block is a block that the index has seen the end of.
type Block struct {
	Height chain.Height
	Hash   chain.Hash
	TimeUs uint64
	Items  uint64 // legs and single transactions in it
}

// Gap says that what lies from From up to (not including) block To was recycled before it was indexed.
type Gap struct {
	From Position
	To   chain.Height
}

// Group is what is written at once: all that lies from From to Next.
type Group struct {
	From, Next Position
	Blocks     []Block // that end in this group, ascending
	Rows       []history.Transfer
	Gaps       []Gap
}

func (g *Group) reset(from Position) {
	g.From, g.Next, g.Blocks, g.Rows, g.Gaps = from, from, g.Blocks[:0], g.Rows[:0], g.Gaps[:0]
}

// Pace says how an engine is fed. A group ends with the batch that reaches GroupItems, so it has fewer than
// GroupItems + chain.BatchLegsMax rows.
type Pace struct {
	GroupItems  int
	GroupBlocks int
	Rest        int           // after working for t the follower rests for at least Rest*t
	RestBusy    int           // the same while groups are full and the chain grows more than twice as fast
	Apart       time.Duration // at least so long from the beginning of a group that is not full to that of the next
}

// Embedded is the pace of an engine in this process: at most a fifth of one core.
func Embedded() Pace {
	return Pace{GroupItems: GroupItemsMax, GroupBlocks: GroupBlocksMax, Rest: DutyRest, RestBusy: DutyRestBusy}
}

// Writer is the writing side of an engine. One goroutine uses it.
type Writer interface {
	// Position is what has been applied: the From of the next group.
	Position() Position
	// Newest is the newest block that the index has seen the end of; the zero Block if there is none.
	Newest() (Block, error)
	// Last is the newest transfer that was applied, also one of a block whose end is to come; nil if there is none.
	Last() (*history.Transfer, error)
	// Apply writes a group and its Next as one. A group that does not begin at Position is a Conflict and changes nothing;
	// after any other error the position is as it was.
	Apply(g *Group) error
	// Pace is how it is fed. It does not change.
	Pace() Pace
}

// Reader is the reading side of an engine. It is safe for concurrent use, beside the writer too.
type Reader interface {
	// Transfers lists up to limit transfers, newest first, of an account and an asset (0: any), that lie before a place in
	// the index which an earlier answer gave as next (0: from the newest on). Only blocks up to height at, which are in the
	// index as a whole, are seen. An answer may be short, or empty, although there is more: next is 0 only at the end.
	Transfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (at chain.Height, rows []history.Transfer, next uint64, err error)
	// ByOrigin finds the transfer that V10 made at a place of one of its rounds, as lists see it, or NotFound. Of several, which only a V10
	// that was put back to an older state can make, it is the newest.
	ByOrigin(ctx context.Context, round uint64, place uint32) (history.Transfer, error)
}

// NoOrigin is the error of who does not find a transfer by its origin.
func NoOrigin(round uint64, place uint32) error {
	return fault.New(fault.NotFound, "the index has no transfer that V10 made at place %d of round %d", place, round)
}
