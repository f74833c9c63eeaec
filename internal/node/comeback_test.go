// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// liars can have each validator lie, while it leads, to one follower: it leaves an entry out of each proposal.
type liars struct {
	victim atomic.Int32 // nobody: -1
	meek   atomic.Int32 // who never asks to lead, for to a leader nobody lies; nobody: -1
	lies   atomic.Int32 // proposals that were changed
}

type liarsLinks struct {
	sender
	*liars
	self int32
}

// Send changes what the victim is sent, and keeps back what a meek one asks for.
func (l liarsLinks) Send(to chain.ValidatorNo, class transport.Class, kind uint8, parts ...[]byte) error {
	meek := l.meek.Load() == l.self
	if l.victim.Load() != int32(to) && !meek {
		return l.sender.Send(to, class, kind, parts...)
	}
	body := bytes.Join(parts, nil)
	m, err := raft.ParseFrame(body[orderEpochBytes:])
	if meek && err == nil && m.Raft != nil && (m.Raft.Type == raftpb.MsgPreVote || m.Raft.Type == raftpb.MsgVote) {
		return nil
	}
	if l.victim.Load() != int32(to) {
		return l.sender.Send(to, class, kind, body)
	}
	if err == nil && m.Raft != nil {
		for i := range m.Raft.Entries {
			p, err := codec.DecodeProposal(m.Raft.Entries[i].Data)
			if err == nil && len(p.Entries) > 0 {
				p.Entries = p.Entries[1:]
				m.Raft.Entries[i].Data = codec.AppendProposal(nil, p)
				l.lies.Add(1)
			}
		}
		body = raft.AppendFrame(append([]byte(nil), body[:orderEpochBytes]...), m)
	}
	return l.sender.Send(to, class, kind, body)
}

// newLiars is a running cluster whose leader can lie, with who leads and who is to be deceived, who will not lead.
func newLiars(t *testing.T) (c *cluster, l *liars, leader, victim int) {
	t.Helper()
	c, l = newCluster(t, 4), &liars{}
	l.victim.Store(-1)
	l.meek.Store(-1)
	c.opened = func(i int) {
		c.nodes[i].peers.orders.links = liarsLinks{c.nodes[i].peers.orders.links, l, int32(i)}
	}
	c.start(0, 1, 2, 3)
	c.pay(0, 5)
	c.agree()
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(5 * time.Millisecond) {
		st, _ := c.nodes[0].orderStatus()
		leader = int(st.Leader)
		victim = (leader + 1) % 4
		l.meek.Store(int32(victim))
		if own, _ := c.nodes[victim].orderStatus(); st.HasLeader && own.Role == roleFollower && own.HasLeader && own.Leader == st.Leader {
			return c, l, leader, victim
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody leads:\n%s", c.logs())
		}
	}
}

// deceive has the victim execute another order than the others, and waits until it halted.
func (c *cluster) deceive(l *liars, leader, victim int) {
	t := c.t
	t.Helper()
	l.victim.Store(int32(victim))
	c.pay(leader, 3)
	c.awaitHalted(victim)
	l.victim.Store(-1)
	if l.lies.Load() == 0 {
		t.Fatal("nobody lied")
	}
}

func (c *cluster) awaitHalted(i int) {
	c.t.Helper()
	n := c.nodes[i]
	for deadline := time.Now().Add(20 * time.Second); !n.services.status().Halted; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("node %d goes on:\n%s", i, c.logs())
		}
	}
}

// comesBack pays at one node until another one, which halted, took a state, and opens it again.
func (c *cluster) comesBack(payer, victim int) {
	t, n := c.t, c.nodes[victim]
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); ; {
		c.pay(payer, 2)
		select {
		case err := <-n.ended:
			if !errors.Is(err, ErrRestart) {
				t.Fatalf("node %d ended with %v\n%s", victim, err, n.log)
			}
			must(t, n.Close())
			c.start(victim)
			return
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("node %d does not come back:\n%s", victim, n.log)
		}
	}
}

// putDown stops a node that may have halted.
func (c *cluster) putDown(i int) {
	t, n := c.t, c.nodes[i]
	t.Helper()
	n.stop()
	<-n.ended
	must(t, n.Close())
	if n.Node.halted {
		must(t, n.store.Close()) // which a halted node leaves open
	}
	c.nodes[i] = nil
}

// power takes a halted node's power, and starts it again without waiting until it serves.
func (c *cluster) power(i int) {
	c.t.Helper()
	c.putDown(i)
	c.nodes[i] = c.launchAs(i)
}

// cameBack is what the file of a node says about it.
func (c *cluster) cameBack(i int) (f divergenceFile) {
	c.t.Helper()
	text, err := os.ReadFile(c.folders[i].cfg.Data(DivergenceFile))
	must(c.t, err)
	must(c.t, json.Unmarshal(text, &f))
	return f
}

