// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

// GetInbox says how far V10's changes are applied.
func (s *service) GetInbox(ctx context.Context, _ *ledgerv1.GetInboxRequest) (*ledgerv1.Inbox, error) {
	in, err := s.backend.Inbox(ctx)
	if err != nil {
		return nil, err
	}
	return inbox(in), nil
}

func inbox(in *query.Inbox) *ledgerv1.Inbox {
	out := &ledgerv1.Inbox{Height: uint64(in.Height), HomeVersion: in.HomeVersion, Life: in.Life}
	if in.Life == 0 {
		return out
	}
	out.Ledger, out.Incarnation = in.Ledger[:], in.Incarnation[:]
	out.Institution, out.Key = uint32(in.Institution), uint32(in.Key)
	out.Position, out.Tag = syncPosition(in.Position), known(in.Tag)
	out.Applied, out.Skipped, out.Barrier, out.Round = in.Applied, in.Skipped, in.Barrier, in.Round
	return out
}

func syncPosition(p chain.SyncPosition) *ledgerv1.SyncPosition {
	return &ledgerv1.SyncPosition{Major: p.Major, Minor: p.Minor}
}
