// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Magics: the first four bytes of each form, its version the last of them.
const (
	magicEntry       = "AUL1"
	magicProposal    = "AUP1"
	magicHeader      = "AUH2"
	magicCertificate = "AUC1"
	magicGenesis     = "AUG1"
	magicGenesis2    = "AUG2"
	magicTx          = "AUX1"
	magicTxBatch     = "AUT1"
	magicLocation    = "AUO1"
	magicMembership  = "AUM1"
	magicChange      = "AUV1"
	magicFence       = "AUF1"
	magicHandover    = "AUE1"
	magicProved      = "AUD1"
	magicSealedTail  = "AUS1"
)

// Sum is BLAKE3-256, the product's one hash.
func Sum(b []byte) chain.Hash { return blake3.Sum256(b) }

// AppendLaneEntry appends e's encoding (4+2+8+8+32+1+32+4 = 91 bytes).
func AppendLaneEntry(dst []byte, e chain.LaneEntry) []byte {
	w := writer{dst}
	w.raw([]byte(magicEntry))
	w.u16(uint16(e.Validator))
	w.u64(uint64(e.JoinEpoch))
	w.u64(e.Sequence)
	w.raw(e.Parent[:])
	w.u8(uint8(e.Kind))
	w.raw(e.Payload[:])
	w.u32(e.Bytes)
	return w.b
}

// LaneEntryBytes is the length of an encoded lane entry.
const LaneEntryBytes = 91

// DecodeLaneEntry reads an encoded lane entry.
func DecodeLaneEntry(b []byte) (chain.LaneEntry, error) {
	r := reader{b: b, what: "lane entry"}
	r.magic(magicEntry)
	e := chain.LaneEntry{
		Validator: chain.ValidatorNo(r.u16()),
		JoinEpoch: chain.Epoch(r.u64()),
		Sequence:  r.u64(),
		Parent:    r.hash(),
		Kind:      chain.PayloadKind(r.u8()),
		Payload:   r.hash(),
		Bytes:     r.u32(),
	}
	if r.err == nil && e.Kind != chain.PayloadBatch && e.Kind != chain.PayloadTxs {
		r.fail("payload kind %d", e.Kind)
	}
	return e, r.done()
}

// EntryDigest is the hash by which consensus names a lane entry.
func EntryDigest(e chain.LaneEntry) chain.Hash {
	var buf [LaneEntryBytes]byte
	return Sum(AppendLaneEntry(buf[:0], e))
}

// AppendProposal appends p's encoding. More than chain.EntriesPerBlockMax entries break an invariant.
func AppendProposal(dst []byte, p *chain.Proposal) []byte {
	w := writer{dst}
	w.raw([]byte(magicProposal))
	w.u64(uint64(p.Height))
	w.u64(p.Term)
	w.u64(p.TimeUs)
	w.count(len(p.Entries), chain.EntriesPerBlockMax)
	for i := range p.Entries {
		w.raw(p.Entries[i][:])
	}
	return w.b
}

// DecodeProposal reads an encoded proposal of at most chain.EntriesPerBlockMax entries.
func DecodeProposal(b []byte) (*chain.Proposal, error) {
	r := reader{b: b, what: "proposal"}
	r.magic(magicProposal)
	p := &chain.Proposal{Height: chain.Height(r.u64()), Term: r.u64(), TimeUs: r.u64()}
	n := r.count(chain.EntriesPerBlockMax, 32)
	for range n {
		p.Entries = append(p.Entries, r.hash())
	}
	return p, r.done()
}

// ProposalHash names a decided proposal in the executed header.
func ProposalHash(p *chain.Proposal) chain.Hash { return Sum(AppendProposal(nil, p)) }

// AppendHeader appends h's encoding. More than chain.EntriesPerBlockMax batches break an invariant.
func AppendHeader(dst []byte, h *chain.ExecutedHeader) []byte {
	w := writer{dst}
	w.raw([]byte(magicHeader))
	w.u64(uint64(h.Chain))
	w.u64(uint64(h.Epoch))
	w.u64(uint64(h.Height))
	w.raw(h.Previous[:])
	w.raw(h.Proposal[:])
	w.u64(h.TimeUs)
	w.raw(h.EVMRoot[:])
	w.u64(uint64(h.RootAt))
	w.raw(h.StateRoot[:])
	w.raw(h.Next[:])
	w.count(len(h.Batches), chain.EntriesPerBlockMax)
	for i := range h.Batches {
		b := &h.Batches[i]
		w.raw(b.Entry[:])
		w.raw(b.Batch[:])
		w.u32(b.Legs)
		w.raw(b.Outcomes[:])
	}
	return w.b
}