// isWhole wants a node that was deceived to be one of the others again: with their history, needed for a quorum, and accused by
// nobody.
func (c *cluster) isWhole(victim, without int) {
	t, n := c.t, c.nodes[victim]
	t.Helper()
	d := n.services.status().Divergence
	if d == nil || !deceived(d) || d.Unknown != "" || len(d.Pages) != 0 {
		t.Fatalf("its report is %+v", d)
	}
	if n.adopted <= d.Height {
		t.Errorf("it goes on from height %d, what it was told at height %d was another order", n.adopted, d.Height)
	}
	c.agreeAbove(n.adopted)
	c.halt(without)
	at := n.loop.Height()
	c.pay(victim, 3)
	if x, err := n.storedCertificate(n.loop.Height()); err != nil || n.loop.Height() <= at || !signedBy(x, n.self) {
		t.Errorf("three of four must sign, and it did not: %+v, %v", x, err)
	}
	c.start(without)
	for i, other := range c.nodes {
		if list, _ := other.evidence(); len(list) != 0 {
			t.Errorf("node %d accuses %+v", i, list)
		}
	}
	if b := n.divergence.back; b.Total == 0 || b.Times[len(b.Times)-1].Height != d.Height {
		t.Errorf("it left at height %d, and says that it came back %+v", d.Height, b)
	}
}

func signedBy(x *chain.Certificate, v chain.ValidatorNo) bool {
	for i := range x.Signatures {
		if x.Signatures[i].Validator == v {
			return true
		}
	}
	return false
}

// agreeAbove compares the headers of all nodes from a height on.
func (c *cluster) agreeAbove(from chain.Height) {
	c.t.Helper()
	height := c.nodes[0].loop.Height()
	for i, n := range c.nodes {
		must(c.t, n.loop.Wait(c.t.Context(), height))
		for h := from; h <= height; h++ {
			a, err := store.ReadHeader(c.nodes[0].store, h)
			must(c.t, err)
			b, err := store.ReadHeader(n.store, h)
			must(c.t, err)
			if !bytes.Equal(a, b) {
				c.t.Fatalf("node %d: height %d differs", i, h)
			}
		}
	}
}

// TestDeceivedNodeComesBack has a leader that orders something else for one follower, twice: each time it halts, goes on by itself
// from a certified state, and signs above it.
func TestDeceivedNodeComesBack(t *testing.T) {
	c, l, leader, victim := newLiars(t)
	for times := range 2 {
		old := c.nodes[victim].loop.Height()
		c.deceive(l, leader, victim)
		c.comesBack(leader, victim)
		c.isWhole(victim, (victim+1)%4)
		adopted := c.nodes[victim].adopted
		c.knowsOf(victim, old+1, adopted-1)
		if f := c.cameBack(victim); f.Total != uint64(times+1) || len(f.Times) != times+1 {
			t.Errorf("after %d times it says %+v", times+1, f.comebacks)
		}
	}
}

// TestDeceivedAndRestarted takes the power of a deceived node twice before it can come back, for nothing is paid meanwhile.
func TestDeceivedAndRestarted(t *testing.T) {
	c, l, leader, victim := newLiars(t)
	c.deceive(l, leader, victim)
	for range 2 {
		if c.nodes[victim].services.status().Divergence == nil {
			<-time.After(50 * time.Millisecond) // in the midst of it, or before
		}
		c.power(victim)
		if c.nodes[victim].adopted != 0 {
			break // somebody had a state that is high enough
		}
		c.awaitHalted(victim)
	}
	if c.nodes[victim].adopted == 0 {
		c.comesBack(leader, victim)
	}
	c.isWhole(victim, (victim+1)%4)
	if f := c.cameBack(victim); f.Total != 1 {
		t.Errorf("it came back once, and says %+v", f.comebacks)
	}
}

// disagree reports whether two nodes signed different headers of a height that is not published.
func disagree(a, b *running) bool {
	head := a.loop.Height()
	for _, v := range a.peers.certifier.VotesAbove(head) {
		for _, w := range b.peers.certifier.VotesAbove(head) {
			if v.Height == w.Height && v.Hash != w.Hash {
				return true
			}
		}
	}
	return false
}

// awaitDisagreement waits until two nodes signed different headers of a height that is not published: where too few others have one
// of them, nothing more is certified.
func (c *cluster) awaitDisagreement(i, j int) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !disagree(c.nodes[i], c.nodes[j]); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("nodes %d and %d sign no different headers:\n%s", i, j, c.logs())
		}
	}
}

