// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"iter"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// boot powers a node up from its disk.
func (n *replica) boot() {
	if n.keptDown || !n.belongs() {
		return
	}
	n.life++
	n.up = true
	n.memory = &memory{
		stored: map[chain.Hash]*stored{}, ownAt: map[uint64]chain.Hash{}, asked: map[chain.Hash]int64{}, executed: map[chain.Hash]chain.Height{},
		results: map[chain.Height]*block{}, states: map[chain.Height]*pages.Snapshot{}, peers: make([]int, len(n.w.nodes)),
		requests: map[chain.Hash]*request{}, inLane: map[chain.Hash]bool{}, twice: map[voteKey][]chain.Hash{},
		mayCut: true, quiet: n.w.now, checkpointed: n.w.now, sealing: sealing{ahead: -1},
	}
	if err := n.recover(); err != nil {
		n.w.check.doesNotStart(n, err)
		n.crash()
		n.bootAfter(stateWaitMicros)
		return
	}
	n.after(n.w.hostRand.Int64N(tickMicros), n.tick)
	for _, peer := range n.w.nodes {
		peer.after(1_000+n.w.hostRand.Int64N(5_000), peer.noticePeers)
	}
	n.stepOrder()
	n.stepSpread()
	n.beginSealing()
	n.settle()
}

// recover builds the cores from what is on disk.
func (n *replica) recover() error {
	payloads := n.payloads.scan()
	if err := n.loadState(); err != nil {
		return err
	}
	if err := n.enterEpoch(); err != nil {
		return err
	}
	if !n.lags {
		if err := n.recoverCores(); err != nil {
			return err
		}
	}
	n.noteHistory()
	return n.recoverLanes(payloads)
}

func (n *replica) recoverCores() error {
	at, published := n.machine.Height(), n.blocks.head
	found, err := raft.Recover(n.raftGenesis(), raft.Start{Height: at, Fetched: n.fetchedHeight()}, positioned(n.orders.scan()))
	if err != nil {
		return err
	}
	if n.order, err = raft.NewCore(n.orderConfig(), found); err != nil {
		return err
	}
	start := certify.Start{Self: n.no, Epoch: n.epoch, Published: published, Fetched: n.unsignedUpTo()}
	votes, err := certify.Recover(start, voteRecords(n.votes.scan()))
	if n.bug() == bugVoteLogUnread {
		start.Fetched = published
		votes, err = certify.Recover(start, voteRecords(nil))
	}
	if err != nil {
		return err
	}
	voters := n.voting()
	n.certify = certify.NewCore(certify.CoreConfig{
		Self: n.no, Epoch: n.epoch, Validators: voters.Size(), Vacant: vacant(voters), Published: published,
		WindowMax: 256, TailMax: 16, LeadMin: 16, RetryTicks: 10, EvidenceMax: 16,
	}, votes)
	return nil
}

// unsignedUpTo is up to where heights may be published without the node's own vote: those of a peer's state, and those that a seal
// made final.
func (n *replica) unsignedUpTo() chain.Height {
	h := max(n.fetchedHeight(), n.epochBase().Height)
	if end := n.endOf(n.epoch); end != nil {
		h = max(h, end.Height)
	}
	return h
}

// fetchedHeight is the height of the checkpoint that a peer gave.
func (n *replica) fetchedHeight() chain.Height {
	if n.bug() == bugFetchForgotten {
		return 0
	}
	return n.blocks.fetched
}

func (n *replica) raftGenesis() raft.Genesis {
	base := n.epochBase()
	g := raft.Genesis{Height: base.Height, TimeUs: base.TimeUs}
	for _, m := range n.members.Members {
		g.Voters = append(g.Voters, m.No)
	}
	return g
}

func (n *replica) orderConfig() raft.CoreConfig {
	return raft.CoreConfig{
		Self: n.no, ElectionTicks: electionTicks, HeartbeatTicks: 3, RetryTicks: 30, OverdueTicks: 100, SnapshotTicks: 50,
		OfferedEverywhere: n.bug() != bugForwardsTrusted, WindowMax: 8, PendingMax: 256, EntriesMax: n.w.entriesMax, RecentMax: n.w.recentMax, Incarnation: uint64(n.no)<<32 | uint64(n.life), Logger: silence{},
	}
}

// electionTicks is how long a follower waits for a leader at least, and at most twice as long.
const electionTicks = 10

func positioned(records []record) iter.Seq2[seglog.Pos, raft.Record] {
	return func(yield func(seglog.Pos, raft.Record) bool) {
		for _, r := range records {
			if !yield(r.at, raft.Record{Kind: r.kind, Meta: r.meta, Payload: r.payload}) {
				return
			}
		}
	}
}

