// SPDX-License-Identifier: Apache-2.0

package sim

// schedule plans all episodes.
func (w *world) schedule() {
	for _, e := range w.plan {
		if e.from > w.stormUs || e.kind == faultSeal || e.kind == faultDamage || e.change != nil { // these come after the others (sealEpoch), or are the office's
			continue
		}
		w.queue.push(e.from, -1, func() { w.begin(e) })
		if e.to > e.from && e.to < forever {
			w.queue.push(min(e.to, w.stormUs), -1, func() { w.end(e) })
		}
	}
}

func (w *world) begin(e *episode) {
	switch e.kind {
	case faultDrop:
		w.net.loss.add(e)
	case faultDuplicate:
		w.net.double.add(e)
	case faultReorder:
		w.net.swap.add(e)
	case faultDelay:
		w.net.slow.add(e)
	case faultPartition, faultOneWay:
		w.net.part(e, 1)
		w.noticeLinks(e.told)
	case faultCrash:
		w.nodes[e.node].doom(e)
	case faultPowerCut:
		w.count(faultPowerCut, 1)
		for _, n := range w.nodes {
			n.crash()
			n.bootAfter(e.micros + w.hostRand.Int64N(50_000))
		}
	case faultSlowDisk:
		w.nodes[e.node].slow = append(w.nodes[e.node].slow, e)
	case faultClockSkew:
		w.count(faultClockSkew, 1)
		n := w.nodes[e.node]
		n.clock.shift(w.now, e.micros, int64(e.rate*1e6))
	default:
		w.nodes[e.node].liar.begin(e)
	}
}

func (w *world) end(e *episode) {
	switch e.kind {
	case faultDrop:
		w.net.loss.remove(e)
	case faultDuplicate:
		w.net.double.remove(e)
	case faultReorder:
		w.net.swap.remove(e)
	case faultDelay:
		w.net.slow.remove(e)
	case faultPartition, faultOneWay:
		w.net.part(e, -1)
		w.noticeLinks(e.told)
	case faultSlowDisk:
		n := w.nodes[e.node]
		for i := range n.slow {
			if n.slow[i] == e {
				n.slow = append(n.slow[:i:i], n.slow[i+1:]...)
				break
			}
		}
	case faultClockSkew:
		w.nodes[e.node].clock.shift(w.now, 0, 0)
	default:
		w.nodes[e.node].liar.end(e)
	}
}

// noticeLinks lets the transports see, some time later, who is connected to whom.
func (w *world) noticeLinks(told bool) {
	if !told {
		return
	}
	for _, n := range w.nodes {
		n.after(w.hostRand.Int64N(200_000), n.noticePeers)
	}
}

// heal ends what still lasts: all nodes have power, and all links work.
func (w *world) heal() {
	for _, n := range w.nodes {
		n.doomed, n.slow = nil, nil
		if !n.up {
			n.bootAfter(w.hostRand.Int64N(20_000))
		}
	}
	w.noticeLinks(true)
}

// clock is a node's: it may jump, and run fast or slow.
type clock struct {
	base, since int64 // it showed base at since
	ppm         int64
}

func (c *clock) micros(now int64) int64 {
	passed := now - c.since
	return c.base + passed + passed*c.ppm/1_000_000
}

// shift makes a clock jump and changes its speed.
func (c *clock) shift(now, by, ppm int64) { *c = clock{base: c.micros(now) + by, since: now, ppm: ppm} }

// ticks makes a duration of the clock's time one of real time.
func (c *clock) ticks(micros int64) int64 { return micros - micros*c.ppm/1_000_000 }
