// SPDX-License-Identifier: Apache-2.0

package indextest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// model is what an index must say: all that was applied, in order.
type model struct {
	next   index.Position
	newest index.Block
	rows   []history.Transfer
}

func (m *model) apply(g *index.Group) {
	m.next = g.Next
	m.rows = append(m.rows, g.Rows...)
	if n := len(g.Blocks); n > 0 {
		m.newest = g.Blocks[n-1]
	}
}

// list is the transfers of an account and an asset in blocks up to a height, newest first.
func (m *model) list(account chain.AccountNo, asset chain.AssetNo, at chain.Height) []history.Transfer {
	var out []history.Transfer
	for _, t := range slices.Backward(m.rows) {
		if t.Height <= at && t.Touches(account, asset) {
			out = append(out, t)
		}
	}
	return out
}

// maker makes groups as a follower does: batches in order, blocks that end, now and then a gap.
type maker struct {
	rand *rand.Rand
	next index.Position
	left int // batches of the present block that are to come
}

func newMaker(seed uint64) *maker {
	return &maker{rand: rand.New(rand.NewPCG(seed, 0)), next: index.Start(), left: 2}
}

// group makes the next group, of some batches.
func (m *maker) group(batches int) *index.Group {
	g := &index.Group{From: m.next}
	for range batches {
		if m.left > 0 {
			g.Rows = append(g.Rows, m.batch()...)
			m.next.Batch++
			m.left--
			continue
		}
		g.Blocks = append(g.Blocks, blockAt(m.next.Height))
		m.next = index.Position{Height: m.next.Height + 1}
		m.left = m.rand.IntN(4)
	}
	g.Next = m.next
	return g
}

// gap makes a group with nothing in it but a gap.
func (m *maker) gap(blocks int) *index.Group {
	g := &index.Group{From: m.next}
	to := m.next.Height + chain.Height(blocks)
	g.Gaps = append(g.Gaps, index.Gap{From: m.next, To: to})
	m.next, m.left = index.Position{Height: to}, m.rand.IntN(4)
	g.Next = m.next
	return g
}

// The accounts and assets of random transfers are 1 to these.
const (
	accountsMax = 5
	assetsMax   = 3
)

func (m *maker) batch() []history.Transfer {
	rows := make([]history.Transfer, m.rand.IntN(6))
	for i := range rows {
		rows[i] = transferAt(m.next.Height, m.next.Batch, uint32(2*i))
		rows[i].From, rows[i].To = chain.AccountNo(m.rand.IntN(accountsMax+1)), chain.AccountNo(m.rand.IntN(accountsMax+1))
		rows[i].Asset = chain.AssetNo(1 + m.rand.IntN(assetsMax))
	}
	return rows
}

func blockAt(h chain.Height) index.Block {
	b := index.Block{Height: h, TimeUs: timeAt(h), Items: uint64(h) % 7}
	binary.BigEndian.PutUint64(b.Hash[8:], uint64(h))
	return b
}

func timeAt(h chain.Height) uint64 { return 1_700_000_000_000_000 + uint64(h)*1000 }

// transferAt makes a transfer that says where it stands.
func transferAt(h chain.Height, batch, item uint32) history.Transfer {
	t := history.Transfer{
		Height: h, Index: batch, Item: item, From: 1, To: 2, Asset: 1, Amount: chain.Units(uint64(item) + 1),
		Kind: history.KindTransfer, Outcome: chain.OK, TimeUs: timeAt(h),
	}
	binary.BigEndian.PutUint64(t.ID[:], uint64(h))
	binary.BigEndian.PutUint32(t.ID[8:], batch)
	binary.BigEndian.PutUint32(t.ID[12:], item)
	return t
}

// blockOf makes a group that is one block of one batch, at the position of the model.
func (m *model) blockOf(rows ...history.Transfer) *index.Group {
	h := m.next.Height
	return &index.Group{From: m.next, Next: index.Position{Height: h + 1}, Blocks: []index.Block{blockAt(h)}, Rows: rows}
}
