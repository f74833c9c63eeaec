// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"fmt"
	"testing"
)

// BenchmarkVerify is one signature at a time with a kept Verifier, on one core.
func BenchmarkVerify(b *testing.B) {
	for _, s := range Schemes() {
		b.Run(s.String(), func(b *testing.B) {
			signer := testSigner(b, s, 1)
			v, msg := testVerifier(b, signer.Public()), Message(DomainTx, make([]byte, 100))
			sig := mustSign(b, signer, msg)
			b.ReportAllocs()
			for b.Loop() {
				if !v.Verify(msg, sig) {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkBatch is Ed25519 in batches of n, 1,024 distinct keys, on one core, with bad signatures as named.
func BenchmarkBatch(b *testing.B) {
	batch := NewBatch()
	signedBy(b, batch, ed25519Signers(b, 1024), 4096)
	entries := append([]batchEntry(nil), batch.entries...)
	for _, c := range []struct{ n, badEach int }{{64, 0}, {1024, 0}, {4096, 0}, {64, 64}, {1024, 1024}, {4096, 4096}, {1024, 64}} {
		b.Run(fmt.Sprintf("n=%d/badOneIn=%d", c.n, c.badEach), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset()
				for i, e := range entries[:c.n] {
					if c.badEach > 0 && i%c.badEach == 0 {
						e.msg = []byte("forged")
					}
					batch.Add(e.verifier, e.msg, e.sig)
				}
				got := countValid(batch.Verify())
				if c.badEach == 0 && got != c.n || c.badEach > 0 && got != c.n-c.n/c.badEach {
					b.Fatal(got, "valid")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*c.n), "µs/signature")
			b.ReportMetric(float64(b.N*c.n)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, s := range Schemes() {
		b.Run(s.String(), func(b *testing.B) {
			signer, msg := testSigner(b, s, 1), Message(DomainTx, make([]byte, 100))
			for b.Loop() {
				mustSign(b, signer, msg)
			}
		})
	}
}

func BenchmarkNewVerifier(b *testing.B) {
	for _, s := range Schemes() {
		b.Run(s.String(), func(b *testing.B) {
			p := testSigner(b, s, 1).Public()
			b.ReportAllocs()
			for b.Loop() {
				testVerifier(b, p)
			}
		})
	}
}

func BenchmarkParsePublic(b *testing.B) {
	for _, s := range Schemes() {
		b.Run(s.String(), func(b *testing.B) {
			key := testSigner(b, s, 1).Public().Bytes()
			for b.Loop() {
				if _, err := ParsePublic(key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCacheHit(b *testing.B) {
	c := NewCache(CacheEntriesMax, CacheBytesMax)
	key := testSigner(b, Ed25519, 1).Public().Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Find(key); err != nil {
			b.Fatal(err)
		}
	}
}
