// SPDX-License-Identifier: Apache-2.0

package node

import (
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Bounds of a status.
const (
	// catchingUpHeights is how many heights a follower may have to execute before it says that it catches up. More than the
	// proposals, undelivered blocks and unpublished blocks that a leader lets be on their way by default.
	catchingUpHeights = 64
	// certificatesCounted is in how many of the newest certificates signatures are counted.
	certificatesCounted = 64
	// evidenceMax bounds the pieces of evidence in an answer; how many are left out is said.
	evidenceMax = 128
	// drillShown is how long the alarm of a drill is shown: who watches looks more often.
	drillShown = time.Minute
)

// Roles in ordering of who orders alone; a replicated engine says its own.
const (
	roleLeader   = "leader"
	roleFollower = "follower"
)

// evidenceTwoHeaders is the kind of evidence that is not about a lane.
const evidenceTwoHeaders = "two_headers"

// drilled is the alarm of a drill: it is shown among the evidence, so that whoever watches that is rehearsed with it. It is safe for concurrent use.
type drilled struct {
	mu    sync.Mutex
	drill uint64    // guarded by mu
	until time.Time // guarded by mu
}

// raise shows the alarm of a drill for a while.
func (d *drilled) raise(drill uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drill, d.until = drill, time.Now().Add(drillShown)
}

// shown is that alarm, as evidence against nobody else than the node itself; false: there is none.
func (d *drilled) shown(self chain.ValidatorNo) (query.Evidence, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return query.Evidence{Kind: query.EvidenceDrill, Validator: self, From: self, Sequence: d.drill}, time.Now().Before(d.until)
}

// status is what the node knows of itself and its peers without asking the ledger. Nothing in it waits.
func (s *services) status() query.Status {
	n := s.node
	st := query.Status{
		Chain: n.genesis.Chain, Network: n.genesis.Name, Genesis: codec.GenesisHash(n.genesis), Node: n.cfg.Name, Version: Version,
		Height: n.loop.Height(), Executed: n.loop.ExecutedHeight(), Legs: n.loop.LegsOK(), Epoch: n.epoch, Validators: n.members().Members,
		Engine: n.cfg.Order.Engine, Validator: n.self,
	}
	st.RootHeight, st.StateRoot = n.loop.Root()
	if s.index != nil {
		st.IndexHeight, st.IndexLagRows = s.index.Height(), s.index.LagRows()
	}
	st.HaltedReason, st.Halted = s.halted.why()
	st.Divergence = n.divergence.report()
	var logs []raft.PeerStatus
	st.Order, logs = n.orderStatus()
	st.State = stateOf(st.Halted, s.serves(), &st.Order, st.Executed)
	st.Signed, st.CertificatesCounted = s.signers.count(n.tableSize(), st.Height, n.storedCertificate)
	if n.peers != nil {
		if n.peers.catchUp.takes() && !st.Halted {
			st.State = query.StateCatchingUp
		}
		st.Peers = n.peerStatus(logs)
		st.Evidence, st.EvidenceLeftOut = n.evidence()
	}
	return st
}

// serves reports whether clients were let in.
func (s *services) serves() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// stateOf is a node in one word. A follower catches up while it has more than catchingUpHeights to execute of what was
// decided, as far as its leader told it: the engine's log is small and comes first, payloads and execution follow.
func stateOf(halted, serves bool, o *query.OrderStatus, executed chain.Height) query.NodeState {
	switch {
	case halted:
		return query.StateHalted
	case !serves:
		return query.StateStarting
	case o.Role == roleLeader:
		return query.StateLeader
	case o.Role != roleFollower:
		return query.StateCandidate
	case o.Decided > executed+catchingUpHeights:
		return query.StateCatchingUp
	}
	return query.StateFollower
}

// orderStatus asks the ordering engine. The leader's view of the others' logs comes with it.
func (n *Node) orderStatus() (query.OrderStatus, []raft.PeerStatus) {
	if n.lags {
		return query.OrderStatus{Role: roleFollower}, nil
	}
	e, ok := n.engine.(*raft.Engine)
	if !ok { // alone, it leads from the first block on, and decides what it logs
		at := n.engine.ReplayedTo()
		return query.OrderStatus{Role: roleLeader, Term: 1, Leader: n.self, HasLeader: true, Decided: at, Logged: at}, nil
	}
	st := e.Status()
	return query.OrderStatus{
		Role: st.Role, Term: st.Term, Leader: st.Leader, HasLeader: st.HasLeader, Decided: st.Height, Logged: st.Tail,
	}, st.Peers
}

func (n *Node) peerStatus(logs []raft.PeerStatus) []query.Peer {
	links := n.peers.links.Status()
	out := make([]query.Peer, len(links))
	now := time.Now()
	for i := range links {
		out[i] = peerOf(&links[i], now)
		if m := n.newest().Membership().Find(links[i].No); m != nil {
			out[i].Name = m.Name
		}
		for _, l := range logs {
			if l.Validator == links[i].No {
				out[i].Log = &query.PeerLog{Height: l.Height, LagHeights: l.LagHeights}
				out[i].NeedsState = l.NeedsState
			}
		}
	}
	return out
}

func peerOf(p *transport.PeerStatus, now time.Time) query.Peer {
	votes := &p.Classes[transport.Consensus]
	out := query.Peer{
		Number: p.No, Address: p.Address, RoundTrip: votes.RoundTrip,
		Connected: !votes.SendingSince.IsZero() && !votes.ReceivingSince.IsZero(),
	}
	for c := range transport.ClassCount {
		k := &p.Classes[c]
		class := query.PeerClass{
			Class: c.String(), Sending: !k.SendingSince.IsZero(), Receiving: !k.ReceivingSince.IsZero(), RoundTrip: k.RoundTrip,
			QueueFrames: k.QueueFrames, QueueBytes: k.QueueBytes, Dropped: k.Dropped, Reconnects: k.Reconnects, LastError: k.LastError,
		}
		if !k.LastReceived.IsZero() {
			class.Heard, class.Silent = true, now.Sub(k.LastReceived)
		}
		if out.LastError == "" {
			out.LastError = k.LastError
		}
		out.Classes = append(out.Classes, class)
	}
	return out
}

// evidence lists what this node found, a drill's alarm and two headers of one height first.
func (n *Node) evidence() (list []query.Evidence, leftOut int) {
	if alarm, is := n.drilled.shown(n.self); is {
		list = append(list, alarm)
	}
	list = append(list, n.evidenceBook.list()...)
	if len(list) > evidenceMax {
		list, leftOut = list[:evidenceMax], len(list)-evidenceMax
	}
	return list, leftOut
}

// signers remembers who signed the newest certificates, so that a status reads each of them once. It is safe for
// concurrent use.
type signers struct {
	mu   sync.Mutex
	at   chain.Height                // guarded by mu; newest height looked at
	ring [certificatesCounted]uint64 // guarded by mu; by height: a bit for each signer, 0 if unknown
}

// count counts the signatures of so many validators up to a published height.
func (c *signers) count(validators int, head chain.Height, read func(chain.Height) (*chain.Certificate, error)) (signed []query.Signed, counted int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := head - min(head, certificatesCounted) // the newest height that is not counted
	for h := max(c.at, first) + 1; h <= head; h++ {
		c.ring[h%certificatesCounted] = signersOf(read(h))
	}
	c.at = max(c.at, head)
	signed = make([]query.Signed, validators)
	for h := c.at - min(c.at, certificatesCounted) + 1; h <= c.at; h++ {
		mask := c.ring[h%certificatesCounted]
		if mask != 0 {
			counted++
		}
		for v := range signed {
			if mask&(1<<v) != 0 {
				signed[v].Signatures++
				signed[v].Height = h
			}
		}
	}
	return signed, counted
}

// signersOf is who signed a certificate, a bit each; nobody if it cannot be read.
func signersOf(x *chain.Certificate, err error) (mask uint64) {
	if err != nil {
		return 0
	}
	for i := range x.Signatures {
		mask |= 1 << x.Signatures[i].Validator
	}
	return mask
}

// halted remembers why the writer stopped for good.
type halted struct {
	mu     sync.Mutex
	reason string // guarded by mu
}

// note takes an error with which a part of the node ended. The first one that halts the writer is the reason.
func (h *halted) note(err error) {
	if !fault.Is(err, fault.Halted) && !fault.Is(err, fault.Corrupt) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == "" {
		h.reason = err.Error()
	}
}

func (h *halted) why() (reason string, halted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reason, h.reason != ""
}
