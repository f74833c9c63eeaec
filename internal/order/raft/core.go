// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"slices"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// CoreConfig sets a core up. All fields are needed.
type CoreConfig struct {
	Self           chain.ValidatorNo
	ElectionTicks  int
	HeartbeatTicks int
	RetryTicks     int // after so long without progress, own digests are forwarded again
	OverdueTicks   int
	SnapshotTicks  int // after so long a peer that needs a snapshot is sent it again
	WindowMax      int
	PendingMax     int
	EntriesMax     int // at most chain.EntriesPerBlockMax
	RecentMax      int
	// OfferedEverywhere: see Config.
	OfferedEverywhere bool
	Incarnation       uint64 // differs at each start
	Logger            etcd.Logger
}

// Core decides. It is a step function: no clock, no I/O, no goroutine; its one randomness is the library's election
// jitter (see the package comment). It is not safe for concurrent use.
type Core struct {
	cfg     CoreConfig
	id      uint64
	node    *etcd.RawNode
	storage *storage
	trail   trail
	offers  *offers
	hard    pb.HardState // newest one seen, which the next record carries

	now       uint64 // ticks
	decided   mark   // of the newest decided entry
	delivered chain.Height
	applying  []applying
	writes    []*write // handed out or about to be, oldest first
	fresh     int      // of writes, from here on they are not handed out yet

	term, lead uint64 // as of the last step
	leading    bool
	voters     []uint64 // who voted for this node in votersTerm, and the library was not told yet that they live
	votersTerm uint64
	progress   uint64       // tick of the last own decision or forward
	acked      pb.Message   // the last answer "I have it"
	repeated   bool         // it was to be said again, and waits for the next tick
	nudgeTo    chain.Height // wanted height, even if empty: this node's wish
	nudgeSent  chain.Height // the wish that this leader was told
	peerNudge  chain.Height // the same of peers

	held     *pb.Message // a snapshot that waits for the host
	fetching bool
	broken   error
}

// applying is a part of the decided history that the reader has not taken yet.
type applying struct {
	to       chain.Height
	response pb.Message
}

// NewCore makes a core over what Recover found.
func NewCore(cfg CoreConfig, r *Recovered) (*Core, error) {
	c := &Core{
		cfg: cfg, id: raftID(cfg.Self), storage: r.storage, trail: r.trail, hard: r.storage.hard,
		decided: r.decided, delivered: r.from,
	}
	peers := 0
	for _, id := range r.storage.base.conf.Voters {
		peers = max(peers, int(id))
	}
	c.offers = newOffers(peers, cfg.PendingMax, cfg.RecentMax)
	for i := range c.trail.marks {
		if p := c.trail.marks[i].proposal; p != nil {
			c.offers.logged(p)
		}
	}
	node, err := etcd.NewRawNode(&etcd.Config{
		ID: c.id, ElectionTick: cfg.ElectionTicks, HeartbeatTick: cfg.HeartbeatTicks,
		Storage: c.storage, Applied: r.applied, AsyncStorageWrites: true,
		MaxSizePerMsg: recordBytesMax, MaxCommittedSizePerReady: 256 << 10,
		MaxUncommittedEntriesSize: uint64(cfg.WindowMax+64) * 4096, MaxInflightMsgs: 256, MaxInflightBytes: inboxBytesMax / 2,
		CheckQuorum: true, PreVote: true, DisableProposalForwarding: true, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "ordering engine")
	}
	c.node = node
	c.term = r.storage.hard.Term
	return c, nil
}

// Step takes what happened and says what to do. After an error, which is Halted, the core is dead.
func (c *Core) Step(inputs ...Input) (Output, error) {
	var out Output
	for _, in := range inputs {
		if c.broken != nil {
			break
		}
		in.apply(c, &out)
		c.settle(&out)
	}
	c.forward(&out)
	for ; c.fresh < len(c.writes); c.fresh++ {
		out.Append = append(out.Append, c.writes[c.fresh].record())
	}
	return out, c.broken
}

func (c *Core) halt(err error) {
	if c.broken == nil {
		c.broken = fault.Halt(err, "ordering engine")
	}
}

