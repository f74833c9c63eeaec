// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

// GetKeyed says what became of the first leg under an idempotency key.
func (s *service) GetKeyed(ctx context.Context, q *ledgerv1.GetKeyedRequest) (*ledgerv1.GetKeyedResponse, error) {
	var key chain.IdempotencyKey
	if len(q.Key) != len(key) {
		return nil, badField("key", "has %d bytes, must have %d", len(q.Key), len(key))
	}
	copy(key[:], q.Key)
	if key.IsZero() {
		return nil, badField("key", "is all zero, which is no key")
	}
	k, err := s.backend.Keyed(ctx, chain.InstitutionNo(q.Institution), key)
	if err != nil {
		return nil, err
	}
	answer := &ledgerv1.GetKeyedResponse{Height: uint64(k.Height), Found: k.Found}
	if k.Found {
		answer.Place = &ledgerv1.TransactionPlace{Height: uint64(k.At.Height), BatchIndex: k.At.Index, Item: k.At.Item}
		answer.Outcome, answer.OutcomeName, answer.TimeUs = uint32(k.Outcome), k.Outcome.String(), k.TimeUs
	}
	return answer, nil
}

// transaction finds what a request names: by id, or by place.
func (s *service) transaction(ctx context.Context, q *ledgerv1.GetTransactionRequest) (*query.Transaction, error) {
	if at := q.Place; at != nil {
		if len(q.Id) > 0 {
			return nil, badField("place", "stands beside an id: give one of them")
		}
		return s.backend.TransactionAt(ctx, query.Place{Height: chain.Height(at.Height), Index: at.BatchIndex, Item: at.Item}, q.Proof)
	}
	id, err := hash("id", q.Id)
	if err != nil {
		return nil, err
	}
	return s.backend.Transaction(ctx, id, q.Proof)
}

func idempotencyKeys(s *query.Status) *ledgerv1.IdempotencyKeys {
	k := &s.Keyed
	return &ledgerv1.IdempotencyKeys{Living: k.Living, LivingMax: k.Max, Expired: k.Expired, Evicted: k.Evicted, Duplicates: k.Duplicates}
}
