// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// signedBy makes n entries with keys taken in turn from signers.
func signedBy(t testing.TB, b *Batch, signers []Signer, n int) {
	t.Helper()
	verifiers := make([]*Verifier, len(signers))
	for i, s := range signers {
		verifiers[i] = testVerifier(t, s.Public())
	}
	for i := range n {
		msg := fmt.Appendf(nil, "payment %d", i)
		b.Add(verifiers[i%len(signers)], msg, mustSign(t, signers[i%len(signers)], msg))
	}
}

func ed25519Signers(t testing.TB, n int) []Signer {
	t.Helper()
	signers := make([]Signer, n)
	for i := range signers {
		signers[i] = testSigner(t, Ed25519, i)
	}
	return signers
}

func countValid(valid []bool) (n int) {
	for _, ok := range valid {
		if ok {
			n++
		}
	}
	return n
}

// TestBatchIsSingle is invariant 1: whatever is in the batch, each answer is what the Verifier alone says.
func TestBatchIsSingle(t *testing.T) {
	pool := NewBatch()
	signedBy(t, pool, ed25519Signers(t, 5), 150)
	signedBy(t, pool, []Signer{testSigner(t, Secp256k1, 1), testSigner(t, MLDSA65, 1)}, 6)
	b := NewBatch()
	rapid.Check(t, func(t *rapid.T) {
		b.Reset()
		n := rapid.SampledFrom([]int{0, 1, 2, 3, 63, 64, 65, 66, 130, 200}).Draw(t, "n")
		badOneIn := rapid.SampledFrom([]int{1, 3, 50, 1000}).Draw(t, "badOneIn")
		for range n {
			e := pool.entries[rapid.IntRange(0, len(pool.entries)-1).Draw(t, "entry")]
			if rapid.IntRange(1, badOneIn).Draw(t, "bad") == badOneIn && badOneIn < 1000 {
				e.sig = bytes.Clone(e.sig)
				switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); kind {
				case 0:
					e.sig[rapid.IntRange(0, len(e.sig)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
				case 1:
					e.sig = e.sig[:rapid.IntRange(0, len(e.sig)).Draw(t, "cut")]
				case 2:
					e.msg = []byte("another message")
				case 3:
					e.verifier = pool.entries[rapid.IntRange(0, len(pool.entries)-1).Draw(t, "key")].verifier
				}
			}
			b.Add(e.verifier, e.msg, e.sig)
		}
		got := b.Verify()
		if len(got) != n || b.Len() != n {
			t.Fatalf("%d answers for %d entries", len(got), n)
		}
		for i, e := range b.entries {
			if got[i] != e.verifier.Verify(e.msg, e.sig) {
				t.Fatalf("entry %d of %d: batch says %v", i, n, got[i])
			}
		}
	})
}

// TestBatchFindsBad plants bad signatures at the edges of chunks and groups.
func TestBatchFindsBad(t *testing.T) {
	b := NewBatch()
	signedBy(t, b, ed25519Signers(t, 16), chunkEntriesMax+groupEntriesMax+1)
	good := slices.Clone(b.entries)
	last := len(good) - 1
	everyGroup := make([]int, 0, chunkEntriesMax/groupEntriesMax)
	for i := 5; i < chunkEntriesMax; i += groupEntriesMax {
		everyGroup = append(everyGroup, i)
	}
	for _, bad := range [][]int{nil, everyGroup, {0}, {last}, {63, 64}, {chunkEntriesMax - 1}, {chunkEntriesMax}, {0, 1, 2, 700, last}} {
		b.Reset()
		for i, e := range good {
			if slices.Contains(bad, i) {
				e.msg = []byte("forged")
			}
			b.Add(e.verifier, e.msg, e.sig)
		}
		for i, ok := range b.Verify() {
			if ok == slices.Contains(bad, i) {
				t.Errorf("bad %v: entry %d is %v", bad, i, ok)
			}
		}
	}
}

// TestBatchCancellation adds 1 to one S and takes 1 from another: the sum of the plain equations still holds, so only
// coefficients find it.
func TestBatchCancellation(t *testing.T) {
	b := NewBatch()
	signedBy(t, b, ed25519Signers(t, 8), 64)
	var up, down bool
	for i := range b.entries {
		sig := bytes.Clone(b.entries[i].sig)
		switch {
		case !up && sig[32] < 255:
			sig[32]++
			up = true
		case !down && sig[32] > 0:
			sig[32]--
			down = true
		}
		b.entries[i].sig = sig
	}
	if got := countValid(b.Verify()); !up || !down || got != 62 {
		t.Errorf("%d of 64 valid, 62 are", got)
	}
}

// TestBatchTranscript shows that the coefficients depend on every byte of an entry and on where its fields end.
func TestBatchTranscript(t *testing.T) {
	v, w := testVerifier(t, testSigner(t, Ed25519, 1).Public()), testVerifier(t, testSigner(t, Ed25519, 2).Public())
	seen := map[[32]byte]string{}
	for name, e := range map[string]batchEntry{
		"base":    {v, []byte("msg"), []byte("sig")},
		"key":     {w, []byte("msg"), []byte("sig")},
		"msg":     {v, []byte("msh"), []byte("sig")},
		"sig":     {v, []byte("msg"), []byte("sih")},
		"cut":     {v, []byte("gmsg"), []byte("si")},
		"no msg":  {v, nil, []byte("sigmsg")},
		"doubled": {v, []byte("msgmsg"), []byte("sig")},
	} {
		b := NewBatch()
		b.record(&e)
		var sum [32]byte
		b.transcript.Sum(sum[:0])
		if other, ok := seen[sum]; ok {
			t.Errorf("%s and %s give the same coefficients", name, other)
		}
		seen[sum] = name
	}
}

func TestBatchReset(t *testing.T) {
	b := NewBatch()
	if got := b.Verify(); len(got) != 0 {
		t.Error("an empty batch has answers")
	}
	signedBy(t, b, ed25519Signers(t, 2), 4)
	b.Verify()
	b.Reset()
	if b.Len() != 0 || b.entries[:4][3].verifier != nil {
		t.Error("Reset keeps entries alive")
	}
	// Old answers must not shine through.
	v := testVerifier(t, testSigner(t, Ed25519, 1).Public())
	for range 3 {
		b.Add(v, []byte("m"), make([]byte, 64))
	}
	if countValid(b.Verify()) != 0 {
		t.Error("an answer of the batch before is still there")
	}
}
