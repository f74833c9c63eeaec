// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
)

func testWorld(t testing.TB, load string, accounts, assets uint32) *world {
	t.Helper()
	signer, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{chain: 9, institution: 2, key: 5, signer: signer, first: 100, accounts: accounts, firstAsset: 7, assets: assets, load: load}
	if load == LoadZipf {
		w.drawZipf()
	}
	return w
}

// batches makes n signed batches of a channel, and their bytes.
func (w *world) batches(t testing.TB, channel uint8, n int) (list []signed, bodies [][]byte) {
	t.Helper()
	s := &stream{world: w, channel: channel, next: 1}
	list, err := s.sign(n, 50_000, make([]byte, chain.BatchBytesMax))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		raw := make([]byte, chain.BatchBytesMax)
		w.fill(raw, &list[i])
		bodies = append(bodies, raw)
	}
	return list, bodies
}

// TestLegs checks, for every load, that a batch is one that a node admits and executes: framing, signature, and legs between
// two different accounts that hold the asset.
func TestLegs(t *testing.T) {
	for _, load := range []string{LoadUniform, LoadZipf, LoadHot} {
		for _, size := range []struct{ accounts, assets uint32 }{{1024, 1}, {1024, 64}, {1030, 64}, {5000, 7}} {
			w := testWorld(t, load, size.accounts, size.assets)
			list, bodies := w.batches(t, 3, 2)
			for i, raw := range bodies {
				b, err := chain.ParseBatch(raw)
				if err != nil {
					t.Fatalf("%s %+v: %v", load, size, err)
				}
				h := b.Header()
				if h.Channel != 3 || h.Sequence != uint64(1+i) || h.Institution != 2 || h.Key != 5 || h.Chain != 9 || h.ValidUntil != 50_000 {
					t.Errorf("%s: header %+v", load, h)
				}
				v, err := keys.NewVerifier(w.signer.Public())
				if err != nil || !v.Verify(keys.BatchMessage(9, codec.Sum(raw)), list[i].signature) || list[i].id != codec.Sum(raw) {
					t.Errorf("%s: the signature is not over what is sent, %v", load, err)
				}
				for n := range b.Len() {
					w.checkLeg(t, load, b.Leg(n))
				}
			}
		}
	}
}

func (w *world) checkLeg(t testing.TB, load string, l chain.Leg) {
	t.Helper()
	from, to := uint32(l.From)-w.first, uint32(l.To)-w.first
	if from >= w.accounts || to >= w.accounts || from == to || w.assetOf(from) != l.Asset || w.assetOf(to) != l.Asset ||
		l.Kind != chain.LegTransfer || l.Amount.IsZero() || chain.Units(97).Less(l.Amount) {
		t.Fatalf("%s, %d accounts, %d assets: leg %+v", load, w.accounts, w.assets, l)
	}
}

