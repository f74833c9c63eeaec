// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// An Input is something that happened: one of the types below.
type Input interface{ apply(c *Core, out *Output) }

type (
	// Tick is a tick of time.
	Tick struct{}
	// Received is a frame from an authenticated peer.
	Received struct {
		From    chain.ValidatorNo
		Message Message
	}
	// Offered is a digest to order.
	Offered struct{ Digest chain.Hash }
	// Withdrawn takes an own digest back that the host knows to be decided: it took a state in which it is executed.
	Withdrawn struct{ Digest chain.Hash }
	// Nudged asks for one more height.
	Nudged struct{}
	// Cut asks for a proposal at the proposer's clock, if WantsCut; for several if Most is above 1, as far as the window has
	// room and their digests would fit one.
	Cut struct {
		NowUs uint64
		Most  int
	}
	// Appended says that the oldest record handed out and not yet acknowledged is durable, and where.
	Appended struct{ At seglog.Pos }
	// Delivered says that the reader took all decided proposals up to a height.
	Delivered struct{ Height chain.Height }
	// Fetched answers Output.Fetch: the host continues from a checkpoint at Height or above, or could not get one.
	Fetched struct {
		Height chain.Height
		OK     bool
	}
	// Compact lets the log forget what lies below a height; Ref tells a peer that is behind how to find the state.
	Compact struct {
		Below chain.Height
		Ref   []byte
	}
)

// An Envelope is a frame for a peer.
type Envelope struct {
	To    chain.ValidatorNo
	Frame []byte
}

// An Overdue is a digest of this node that was offered long ago and is not decided.
type Overdue struct {
	Digest chain.Hash
	Ticks  uint64 // since the offer
}

// A SnapshotRef names the state that a node needs which fell behind the leader's log.
type SnapshotRef struct {
	Height chain.Height
	From   chain.ValidatorNo // the leader that sent it
	Ref    []byte            // what the leader's host said of it
}

// An Output is what the caller must do: write Append in order and acknowledge each record with Appended, send Send, hand
// Decided to the reader and acknowledge it with Delivered. Nothing here waits for anything else here: what must wait
// for a record comes out of the Appended that acknowledges it.
type Output struct {
	Append  []Record
	Send    []Envelope
	Decided []*chain.Proposal
	Fetch   *SnapshotRef // get a checkpoint at its height or above, and answer with Fetched
	Overdue []Overdue
	Refused []string // a word for each thing of a peer that was refused
	Own     int      // own digests that need no more work
}
