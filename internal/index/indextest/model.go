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

// origin is the newest transfer of an origin in blocks up to a height; nil: there is none.
func (m *model) origin(round uint64, place uint32, at chain.Height) *history.Transfer {
	for i, t := range slices.Backward(m.rows) {
		if t.Height <= at && t.Origin.Round == round && t.Origin.Place == place {
			return &m.rows[i]
		}
	}
	return nil
}

// maker makes groups as a follower does: batches in order, blocks that end, now and then a gap.
type maker struct {
	rand *rand.Rand
	next index.Position
	left int // batches of the present block that are to come
	// round is V10's newest.
	round uint64
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
	fromV10 := m.rand.IntN(3) == 0
	for i := range rows {
		rows[i] = transferAt(m.next.Height, m.next.Batch, uint32(2*i))
		rows[i].From, rows[i].To = chain.AccountNo(m.rand.IntN(accountsMax+1)), chain.AccountNo(m.rand.IntN(accountsMax+1))
		rows[i].Asset = chain.AssetNo(1 + m.rand.IntN(assetsMax))
		if fromV10 {
			m.originate(&rows[i], uint32(i))
		}
	}
	return rows
}

// originate gives a transfer an origin: of a new round, of an old one as a V10 has it that was put back, or of none.
func (m *maker) originate(t *history.Transfer, place uint32) {
	m.round += uint64(m.rand.IntN(2))
	t.Origin = history.Origin{Ms: timeAt(t.Height)/1000 - 1, Round: m.round, Place: place}
	switch m.rand.IntN(8) {
	case 0:
		t.Origin.Round = 1 + m.rand.Uint64N(m.round+1)
	case 1:
		t.Origin.Round, t.Origin.Place = 0, 0
	}
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
