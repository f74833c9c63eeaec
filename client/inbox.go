// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// SyncPosition is a place in the order of V10's changes.
type SyncPosition = chain.SyncPosition

// Inbox is how far V10's changes are applied as of Height, and who may bring more.
type Inbox struct {
	Height      Height // certified
	HomeVersion uint64
	Life        uint32 // of V10; 0: it was never opened, and nothing below is set
	Ledger      Hash   // V10's id
	Incarnation [16]byte
	Institution InstitutionNo
	Key         KeyNo
	Position    SyncPosition // of the newest change applied or skipped
	Tag         Hash         // of its record; zero: none
	Applied     uint64       // changes, of all lives
	Skipped     uint64
	Barrier     uint64 // the newest; 0: none
	Round       uint64 // likewise
}

// Inbox reads how far V10's changes are applied. It is the node's word.
func (c *Client) Inbox(ctx context.Context) (*Inbox, error) {
	a, err := read(ctx, c, c.ledger.GetInbox, &ledgerv1.GetInboxRequest{})
	if err != nil {
		return nil, err
	}
	in := &Inbox{Height: Height(a.Height), HomeVersion: a.HomeVersion, Life: a.Life}
	if in.Life == 0 {
		return in, nil
	}
	if a.Position == nil || len(a.Incarnation) != len(in.Incarnation) {
		return nil, fault.Reasoned(fault.Corrupt, "answer_malformed", "the node's answer has an inbox without a position, or an incarnation of %d bytes", len(a.Incarnation))
	}
	if err := putHash(&in.Ledger, a.Ledger); err != nil {
		return nil, err
	}
	if err := putKnown(&in.Tag, a.Tag); err != nil {
		return nil, err
	}
	copy(in.Incarnation[:], a.Incarnation)
	in.Institution, in.Key = InstitutionNo(a.Institution), KeyNo(a.Key)
	in.Position = SyncPosition{Major: a.Position.Major, Minor: a.Position.Minor}
	in.Applied, in.Skipped, in.Barrier, in.Round = a.Applied, a.Skipped, a.Barrier, a.Round
	return in, nil
}