func (Tick) apply(c *Core, out *Output) {
	c.now++
	c.node.Tick()
	c.repeat(out)
	if c.behindForwards() && c.now-c.progress >= uint64(c.cfg.RetryTicks) {
		c.offers.next, c.nudgeSent = c.offers.first, 0
		c.progress = c.now
	}
	if c.leading && c.now%uint64(c.cfg.SnapshotTicks) == 0 {
		c.retrySnapshots()
	}
	if c.now >= uint64(c.cfg.OverdueTicks) {
		for _, w := range c.offers.overdue(c.now - uint64(c.cfg.OverdueTicks)) {
			out.Overdue = append(out.Overdue, Overdue{Digest: w.digest, Ticks: c.now - w.since})
		}
	}
}

// behindForwards reports whether a leader elsewhere owes this node a decision.
func (c *Core) behindForwards() bool {
	return !c.leading && (len(c.offers.own) > 0 || c.nudgeTo > c.decided.height)
}

// retrySnapshots lets peers be sent their snapshot again: the library waits for the caller to say that one was lost.
func (c *Core) retrySnapshots() {
	var waiting []uint64
	c.node.WithProgress(func(id uint64, _ etcd.ProgressType, pr tracker.Progress) {
		if pr.State == tracker.StateSnapshot {
			waiting = append(waiting, id)
		}
	})
	for _, id := range waiting {
		c.node.ReportSnapshot(id, etcd.SnapshotFailure)
	}
}

func (in Received) apply(c *Core, out *Output) {
	if in.Message.Forward != nil {
		c.receiveForward(in.From, in.Message.Forward, out)
		return
	}
	m := in.Message.Raft
	if word := c.check(in.From, m); word != "" {
		out.Refused = append(out.Refused, word)
		return
	}
	if m.Type == pb.MsgSnap && c.hold(m, in.From, out) {
		return
	}
	if m.Type == pb.MsgApp && len(m.Entries) > 0 {
		c.acked, c.repeated = pb.Message{}, false // whoever sends entries does not know that they are here
	}
	c.step(*m)
	if m.Type == pb.MsgVoteResp && !m.Reject {
		c.hearVoter(m)
	}
}

// hearVoter tells the library, once this node leads, that whoever voted for it lives. The library asks one election timeout later
// whether a quorum was heard of, and does not count votes: where the answer to a leader's first word takes that long, each leader
// would step down before it comes.
func (c *Core) hearVoter(m *pb.Message) {
	st := c.node.BasicStatus()
	if m.Term != st.Term {
		return
	}
	if c.votersTerm != m.Term {
		c.voters, c.votersTerm = nil, m.Term
	}
	if !slices.Contains(c.voters, m.From) {
		c.voters = append(c.voters, m.From)
	}
	if st.RaftState != etcd.StateLeader {
		return
	}
	for _, id := range c.voters {
		c.step(pb.Message{Type: pb.MsgHeartbeatResp, From: id, To: c.id, Term: m.Term})
	}
	c.voters = nil
}

func (c *Core) receiveForward(from chain.ValidatorNo, f *Forward, out *Output) {
	switch {
	case !c.isPeer(from) || int(from) >= len(c.offers.peers):
		out.Refused = append(out.Refused, "unknown_sender")
	case !c.leading: // the sender will learn who leads
		out.Refused = append(out.Refused, "not_leader")
	case c.cfg.OfferedEverywhere && len(f.Digests) > 0:
		out.Refused = append(out.Refused, "forwarded_digests")
	case !c.cfg.OfferedEverywhere && !c.offers.accept(from, f):
		out.Refused = append(out.Refused, "forward_gap")
	default:
		// A peer gets one empty height a wish, never a run of them.
		c.peerNudge = max(c.peerNudge, min(chain.Height(f.NudgeTo), c.trail.tail().height+1))
	}
}

// hold keeps a snapshot until the host has the state that it stands for. It returns false for one that needs no state.
func (c *Core) hold(m *pb.Message, from chain.ValidatorNo, out *Output) bool {
	b, err := baseOf(m.Snapshot)
	ours, ok := c.trail.at(b.index)
	if err != nil || b.index <= c.node.BasicStatus().Commit || (ok && ours.term == b.term) {
		return false
	}
	c.held = m
	if !c.fetching {
		c.fetching = true
		out.Fetch = &SnapshotRef{Height: b.height, From: from, Ref: b.ref}
	}
	return true
}

