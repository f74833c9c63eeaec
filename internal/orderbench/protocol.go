// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// What a member is asked to do.
const (
	doOpen  = "open"  // open log, engine and transport; once, first
	doJoin  = "join"  // connect to the peers and begin to order; once
	doLook  = "look"  // say how it stands
	doLoad  = "load"  // begin to offer
	doMark  = "mark"  // begin to measure, or end: say how it stands, and the times since the mark before
	doDrain = "drain" // offer no more, and wait until all that was offered is decided
)

// lineMax bounds a line of the protocol in bytes.
const lineMax = 64 << 10

// request is a line to a member.
type request struct {
	Do    string           `json:"do"`
	Open  *setup           `json:"open,omitempty"`
	Peers []transport.Peer `json:"peers,omitempty"` // of doJoin
}

// setup is what a member is. Its identity lies in its folder: node.crt, node.key and ca.crt.
type setup struct {
	Config Config            `json:"config"`
	Self   chain.ValidatorNo `json:"self"`
	Dir    string            `json:"dir"`
}

// reply is a line from a member, one for each request.
type reply struct {
	Error     string `json:"error,omitempty"`
	Address   string `json:"address,omitempty"`   // after doOpen: where peers reach it
	Mark      *mark  `json:"mark,omitempty"`      // after doLook and doMark
	Undecided int    `json:"undecided,omitempty"` // after doDrain
}

// mark is how a member stands. Counts are since its start.
type mark struct {
	AtUs      uint64            `json:"at_us"` // of its own monotonic clock
	HasLeader bool              `json:"has_leader"`
	Leader    chain.ValidatorNo `json:"leader"`
	Term      uint64            `json:"term"`
	Links     int               `json:"links"` // peers connected both ways
	Height    chain.Height      `json:"height"`
	History   string            `json:"history"` // hash over all decided proposals
	Rounds    uint64            `json:"rounds"`
	Digests   uint64            `json:"digests"`
	CPUUs     int64             `json:"cpu_us"`
	Syncs     uint64            `json:"syncs"`
	DecidedMs Percentiles       `json:"decided_ms"` // of doMark: since the one before
}
