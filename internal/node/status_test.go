// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// ask asks a node how it is; it must say so soon.
func (r *running) ask() *query.Status {
	r.folder.t.Helper()
	begin := time.Now()
	s, err := r.services.query.Status(context.Background())
	if took := time.Since(begin); err != nil || took > 2*time.Second {
		r.folder.t.Fatalf("status: %v after %s", err, took)
	}
	return s
}

// until asks a node until it says what a test wants.
func (r *running) until(what string, ok func(*query.Status) bool) *query.Status {
	r.folder.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		s := r.ask()
		if ok(s) {
			return s
		}
		if time.Now().After(end) {
			s.Validators = nil // long keys
			r.folder.t.Fatalf("never: %s\n%+v", what, s)
		}
	}
}

// One validator leads itself from the first term on, and has no peers.
func TestStatusAlone(t *testing.T) {
	r := newFolder(t).start()
	r.pay(3)
	s := r.ask()
	alone := query.OrderStatus{Role: "leader", Term: 1, HasLeader: true, Decided: s.Order.Decided, Logged: s.Order.Decided}
	if s.Engine != config.EngineSolo || s.Validator != 0 || s.State != query.StateLeader || s.Order != alone || s.Order.Decided < s.Height {
		t.Errorf("%+v", s)
	}
	if len(s.Peers) != 0 || len(s.Evidence) != 0 || s.CertificatesCounted == 0 || s.Signed[0].Signatures != s.CertificatesCounted || s.Signed[0].Height == 0 {
		t.Errorf("%+v", s)
	}
	r.services.halted.note(errors.New("not this one"))
	r.services.halted.note(fault.New(fault.Halted, "the disk is gone"))
	r.services.halted.note(fault.New(fault.Corrupt, "a later one"))
	r.stop()
	must(t, <-r.ended)
	if h := r.ask(); h.State != query.StateHalted || !h.Halted || h.HaltedReason != "the disk is gone" || h.Accounts != 4 || h.Height < s.Height {
		t.Errorf("%+v", h)
	}
	r.halt()
}

// Each of four validators names the same leader, sees the others connected, and sees that they sign; the leader sees their
// logs. A follower that dies is seen to be gone, and so is a leader; and half a network still answers.
func TestStatusOfCluster(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 20)
	c.agree()
	leader, term := c.allWell()
	c.lie((leader + 3) % 4)
	gone := (leader + 1) % 4
	c.halt(gone)
	c.pay(leader, 20)
	leader, term = c.leads("the follower is gone", func(s *query.Status) bool {
		p := peerNo(s, gone)
		return connectedTo(s) == 2 && !p.Connected && p.LastError != "" && p.Log != nil && p.Log.LagHeights > 0
	})
	c.halt(leader)
	for _, n := range c.nodes {
		if n != nil {
			s := n.until("half a network has no leader", func(s *query.Status) bool { return !s.Order.HasLeader })
			if s.Height == 0 || s.Accounts != 4 || connectedTo(s) > 1 {
				t.Errorf("%d accounts at height %d, %+v", s.Accounts, s.Height, s.Peers)
			}
		}
	}
	c.start(gone)
	for i, n := range c.nodes {
		if n != nil {
			n.until(fmt.Sprintf("node %d follows a new leader", i), func(s *query.Status) bool {
				return s.Order.HasLeader && int(s.Order.Leader) != leader && s.Order.Term > term &&
					(s.State == query.StateLeader) == (int(s.Order.Leader) == i)
			})
		}
	}
}

// leads waits until the node that leads says what a test wants, and gives its number.
func (c *cluster) leads(what string, ok func(*query.Status) bool) (leader int, term uint64) {
	c.t.Helper()
	some := slices.IndexFunc(c.nodes, func(n *running) bool { return n != nil })
	c.nodes[some].until(what, func(*query.Status) bool {
		for i, n := range c.nodes {
			if n == nil {
				continue
			}
			if s := n.ask(); s.State == query.StateLeader && ok(s) {
				leader, term = i, s.Order.Term
				return true
			}
		}
		return false
	})
	return leader, term
}

// allWell waits until all four agree who leads and miss nothing, and checks what they say then. Leaders may change
// meanwhile: a slow machine is enough.
func (c *cluster) allWell() (leader int, term uint64) {
	c.t.Helper()
	all := make([]*query.Status, len(c.nodes))
	c.nodes[0].until("all is well", func(first *query.Status) bool {
		leader, term = int(first.Order.Leader), first.Order.Term
		for i, n := range c.nodes {
			s := n.ask()
			all[i] = s
			if !s.Order.HasLeader || int(s.Order.Leader) != leader || s.Order.Term != term || connectedTo(s) != 3 || !whole(s) || !logsKnown(s, i == leader) {
				return false
			}
		}
		return true
	})
	for i, s := range all {
		c.healthy(i, leader, s)
	}
	return leader, term
}

