// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// IdempotencyKey names a request of an institution, so that the ledger executes it once: set Arg of a transfer leg to LegKeyed and
// its Reference to KeyedReference. A repeat has the outcome duplicate; Keyed tells what became of the first.
type IdempotencyKey = chain.IdempotencyKey

// LegKeyed is the Arg of a transfer leg under an idempotency key.
const LegKeyed = chain.LegKeyed

// KeyedReference is the reference of a keyed leg: the key, and 16 bytes by which the signer knows the request again.
func KeyedReference(k IdempotencyKey, request [16]byte) [32]byte {
	return chain.KeyedReference(k, request)
}

// ItemPlace is where a transaction or leg was executed.
type ItemPlace struct {
	Place
	Item uint32
}

// Keyed says, as of Height, whether an idempotency key lives, and what became of the first leg under it.
type Keyed struct {
	Height  Height // certified; a lower one than that of a duplicate says nothing: ask again, or another node
	Found   bool
	At      ItemPlace
	Outcome Outcome
	TimeUs  uint64 // of the block At.Height
}

// Keyed looks an idempotency key of an institution up. It is the node's word; TransactionAt proves what stands at the place.
func (c *Client) Keyed(ctx context.Context, institution InstitutionNo, key IdempotencyKey) (*Keyed, error) {
	a, err := read(ctx, c, c.ledger.GetKeyed, &ledgerv1.GetKeyedRequest{Institution: uint32(institution), Key: key[:]})
	if err != nil {
		return nil, err
	}
	k := &Keyed{Height: Height(a.Height), Found: a.Found}
	if !a.Found {
		return k, nil
	}
	if a.Place == nil || a.Outcome > 0xFF {
		return nil, fault.Reasoned(fault.Corrupt, "answer_malformed", "the node's answer has a key without a place, or outcome %d", a.Outcome)
	}
	k.At = ItemPlace{Place{Height(a.Place.Height), a.Place.BatchIndex}, a.Place.Item}
	k.Outcome, k.TimeUs = Outcome(a.Outcome), a.TimeUs
	return k, nil
}

// TransactionAt finds the transaction or leg that was executed at a place. With proof and Trust it is verified.
func (c *Client) TransactionAt(ctx context.Context, at ItemPlace, proof bool) (*Transaction, error) {
	t, err := c.transaction(ctx, &ledgerv1.GetTransactionRequest{Proof: proof, Place: &ledgerv1.TransactionPlace{
		Height: uint64(at.Height), BatchIndex: at.BatchIndex, Item: at.Item,
	}})
	if err != nil {
		return nil, err
	}
	if t.Place != at.Place || t.Item != at.Item {
		return nil, fault.Reasoned(fault.Corrupt, "other_place", "the node answers for item %d of batch %d of block %d", t.Item, t.BatchIndex, t.Height)
	}
	if !proof {
		return t, nil
	}
	return checked(ctx, c, t, func(v *Verifier) error { return v.Transaction(t, t.ID) })
}

// KeyedCounts counts idempotency keys since genesis, as of a status's TimeUs.
type KeyedCounts struct {
	Living, Max uint64
	Expired     uint64 // given up because of their age
	Evicted     uint64 // given up early, for newer ones
	Duplicates  uint64 // legs answered duplicate
}

func keyedCountsOf(k *ledgerv1.IdempotencyKeys) KeyedCounts {
	return KeyedCounts{Living: k.GetLiving(), Max: k.GetLivingMax(), Expired: k.GetExpired(), Evicted: k.GetEvicted(), Duplicates: k.GetDuplicates()}
}
