// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
)

// An Input is something that happened: one of the types below.
type Input interface{ apply(c *Core, out *Output) }

type (
	// Tick is a tick of time.
	Tick struct{}
	// Received is a frame of an authenticated peer; Message is nil if it was malformed.
	Received struct {
		From    chain.ValidatorNo
		Message Message
	}
	// Looked answers Output.Look: these pages were found, with their leaves.
	Looked struct{ Have []checkpoint.PageOf }
)

// An Envelope is a frame for a peer.
type Envelope struct {
	To      chain.ValidatorNo
	Message Message
}

// A Wanted page is known by its leaf. One that must be zero must be cleared, if it is here.
type Wanted struct {
	At   checkpoint.PageOf
	Leaf chain.Hash
}

// A Page is one that was proved.
type Page struct {
	At    checkpoint.PageOf
	Bytes []byte
}

// A Dropped peer is not asked for a while.
type Dropped struct {
	Peer   chain.ValidatorNo
	Reason string
}

// An Output is what the caller must do, in this order.
type Output struct {
	Write   []Page     // keep these pages
	Send    []Envelope // not sent: the peer is dropped after AnswerTicks
	Accept  *Proved    // an offer was proved, and is gone after
	From    chain.ValidatorNo
	Look    []Wanted // find what is here already, and answer with Looked
	Dropped []Dropped
	Refused []string // a word for each answer that was of no use
	Done    *Proved  // all its pages were written or found
	Below   [][]byte // with Done: headers below it, newest first, each named by the one above
}