// healthy checks what a node says when nothing is wrong.
func (c *cluster) healthy(i, leader int, s *query.Status) {
	c.t.Helper()
	want := query.StateFollower
	if i == leader {
		want = query.StateLeader
	}
	if s.Engine != config.EngineRaft || int(s.Validator) != i || s.State != want || s.Order.Role != string(want) || s.Order.Term == 0 {
		c.t.Errorf("node %d: engine %s, validator %d, %s, %+v", i, s.Engine, s.Validator, s.State, s.Order)
	}
	if s.Order.Decided < s.Height || s.Order.Logged < s.Order.Decided || s.Executed < s.Height || s.Height == 0 {
		c.t.Errorf("node %d: heights %d certified, %d executed, %+v", i, s.Height, s.Executed, s.Order)
	}
	sum := 0
	for _, x := range s.Signed {
		sum += x.Signatures
	}
	if q := chain.Quorum(4); sum < q*s.CertificatesCounted || s.CertificatesCounted == 0 || len(s.Signed) != 4 {
		c.t.Errorf("node %d: %d signatures in %d certificates", i, sum, s.CertificatesCounted)
	}
	for _, p := range s.Peers {
		if p.Name != fmt.Sprintf("v%d", p.Number) || p.Address != c.folders[p.Number].cfg.Validators.Listen || len(p.Classes) != int(transport.ClassCount) {
			c.t.Errorf("node %d: %+v", i, p)
		}
	}
}

func connectedTo(s *query.Status) (n int) {
	for _, p := range s.Peers {
		if p.Connected {
			n++
		}
	}
	return n
}

// whole reports whether all connections are there, and have been measured.
func whole(s *query.Status) bool {
	return !slices.ContainsFunc(s.Peers, func(p query.Peer) bool {
		return p.RoundTrip == 0 || p.LastError != "" || slices.ContainsFunc(p.Classes, func(k query.PeerClass) bool { return !k.Sending || !k.Receiving || !k.Heard })
	})
}

// logsKnown reports whether each peer's log is known, and whole, if this node leads, and none else.
func logsKnown(s *query.Status, leads bool) bool {
	return !slices.ContainsFunc(s.Peers, func(p query.Peer) bool { return (p.Log != nil) != leads || leads && p.Log.LagHeights != 0 })
}

func peerNo(s *query.Status, no int) query.Peer {
	i := slices.IndexFunc(s.Peers, func(p query.Peer) bool { return int(p.Number) == no })
	return s.Peers[i]
}

// lie lets a validator sign a second header of a published height, of which its peers then have evidence.
func (c *cluster) lie(liar int) {
	c.t.Helper()
	judge := c.nodes[(liar+1)%4]
	height := judge.loop.Height()
	header, err := readHeader(judge.store, height)
	must(c.t, err)
	other := chain.Hash{0xbd}
	vote := certify.Vote{Epoch: header.Epoch, Height: height, Validator: chain.ValidatorNo(liar), Hash: other}
	vote.Signature, err = c.nodes[liar].header.Sign(keys.HeaderMessage(testChain, other))
	must(c.t, err)
	frame := certify.AppendFrame(nil, certify.Message{Vote: &vote})
	s := judge.until("there is evidence", func(s *query.Status) bool {
		_ = judge.peers.certifier.Receive(chain.ValidatorNo(liar), frame) // twice, if it came before the own vote
		return len(s.Evidence) > 0
	})
	want := query.Evidence{
		Kind: "two_headers", Validator: chain.ValidatorNo(liar), From: chain.ValidatorNo(liar), Height: height,
		First: codec.HeaderHash(header), Second: other,
	}
	late := want // its own vote came after the lie
	late.First, late.Second = want.Second, want.First
	if !slices.Contains(s.Evidence, want) && !slices.Contains(s.Evidence, late) || s.EvidenceLeftOut != 0 {
		c.t.Errorf("%+v, must be %+v", s.Evidence, want)
	}
}

func TestStateOf(t *testing.T) {
	for _, x := range []struct {
		halted, serves    bool
		role              string
		decided, executed chain.Height
		want              query.NodeState
	}{
		{true, true, "leader", 0, 0, query.StateHalted},
		{true, false, "follower", 0, 0, query.StateHalted},
		{false, false, "leader", 9, 9, query.StateStarting},
		{false, true, "leader", 9, 9, query.StateLeader},
		{false, true, "leader", 900, 9, query.StateLeader},
		{false, true, "follower", 73, 9, query.StateFollower},
		{false, true, "follower", 74, 9, query.StateCatchingUp},
		{false, true, "follower", 9, 10, query.StateFollower}, // it was told of more since it looked
		{false, true, "candidate", 900, 9, query.StateCandidate},
		{false, true, "", 0, 0, query.StateCandidate},
	} {
		o := query.OrderStatus{Role: x.role, Decided: x.decided}
		if got := stateOf(x.halted, x.serves, &o, x.executed); got != x.want {
			t.Errorf("%+v is %s", x, got)
		}
	}
}

