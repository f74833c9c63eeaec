// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Host is the node behind a sealer.
type Host interface {
	// Refuse stops this node's certifier: when it returns, no header of the epoch is signed any more, in this life of the
	// process, and what the node published is durable. The sealer's record keeps the refusal over a restart (Sealer.Refused).
	// It may be called again.
	Refuse(ctx context.Context) error
	// Reveal tells what the node knows of the epoch. It is called after Refuse.
	Reveal(ctx context.Context) (*Known, error)
	// Prepare brings the node's state to exactly the chosen header, in whose history all of choice.Through stands, and over the
	// epoch's end, with next as the membership and what the verdict says. ctx may end before that is done, and
	// the node may restart in process for it: the question comes again, and finds what was reached. Conflict: the node's
	// history cannot become that one, or chain.ReasonNoWayBack.
	Prepare(ctx context.Context, choice *Choice, next *chain.Membership, v chain.Verdict) (*Prepared, error)
	// Finish makes the handover durable and lets the node go on in the next epoch, whose Epoch.Base is the handover's last
	// header. Its proof was checked. It may be called again. A node that is left out stops.
	Finish(ctx context.Context, p *chain.ProvedHandover) error
}

// Prepared is a state over the end of its epoch.
type Prepared struct {
	Header      []byte     // the chosen one
	Root        chain.Hash // with which the next epoch begins
	HomeVersion uint64     // as in the handover
}

// Known is what a node knows of an epoch.
type Known struct {
	// Certificate is the newest one, also one that came with a peer's state; nil: none of this epoch.
	Certificate *chain.Certificate
	// Header is what Certificate is over.
	Header []byte
	// Votes are all own ones above it, or above the epoch's base, ascending: also those on their way to the disk, which may
	// reach a peer yet.
	Votes []Vote
}

// Where is a validator's place: who it is, and in which epoch of which chain.
type Where struct {
	Chain      chain.ChainID
	Validator  chain.ValidatorNo
	Membership *chain.Membership
	Base       Point
	Refused    bool // it signs no header of this epoch any more
}