// TestContradictedNodeComesBack has a validator sign another order than the others, while these are too few to certify theirs. Then
// all stop, and it is given the order that the others have: it computes another header than it signed, does not sign it, and comes
// back.
func TestContradictedNodeComesBack(t *testing.T) {
	c, l, leader, victim := newLiars(t)
	other := (victim + 1) % 4
	if other == leader {
		other = (other + 1) % 4
	}
	c.halt(other)
	f := c.folders[leader]
	l.victim.Store(int32(victim))
	f.nonce = c.nonces
	c.nodes[leader].submit(3)
	c.nonces = f.nonce
	c.awaitDisagreement(victim, leader)
	var rest []int
	for i := range c.nodes {
		if c.nodes[i] != nil {
			c.halt(i)
		}
		if i != victim {
			rest = append(rest, i)
		}
	}
	l.victim.Store(-1)
	must(t, os.RemoveAll(c.folders[victim].cfg.Data("order")))
	must(t, os.CopyFS(c.folders[victim].cfg.Data("order"), os.DirFS(c.folders[leader].cfg.Data("order"))))
	c.start(rest...)
	c.nodes[victim] = c.launchAs(victim)
	c.awaitHalted(victim)
	if log := c.nodes[victim].log.String(); !strings.Contains(log, "computes another header than it signed before") {
		t.Errorf("it halted for another reason:\n%s", log)
	}
	c.comesBack(leader, victim)
	c.isWhole(victim, other)
}

// TestDivergedNodeStaysHalted damages the state of a validator, and starts it again: it computes the right header now, for which it
// signed another one that came from the same order. No state of a peer is taken for that.
func TestDivergedNodeStaysHalted(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 5)
	c.agree()
	c.damage(3, 1)
	c.pay(0, 5)
	c.diverges()
	must(t, os.Remove(c.folders[3].cfg.Data(DivergenceFile)))
	c.power(3)
	c.awaitHalted(3)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(c.nodes[3].log.String(), "this node left the certified history"); c.pay(0, 2) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not say why:\n%s", c.nodes[3].log)
		}
	}
	for range 10 {
		c.pay(1, 2)
		<-time.After(30 * time.Millisecond)
	}
	select {
	case err := <-c.nodes[3].ended:
		t.Fatalf("it ended with %v\n%s", err, c.nodes[3].log)
	default:
	}
	d := c.nodes[3].services.status().Divergence
	if d == nil || len(d.Fields) == 0 || deceived(d) || c.nodes[3].divergence.back.Total != 0 {
		t.Errorf("%+v\n%s", d, c.nodes[3].log)
	}
	c.putDown(3)
}

// TestDeceived tells the two apart.
func TestDeceived(t *testing.T) {
	header := func(change func(*chain.ExecutedHeader)) *chain.ExecutedHeader {
		h := &chain.ExecutedHeader{Chain: 1, Epoch: 1, Height: 9, Batches: []chain.BatchResult{{Legs: 1}}, RootAt: 1}
		change(h)
		return h
	}
	for name, x := range map[string]struct {
		change func(*chain.ExecutedHeader)
		want   bool
	}{
		"another order":                {func(h *chain.ExecutedHeader) { h.Proposal[0]++ }, true},
		"and what follows from it":     {func(h *chain.ExecutedHeader) { h.Proposal[0]++; h.TimeUs++; h.StateRoot[0]++ }, true},
		"another outcome":              {func(h *chain.ExecutedHeader) { h.Batches[0].Outcomes[0]++ }, false},
		"another state":                {func(h *chain.ExecutedHeader) { h.StateRoot[0]++ }, false},
		"another history below":        {func(h *chain.ExecutedHeader) { h.Proposal[0]++; h.Previous[0]++ }, false},
		"another order of other chain": {func(h *chain.ExecutedHeader) { h.Proposal[0]++; h.Chain++ }, false},
		"nothing":                      {func(*chain.ExecutedHeader) {}, false},
	} {
		r := query.Divergence{Fields: headerDifferences(header(func(*chain.ExecutedHeader) {}), header(x.change))}
		if got := deceived(&r); got != x.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestComebacksBound counts them: one that begins again is the same, and too many in a time end it.
func TestComebacksBound(t *testing.T) {
	var b comebacks
	hour := uint64(comebacksWindow.Microseconds())
	for i := range uint64(comebacksMax) {
		for range 3 { // it was restarted meanwhile
			if !b.begin(comeback{Height: chain.Height(i), Own: "x", TimeUs: 1000 + i}) {
				t.Fatalf("the time number %d", i)
			}
		}
	}
	next := comeback{Height: 100, Own: "x", TimeUs: 1000 + hour - 1}
	if b.begin(next) || b.Total != comebacksMax {
		t.Errorf("within the time: %+v", b)
	}
	early := next
	if early.TimeUs = 3; b.begin(early) {
		t.Error("with a clock that went back")
	}
	if next.TimeUs++; !b.begin(next) || b.Total != comebacksMax+1 || len(b.Times) != comebacksMax || b.Times[comebacksMax-1] != next {
		t.Errorf("after the time: %+v", b)
	}
	if next.Height++; b.begin(next) {
		t.Error("one more in the same moment as the second oldest allows")
	}
}
