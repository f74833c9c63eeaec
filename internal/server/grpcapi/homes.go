// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/query"
)

// GetHomeMove says how a version of the home table was made.
func (s *service) GetHomeMove(ctx context.Context, q *ledgerv1.GetHomeMoveRequest) (*ledgerv1.HomeMove, error) {
	m, err := s.backend.HomeMove(ctx, q.Version)
	if err != nil {
		return nil, err
	}
	move := &ledgerv1.HomeMove{Version: q.Version, Height: uint64(m.Height)}
	if !m.Tx.IsZero() {
		move.Transaction = m.Tx[:]
	}
	return move, nil
}

// GetHomes says who owns which slots.
func (s *service) GetHomes(ctx context.Context, _ *ledgerv1.GetHomesRequest) (*ledgerv1.Homes, error) {
	t, err := s.backend.HomeTable(ctx)
	if err != nil {
		return nil, err
	}
	return homes(t), nil
}

func homes(t *query.HomeTable) *ledgerv1.Homes {
	out := &ledgerv1.Homes{Height: uint64(t.Height), Version: t.Version, Mover: uint32(t.Mover), Closed: t.Closed}
	if t.Guard != [len(t.Guard)]byte{} {
		out.Guard = t.Guard[:]
	}
	for _, r := range t.V10 {
		out.V10 = append(out.V10, &ledgerv1.SlotRange{From: uint32(r.From), To: uint32(r.To)})
	}
	return out
}