// Signatures are counted in the newest certificates, whatever was asked before, and each certificate is read once.
func TestSigners(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var masks []uint64 // by height; 0: not there
	reads := map[chain.Height]int{}
	read := func(h chain.Height) (*chain.Certificate, error) {
		reads[h]++
		x := &chain.Certificate{}
		for v := range chain.ValidatorsMax {
			if masks[h]&(1<<v) != 0 {
				x.Signatures = append(x.Signatures, chain.ValidatorSignature{Validator: chain.ValidatorNo(v)})
			}
		}
		if masks[h] == 0 {
			return nil, fault.New(fault.Pruned, "gone")
		}
		return x, nil
	}
	var s signers
	masks = append(masks, 0) // genesis has none
	for range 300 {
		for range rnd.IntN(5) * rnd.IntN(40) {
			masks = append(masks, rnd.Uint64()&rnd.Uint64()>>60|rnd.Uint64()>>63<<63)
		}
		head := chain.Height(len(masks) - 1)
		signed, counted := s.count(chain.ValidatorsMax, head, read)
		wantSigned, want := make([]query.Signed, chain.ValidatorsMax), 0
		for h := max(1, int(head)-certificatesCounted+1); h <= int(head); h++ {
			if masks[h] != 0 {
				want++
			}
			for v := range wantSigned {
				if masks[h]&(1<<v) != 0 {
					wantSigned[v] = query.Signed{Signatures: wantSigned[v].Signatures + 1, Height: chain.Height(h)}
				}
			}
		}
		if counted != want || !slices.Equal(signed, wantSigned) {
			t.Fatalf("height %d: %d %v, must be %d %v", head, counted, signed, want, wantSigned)
		}
	}
	for h, n := range reads {
		if n != 1 {
			t.Errorf("the certificate of height %d was read %d times", h, n)
		}
	}
	if signed, counted := new(signers).count(4, 0, read); counted != 0 || len(signed) != 4 {
		t.Error(signed, counted)
	}
}

// A peer is connected when votes travel both ways. Its error is that of the most urgent connection that is missing.
func TestPeerOf(t *testing.T) {
	now := time.Unix(100, 0)
	p := transport.PeerStatus{No: 3, Address: "a:1"}
	for c := range transport.ClassCount {
		p.Classes[c] = transport.ClassStatus{
			SendingSince: now, ReceivingSince: now, LastReceived: now.Add(-time.Duration(c+1) * time.Second), RoundTrip: time.Duration(c+1) * time.Millisecond,
			QueueFrames: int(c) + 10, QueueBytes: int64(c) + 20, Dropped: uint64(c) + 30, Reconnects: uint64(c) + 40,
		}
	}
	got := peerOf(&p, now)
	if !got.Connected || got.Number != 3 || got.Address != "a:1" || got.RoundTrip != time.Millisecond || got.LastError != "" || got.Log != nil {
		t.Errorf("%+v", got)
	}
	want := query.PeerClass{
		Class: "batches", Sending: true, Receiving: true, RoundTrip: 2 * time.Millisecond, QueueFrames: 11, QueueBytes: 21, Dropped: 31,
		Reconnects: 41, Heard: true, Silent: 2 * time.Second,
	}
	if got.Classes[transport.Batches] != want {
		t.Errorf("%+v, must be %+v", got.Classes[transport.Batches], want)
	}
	p.Classes[transport.Sync].LastError, p.Classes[transport.Batches].LastError = "sync", "batches"
	p.Classes[transport.Consensus].ReceivingSince = time.Time{}
	p.Classes[transport.Sync].LastReceived = time.Time{}
	if got = peerOf(&p, now); got.Connected || got.LastError != "batches" || got.Classes[transport.Sync].Heard {
		t.Errorf("%+v", got)
	}
}

func TestLaneEvidence(t *testing.T) {
	ours := chain.LaneEntry{Validator: 2, Sequence: 7}
	e := spread.Evidence{Kind: spread.EvidenceFork, Lane: 2, Sequence: 7, From: 1, Ours: ours, Digest: chain.Hash{9}}
	want := query.Evidence{Kind: "fork", Validator: 2, From: 1, Sequence: 7, First: codec.EntryDigest(ours), Second: chain.Hash{9}}
	if got := laneEvidence(&e); got != want {
		t.Errorf("%+v, must be %+v", got, want)
	}
	e.Ours = chain.LaneEntry{}
	if got := laneEvidence(&e); !got.First.IsZero() || strings.TrimSpace(got.Kind) == "" {
		t.Errorf("%+v", got)
	}
}
