// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/zeebo/blake3"
)

const (
	// chunkEntriesMax is how many Ed25519 signatures one batch equation covers. Larger gains little speed, and lets one
	// bad signature spoil more good ones.
	chunkEntriesMax = 1024
	// groupEntriesMax is how many signatures are tried together again after their chunk failed.
	groupEntriesMax = 64
	// togetherEntriesMin is where one equation begins to cost less than its entries one by one.
	togetherEntriesMin = 4
)

// Batch verifies many signatures at once, of any mix of keys and schemes. Ed25519 entries share equations: 1,024 cost a
// third each of one alone; the other schemes are verified one by one. It belongs to one goroutine and is meant to be
// reused with Reset: it keeps its memory, about 0.5 MB, and the keys of its last equation alive.
//
// The cost is bounded under attack. A chunk of up to 1,024 Ed25519 entries whose equation fails is tried again in groups
// of 64, and a failing group one by one. Measured against verifying all one by one: a good chunk costs 0.35, one bad
// signature in a chunk 0.9, one in every group 1.55; the worst at any size is 1.8 (one in each group of 129 to 256).
//
// The equation's coefficients are not random but come from a hash of all keys, messages and signatures of the
// equation, as in Fiat-Shamir: a forger must find a batch whose hash suits it, about 2^128 tries, and all nodes that
// verify the same batch get the same answer even then.
type Batch struct {
	entries    []batchEntry
	valid      []bool
	ed25519At  []int32 // places in entries
	equation   *ed25519.BatchVerifier
	transcript *blake3.Hasher
}

type batchEntry struct {
	verifier *Verifier
	msg, sig []byte
}

// NewBatch returns an empty batch.
func NewBatch() *Batch {
	return &Batch{equation: ed25519.NewBatchVerifier(), transcript: blake3.New()}
}

// Add puts a signature in the batch. msg and sig are not copied: they must not change until Verify has returned. How
// many entries a batch holds is the caller's bound; each costs 60 bytes here.
func (b *Batch) Add(v *Verifier, msg, sig []byte) {
	b.entries = append(b.entries, batchEntry{v, msg, sig})
}

// Len returns the number of entries.
func (b *Batch) Len() int { return len(b.entries) }

// Reset empties the batch.
func (b *Batch) Reset() {
	clear(b.entries) // so that messages and keys can be collected
	b.entries = b.entries[:0]
	b.equation.Reset()
}

// Verify reports for each entry, in the order of Add, exactly what its Verifier's Verify would. The answer is the
// batch's memory: valid until the next Verify.
func (b *Batch) Verify() []bool {
	b.valid = slices.Grow(b.valid[:0], len(b.entries))[:len(b.entries)]
	b.ed25519At = b.ed25519At[:0]
	for i, e := range b.entries {
		if e.verifier.Scheme() == Ed25519 {
			b.ed25519At = append(b.ed25519At, int32(i))
		} else {
			b.valid[i] = e.verifier.Verify(e.msg, e.sig)
		}
	}
	for chunk := range slices.Chunk(b.ed25519At, chunkEntriesMax) {
		b.verifyChunk(chunk)
	}
	return b.valid
}

// verifyChunk answers for the Ed25519 entries at the given places. Trying groups together is a bet that most are good:
// it is off for one or two groups, and ends when more than a quarter of the chunk's groups have lost it.
func (b *Batch) verifyChunk(chunk []int32) {
	if b.together(chunk) {
		return
	}
	groups, failed := (len(chunk)+groupEntriesMax-1)/groupEntriesMax, 0
	for group := range slices.Chunk(chunk, groupEntriesMax) {
		if groups > 2 && 4*failed <= groups && b.together(group) {
			continue
		}
		failed++
		for _, i := range group {
			e := &b.entries[i]
			b.valid[i] = e.verifier.Verify(e.msg, e.sig)
		}
	}
}

// together marks the entries at these places valid if all of them are; otherwise it says nothing about any.
func (b *Batch) together(at []int32) bool {
	if len(at) < togetherEntriesMin {
		return false
	}
	b.equation.Reset()
	b.transcript.Reset()
	for _, i := range at {
		e := &b.entries[i]
		b.equation.AddExpanded(e.verifier.ed25519, e.msg, e.sig)
		b.record(e)
	}
	var seed [32]byte
	b.transcript.Sum(seed[:0])
	if !b.equation.VerifyBatchOnly(bytes.NewReader(seed[:])) {
		return false
	}
	for _, i := range at {
		b.valid[i] = true
	}
	return true
}

// record hashes all that the equation depends on: A and R and S as bytes, and the message that gives the challenge.
func (b *Batch) record(e *batchEntry) {
	var lengths [16]byte
	binary.LittleEndian.PutUint64(lengths[:], uint64(len(e.sig)))
	binary.LittleEndian.PutUint64(lengths[8:], uint64(len(e.msg)))
	b.transcript.Write(lengths[:])
	b.transcript.WriteString(e.verifier.public.raw)
	b.transcript.Write(e.sig)
	b.transcript.Write(e.msg)
}
