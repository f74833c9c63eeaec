// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// checkpoint is a durable copy of the state at a height, with what proves it: the headers from that height to the one
// that carries its root, and the certificate of the last. What a checkpoint points to is not changed any more.
type checkpoint struct {
	height      chain.Height
	sections    []section
	headers     []*chain.ExecutedHeader
	certificate *chain.Certificate
	// end is the handover behind whose last block an epoch begins with this state; nil: it is another one.
	end *chain.ProvedHandover
	// history is the headers below, newest first: who goes on from here must know an entry that is ordered a second time,
	// though nobody has its payload any more.
	history    []*chain.ExecutedHeader
	unfinished bool
}

// root is the state root that the checkpoint's proof says it has.
func (c *checkpoint) root() chain.Hash {
	if c.end != nil {
		return c.end.Root
	}
	return c.headers[len(c.headers)-1].StateRoot
}

// epoch is the one in which a node goes on from the checkpoint.
func (c *checkpoint) epoch() chain.Epoch {
	if c.end != nil {
		return c.end.Next.Epoch
	}
	return c.headers[0].Epoch
}

type section struct {
	number, recordBytes uint32
	pages               [][]byte // nil: absent
}

// copySections copies a frozen state.
func copySections(sn *pages.Snapshot) (list []section) {
	for _, v := range sn.Sections() {
		s := section{number: v.Section, recordBytes: v.RecordBytes, pages: make([][]byte, v.Pages())}
		for p := range s.pages {
			if page, born := v.Page(uint64(p)); born != 0 {
				s.pages[p] = append([]byte(nil), page.Bytes()...)
			}
		}
		list = append(list, s)
	}
	return list
}

