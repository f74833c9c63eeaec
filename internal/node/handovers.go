// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/binary"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/catchup"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Kinds of frames of class Sync that are not package catchup's.
const (
	frameAskHandovers uint8 = 64 // epoch u64: the first one that is not known
	frameHandovers    uint8 = 65 // each handover from there on, behind its length u32
)

// Bounds of looking whether peers are in a later epoch. The node asks how it began when it has executed nothing for
// handoversPatience: until then it may get to the end of its own epoch by itself, which costs no state.
const (
	handoversLook     = 100 * time.Millisecond
	handoversPatience = time.Second
	handoversAgain    = 500 * time.Millisecond // from one ask to the next
)

// handovers learns from peers how later epochs began, and tells peers.
type handovers struct {
	node    *Node
	refused *prometheus.CounterVec

	mu sync.Mutex // one list at a time: an epoch is on disk before the one after it
}

// open makes what is refused countable.
func (h *handovers) open() error {
	h.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aurigraph_node_handovers_refused_total", Help: "Lists of handovers to later membership epochs of which one proved nothing, or was no handover, by the peer that sent them.",
	}, []string{"peer"})
	_, err := obs.Register(h.node.metrics, "the handovers", h.refused)
	return err
}

// run asks peers that are in a later epoch, and, once the node knows of one, lets it take a peer's state.
func (h *handovers) run(ctx context.Context) error {
	if h.node.lags {
		return h.takeState(ctx)
	}
	look := time.NewTicker(handoversLook)
	defer look.Stop()
	p := patience{at: h.node.loop.ExecutedHeight(), since: time.Now()}
	for asked := 0; ; {
		later := h.later()
		h.node.peers.catchUp.setLate(len(later) > h.faulty())
		if p.ended(time.Now(), h.node.loop.ExecutedHeight(), len(later) > 0) {
			h.ask(later[asked%len(later)])
			asked++
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// faulty is how many members may lie.
func (h *handovers) faulty() int {
	set := h.node.epochs.At(h.node.epoch)
	return set.Size() - set.Quorum()
}

// patience tells when a node that others are ahead of has waited for long enough.
type patience struct {
	at    chain.Height // executed
	since time.Time    // something moved, or was asked
	asks  bool
}

// ended reports that it is time to ask.
func (p *patience) ended(now time.Time, executed chain.Height, behind bool) bool {
	if !behind || executed != p.at {
		p.at, p.since, p.asks = executed, now, false
		return false
	}
	wait := handoversPatience
	if p.asks {
		wait = handoversAgain
	}
	if now.Sub(p.since) < wait {
		return false
	}
	p.since, p.asks = now, true
	return true
}

// later lists the peers that are in a later epoch, as they say.
func (h *handovers) later() (list []chain.ValidatorNo) {
	for _, p := range h.node.peers.links.Status() {
		if p.Epoch > h.node.newest().Epoch() {
			list = append(list, p.No)
		}
	}
	return list
}

// inNewest is a peer that says it is in the newest epoch that this node knows; of several, the next one after this node.
func (h *handovers) inNewest() (chain.ValidatorNo, bool) {
	n := h.node
	var list []chain.ValidatorNo
	for _, p := range n.peers.links.Status() {
		if p.Epoch >= n.newest().Epoch() {
			list = append(list, p.No)
		}
	}
	if len(list) == 0 {
		return 0, false
	}
	for _, no := range list {
		if no > n.self {
			return no, true
		}
	}
	return list[0], true
}

func (h *handovers) ask(peer chain.ValidatorNo) {
	body := binary.LittleEndian.AppendUint64(nil, uint64(h.node.newest().Epoch()+1))
	_ = h.node.peers.links.Send(peer, transport.Sync, frameAskHandovers, body) // asked again at the next look
}

// takeState wants a peer's state of the newest epoch: a node that was away when its own epoch ended gets no block of it. What it
// published itself it does not take again. It waits for a peer that is in that epoch: one that is about to end the last
// loses what it is asked.
func (h *handovers) takeState(ctx context.Context) error {
	n := h.node
	look := time.NewTicker(handoversLook)
	defer look.Stop()
	end, _ := n.epochs.End(n.newest().Epoch() - 1)
	w := want{least: max(end.Height, n.loop.Height()+1), still: func() bool { return true }, ended: make(chan struct{})}
	for {
		var ok bool
		if w.first, ok = h.inNewest(); ok {
			break
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
	select {
	case n.peers.catchUp.wants <- w:
	case <-ctx.Done():
	}
	return nil
}

// frame takes a frame of a peer.
func (h *handovers) frame(from chain.ValidatorNo, kind uint8, bytes int, r io.Reader) error {
	body := make([]byte, bytes)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	if kind == frameHandovers {
		return h.learn(from, body)
	}
	if len(body) != 8 {
		return fault.Reasoned(fault.Invalid, "malformed", "an ask for handovers of %d bytes", len(body))
	}
	h.tell(from, chain.Epoch(binary.LittleEndian.Uint64(body)))
	return nil
}

// tell sends what fits one frame; the peer asks again for more.
func (h *handovers) tell(to chain.ValidatorNo, from chain.Epoch) {
	rows, err := store.ReadHandovers(h.node.store, max(from, chain.FirstHandover))
	if err != nil {
		return
	}
	var body []byte
	for _, raw := range rows {
		if len(body)+4+len(raw) > catchup.FrameBytesMax {
			break
		}
		body = codec.AppendHandovers(body, raw)
	}
	if len(body) > 0 {
		_ = h.node.peers.links.Send(to, transport.Sync, frameHandovers, body)
	}
}

// keep is learn for one list at a time.
func (h *handovers) keep(list [][]byte) (learned int, refused, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.node.learn(list)
}

// learn keeps what a peer proved, also if something false follows. The node's own epoch is over by it: it opens its folder again,
// to get to the end or to take a peer's state.
func (h *handovers) learn(from chain.ValidatorNo, body []byte) error {
	list, rest := codec.SplitHandovers(body)
	if rest > 0 {
		return fault.Reasoned(fault.Invalid, "malformed", "handovers end within one")
	}
	n := h.node
	learned, refused, err := h.keep(list)
	if refused != nil {
		h.refused.WithLabelValues(strconv.Itoa(int(from))).Inc()
		n.log.Warn("a peer's handover is refused, and what follows it", obs.KeyPeer, from, obs.KeyCount, learned, obs.Err(refused))
	}
	if err != nil {
		n.fail(fault.Halt(err, "store the handovers that validator %d proved", from))
		return nil
	}
	if learned == 0 {
		return nil
	}
	n.log.Info("the chain is in a later membership epoch", obs.KeyPeer, from, obs.KeyEpoch, uint64(n.newest().Epoch()))
	n.fail(ErrRestart)
	return nil
}
