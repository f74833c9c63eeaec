// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// AppendHandover appends h's encoding. What AppendMembership refuses breaks an invariant here too.
func AppendHandover(dst []byte, h *chain.Handover) []byte {
	w := writer{dst}
	appendHandover(&w, h)
	return w.b
}

func appendHandover(w *writer, h *chain.Handover) {
	w.raw([]byte(magicHandover))
	w.u64(uint64(h.Chain))
	w.u8(uint8(h.Verdict))
	w.u64(uint64(h.Height))
	w.raw(h.Header[:])
	w.raw(h.Root[:])
	appendMembership(w, &h.Next)
	fault.Invariant(h.HomeVersion == 0 || h.Verdict == chain.VerdictToV10, "a handover of verdict %d makes version %d of the home table", h.Verdict, h.HomeVersion)
	if h.Verdict == chain.VerdictToV10 {
		w.u64(h.HomeVersion)
	}
}

// DecodeHandover reads an encoded handover. It checks the framing only.
func DecodeHandover(b []byte) (*chain.Handover, error) {
	r := reader{b: b, what: "handover"}
	h := readHandover(&r)
	return &h, r.done()
}

func readHandover(r *reader) chain.Handover {
	r.magic(magicHandover)
	h := chain.Handover{Chain: chain.ChainID(r.u64()), Verdict: chain.Verdict(r.u8()), Height: chain.Height(r.u64())}
	h.Header, h.Root = r.hash(), r.hash()
	h.Next = readMembership(r)
	if h.Verdict == chain.VerdictToV10 {
		h.HomeVersion = r.u64()
	}
	return h
}

// HandoverHash is what members sign to seal an epoch.
func HandoverHash(h *chain.Handover) chain.Hash { return Sum(AppendHandover(nil, h)) }

// AppendProvedHandover appends p's encoding. A header over HeaderBytesMax, and what the encodings of its parts refuse,
// break an invariant.
func AppendProvedHandover(dst []byte, p *chain.ProvedHandover) []byte {
	w := writer{dst}
	w.raw([]byte(magicProved))
	appendHandover(&w, &p.Handover)
	w.bytes(p.HeaderBytes, HeaderBytesMax)
	w.flag(p.Certificate != nil)
	if p.Certificate != nil {
		appendCertificate(&w, p.Certificate)
	}
	appendApprovals(&w, p.Seal, chain.ValidatorsMax)
	return w.b
}

// DecodeProvedHandover reads an encoded handover with its proof. It checks the framing only; package epoch checks the proof.
func DecodeProvedHandover(b []byte) (*chain.ProvedHandover, error) {
	r := reader{b: b, what: "proved handover"}
	r.magic(magicProved)
	p := &chain.ProvedHandover{Handover: readHandover(&r)}
	p.HeaderBytes = r.bytes(HeaderBytesMax)
	if r.flag() {
		p.Certificate = readCertificate(&r)
	}
	p.Seal = readApprovals(&r, chain.ValidatorsMax)
	return p, r.done()
}

// ProvedHandoverBytesMax bounds an encoded handover with its proof: what a peer or a file may claim to hold.
const ProvedHandoverBytesMax = 4 + handoverBytesMax + 2 + HeaderBytesMax + 1 + certificateBytesMax + 8 + chain.ValidatorsMax*chain.Ed25519SignatureBytes

const (
	handoverBytesMax    = 4 + 8 + 1 + 8 + 32 + 32 + membershipBytesMax + 8
	membershipBytesMax  = 4 + 8 + 4 + chain.ValidatorsMax*(memberBytesMin+chain.NameBytesMax+chain.Ed25519KeyBytes+chain.MLDSA65KeyBytes)
	certificateBytesMax = 56 + chain.ValidatorsMax*(6+2*chain.SignatureBytesMax)
)

// AppendHandovers appends encoded handovers, each behind its length as u32 little-endian: the file that a newcomer is given,
// and what peers tell each other.
func AppendHandovers(dst []byte, list ...[]byte) []byte {
	for _, raw := range list {
		dst = append(binary.LittleEndian.AppendUint32(dst, uint32(len(raw))), raw...)
	}
	return dst
}

// SplitHandovers takes apart what AppendHandovers put together, and says how many bytes are left over: 0 unless it ends within one.
func SplitHandovers(raw []byte) (list [][]byte, rest int) {
	for len(raw) >= 4 {
		size := binary.LittleEndian.Uint32(raw)
		if uint64(size) > uint64(len(raw)-4) {
			break
		}
		list, raw = append(list, raw[4:4+size]), raw[4+size:]
	}
	return list, len(raw)
}
