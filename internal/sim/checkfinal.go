// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// final compares everything with everything at the end of a run.
func (c *checker) final() {
	for i := range c.told {
		c.stillTrue(&c.told[i])
		c.survives(&c.told[i])
	}
	for h := chain.Height(1); h <= c.top; h++ {
		if c.certified[h] == nil {
			c.w.fail(checkGap, "height %d was published by nobody, and height %d was", h, c.top)
		}
	}
	c.finalEpochs()
	if !c.w.excused() {
		c.finalMembership()
	}
	roots := map[chain.Height]chain.Hash{}
	for _, n := range c.w.honest() {
		if n.up && n.halted == "" {
			c.finalNode(n, roots)
		}
	}
}

// survives checks that what a client was told is on the disk of some honest node that can show it.
func (c *checker) survives(t *told) {
	for _, n := range c.w.honest() {
		if x := n.blocks.list[t.height]; x != nil && x.hash == t.header || n.blocks.fetched >= t.height {
			return
		}
	}
	c.w.fail(checkAcknowledged, "a client was told of height %d, which no honest node has any more", t.height)
}

func (c *checker) finalNode(n *replica, roots map[chain.Height]chain.Hash) {
	h := n.machine.Height()
	if x := n.blocks.list[h]; x == nil || c.hashAt(h) != x.hash {
		return // it executed what is not certified
	}
	c.counts(n, h)
	if err := n.ledger.Recount(); err != nil {
		c.w.fail(checkConservation, "node %d at height %d: %v", n.no, h, err)
	}
	sn := n.space.Snapshot()
	defer sn.Release()
	root := pages.NewTree().Update(sn)
	if before, ok := roots[h]; ok && before != root {
		c.w.fail(checkRoots, "at height %d node %d has state root %s, another one %s", h, n.no, root, before)
	}
	roots[h] = root
}

// describe says how a node is, for a report.
func (n *replica) describe() string {
	if !n.up {
		return fmt.Sprintf("node %d is down, published %d", n.no, n.blocks.head)
	}
	text := fmt.Sprintf("node %d published %d, executed %d, decided %d more, own entry %d", n.no, n.blocks.head, n.machine.Height(), len(n.decided), n.own.sequence)
	if len(n.decided) > 0 {
		for _, d := range n.decided[0].Entries {
			if st := n.stored[d]; st == nil || !st.durable {
				text += fmt.Sprintf(", lacks %s", d)
			}
		}
	}
	if n.halted != "" {
		return text + ", halted: " + n.halted
	}
	return text + fmt.Sprintf(", ordering %+v", n.order.Status())
}