func (in Fetched) apply(c *Core, out *Output) {
	c.fetching = false
	m := c.held
	c.held = nil
	if m == nil || !in.OK {
		return
	}
	if b, err := baseOf(m.Snapshot); err == nil && b.height <= in.Height {
		if word := c.check(validator(m.From), m); word != "" {
			out.Refused = append(out.Refused, word)
			return
		}
		c.step(*m)
	}
}

// step gives the library a message. It errs where a message is not for it, which harms nobody.
func (c *Core) step(m pb.Message) { _ = c.node.Step(m) }

func (in Offered) apply(c *Core, out *Output) {
	if !c.offers.offer(in.Digest, c.now) {
		out.Own++
	}
	if len(c.offers.own) == 1 {
		c.progress = c.now
	}
}

func (in Withdrawn) apply(c *Core, out *Output) {
	if c.offers.withdraw(in.Digest) {
		out.Own++
	}
}

func (Nudged) apply(c *Core, _ *Output) { c.nudgeTo = c.decided.height + 1 }

// WantsCut reports whether Cut would give a proposal.
func (c *Core) WantsCut() bool {
	tail := c.trail.tail().height
	return c.leading && c.broken == nil && tail < c.delivered+chain.Height(c.cfg.WindowMax) && (c.nudged() || c.offers.waiting())
}

func (c *Core) nudged() bool { return max(c.nudgeTo, c.peerNudge) > c.trail.tail().height }

func (in Cut) apply(c *Core, _ *Output) {
	if !c.WantsCut() {
		return
	}
	tail := c.trail.tail()
	room := uint64(c.delivered) + uint64(c.cfg.WindowMax) - uint64(tail.height)
	most := max(1, min(in.Most, int(room)))
	digests := c.offers.take(min(most*c.cfg.EntriesMax, chain.EntriesPerBlockMax))
	if len(digests) == 0 && !c.nudged() {
		return
	}
	// One message for all of them is one frame for each peer, one record and one answer.
	if c.node.Step(pb.Message{Type: pb.MsgProp, From: c.id, Entries: c.propose(tail, digests, in.NowUs)}) != nil {
		c.offers.restart() // what was taken is still undecided, and is taken again
	}
}

// propose makes the entries of proposals that follow tail: one, or as many as the digests fill.
func (c *Core) propose(tail mark, digests []chain.Hash, nowUs uint64) (entries []pb.Entry) {
	for len(entries) == 0 || len(digests) > 0 {
		n := min(len(digests), c.cfg.EntriesMax)
		tail.height++
		tail.timeUs = max(min(nowUs, timeUsMax), tail.timeUs+1)
		p := chain.Proposal{Height: tail.height, Term: c.term, TimeUs: tail.timeUs, Entries: digests[:n]}
		digests = digests[n:]
		entries = append(entries, pb.Entry{Data: codec.AppendProposal(nil, &p)})
	}
	return entries
}

func (in Delivered) apply(c *Core, _ *Output) {
	c.delivered = max(c.delivered, in.Height)
	c.acknowledge()
}

// settle brings out what the library wants done, until it wants nothing more.
func (c *Core) settle(out *Output) {
	for c.broken == nil && c.node.HasReady() {
		c.collect(out)
	}
	st := c.node.BasicStatus()
	leading := st.RaftState == etcd.StateLeader
	if st.Term == c.term && st.Lead == c.lead && leading == c.leading {
		return
	}
	c.term, c.lead, c.leading = st.Term, st.Lead, leading
	c.offers.restart()
	c.peerNudge, c.nudgeSent, c.progress = 0, 0, c.now
}

// forward tells the leader what was offered here.
func (c *Core) forward(out *Output) {
	if c.leading || c.lead == etcd.None || c.lead == c.id {
		return
	}
	for {
		wish := chain.Height(0)
		if c.nudgeTo > c.decided.height {
			wish = c.nudgeTo
		}
		if c.cfg.OfferedEverywhere {
			c.offers.next = c.offers.end() // the leader has them by itself
		}
		if c.offers.next == c.offers.end() && wish <= c.nudgeSent {
			return
		}
		start, digests := c.offers.forward()
		c.nudgeSent = wish
		f := &Forward{Incarnation: c.cfg.Incarnation, Low: c.offers.first, Start: start, NudgeTo: uint64(wish), Digests: digests}
		out.Send = append(out.Send, Envelope{To: validator(c.lead), Frame: AppendFrame(nil, Message{Forward: f})})
	}
}
