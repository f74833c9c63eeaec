// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// world is what setup made: whom transfers may name.
type world struct {
	chain       chain.ChainID
	institution chain.InstitutionNo
	key         chain.KeyNo
	signer      client.Signer
	first       uint32 // account number of the first payer
	accounts    uint32
	assets      uint32
	firstAsset  uint32 // accounts hold firstAsset + (their place modulo assets)
	load        string
	zipf        []uint32 // places of accounts, drawn by Zipf's law
}

// zipfDraws is how many draws of Zipf's law are made ahead; a batch picks among them at random.
const zipfDraws = 1 << 20

func (w *world) drawZipf() {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(w.accounts-1))
	w.zipf = make([]uint32, zipfDraws)
	for i := range w.zipf {
		w.zipf[i] = uint32(z.Uint64())
	}
}

// signed is a batch that was signed ahead: its body follows from its seed.
type signed struct {
	header    chain.BatchHeader
	seed      uint64
	id        chain.Hash
	signature []byte
}

// stream makes the batches of one channel.
type stream struct {
	world   *world
	channel uint8
	next    uint64 // sequence of the next batch
}

// sign makes the next n batches, of as many legs as raw has room for. raw is scratch, and holds the last one's bytes afterwards.
func (s *stream) sign(n int, validUntil chain.Height, raw []byte) ([]signed, error) {
	out := make([]signed, n)
	for i := range out {
		b := &out[i]
		b.header = chain.BatchHeader{
			Chain: s.world.chain, Institution: s.world.institution, Key: s.world.key, Channel: s.channel,
			Legs: uint32((len(raw) - chain.BatchHeaderBytes) / chain.LegBytes), Sequence: s.next, ValidUntil: validUntil,
		}
		b.seed = uint64(s.channel)<<56 | s.next
		s.next++
		s.world.fill(raw, b)
		b.id = codec.Sum(raw)
		var err error
		if b.signature, err = s.world.signer.Sign(keys.BatchMessage(s.world.chain, b.id)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// signAll makes n batches on each stream, on all cores.
func signAll(streams []*stream, n int, validUntil chain.Height) ([][]signed, error) {
	out := make([][]signed, len(streams))
	errs := make([]error, len(streams))
	var wg sync.WaitGroup
	for i, s := range streams {
		wg.Go(func() { out[i], errs[i] = s.sign(n, validUntil, make([]byte, chain.BatchBytesMax)) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// draw is a small fast generator (SplitMix64): the bodies must come out equal when signed and when sent.
type draw uint64

func (d *draw) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// fill writes the batch's canonical bytes into raw.
func (w *world) fill(raw []byte, b *signed) {
	chain.PutBatchHeader(raw, b.header)
	d := draw(b.seed)
	le := binary.LittleEndian
	for rec := raw[chain.BatchHeaderBytes:]; len(rec) >= chain.LegBytes; rec = rec[chain.LegBytes:] {
		r := d.next()
		from, to := w.pair(&d, r)
		le.PutUint32(rec, w.first+from)
		le.PutUint32(rec[4:], w.first+to)
		le.PutUint32(rec[8:], uint32(w.assetOf(from)))
		le.PutUint32(rec[12:], 0)
		le.PutUint64(rec[16:], 1+r%97)
		le.PutUint64(rec[24:], 0)
		le.PutUint64(rec[32:], r)
		le.PutUint64(rec[40:], d.next())
		le.PutUint64(rec[48:], uint64(d))
		le.PutUint64(rec[56:], b.seed)
	}
}

// assetOf is the asset that the account at a place holds.
func (w *world) assetOf(place uint32) chain.AssetNo {
	return chain.AssetNo(w.firstAsset + place%w.assets)
}

// pair draws payer and payee: places of two different accounts that hold the same asset.
func (w *world) pair(d *draw, r uint64) (from, to uint32) {
	switch w.load {
	case LoadZipf:
		from, to = w.zipf[uint32(r)%zipfDraws], w.zipf[uint32(r>>32)%zipfDraws]
	case LoadHot:
		if from, to = 0, uint32(r>>32)%w.accounts; r&1 == 0 {
			from, to = to, from
		}
	default:
		from, to = scale(uint32(r), w.accounts), scale(uint32(r>>32), w.accounts)
	}
	if w.assets > 1 {
		to = to - to%w.assets + from%w.assets
		if to >= w.accounts {
			to -= w.assets
		}
	}
	if from == to {
		if to += w.assets; to >= w.accounts {
			to -= 2 * w.assets
		}
	}
	return from, to
}

// scale maps a random number to [0, n) without division.
func scale(r, n uint32) uint32 { return uint32(uint64(r) * uint64(n) >> 32) }
