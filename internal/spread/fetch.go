// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// want is a payload that ordering decided and that is not here.
type want struct {
	digest chain.Hash
	at     place // sequence 0: unknown
	asking bool
	from   chain.ValidatorNo // whom, or who was asked last
	since  uint64
}

func (in Missing) apply(c *Core, out *Output) {
	switch {
	case c.wants(in.Digest):
		return
	case len(c.missing) >= c.cfg.Bounds.MissingMax:
		out.Refused = append(out.Refused, RefusedMissing)
		return
	}
	w := &want{digest: in.Digest, from: c.cfg.Self}
	if in.Sequence != 0 {
		w.at = place{c.laneOf(in.Lane).no, in.Sequence}
	}
	if at, ok := c.places[in.Digest]; ok {
		w.at = at
	}
	c.missing = append(c.missing, w)
}

func (in Fetched) apply(c *Core, out *Output) { c.found(in.Digest) }

func (in FetchFailed) apply(c *Core, out *Output) {
	for _, w := range c.missing {
		if w.digest == in.Digest && w.from == in.From {
			w.asking = false
		}
	}
}

func (c *Core) wants(d chain.Hash) bool {
	return slices.ContainsFunc(c.missing, func(w *want) bool { return w.digest == d })
}

func (c *Core) found(d chain.Hash) {
	c.missing = slices.DeleteFunc(c.missing, func(w *want) bool { return w.digest == d })
}

// fetch asks for missing entries, each from one who claims to have it.
func (c *Core) fetch(out *Output) {
	asking := 0
	for _, w := range c.missing {
		if w.asking && c.now-w.since >= c.cfg.Bounds.FetchTicks || !c.peers[w.from].connected {
			w.asking = false
		}
		if w.asking {
			asking++
		}
	}
	for _, w := range c.missing {
		if asking == c.cfg.Bounds.FetchesMax {
			return
		}
		if !w.asking && c.ask(w, out) {
			asking++
		}
	}
}

// ask asks the next one in turn who claims to have an entry.
func (c *Core) ask(w *want, out *Output) bool {
	n := len(c.peers)
	for i := 1; i <= n; i++ {
		v := chain.ValidatorNo((int(w.from) + i) % n)
		if v != c.cfg.Self && c.peers[v].connected && c.claims(v, w) {
			w.asking, w.from, w.since = true, v, c.now
			out.Asks = append(out.Asks, SendAsk{To: v, Ask: Ask{Lane: w.at.lane, Sequence: w.at.sequence, Digest: w.digest}})
			return true
		}
	}
	return false
}

// claims reports whether a validator said that it holds an entry. If the entry's place is unknown, it is whoever holds
// something that is not here: the place that one peer names is not believed, for it would shut out the others.
func (c *Core) claims(v chain.ValidatorNo, w *want) bool {
	if w.at.sequence != 0 {
		l := c.lanes[w.at.lane]
		m := &l.claims[v]
		return max(l.acked[v], m.near.Sequence, m.far.Sequence, m.odd.Sequence) >= w.at.sequence
	}
	return slices.ContainsFunc(c.lanes, func(l *lane) bool { return l.claims[v].near.Sequence != 0 || l.claims[v].odd.Sequence != 0 })
}

// askOwner asks a lane's owner to stream again what was refused and now could be taken.
func (c *Core) askOwner(l *lane, out *Output) {
	if !l.gap || l.faulted || !c.peers[l.no].connected || !l.roomy(&c.cfg.Bounds) {
		return
	}
	now := ask{c.now, l.tip(), l.executed}
	again := c.now-l.asked.tick >= c.cfg.Bounds.ResendTicks
	if !again && l.asked.tip == now.tip && l.asked.executed == now.executed {
		return
	}
	l.gap, l.asked = false, now
	out.Asks = append(out.Asks, SendAsk{To: l.no, Ask: Ask{Lane: l.no, Sequence: l.tip() + 1}})
}