// TestBodiesFollowFromTheirSeed signs on all cores at once, and makes each body again.
func TestBodiesFollowFromTheirSeed(t *testing.T) {
	w := testWorld(t, LoadZipf, 2048, 1)
	streams := func() []*stream {
		return []*stream{{world: w, channel: 0, next: 1}, {world: w, channel: 1, next: 1}}
	}
	one, err := signAll(streams(), 3, 1000)
	if err != nil {
		t.Fatal(err)
	}
	two, err := signAll(streams(), 3, 1000)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[chain.Hash]bool{}
	raw := bytes.Repeat([]byte{0xff}, chain.BatchBytesMax) // what was in the memory before does not matter
	for c := range one {
		for i := range one[c] {
			w.fill(raw, &one[c][i])
			if one[c][i].id != two[c][i].id || codec.Sum(raw) != one[c][i].id {
				t.Errorf("batch %d of channel %d came out different", i, c)
			}
			seen[one[c][i].id] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d different batches of 6", len(seen))
	}
}

// touches counts how often each place takes part in some legs.
func touches(t testing.TB, load string, accounts, assets uint32) (counts []int, legs int) {
	t.Helper()
	w := testWorld(t, load, accounts, assets)
	_, bodies := w.batches(t, 0, 6)
	counts = make([]int, accounts)
	for _, raw := range bodies {
		b, err := chain.ParseBatch(raw)
		if err != nil {
			t.Fatal(err)
		}
		for n := range b.Len() {
			l := b.Leg(n)
			counts[uint32(l.From)-w.first]++
			counts[uint32(l.To)-w.first]++
			legs++
		}
	}
	return counts, legs
}

func TestUniform(t *testing.T) {
	for _, assets := range []uint32{1, 8} {
		counts, legs := touches(t, LoadUniform, 1024, assets)
		mean := 2 * legs / len(counts) // 96: one standard deviation is 10
		if low, high := slices.Min(counts), slices.Max(counts); low < mean/2 || high > mean*2 {
			t.Errorf("%d assets: accounts take part %d to %d times, the mean is %d", assets, low, high, mean)
		}
	}
}

func TestZipf(t *testing.T) {
	counts, legs := touches(t, LoadZipf, 8192, 1)
	if !slices.IsSortedFunc(counts[:4], func(a, b int) int { return b - a }) {
		t.Errorf("the first accounts take part %v times", counts[:4])
	}
	hundred := 0
	for _, n := range counts[:100] {
		hundred += n
	}
	// The sum of (1+k)^-1.1 over the first 100 places is 0.69 of that over 8,192.
	if share := float64(hundred) / float64(2*legs); share < 0.55 || share > 0.80 {
		t.Errorf("the first 100 accounts of 8,192 have %.2f of the load", share)
	}
	if counts[0] < 30*counts[200] {
		t.Errorf("the first account takes part %d times, the 200th %d times", counts[0], counts[200])
	}
}

func TestHot(t *testing.T) {
	w := testWorld(t, LoadHot, 1024, 1)
	_, bodies := w.batches(t, 0, 1)
	b, err := chain.ParseBatch(bodies[0])
	if err != nil {
		t.Fatal(err)
	}
	pays := 0
	for n := range b.Len() {
		l := b.Leg(n)
		if uint32(l.From) == w.first {
			pays++
		} else if uint32(l.To) != w.first {
			t.Fatalf("leg %d does not touch the hot account: %+v", n, l)
		}
	}
	if pays < b.Len()*45/100 || pays > b.Len()*55/100 {
		t.Errorf("the hot account pays in %d of %d legs", pays, b.Len())
	}
}

// TestSingles signs messages of single transfers: nonces in order for each payer, each payable and verifiable.
func TestSingles(t *testing.T) {
	w := testWorld(t, LoadUniform, 1024, 1)
	// The first payer has the number of an account that may be drawn: it must not pay itself.
	payers := [][]payer{{{no: 100, key: 9, signer: w.signer}, {no: 2001, key: 9, signer: w.signer}}, {{no: 2002, key: 9, signer: w.signer}}}
	messages, err := signSingles(w, payers, 2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	v, err := keys.NewVerifier(w.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	last := map[chain.AccountNo]uint64{}
	for _, pipe := range messages {
		for _, message := range pipe {
			if len(message) != singlesPerMessage {
				t.Errorf("a message has %d transactions", len(message))
			}
			for _, raw := range message {
				tx, id, err := codec.DecodeSignedTx(raw)
				if err != nil {
					t.Fatal(err)
				}
				body := tx.Body.(*chain.Transfer)
				if err := tx.Validate(); err != nil || body.To == tx.Sender || uint32(body.To)-w.first >= w.accounts || body.Asset != 7 {
					t.Fatalf("%+v pays %+v: %v", tx.Tx, body, err)
				}
				if last[tx.Sender]++; tx.Nonce != last[tx.Sender] {
					t.Fatalf("payer %d: nonce %d follows %d", tx.Sender, tx.Nonce, last[tx.Sender]-1)
				}
				if tx.Nonce%100 == 1 && !v.Verify(keys.TxMessage(9, id), tx.Signature) {
					t.Fatalf("the signature of nonce %d does not verify", tx.Nonce)
				}
			}
		}
	}
	if len(last) != 3 {
		t.Errorf("%d payers signed", len(last))
	}
}
