// SPDX-License-Identifier: Apache-2.0

package catchup

import "github.com/aurigraph/aurigraph/internal/chain"

// descend asks for the headers below the state, of whose pages all are here. The peer that gave them is asked first, and is
// told that it is done: headers need no session.
func (c *Core) descend(out *Output) {
	c.send(Done{c.session}, out)
	c.phase, c.flights = descending, nil
	c.headers, _ = newDescent(c.plan.offer.Headers[0]) // it was proved
	c.ended = make([]bool, len(c.after))
	c.askBelow(out)
}

// askBelow asks the next one who may have more of them, and ends the core if there is none or no more is wanted.
func (c *Core) askBelow(out *Output) {
	least := c.cfg.Known + 1
	for i := range c.after {
		v := chain.ValidatorNo((int(c.peer) + i) % len(c.after))
		if c.headers.at <= least || c.headers.full() {
			break
		}
		if v == c.cfg.Self || c.ended[v] || c.after[v] > c.now {
			continue
		}
		c.peer, c.heard = v, c.now
		c.send(AskBelow{Below: c.headers.at, Least: least}, out)
		return
	}
	c.phase = finished
	out.Done, out.Below = c.plan.offer, c.headers.list
}

// tookBelow takes headers as far as they are right. Who has none of the next ones may still have been honest: a state stands
// for them there, too.
func (c *Core) tookBelow(m Below, out *Output) {
	if c.phase != descending || m.Below != c.headers.at {
		out.Refused = append(out.Refused, "late")
		return
	}
	c.heard = c.now
	for _, raw := range m.Headers {
		if c.headers.at <= c.cfg.Known+1 || c.headers.full() {
			break
		}
		if err := c.headers.take(raw); err != nil {
			c.lied("wrong_history", out)
			return
		}
	}
	if len(m.Headers) == 0 {
		out.Refused = append(out.Refused, "no_headers")
		c.ended[c.peer] = true
	}
	c.askBelow(out)
}
