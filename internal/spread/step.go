// SPDX-License-Identifier: Apache-2.0

package spread

import "github.com/aurigraph/aurigraph/internal/chain"

// An Input is something that happened: one of the types below.
type Input interface{ apply(c *Core, out *Output) }

type (
	// OwnStored is an entry that was cut here and is durable here. They come in the lane's order.
	OwnStored struct{ Entry chain.LaneEntry }
	// PeerEntry is an entry that arrived with its payload, streamed or fetched. The caller checked the payload's hash and
	// its client's signature. Output.Verdicts answers it.
	PeerEntry struct {
		From  chain.ValidatorNo
		Entry chain.LaneEntry
	}
	// PeerStored says that an accepted entry is durable here.
	PeerStored struct {
		Lane     chain.ValidatorNo
		Sequence uint64
		Digest   chain.Hash
	}
	// Ack is a peer's word that it holds a lane durably up to a place.
	Ack struct {
		From chain.ValidatorNo
		Position
	}
	// Executed says that a lane was executed here up to an entry, and that its payload is durable here or that a
	// checkpoint stands for it. It may leap over entries that never were here.
	Executed struct {
		Lane     chain.ValidatorNo
		Sequence uint64
		Digest   chain.Hash
	}
	// Missing asks for the payload of an entry that ordering decided: that decision alone makes an entry that its owner
	// did not send believable. Sequence 0: its place is unknown.
	Missing struct {
		Digest   chain.Hash
		Lane     chain.ValidatorNo
		Sequence uint64
	}
	// Fetched says that a missing payload is here, from wherever. An accepted PeerEntry says so itself.
	Fetched struct{ Digest chain.Hash }
	// FetchFailed says that a fetch brought nothing, or not what was asked for.
	FetchFailed struct {
		From   chain.ValidatorNo
		Digest chain.Hash
	}
	// Asked is a peer's ask.
	Asked struct {
		From chain.ValidatorNo
		Ask
	}
	// AskedExecuted is a peer's ask for an entry that was executed.
	AskedExecuted struct {
		From chain.ValidatorNo
		AskExecuted
	}
	// Connected says that frames can reach a peer.
	Connected struct{ Peer chain.ValidatorNo }
	// Disconnected says that they cannot.
	Disconnected struct{ Peer chain.ValidatorNo }
	// Rejoined says that governance let a validator begin a new lane.
	Rejoined struct {
		Lane  chain.ValidatorNo
		Epoch chain.Epoch
	}
	// Tick is a tick of time.
	Tick struct{}
)

// A Position is a place in a lane. Sequence 0 is the place before the first entry, and its digest is zero.
type Position struct {
	Lane     chain.ValidatorNo
	Epoch    chain.Epoch
	Sequence uint64
	Digest   chain.Hash
}

// An Ask asks for an entry by its digest; place and lane are a hint, Sequence 0 none. With a zero digest it asks the
// lane's owner to stream from Sequence on.
type Ask struct {
	Lane     chain.ValidatorNo
	Sequence uint64
	Digest   chain.Hash
}

// An AskExecuted asks for an entry by its digest and by the place at which it was executed: the line of a header. Who lost
// what it stored asks so, long after the lanes forgot the entry.
type AskExecuted struct {
	Height chain.Height
	Index  uint32
	Digest chain.Hash
}

// SendEntry says: send an entry with its payload, from memory or disk. Sequence 0: the core does not remember where it
// lies; whoever has an index of old entries looks it up, or sends nothing.
type SendEntry struct {
	To       chain.ValidatorNo
	Lane     chain.ValidatorNo
	Sequence uint64
	Digest   chain.Hash
}

// SendExecuted says: look for what a peer asked for, and send it if it is that.
type SendExecuted struct {
	To chain.ValidatorNo
	AskExecuted
}

// SendAck says: send these positions.
type SendAck struct {
	To        chain.ValidatorNo
	Positions []Position
}

// SendAsk says: send this ask.
type SendAsk struct {
	To chain.ValidatorNo
	Ask
}

// A Verdict answers one PeerEntry. An accepted one is to be stored, and reported by PeerStored even if the disk had it
// before.
type Verdict struct {
	From     chain.ValidatorNo
	Lane     chain.ValidatorNo
	Sequence uint64
	Digest   chain.Hash
	Refused  string // why: one of the Refused words; empty: accepted
}

// An Output is what the caller must do.
type Output struct {
	Send         []SendEntry
	SendExecuted []SendExecuted
	Acks         []SendAck
	Asks         []SendAsk
	Verdicts     []Verdict    // one for each PeerEntry, in order
	Offer        []chain.Hash // became available
	Evidence     []Evidence   // found in this step
	Refused      []string     // a word for each other thing that was refused
	Backpressure bool         // the own lane is full: whoever wants to cut is told to try later
}

// The words for what is refused.
const (
	RefusedSender    = "sender"            // it is no validator, or this node itself
	RefusedLane      = "lane"              // there is no such lane
	RefusedEpoch     = "epoch"             // the lane's owner joined in another epoch
	RefusedNotOwner  = "not_owner"         // neither sent by the lane's owner nor asked for
	RefusedOld       = "old"               // executed
	RefusedDuplicate = "duplicate"         // accepted before
	RefusedGap       = "gap"               // entries before it are not here
	RefusedFork      = "fork"              // another entry has its place
	RefusedParent    = "parent"            // it names another parent than the entry before it
	RefusedFaulted   = "lane_faulted"      // the lane forked
	RefusedFull      = "lane_full"         // too much of the lane is not executed; it is asked for later
	RefusedEarly     = "early_full"        // too many decided entries wait for their parent
	RefusedContrary  = "against_available" // decided, but another entry of that place is available
	RefusedAck       = "ack_differs"       // acknowledges another entry than the one here
	RefusedAhead     = "ack_ahead"         // acknowledges an own entry that this node does not have
	RefusedFlood     = "ask_flood"         // asked for more than a tick's share
	RefusedAsk       = "ask"               // asks for a stream of another's lane
	RefusedMissing   = "missing_full"      // too many payloads are missing: say it again later
)
