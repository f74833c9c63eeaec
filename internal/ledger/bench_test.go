// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/hugepage"
	"github.com/aurigraph/aurigraph/internal/pages"
)

const (
	benchAccounts = 1 << 20
	benchBatches  = 64
)

// benchLedger has a million accounts of institution 1, and assets in which each account holds something: of one asset
// each account, of many each account four.
func benchLedger(b *testing.B, assets int, flags chain.AssetFlags) *Ledger {
	b.Helper()
	g := &chain.Genesis{
		Chain: testChain, Name: "bench", AccountsMax: benchAccounts + 1,
		Validators:   []chain.GenesisValidator{{Name: "v", Ed25519: make(chain.HexBytes, 32), MLDSA65: make(chain.HexBytes, 1952)}},
		Institutions: []chain.GenesisInstitution{{Name: "i", Keys: []chain.HexBytes{publicKey(1, 1)}}},
	}
	for i := range assets {
		g.Assets = append(g.Assets, chain.GenesisAsset{Code: "A" + strconv.Itoa(i), Name: "a", Flags: flags, Issuer: 1})
	}
	l := New(pages.NewSpaceIn(func() []pages.Page { return hugeSlab(b) }), testAddress)
	if err := l.InitGenesis(g); err != nil {
		b.Fatal(err)
	}
	for range benchAccounts {
		l.open(opening{custodian: 1}, 0)
	}
	for a := chain.AccountNo(1); a <= benchAccounts; a++ {
		for k := range min(assets, 4) {
			if code := l.issue(a, benchAsset(a, k, assets), chain.Units(1<<40)); code != chain.OK {
				b.Fatal(code)
			}
		}
	}
	l.BeginBlock(1, 1)
	return l
}

// hugeSlab gives memory as a node does.
func hugeSlab(b *testing.B) []pages.Page {
	mem, err := hugepage.Alloc(pages.SlabPages * pages.PageBytes)
	if err != nil {
		b.Fatal(err)
	}
	return pages.InMemory(mem)
}

// benchAsset is the k-th asset that an account holds. Accounts that are equal modulo 256 hold the same four.
func benchAsset(a chain.AccountNo, k, assets int) chain.AssetNo {
	return chain.AssetNo((int(a%256)*4+k)%assets + 1)
}

func benchRun(b *testing.B, l *Ledger, assets int, pick func(*rand.Rand) (from, to uint32)) {
	benchBatchesRun(b, l, drawBatches(b, assets, pick), func(chain.Batch) {})
}

// benchKeyed has a new key for each leg, and as many living ones as may be: each leg looks for its key, records it, and lets the
// oldest go.
func benchKeyed(b *testing.B, l *Ledger) {
	batches := drawBatches(b, 1, uniform)
	n := uint64(1)
	key := func() chain.IdempotencyKey { n++; return keyOf(n) }
	for range chain.IdempotencyKeysDefault {
		k := key()
		l.recordKeyed(l.keyedTable.tag(1, k), keyedRecord{Key: k, Institution: 1, Height: 1, TimeUs: 1})
	}
	benchBatchesRun(b, l, batches, func(batch chain.Batch) {
		for i := range batch.Len() {
			raw := batch.Records()[i*chain.LegBytes:]
			k := key()
			raw[13] = chain.LegKeyed
			copy(raw[32:], k[:])
		}
	})
}

func drawBatches(b *testing.B, assets int, pick func(*rand.Rand) (from, to uint32)) []chain.Batch {
	r := rand.New(rand.NewPCG(1, 2))
	var batches []chain.Batch
	for range benchBatches {
		legs := make([]chain.Leg, chain.BatchLegsMax)
		for i := range legs {
			from, to := pick(r)
			if assets > 1 {
				to = to&^255 | from&255
			}
			if from = from%benchAccounts + 1; from == to%benchAccounts+1 {
				to += 256
			}
			a := chain.AccountNo(from)
			legs[i] = chain.Leg{From: a, To: chain.AccountNo(to%benchAccounts + 1), Asset: benchAsset(a, r.IntN(4), assets), Amount: chain.Units(1)}
		}
		batch, err := chain.NewBatch(chain.BatchHeader{Chain: testChain, Institution: 1, Key: 1, ValidUntil: chain.ValidityBlocksMax}, legs)
		if err != nil {
			b.Fatal(err)
		}
		batches = append(batches, batch)
	}
	return batches
}

// benchBatchesRun runs batches, the same ones again and again; prepare changes one before it runs.
func benchBatchesRun(b *testing.B, l *Ledger, batches []chain.Batch, prepare func(chain.Batch)) {
	codes := make([]chain.Outcome, chain.BatchLegsMax)
	last := l.Channel(1, 0)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if i%chain.EntriesPerBlockMax == 0 {
			next(l)
		}
		batch := batches[i%benchBatches]
		h := batch.Header()
		last++
		h.Sequence = last
		chain.PutBatchHeader(batch.Bytes(), h)
		prepare(batch)
		if moved, _ := l.RunBatch(batch, chain.Hash{}, 0, codes); moved != chain.BatchLegsMax {
			b.Fatalf("moved %d, first code %v", moved, codes[0])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*chain.BatchLegsMax), "ns/leg")
}

func uniform(r *rand.Rand) (uint32, uint32) { return r.Uint32(), r.Uint32() }

func hot(r *rand.Rand) (uint32, uint32) { return 4095, r.Uint32() }

func zipf() func(*rand.Rand) (uint32, uint32) {
	z := rand.NewZipf(rand.New(rand.NewPCG(3, 4)), 1.1, 1, benchAccounts-1)
	return func(*rand.Rand) (uint32, uint32) { return uint32(z.Uint64()), uint32(z.Uint64()) }
}

func BenchmarkRunBatch(b *testing.B) {
	b.Run("dense", func(b *testing.B) {
		l := benchLedger(b, 1, chain.AssetDense)
		b.Run("uniform", func(b *testing.B) { benchRun(b, l, 1, uniform) })
		b.Run("zipf", func(b *testing.B) { benchRun(b, l, 1, zipf()) })
		b.Run("hot", func(b *testing.B) { benchRun(b, l, 1, hot) })
		b.Run("keyed", func(b *testing.B) { benchKeyed(b, l) })
	})
	b.Run("versioned", func(b *testing.B) {
		benchRun(b, benchLedger(b, 1, chain.AssetDense|chain.AssetVersioned), 1, uniform)
	})
	b.Run("sparse", func(b *testing.B) { benchRun(b, benchLedger(b, 1, 0), 1, uniform) })
	b.Run("sparse1000", func(b *testing.B) {
		l := benchLedger(b, 1000, 0)
		b.Run("uniform", func(b *testing.B) { benchRun(b, l, 1000, uniform) })
	})
}

// BenchmarkAttach rebuilds what is derived for a million accounts with four sparse holdings each.
func BenchmarkAttach(b *testing.B) {
	l := benchLedger(b, 1000, 0)
	for b.Loop() {
		if err := l.Attach(); err != nil {
			b.Fatal(err)
		}
	}
}