// restore makes a state from copied pages, and its root.
func restore(w *world, list []section) (*pages.Space, *pages.Tree, *ledger.Ledger, error) {
	space := pages.NewSpaceIn(w.slabs.take)
	for _, s := range list {
		if err := space.LoadSection(s.number, s.recordBytes); err != nil {
			return nil, nil, nil, err
		}
		for p, data := range s.pages {
			if data == nil {
				continue
			}
			if err := space.LoadPage(s.number, uint64(p), data); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	l, tree := ledger.New(space, addressOf), pages.NewTree()
	if err := l.Attach(); err != nil {
		return nil, nil, nil, err
	}
	sn := space.Snapshot()
	defer sn.Release()
	tree.Update(sn)
	return space, tree, l, nil
}

// load makes a checkpoint the node's state.
func (n *replica) load(c *checkpoint) error {
	sections := c.sections
	if n.bug() == bugDedupLost {
		sections = withoutSequences(sections)
	}
	space, tree, l, err := restore(n.w, sections)
	if err != nil {
		return err
	}
	if root := c.root(); tree.Root() != root && !slices.Contains(rootBlind, n.bug()) {
		return fault.New(fault.Corrupt, "the checkpoint of height %d has root %s, its header says %s", c.height, tree.Root(), root)
	}
	n.w.see(seenFromState, 1)
	n.space, n.tree, n.ledger = space, tree, l
	at := c.headers[0]
	hash := codec.HeaderHash(at)
	n.machine = exec.New(l, exec.Tip{Height: at.Height, Hash: hash, TimeUs: at.TimeUs, LastRoot: at.Height, LastUs: at.TimeUs, Begins: c.end != nil})
	for _, h := range c.headers[1:] {
		if h.RootAt != 0 && h.RootAt <= c.height {
			n.machine.Restore(h.RootAt, h.StateRoot)
		}
	}
	return nil
}

// rootCertified begins a checkpoint of the state whose root became certified, unless the last one is young.
func (n *replica) rootCertified(h *chain.ExecutedHeader) {
	sn := n.states[h.RootAt]
	if h.RootAt == 0 || sn == nil || !n.up {
		return
	}
	delete(n.states, h.RootAt)
	if !n.writing && n.w.now-n.checkpointed >= n.w.checkpointUs {
		if c := n.newCheckpoint(h, sn); c != nil {
			n.writeCheckpoint(c, nil)
		}
	}
	sn.Release()
}

func (n *replica) newCheckpoint(last *chain.ExecutedHeader, sn *pages.Snapshot) *checkpoint {
	c := &checkpoint{height: last.RootAt, certificate: n.blocks.list[last.Height].certificate, sections: copySections(sn)}
	c.history = n.blocks.history(c.height)
	for h := c.height; h <= last.Height; h++ {
		x := n.blocks.list[h]
		if x == nil {
			return nil // before a state that was fetched
		}
		c.headers = append(c.headers, x.header)
	}
	return c
}

// writeCheckpoint writes into the older of both slots, which is void until all is there. The store is flushed first.
func (n *replica) writeCheckpoint(c *checkpoint, done func()) {
	n.blocks.flushed = n.blocks.head
	n.checkpointed, n.writing = n.w.now, true
	slot := 0
	if n.slots[0] != nil && !n.slots[0].unfinished && (n.slots[1] == nil || n.slots[1].unfinished || n.slots[1].height < n.slots[0].height) {
		slot = 1
	}
	writing := *c
	writing.unfinished = true
	n.slots[slot] = &writing
	if n.bug() == bugPrunedBeforeCommit {
		n.letGo(n.blocks.head)
	}
	n.after(3*n.syncMicros()+n.w.diskRand.Int64N(20_000), func() {
		writing.unfinished, n.writing = false, false
		n.w.check.checkpointed(n, &writing)
		n.letGo(n.floor())
		if done != nil {
			done()
		}
		if next := n.afterwards; next != nil {
			n.afterwards = nil
			next()
		}
	})
}

// floor is the height up to which nothing is needed any more: the older checkpoint's, less what is retained for peers.
func (n *replica) floor() chain.Height {
	a, b := n.slots[0], n.slots[1]
	if a == nil || b == nil || a.unfinished || b.unfinished {
		return 0
	}
	older := min(a.height, b.height)
	return older - min(older, chain.Height(n.w.retain))
}

// letGo forgets payloads, proposals and votes up to a height.
func (n *replica) letGo(floor chain.Height) {
	if floor == 0 || !n.up {
		return
	}
	n.trimOrder(floor + 1)
	payloads, votes := floor, floor
	if n.bug() == bugVotesTrimmed {
		votes = n.blocks.head + chain.Height(n.w.depthMax)
	}
	n.votes.keep(func(r *record) bool { return voteHeight(r) > votes })
	for d, st := range n.stored { // each on its own: the order does not matter
		if at := n.executed[d]; st.durable && at != 0 && at <= payloads {
			delete(n.stored, d)
		}
	}
	n.payloads.keep(func(r *record) bool { return n.stored[r.key] != nil })
	n.w.check.letGo(n)
}

// tornCheckpoint is a seeded bug: what was being written when the power went is taken, new pages beside old ones.
func (n *replica) tornCheckpoint(newest *checkpoint) *checkpoint {
	for _, c := range n.slots {
		if c == nil || !c.unfinished || newest == nil || c.height <= newest.height {
			continue
		}
		torn := *c
		torn.sections = append([]section(nil), c.sections...)
		for i := len(torn.sections) / 2; i < len(torn.sections) && i < len(newest.sections); i++ {
			torn.sections[i] = newest.sections[i]
		}
		return &torn
	}
	return newest
}

// rootBlind are the seeded bugs that load a state without a look at its root.
var rootBlind = []Bug{bugTornCheckpointTaken, bugStateRootUnchecked, bugDedupLost}

// sectionChannels holds the last sequence of each channel, as the ledger's FORMAT.md says.
const sectionChannels = 8

// withoutSequences is a seeded bug: what the channels had seen is not in the checkpoint.
func withoutSequences(sections []section) []section {
	list := append([]section(nil), sections...)
	for i := range list {
		if list[i].number == sectionChannels {
			list[i].pages = nil
		}
	}
	return list
}
