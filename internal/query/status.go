// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// NodeState is a node's condition in one word.
type NodeState string

// The states of a node.
const (
	StateLeader     NodeState = "leader"
	StateFollower   NodeState = "follower"
	StateCandidate  NodeState = "candidate"   // it looks for a leader
	StateCatchingUp NodeState = "catching_up" // a follower that knows to be far behind
	StateStarting   NodeState = "starting"    // clients are not let in yet
	StateHalted     NodeState = "halted"      // its writer stopped for good
)

// Status is what a node says of itself and of its peers.
type Status struct {
	Chain         chain.ChainID
	Network       string
	Genesis       chain.Hash
	Node          string
	Version       string
	Height        chain.Height // certified
	Executed      chain.Height
	RootHeight    chain.Height
	StateRoot     chain.Hash
	TimeUs        uint64
	Accounts      uint64
	Assets        uint64
	Legs          uint64 // transfers executed with outcome ok since genesis
	IndexHeight   chain.Height
	IndexLagRows  uint64
	OldestPayload chain.Height // from here on all payloads are there, as of a second ago; 0 before the first block
	HomeVersion   uint64
	Keyed         ledger.KeyedCounts // idempotency keys
	Epoch         chain.Epoch        // of the membership
	Validators    []chain.Member     // in order of number; vacant numbers are left out
	Halted        bool
	HaltedReason  string

	Engine    string
	Validator chain.ValidatorNo // this node
	State     NodeState
	Order     OrderStatus
	// Signed is what each validator signed of the newest CertificatesCounted certificates, by number.
	Signed              []Signed
	CertificatesCounted int
	Peers               []Peer
	Evidence            []Evidence
	EvidenceLeftOut     int
	Divergence          *Divergence // the last one of this node, also of an earlier life; nil: there never was one
}

// OrderStatus is the ordering engine at a glance.
type OrderStatus struct {
	Role      string // leader, follower, candidate
	Term      uint64
	Leader    chain.ValidatorNo // if HasLeader
	HasLeader bool
	Decided   chain.Height // newest decided, as far as this node knows
	Logged    chain.Height // newest in the log, decided or not
}

// Signed is a validator's part in the newest certificates.
type Signed struct {
	Signatures int
	Height     chain.Height // of the newest one; 0: none
}

// Peer is another validator as this node is connected to it.
type Peer struct {
	Number     chain.ValidatorNo
	Name       string
	Address    string
	Connected  bool          // for consensus, in both directions
	RoundTrip  time.Duration // of the last ping for consensus
	Classes    []PeerClass
	LastError  string
	Log        *PeerLog // nil unless this node leads
	NeedsState bool
}

// PeerLog is a peer's ordering log as its leader knows it.
type PeerLog struct {
	Height     chain.Height
	LagHeights uint64
}

// PeerClass is the connections of one priority class with a peer.
type PeerClass struct {
	Class       string
	Sending     bool
	Receiving   bool
	RoundTrip   time.Duration
	QueueFrames int
	QueueBytes  int64
	Dropped     uint64 // frames
	Reconnects  uint64
	Heard       bool          // ever
	Silent      time.Duration // since then
	LastError   string
}

// EvidenceDrill is the kind of what is no evidence: the alarm of a drill, whose number is the sequence.
const EvidenceDrill = "drill"

// Evidence says that somebody did what an honest validator does not.
type Evidence struct {
	Kind      string
	Validator chain.ValidatorNo // who signed two headers, or whose lane it is
	From      chain.ValidatorNo // who said so
	Height    chain.Height      // of two headers
	Sequence  uint64            // of a lane
	First     chain.Hash        // zero: no longer known
	Second    chain.Hash
}

// countsWaitMax bounds how long a status waits for the ledger's counts: they are shown when their height is certified, and
// a network that certifies nothing must still say so.
const countsWaitMax = 200 * time.Millisecond

// counts is what a status takes from the ledger.
type counts struct {
	height           chain.Height
	accounts, assets uint64
	homeVersion      uint64
	timeUs           uint64
	keyed            ledger.KeyedCounts
}

// lastCounts are those of the highest height that was looked at. It is safe for concurrent use.
type lastCounts struct {
	mu   sync.Mutex
	seen counts // guarded by mu
}

func (c *lastCounts) put(n counts) counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.height >= c.seen.height {
		c.seen = n
	}
	return c.seen
}

func (c *lastCounts) get() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// Status says how the node is. It answers in any condition of the node: what the ledger cannot be asked for now is as it was
// told last.
func (q *Query) Status(ctx context.Context) (*Status, error) {
	s := q.status()
	n := q.countNow(ctx, s.Halted)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.Accounts, s.Assets, s.HomeVersion, s.TimeUs, s.Keyed = n.accounts, n.assets, n.homeVersion, n.timeUs, n.keyed
	s.reached(n.height)
	s.OldestPayload = q.oldest.find(q.history, s.Height)
	return &s, nil
}

// reached takes note that a height was certified meanwhile: what is certified was decided, and executed here.
func (s *Status) reached(h chain.Height) {
	for _, at := range []*chain.Height{&s.Height, &s.Executed, &s.Order.Decided, &s.Order.Logged} {
		*at = max(*at, h)
	}
}

// countNow asks the ledger, or gives what it said last.
func (q *Query) countNow(ctx context.Context, halted bool) counts {
	if halted {
		return q.counts.get()
	}
	ctx, cancel := context.WithTimeout(ctx, countsWaitMax)
	defer cancel()
	var now counts // the executor's until view answers: it may be asked long after this has given up
	height, err := q.view(ctx, func(l *ledger.Ledger) error {
		c := l.Counts()
		now = counts{accounts: uint64(c.Accounts), assets: uint64(c.Assets), homeVersion: l.HomeVersion(), timeUs: l.TimeUs(), keyed: l.KeyedCounts()}
		return nil
	})
	if err != nil {
		return q.counts.get()
	}
	now.height = height
	return q.counts.put(now)
}

// oldestPayloadAge is how long the oldest height with payloads is believed: however often the status is asked for, blocks
// are looked at once in this time.
const oldestPayloadAge = time.Second

// oldestPayload remembers the first height from which on all payloads are there. It only grows.
type oldestPayload struct {
	mu    sync.Mutex
	at    chain.Height // 0: not known
	asked time.Time
}

// find looks from the height that was found before, so that it is one block's look-up unless retention moved on. What
// cannot be read leaves the answer as it was: the status of a damaged node is still wanted.
func (o *oldestPayload) find(h *history.History, head chain.Height) chain.Height {
	o.mu.Lock()
	defer o.mu.Unlock()
	if head == 0 || time.Since(o.asked) < oldestPayloadAge {
		return o.at
	}
	o.asked = time.Now()
	if at, err := h.Retained(max(o.at, 1), head); err == nil {
		o.at = at
	}
	return o.at
}
