// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/order/raft"
)

// liar is what makes a replica lie: its cores work as anybody's, and what leaves it is changed, held back or made up. It
// signs with its own key only, for the transport and the signatures keep it from more.
type liar struct {
	n      *replica
	active []*episode

	pretended bool // it acknowledged what it does not hold

	forks  map[uint64]*truth  // a second entry for a place of its lane
	kept   []frame            // sent before, to be sent again
	unheld []chain.Hash       // entries that only it has
	turned map[chain.Hash]int // proposals told differently, so that each follower hears one story
}

// keptMax bounds the frames that a liar remembers.
const keptMax = 200

func newLiar(n *replica) *liar { return &liar{n: n, forks: map[uint64]*truth{}} }

func (l *liar) begin(e *episode) {
	l.active = append(l.active, e)
	if len(l.active) == 1 {
		l.act()
	}
}

func (l *liar) end(e *episode) {
	for i := range l.active {
		if l.active[i] == e {
			l.active = append(l.active[:i:i], l.active[i+1:]...)
			return
		}
	}
}

// on reports whether a lie is being told.
func (l *liar) on(kind string) bool {
	for _, e := range l.active {
		if e.kind == kind {
			return true
		}
	}
	return false
}

// tells draws whether a lie is told to a peer now; the same peers hear it during an episode.
func (l *liar) tells(kind string, to int) bool {
	for _, e := range l.active {
		if e.kind == kind && e.set>>to&1 == 1 && l.n.w.lieRand.Float64() < e.rate {
			return true
		}
	}
	return false
}

func (l *liar) lied(kind string) { l.n.w.count(kind, 1) }

// act makes lies up from time to time.
func (l *liar) act() {
	w := l.n.w
	if len(l.active) == 0 {
		return
	}
	w.after(2_000+w.lieRand.Int64N(30_000), int(l.n.no), l.act)
	if !l.n.up || l.n.halted != "" {
		return
	}
	e := l.active[w.lieRand.IntN(len(l.active))]
	to := w.lieRand.IntN(len(w.nodes))
	if to == int(l.n.no) {
		return
	}
	switch e.kind {
	case lieAck:
		l.forgeAck(to)
	case lieReplay:
		l.replay(to)
	case lieBatch:
		l.forgeBatch()
	case lieSignature:
		l.forgeVote(to)
	case lieJunk:
		l.junk(to)
	case lieForward:
		l.forgeForward(to)
	case lieEnds:
		l.pushEnds(to)
	case lieLeadUnheld:
		l.orderUnheld()
	}
	l.n.settle()
}

// post sends what a liar makes of a frame.
func (l *liar) post(f frame) {
	w := l.n.w
	if l.on(lieReplay) && w.lieRand.IntN(8) == 0 {
		if l.kept = append(l.kept, f); len(l.kept) > keptMax {
			l.kept = l.kept[1:]
		}
	}
	switch f.kind {
	case frameEntry:
		l.postEntry(f)
	case frameCertify:
		l.postVote(f)
	case frameOrder:
		l.postOrder(f)
	case frameState:
		l.postState(f)
	case frameEnds:
		l.postEnds(f)
	default:
		w.net.send(f)
	}
}

// replay sends something again that was sent long ago, mostly to whom it was meant for.
func (l *liar) replay(to int) {
	w := l.n.w
	if len(l.kept) == 0 {
		return
	}
	f := l.kept[w.lieRand.IntN(len(l.kept))]
	if f.kind != frameOrder && w.lieRand.IntN(3) == 0 {
		f.to = to
	}
	l.lied(lieReplay)
	w.net.send(f)
}

// junk sends bytes that mean nothing, or a frame with a few bits changed.
func (l *liar) junk(to int) {
	w := l.n.w
	f := frame{from: int(l.n.no), to: to, kind: frameKind(w.lieRand.IntN(int(frameStateAsk) + 1)), body: make([]byte, w.lieRand.IntN(300))}
	// A message of the ordering engine with other bits may be a lie to it, which is told elsewhere, and noted.
	if len(l.kept) > 0 && l.kept[0].kind != frameOrder && w.lieRand.IntN(2) == 0 {
		f.kind, f.body = l.kept[0].kind, append([]byte(nil), l.kept[0].body...)
	}
	for range 1 + w.lieRand.IntN(4) {
		if len(f.body) > 0 {
			f.body[w.lieRand.IntN(len(f.body))] ^= 1 << w.lieRand.IntN(8)
		}
	}
	l.lied(lieJunk)
	w.net.send(f)
}

// refuses lets a liar turn clients away, who wait for an answer in vain.
func (l *liar) refuses() bool { return l.on(lieWithhold) && l.n.w.lieRand.IntN(2) == 0 }

// leads reports whether the ordering engine follows the liar.
func (l *liar) leads() bool {
	return l.n.leads()
}

// mislead notes that a liar lied to the ordering engine as its leader.
func (l *liar) mislead(kind string) {
	l.lied(kind)
	l.n.w.check.misled = true
}

// forgeForward asks whom it takes for the leader to order what nobody holds.
func (l *liar) forgeForward(to int) {
	st := l.n.order.Status()
	if st.HasLeader {
		to = int(st.Leader)
	}
	if to == int(l.n.no) {
		return
	}
	w := l.n.w
	var d chain.Hash
	for i := range d {
		d[i] = byte(w.lieRand.Uint32())
	}
	m := raft.Message{Forward: &raft.Forward{Incarnation: w.lieRand.Uint64(), Digests: []chain.Hash{d}}}
	l.lied(lieForward)
	w.net.send(frame{from: int(l.n.no), to: to, kind: frameOrder, body: raft.AppendFrame(nil, m)})
}
