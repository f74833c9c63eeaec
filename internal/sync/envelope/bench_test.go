// SPDX-License-Identifier: Apache-2.0

package envelope

import "testing"

func BenchmarkSeal(b *testing.B) {
	k, r := testKey(b, 1), sampleRecords()[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Seal(&k, r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	k := testKey(b, 1)
	wire := sealChain(b, &k, sampleRecords()[:1])[0]
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open([]Key{k}, wire); err != nil {
			b.Fatal(err)
		}
	}
}
