// SPDX-License-Identifier: Apache-2.0

package index

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
)

// step writes one group. There is something to write.
func (f *Follower) step() error {
	f.group.reset(f.to.Position())
	items, err := f.gather()
	if fault.Is(err, fault.Pruned) {
		f.group.Rows = f.group.Rows[:f.rowsBefore(f.group.Next)]
		var skipped uint64
		skipped, err = f.jump()
		items += skipped
	}
	if err != nil {
		return err
	}
	if err := f.to.Apply(&f.group); err != nil {
		return err
	}
	f.behind.Add(-int64(items))
	f.done.Store(uint64(f.group.Next.Complete()))
	return nil
}

// rowsBefore is the number of the group's rows that lie before a position.
func (f *Follower) rowsBefore(p Position) int {
	n := len(f.group.Rows)
	for n > 0 && !(Position{f.group.Rows[n-1].Height, f.group.Rows[n-1].Index}).Less(p) {
		n--
	}
	return n
}

// gather reads batches into the group until it is full or the chain ends.
func (f *Follower) gather() (items uint64, err error) {
	g, head := &f.group, chain.Height(f.head.Load())
	for g.Next.Height <= head && len(g.Blocks) < f.pace.GroupBlocks {
		header, hash, err := f.source.Header(g.Next.Height)
		if err != nil {
			return items, err
		}
		for int(g.Next.Batch) < len(header.Batches) {
			if items >= uint64(f.pace.GroupItems) {
				return items, nil
			}
			if err := f.gatherBatch(header); err != nil {
				return items, err
			}
			items += uint64(header.Batches[g.Next.Batch].Legs)
			g.Next.Batch++
		}
		g.Blocks = append(g.Blocks, Block{Height: header.Height, Hash: hash, TimeUs: header.TimeUs, Items: itemsOf(header, 0)})
		g.Next = Position{Height: g.Next.Height + 1}
	}
	return items, nil
}

func (f *Follower) gatherBatch(header *chain.ExecutedHeader) error {
	g := &f.group
	return f.source.BatchTransfers(header, g.Next.Batch, func(t *history.Transfer) error {
		g.Rows = append(g.Rows, *t)
		return nil
	})
}

// jump records that the payloads from the group's end on are gone, up to the first block that is whole.
func (f *Follower) jump() (items uint64, err error) {
	g := &f.group
	to, err := f.source.Retained(g.Next.Height, chain.Height(f.head.Load()))
	if err != nil {
		return 0, err
	}
	// A payload that was gone a moment ago stays gone: the block that lacked it cannot be whole.
	to = max(to, g.Next.Height+1)
	if items, err = f.itemsBetween(g.Next, to); err != nil {
		return 0, err
	}
	g.Gaps = append(g.Gaps, Gap{From: g.Next, To: to})
	g.Next = Position{Height: to}
	return items, nil
}
