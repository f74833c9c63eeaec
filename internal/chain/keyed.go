// SPDX-License-Identifier: Apache-2.0

package chain

// LegKeyed is the argument of a transfer leg under an idempotency key: the ledger executes one leg of a key, and answers
// Duplicate to all others of it while the key lives.
const LegKeyed = 1

// IdempotencyKey names a request, so that it is executed once however often it is sent. It belongs to the institution that
// signs the batch. All zero is no key. Whoever makes keys of what clients say hashes it: equal keys are one request.
type IdempotencyKey [16]byte

// IsZero reports whether k is no key.
func (k IdempotencyKey) IsZero() bool { return k == IdempotencyKey{} }

// How long an idempotency key lives: for IdempotencyLifeMicros of block time, unless as many newer keys came as the genesis
// lets live at a time. A block gives a bounded number of keys up, so some may live a little longer, and none shorter.
const (
	IdempotencyLifeMicros  = 24 * 60 * 60 * 1_000_000
	IdempotencyKeysDefault = 1_000_000
	IdempotencyKeysMaxMax  = 10_000_000
)

// KeyedReference is the reference of a keyed leg: the key, then 16 bytes that the ledger does not look at. A signer puts a hash
// of the request there, to tell a repeat from another request under the same key.
func KeyedReference(k IdempotencyKey, request [16]byte) (reference [32]byte) {
	copy(reference[:], k[:])
	copy(reference[len(k):], request[:])
	return reference
}

// Key returns the idempotency key of a keyed leg, and false for any other leg.
func (l *Leg) Key() (IdempotencyKey, bool) {
	if l.Kind != LegTransfer || l.Arg != LegKeyed {
		return IdempotencyKey{}, false
	}
	return IdempotencyKey(l.Reference[:16]), true
}
