// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// The host's times, in microseconds.
const (
	tickMicros      = 10_000
	pauseMicros     = 4_000   // the shortest time between two proposals
	settleMicros    = 100_000 // of silence, until empty blocks are asked for
	askAgainMicros  = 150_000 // until a missing payload is named again
	giveUpMicros    = 800_000 // until the state is fetched instead
	stateWaitMicros = 200_000 // until another peer is asked for a checkpoint
)

// replica is one validator: the pure cores of a node, and the host around them. It is what a node is without its
// goroutines, sockets and files.
type replica struct {
	w    *world
	no   chain.ValidatorNo
	liar *liar // nil: honest

	disk
	clock clock
	slow  []*episode // disk
	// key is the number of the pair of keys in the person's hands who runs the node. keptDown: it is not started.
	key      int
	keptDown bool
	sent     []frame  // in this and earlier epochs, the newest ones: what it may send again when it left
	doomed   *episode // a crash that waits for its record
	// damaged: it computed another state once, and what it signed then is no lie.
	damaged bool
	life    int // how often it was powered up
	up      bool

	*memory
}

// disk is what survives a loss of power.
type disk struct {
	payloads, orders, votes *wal
	blocks                  blocks
	slots                   [2]*checkpoint  // double-buffered
	faulted                 map[laneID]bool // that forked
	evidence                []certify.Evidence
	laneEvidence            []spread.Evidence
	offeredBefore           map[chain.Hash]bool // of a seeded bug alone
	unsaved                 *checkpoint         // of another
	epochs                                      // and what ends them
}

// laneID is a lane: it belongs to who has a number since an epoch.
type laneID struct {
	validator chain.ValidatorNo
	epoch     chain.Epoch
}

// memory is what does not.
type memory struct {
	order   *raft.Core
	spread  *spread.Core
	certify *certify.Core
	term    uint64 // of the last leader seen
	halted  string // why the node stopped for good, until it fetched a state
	wrongAt chain.Height

	space   *pages.Space
	tree    *pages.Tree
	ledger  *ledger.Ledger
	machine *exec.Machine

	stored       map[chain.Hash]*stored
	ownAt        map[uint64]chain.Hash // own entries behind the executed one
	ownSince     chain.Epoch           // in which the own lane began
	own          tip                   // of the own lane, durable or not
	full         bool
	decided      []*chain.Proposal
	asked        map[chain.Hash]int64 // missing payloads, when they were named
	waiting      chain.Height         // for payloads
	waitingSince int64
	executed     map[chain.Hash]chain.Height
	results      map[chain.Height]*block // executed and not published
	states       map[chain.Height]*pages.Snapshot
	lastWork     chain.Height // newest height that carried entries
	rootShown    chain.Height // newest one whose root stands in a header
	quiet        int64        // since then nothing was executed

	mayCut       bool
	peers        []int // the life in which each is connected, 0: not
	fetch        *fetch
	checkpointed int64 // when the last checkpoint was begun
	writing      bool
	afterwards   func()  // once what is being written is durable
	ending       *ending // the epoch's last block, once it is executed

	sealing

	requests map[chain.Hash]*request // client batches that wait for their outcome here
	inLane   map[chain.Hash]bool     // client batches that were cut here
	twice    map[voteKey][]chain.Hash
}

// stored is a lane entry with its payload, on disk or on the way there.
type stored struct {
	entry     chain.LaneEntry
	signature []byte
	payload   []byte
	durable   bool
	offered   bool
}

func newReplica(w *world, v int) *replica {
	n := &replica{w: w, no: chain.ValidatorNo(v), memory: &memory{}, key: v, keptDown: v >= w.size}
	n.disk = newDisk(n)
	n.clock.base = genesisTimeUs + 10_000_000
	if w.isLiar(n.no) {
		n.liar = newLiar(n)
	}
	return n
}

// newDisk is an empty one.
func newDisk(n *replica) disk {
	d := disk{payloads: newWal(n), orders: newWal(n), votes: newWal(n), faulted: map[laneID]bool{}, offeredBefore: map[chain.Hash]bool{}}
	d.ordersOf, d.records = simEpoch, newSealDisk(n)
	return d
}

// bug is the seeded bug of an honest node's host.
func (n *replica) bug() Bug {
	if n.liar != nil {
		return ""
	}
	return n.w.opts.Bug
}

// after plans something of this life.
func (n *replica) after(micros int64, do func()) {
	life := n.life
	n.w.after(micros, int(n.no), func() {
		if n.up && n.life == life {
			do()
			n.settle()
		}
	})
}

// settle does all that can be done now.
func (n *replica) settle() {
	for n.up && n.halted == "" && (n.executeNext() || n.publishNext() || n.cutNext()) {
	}
}

// tick is the clock of all cores.
func (n *replica) tick() {
	n.after(n.clock.ticks(tickMicros), n.tick)
	if n.fetch != nil {
		n.askForState()
	}
	n.askForEnds()
	if n.halted != "" {
		return
	}
	n.stepOrder(raft.Tick{})
	if n.liar != nil && n.w.eager {
		n.stepOrder(raft.Tick{}, raft.Tick{})
	}
	n.stepSpread(spread.Tick{})
	n.stepCertify(certify.Tick{})
	if n.w.now-n.quiet >= settleMicros && n.restless() {
		n.quiet = n.w.now
		n.stepOrder(raft.Nudged{})
	}
}

// restless reports whether the root of the newest state that clients changed has still to appear in a header. The roots of
// the empty blocks that let it appear do not count.
func (n *replica) restless() bool { return n.rootShown < n.lastWork }

// receive takes a frame, whose sender the transport knows: others than the newest members are not let in.
func (n *replica) receive(f *frame) {
	if !n.up {
		return
	}
	if n.insiders().Find(chain.ValidatorNo(f.from)) == nil && n.bug() != bugStrangerCounted {
		n.w.see(seenNoMember, 1)
		return
	}
	n.noteEpoch(f)
	switch f.kind {
	case frameStateAsk:
		n.serveState(f)
	case frameState:
		n.takeState(f)
	case frameEndAsk:
		n.tellEnds(f)
	case frameEnds:
		n.learnEnds(f)
	}
	if n.halted == "" && n.up {
		n.receiveForCores(f)
		n.settle()
	}
}

func (n *replica) receiveForCores(f *frame) {
	if !n.hears(f) {
		return
	}
	switch f.kind {
	case frameOrder:
		n.receiveOrder(f)
	case frameCertify:
		n.receiveCertify(f)
	case frameEntry:
		n.receiveEntry(f)
	case frameAck:
		n.receiveAck(f)
	case frameAsk:
		n.receiveAsk(f)
	}
}

// post sends a frame, unless a liar has it otherwise.
func (n *replica) post(to int, kind frameKind, body []byte) {
	f := frame{from: int(n.no), to: to, kind: kind, body: body}
	n.remember(f)
	switch {
	case !n.up:
	case n.liar != nil:
		n.liar.post(f)
	default:
		n.w.check.sent(n, &f)
		n.w.net.send(f)
	}
}

// halt stops the node: an operator, or a checkpoint, must help it.
func (n *replica) halt(format string, args ...any) {
	if !n.up || n.halted != "" {
		return
	}
	n.halted = n.w.check.halts(n, format, args...)
}

// syncMicros is how long the disk takes to make durable what it was given.
func (n *replica) syncMicros() int64 {
	t := 60 + n.w.diskRand.Int64N(500)
	for _, e := range n.slow {
		n.w.count(faultSlowDisk, 1)
		t += n.w.diskRand.Int64N(e.micros)
	}
	return t
}