// DecodeHeader reads an encoded executed header.
func DecodeHeader(b []byte) (*chain.ExecutedHeader, error) {
	r := reader{b: b, what: "executed header"}
	r.magic(magicHeader)
	h := &chain.ExecutedHeader{
		Chain:    chain.ChainID(r.u64()),
		Epoch:    chain.Epoch(r.u64()),
		Height:   chain.Height(r.u64()),
		Previous: r.hash(),
		Proposal: r.hash(),
		TimeUs:   r.u64(),
		EVMRoot:  r.hash(),
		RootAt:   chain.Height(r.u64()),
	}
	h.StateRoot, h.Next = r.hash(), r.hash()
	n := r.count(chain.EntriesPerBlockMax, batchResultBytes)
	for range n {
		h.Batches = append(h.Batches, chain.BatchResult{Entry: r.hash(), Batch: r.hash(), Legs: r.u32(), Outcomes: r.hash()})
	}
	return h, r.done()
}

// HeaderBytesMax is the longest encoding of an executed header.
const HeaderBytesMax = headerFixedBytes + chain.EntriesPerBlockMax*batchResultBytes

const (
	headerFixedBytes = 208
	batchResultBytes = 100
)

// HeaderHash is what validators sign and the next header names.
func HeaderHash(h *chain.ExecutedHeader) chain.Hash { return Sum(AppendHeader(nil, h)) }

// AppendCertificate appends c's encoding. More than chain.ValidatorsMax signatures, or one longer than
// chain.SignatureBytesMax, break an invariant.
func AppendCertificate(dst []byte, c *chain.Certificate) []byte {
	w := writer{dst}
	appendCertificate(&w, c)
	return w.b
}

func appendCertificate(w *writer, c *chain.Certificate) {
	w.raw([]byte(magicCertificate))
	w.u64(uint64(c.Epoch))
	w.u64(uint64(c.Height))
	w.raw(c.Header[:])
	w.count(len(c.Signatures), chain.ValidatorsMax)
	for i := range c.Signatures {
		s := &c.Signatures[i]
		w.u16(uint16(s.Validator))
		w.bytes(s.Header, chain.SignatureBytesMax)
		w.bytes(s.Root, chain.SignatureBytesMax)
	}
}

// DecodeCertificate reads an encoded certificate. It checks the framing only; keys check the signatures.
func DecodeCertificate(b []byte) (*chain.Certificate, error) {
	r := reader{b: b, what: "certificate"}
	c := readCertificate(&r)
	return c, r.done()
}

func readCertificate(r *reader) *chain.Certificate {
	r.magic(magicCertificate)
	c := &chain.Certificate{Epoch: chain.Epoch(r.u64()), Height: chain.Height(r.u64()), Header: r.hash()}
	n := r.count(chain.ValidatorsMax, 6)
	for range n {
		s := chain.ValidatorSignature{Validator: chain.ValidatorNo(r.u16())}
		s.Header = r.bytes(chain.SignatureBytesMax)
		s.Root = r.bytes(chain.SignatureBytesMax)
		c.Signatures = append(c.Signatures, s)
	}
	return c
}

// AppendLocation appends l's encoding.
func AppendLocation(dst []byte, l chain.Location) []byte {
	w := writer{dst}
	w.raw([]byte(magicLocation))
	w.u64(uint64(l.Height))
	w.u32(l.Index)
	w.u8(uint8(l.Kind))
	w.u32(l.Legs)
	w.u64(l.Segment)
	w.u32(l.Offset)
	w.u32(l.Bytes)
	w.u64(l.Seq)
	return w.b
}

// DecodeLocation reads an encoded location.
func DecodeLocation(b []byte) (chain.Location, error) {
	r := reader{b: b, what: "location"}
	r.magic(magicLocation)
	l := chain.Location{
		Height:  chain.Height(r.u64()),
		Index:   r.u32(),
		Kind:    chain.PayloadKind(r.u8()),
		Legs:    r.u32(),
		Segment: r.u64(),
		Offset:  r.u32(),
		Bytes:   r.u32(),
		Seq:     r.u64(),
	}
	return l, r.done()
}