func voteRecords(records []record) iter.Seq[certify.Record] {
	return func(yield func(certify.Record) bool) {
		for _, r := range records {
			if !yield(certify.Record{Seq: r.at.Seq, Kind: r.kind, Meta: r.meta}) {
				return
			}
		}
	}
}

// loadState loads the newest checkpoint that is whole, or makes the state of the genesis.
func (n *replica) loadState() error {
	newest := n.slots[0]
	for _, c := range n.slots {
		if c != nil && !c.unfinished && (newest == nil || newest.unfinished || c.height > newest.height) {
			newest = c
		}
	}
	if n.bug() == bugTornCheckpointTaken {
		newest = n.tornCheckpoint(newest)
	}
	if unsaved := n.unsaved; unsaved != nil {
		n.unsaved = nil
		return n.load(unsaved)
	}
	if newest != nil && (!newest.unfinished || n.bug() == bugTornCheckpointTaken) {
		return n.load(newest)
	}
	n.space, n.tree = pages.NewSpaceIn(n.w.slabs.take), pages.NewTree()
	n.ledger = ledger.New(n.space, addressOf)
	if err := n.ledger.InitGenesis(n.w.genesis); err != nil {
		return err
	}
	n.machine = exec.New(n.ledger, exec.Tip{Hash: n.w.genesisHash, TimeUs: genesisTimeUs, LastUs: genesisTimeUs})
	return nil
}

// recoverLanes builds the lanes from the payload log and the state.
func (n *replica) recoverLanes(records []record) error {
	var log []chain.LaneEntry
	for _, r := range records {
		head, err := spread.DecodeEntryHead(r.meta)
		if err != nil {
			return err
		}
		n.stored[codec.EntryDigest(head.Entry)] = &stored{entry: head.Entry, signature: head.Signature, payload: r.payload, durable: true}
		log = append(log, head.Entry)
	}
	lanes := make([]spread.LaneState, n.tableSize())
	for v := range lanes {
		lanes[v] = n.laneState(chain.ValidatorNo(v), log)
	}
	own := &lanes[n.no]
	n.ownSince = own.Epoch
	n.own = tip{own.Executed, own.Digest}
	for _, e := range own.Stored {
		n.own = tip{e.Sequence, codec.EntryDigest(e)}
		n.ownAt[e.Sequence] = n.own.digest
		n.inLane[e.Payload] = true
	}
	var err error
	n.spread, err = spread.New(spread.Config{Self: n.no, Quorum: n.members.Quorum(), Bounds: laneBounds()}, lanes)
	return err
}

// laneState is where a lane stands; a vacant one is nobody's.
func (n *replica) laneState(v chain.ValidatorNo, log []chain.LaneEntry) spread.LaneState {
	epoch, sequence, digest := n.ledger.Lane(v)
	if epoch == 0 {
		epoch = n.epoch
	}
	if v == n.no && n.bug() == bugLaneCarried {
		epoch = simEpoch
	}
	s := spread.LaneState{Epoch: epoch, Executed: sequence, Digest: digest, Faulted: n.faulted[laneID{v, epoch}]}
	s.Stored = chainOf(log, laneID{v, epoch}, tip{sequence, digest})
	return s
}

// laneBounds are small, so that they are met.
func laneBounds() spread.Bounds {
	return spread.Bounds{
		LaneBytesMax: 80_000, LaneEntriesMax: 48, WindowBytes: 16_000, WindowEntries: 8, KeepEntries: 16, MissingMax: 12, FetchesMax: 4,
		ServeBytes: 20 * chain.BatchBytesMax, ResendTicks: 8, FetchTicks: 6, AnnounceTicks: 20,
	}
}

// chainOf finds a lane's entries behind a place in a log. Of two for one place the one written later counts; what was
// written before its parent follows it all the same.
func chainOf(log []chain.LaneEntry, lane laneID, from tip) (entries []chain.LaneEntry) {
	tips := []chain.Hash{from.digest}
	for i, e := range log {
		at := int(e.Sequence) - int(from.sequence) - 1
		if lane != idOf(&e) || at < 0 || at > len(entries) || e.Parent != tips[at] || at < len(entries) && entries[at] == e {
			continue
		}
		entries, tips = append(entries[:at], e), append(tips[:at+1], codec.EntryDigest(e))
		for j := 0; j < i; j++ {
			if early := log[j]; lane == idOf(&early) && early.Parent == tips[len(entries)] {
				entries, tips = append(entries, early), append(tips, codec.EntryDigest(early))
				j = -1
			}
		}
	}
	return entries
}

func idOf(e *chain.LaneEntry) laneID { return laneID{e.Validator, e.JoinEpoch} }
