// SPDX-License-Identifier: Apache-2.0

package solo

import "github.com/aurigraph/aurigraph/internal/chain"

// core cuts proposals from offered digests. It has no clock and does no I/O.
type core struct {
	height  chain.Height // of the newest proposal
	timeUs  uint64       // of the newest proposal
	pending []chain.Hash // offered, not proposed yet
	nudged  bool
}

// ready reports whether cut would give a proposal.
func (c *core) ready() bool { return len(c.pending) > 0 || c.nudged }

// cut makes the next proposal at the proposer's clock nowUs. Time never stands still or runs back: a clock that did is
// overruled by one microsecond a block.
func (c *core) cut(nowUs uint64) *chain.Proposal {
	n := min(len(c.pending), chain.EntriesPerBlockMax)
	c.height++
	c.timeUs = max(nowUs, c.timeUs+1)
	c.nudged = false
	p := &chain.Proposal{Height: c.height, Term: 1, TimeUs: c.timeUs, Entries: append([]chain.Hash(nil), c.pending[:n]...)}
	c.pending = append(c.pending[:0], c.pending[n:]...)
	return p
}

// resume continues after a proposal found in the log.
func (c *core) resume(p *chain.Proposal) {
	c.height, c.timeUs = p.Height, p.TimeUs
}
