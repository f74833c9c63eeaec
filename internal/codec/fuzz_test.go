// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// fuzzForm checks of a decoder: no panic, every error Invalid, and whatever decodes encodes to the same bytes.
func fuzzForm[T any](f *testing.F, decode func([]byte) (T, error), encode func([]byte, T) []byte, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
		f.Add(s[:len(s)-1])
		f.Add(append(slices.Clone(s), 0))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(b)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		if again := encode(nil, v); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", b, v, again)
		}
	})
}

func FuzzDecodeLaneEntry(f *testing.F) {
	fuzzForm(f, DecodeLaneEntry, AppendLaneEntry, AppendLaneEntry(nil, sampleEntry()))
}

func FuzzDecodeProposal(f *testing.F) {
	fuzzForm(f, DecodeProposal, AppendProposal, AppendProposal(nil, sampleProposal()), AppendProposal(nil, &chain.Proposal{}))
}

func FuzzDecodeHeader(f *testing.F) {
	fuzzForm(f, DecodeHeader, AppendHeader, AppendHeader(nil, sampleHeader()), AppendHeader(nil, &chain.ExecutedHeader{}))
}

func FuzzDecodeCertificate(f *testing.F) {
	c := sampleCertificate()
	c.Signatures[1].Root = run(0, 20) // short inputs are mutated faster
	fuzzForm(f, DecodeCertificate, AppendCertificate, AppendCertificate(nil, c), AppendCertificate(nil, &chain.Certificate{}))
}

func FuzzDecodeSealedTail(f *testing.F) {
	fuzzForm(f, DecodeSealedTail, AppendSealedTail, AppendSealedTail(nil, [][]byte{run(0, 20), nil}), AppendSealedTail(nil, nil))
}

func FuzzDecodeMembership(f *testing.F) {
	fuzzForm(f, DecodeMembership, AppendMembership, AppendMembership(nil, sampleMembership()), AppendMembership(nil, &chain.Membership{}))
}

func FuzzDecodeHandover(f *testing.F) {
	fuzzForm(f, DecodeHandover, AppendHandover, AppendHandover(nil, sampleHandover()), AppendHandover(nil, &chain.Handover{}), AppendHandover(nil, &chain.Handover{Verdict: chain.VerdictToV10, HomeVersion: 7}))
}

func FuzzDecodeProvedHandover(f *testing.F) {
	p := sampleProved()
	p.Next.Members, p.Certificate.Signatures[1].Root = nil, nil // short inputs are mutated faster
	fuzzForm(f, DecodeProvedHandover, AppendProvedHandover, AppendProvedHandover(nil, p), AppendProvedHandover(nil, &chain.ProvedHandover{}))
}

func FuzzDecodeLocation(f *testing.F) {
	fuzzForm(f, DecodeLocation, AppendLocation, AppendLocation(nil, sampleLocation()))
}

func FuzzUnpackOutcomes(f *testing.F) {
	var seeds [][]byte
	for _, o := range sampleOutcomes() {
		seeds = append(seeds, o.AppendPacked(nil))
	}
	fuzzForm(f, UnpackOutcomes, func(dst []byte, o Outcomes) []byte { return o.AppendPacked(dst) }, seeds...)
}

func FuzzDecodeSignedTx(f *testing.F) {
	var seeds [][]byte
	for _, body := range sampleBodies() {
		seeds = append(seeds, AppendSignedTx(nil, sampleTx(body)))
	}
	decode := func(b []byte) (*chain.SignedTx, error) {
		s, id, err := DecodeSignedTx(b)
		if err == nil && (id != TxID(&s.Tx) || id != Sum(b[:len(b)-2-len(s.Signature)])) {
			panic("the id is not that of the unsigned bytes")
		}
		if err == nil {
			_ = s.Validate() // must not panic
		}
		return s, err
	}
	fuzzForm(f, decode, AppendSignedTx, seeds...)
}

func FuzzSplitTxBatch(f *testing.F) {
	decode := func(b []byte) ([][]byte, error) {
		signed, err := SplitTxBatch(b)
		if err != nil {
			for i := range uint32(4) {
				_, _, _ = TxSpan(b, i) // must not panic
			}
			return nil, err
		}
		for i, want := range signed {
			offset, length, err := TxSpan(b, uint32(i))
			if err != nil || !bytes.Equal(b[offset:offset+length], want) {
				panic("TxSpan and SplitTxBatch disagree")
			}
		}
		return signed, nil
	}
	fuzzForm(f, decode, AppendTxBatch, AppendTxBatch(nil, sampleTxBatch()), AppendTxBatch(nil, [][]byte{{1}}))
}

// Whatever slice and range a liar makes up: no panic, and only the payload's true bytes are ever proved.
func FuzzVerifySlice(f *testing.F) {
	payload := sampleBatch(600)
	s, id := NewSlices(payload)
	small := payload[:5000]
	t, smallID := NewSlices(small)
	for _, r := range [][2]uint64{{0, 1024}, {1024, 64}, {16_000, 1000}, {39_360, 64}, {4936, 64}} {
		if slice, err := s.Slice(r[0], r[1]); err == nil {
			f.Add(slice, r[0], r[1], false)
			f.Add(slice[8:], r[0], r[1], false)
		}
		if slice, err := t.Slice(r[0], r[1]); err == nil {
			f.Add(slice, r[0], r[1], true)
			f.Add(slice, uint64(100), ^uint64(0)-49, true)
		}
	}
	f.Fuzz(func(t *testing.T, slice []byte, offset, length uint64, ofSmall bool) {
		data, root := payload, id
		if ofSmall {
			data, root = small, smallID
		}
		got, err := VerifySlice(slice, offset, length, root)
		if err != nil {
			if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Corrupt) {
				t.Fatal(err)
			}
			return
		}
		if end := offset + length; end > uint64(len(data)) || !bytes.Equal(got, data[offset:end]) {
			t.Fatalf("[%d,+%d) of another payload is proved", offset, length)
		}
	})
}
