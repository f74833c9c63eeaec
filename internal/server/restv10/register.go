// SPDX-License-Identifier: Apache-2.0

package restv10

// add takes note of a socket that said something early, and reports whether it may stay: then it is heard. Slots go round, so that they have
// as many sockets each.
func (h *sockets) add(s *socket, early []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.slot = h.turn
	h.turn = (h.turn + 1) % len(h.slots)
	h.slots[s.slot][s] = struct{}{}
	h.awake[s] = struct{}{}
	h.all++
	h.server.metrics.sockets.Set(float64(h.all))
	signal(h.due)
	if h.going {
		return false
	}
	ready := h.readinessFor(s)
	h.readers.Go(func() { h.begin(s, early, ready) }) // beside the handler, so that nothing of the request is kept
	return true
}

// remove forgets a socket that was added, once.
func (h *sockets) remove(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, there := h.slots[s.slot][s]; !there {
		return
	}
	if h.ready != nil {
		h.ready.forget(s)
	}
	for _, in := range []map[*socket]struct{}{h.slots[s.slot], h.followers, h.heads, h.waiting, h.awake} {
		delete(in, s)
	}
	h.all--
	h.open.Add(-1)
	h.server.metrics.sockets.Set(float64(h.all))
}

// wake has a socket looked at soon.
func (h *sockets) wake(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, there := h.slots[s.slot][s]; there {
		h.awake[s] = struct{}{}
		signal(h.due)
	}
}

// watch notes what a socket wants to hear of now.
func (h *sockets) watch(s *socket) {
	s.mu.Lock()
	wants := s.wants
	s.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, there := h.slots[s.slot][s]; !there {
		return
	}
	put(h.followers, s, wants&onChain != 0)
	put(h.heads, s, wants&onHeads != 0)
	put(h.waiting, s, wants&onHeads != 0) // if it is not due, the next head leaves it out
	h.awake[s] = struct{}{}
	h.ask() // what it wants may have to be read
	signal(h.due)
}

func put(into map[*socket]struct{}, s *socket, in bool) {
	if in {
		into[s] = struct{}{}
	} else {
		delete(into, s)
	}
}

// endAll tells every client that the server goes.
func (h *sockets) endAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.going = true
	for _, slot := range h.slots {
		for s := range slot {
			h.writers.Go(func() { s.end(closeGoingAway, reasonGoing, socketGoingLinger) })
		}
	}
}
