// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// fetch is a state that the node needs from a peer, for it fell behind what ordering still knows, or was deceived.
type fetch struct {
	least   chain.Height
	ordered bool // the ordering core waits for it
	peer    int  // whom it asked last
	until   int64
}

func (n *replica) fetchState(least chain.Height, ordered bool) {
	if c := n.newest(); ordered && c != nil && c.height >= least {
		n.stepOrder(raft.Fetched{Height: c.height, OK: true})
		return
	}
	n.fetch = &fetch{least: least, ordered: ordered, peer: n.w.hostRand.IntN(n.w.size)}
	if n.w.liars > 0 && n.w.hostRand.IntN(2) == 0 {
		n.fetch.peer = n.w.size - n.w.liars - 1 // bad luck: a liar is asked first
	}
	n.askForState()
}

// newest is the newest checkpoint on disk that is whole.
func (n *replica) newest() (c *checkpoint) {
	for _, s := range n.slots {
		if s != nil && !s.unfinished && (c == nil || s.height > c.height) {
			c = s
		}
	}
	return c
}

// askForState asks one peer after the other.
func (n *replica) askForState() {
	f := n.fetch
	if n.w.now < f.until || n.writing {
		return
	}
	f.until = n.w.now + stateWaitMicros
	if f.peer = nextMember(n.insiders(), f.peer); f.peer == int(n.no) {
		f.peer = nextMember(n.insiders(), f.peer)
	}
	n.post(f.peer, frameStateAsk, binary.LittleEndian.AppendUint64(nil, uint64(f.least)))
}

// serveState gives a peer the newest checkpoint, if it is high enough.
func (n *replica) serveState(f *frame) {
	c := n.newest()
	if len(f.body) != 8 || n.halted != "" {
		return
	}
	if least := chain.Height(binary.LittleEndian.Uint64(f.body)); c == nil || c.height < least {
		c = nil
	}
	answer := frame{from: int(n.no), to: f.from, kind: frameState, state: c}
	if n.liar != nil {
		n.liar.post(answer)
		return
	}
	n.w.net.send(answer)
}

// takeState proves a checkpoint that a peer sent, and goes on from it once it is durable here.
func (n *replica) takeState(f *frame) {
	want := n.fetch
	if want == nil || f.from != want.peer || n.writing {
		return
	}
	if f.state == nil || f.state.height < want.least || !n.proved(f.state) {
		if want.until = n.w.now; f.state != nil {
			n.w.see(seenStateRefused, 1)
		}
		return
	}
	n.w.check.accepted(n, f.state)
	n.fetch = nil
	if n.lags && n.bug() == bugNewcomerHasty {
		n.unsaved = f.state
		n.blocks.leap(f.state)
		n.restart()
		return
	}
	n.writeCheckpoint(f.state, func() { n.goOnFrom(f.state, want) })
}

// proved reports whether a checkpoint is what a quorum certified: its pages have the root that its last header carries,
// its headers are a chain, and the last one is certified.
func (n *replica) proved(c *checkpoint) bool {
	if len(c.headers) == 0 || c.certificate == nil && c.end == nil {
		return false
	}
	if c.end != nil {
		return n.provedByEnd(c)
	}
	last := c.headers[len(c.headers)-1]
	if last.RootAt != c.height || c.headers[0].Height != c.height || !chained(c.headers) || !chainedDown(c.headers[0], c.history) {
		return false
	}
	if n.bug() != bugStateUncertified && !n.certified(c.certificate, last) {
		return false
	}
	if n.bug() == bugStateRootUnchecked {
		return true
	}
	_, tree, l, err := restore(n.w, c.sections)
	return err == nil && tree.Root() == last.StateRoot && l.Height() == c.height
}

func chained(headers []*chain.ExecutedHeader) bool {
	for i := 1; i < len(headers); i++ {
		if headers[i].Height != headers[i-1].Height+1 || headers[i].Previous != codec.HeaderHash(headers[i-1]) {
			return false
		}
	}
	return true
}

// chainedDown reports whether a list of headers, newest first, leads up to h.
func chainedDown(h *chain.ExecutedHeader, list []*chain.ExecutedHeader) bool {
	if len(list) > historyMax {
		return false
	}
	for _, below := range list {
		if h.Height != below.Height+1 || h.Previous != codec.HeaderHash(below) {
			return false
		}
		h = below
	}
	return true
}

// certified reports whether a quorum of different validators signed a header, and the root in it.
func (n *replica) certified(c *chain.Certificate, h *chain.ExecutedHeader) bool {
	members := n.membersOf(h.Epoch)
	if members == nil {
		return false
	}
	quorum := members.Quorum()
	if n.bug() == bugQuorumOffByOne {
		quorum--
	}
	if c.Header != codec.HeaderHash(h) || c.Height != h.Height || c.Epoch != h.Epoch || len(c.Signatures) < quorum {
		return false
	}
	for i, s := range c.Signatures {
		if members.Find(s.Validator) == nil {
			return false
		}
		if i > 0 && s.Validator <= c.Signatures[i-1].Validator && n.bug() != bugSignersTwice {
			return false
		}
	}
	return n.w.keys.verifySignatures(members, c, h)
}

// goOnFrom makes a peer's state this node's, unless it executed as much by itself. One that was halted starts anew.
func (n *replica) goOnFrom(c *checkpoint, want *fetch) {
	n.blocks.leap(c)
	if n.halted != "" || c.epoch() != n.epoch {
		n.w.check.returned(n)
		n.crash()
		n.bootAfter(1_000)
		return
	}
	if c.height > n.machine.Height() {
		if err := n.load(c); err != nil {
			n.halt("a fetched state: %v", err)
			return
		}
		for h, sn := range n.states { // of the state before; each on its own
			sn.Release()
			delete(n.states, h)
		}
		n.tellLanesOfState()
	}
	if n.bug() != bugHistoryForgotten {
		n.noteHistory()
	}
	n.w.check.leapt(n, c.height)
	for h := range n.results {
		if h <= c.height {
			delete(n.results, h)
		}
	}
	n.stepCertify(certify.Published{Height: c.height})
	if want.ordered {
		n.stepOrder(raft.Fetched{Height: c.height, OK: true})
	}
}

func (n *replica) tellLanesOfState() {
	var executed []spread.Input
	for v := range n.members.Size() {
		_, sequence, digest := n.ledger.Lane(chain.ValidatorNo(v))
		if sequence > 0 {
			executed = append(executed, spread.Executed{Lane: chain.ValidatorNo(v), Sequence: sequence, Digest: digest})
		}
	}
	n.stepSpread(executed...)
	if _, sequence, digest := n.ledger.Lane(n.no); sequence > n.own.sequence {
		n.own = tip{sequence, digest}
	}
	for _, d := range n.offeredAndExecuted() {
		n.stepOrder(raft.Withdrawn{Digest: d})
	}
	for d, st := range n.stored { // each on its own
		if n.executed[d] == 0 && n.laneIsPast(&st.entry) {
			n.executed[d] = n.machine.Height()
		}
	}
}

// laneIsPast reports whether an entry's lane is executed up to it.
func (n *replica) laneIsPast(e *chain.LaneEntry) bool {
	epoch, sequence, _ := n.ledger.Lane(e.Validator)
	return epoch == e.JoinEpoch && e.Sequence <= sequence
}

// offeredAndExecuted lists entries that were offered to ordering and are executed in the state.
func (n *replica) offeredAndExecuted() (list []chain.Hash) {
	for d, st := range n.stored {
		if st.offered && n.laneIsPast(&st.entry) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b chain.Hash) int { return bytes.Compare(a[:], b[:]) })
	return list
}
