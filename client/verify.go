// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Certified is an executed header with its finality certificate, both canonical bytes.
type Certified struct{ Header, Certificate []byte }

// Where a client batch's header says that it is one, and how many legs follow.
const (
	batchMagic  = "AUB1"
	batchLegsAt = 28
)

// headersKeptMax is how many verified headers a Verifier remembers: receipts of one block come together, so few suffice.
const headersKeptMax = 16

// Verifier checks what nodes say against a Trust. It works offline and is safe for concurrent use. Every error of a
// failed check is Corrupt: either the node lies, or the Trust is of another network.
type Verifier struct {
	chain   ChainID
	genesis Hash
	quorum  int
	members map[chain.ValidatorNo]member

	mu   sync.Mutex
	kept [headersKeptMax]verified // guarded by mu
	next int                      // guarded by mu
}

type member struct{ header, root *keys.Verifier }

type verified struct {
	bytes  []byte
	header *Header
}

// NewVerifier checks the keys of t. A Trust without validators, with a number twice or with an unusable key is Invalid.
func NewVerifier(t *Trust) (*Verifier, error) {
	n := len(t.Validators)
	if n == 0 || n > chain.ValidatorsMax {
		return nil, fault.New(fault.Invalid, "a trust has 1 to %d validators, not %d", chain.ValidatorsMax, n)
	}
	v := &Verifier{chain: t.ChainID, genesis: t.GenesisHash, quorum: chain.Quorum(n), members: make(map[chain.ValidatorNo]member, n)}
	for _, m := range t.Validators {
		header, err := verifierOf(keys.Ed25519, m.Ed25519)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "validator %d", m.Number)
		}
		root, err := verifierOf(keys.MLDSA65, m.MLDSA65)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "validator %d", m.Number)
		}
		v.members[chain.ValidatorNo(m.Number)] = member{header, root}
	}
	if len(v.members) != n {
		return nil, fault.New(fault.Invalid, "a validator number stands twice in the trust")
	}
	return v, nil
}

func verifierOf(s keys.Scheme, key []byte) (*keys.Verifier, error) {
	p, err := keys.ParsePublic(append([]byte{byte(s)}, key...))
	if err != nil {
		return nil, err
	}
	return keys.NewVerifier(p)
}

// Header checks a certificate and returns the header that it certifies: q distinct validators signed the header's hash
// with Ed25519 and, if it carries a state root, signed that with ML-DSA-65 too. The header is shared: do not change it.
// The first time costs 50 µs a signature (and 0.1 ms a root's); a header seen lately costs a comparison.
func (v *Verifier) Header(c Certified) (*Header, error) {
	if h := v.recall(c.Header); h != nil {
		return h, nil
	}
	h, err := codec.DecodeHeader(c.Header)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the header")
	}
	cert, err := codec.DecodeCertificate(c.Certificate)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the certificate")
	}
	if h.Chain != v.chain {
		return nil, unproved("other_chain", "the header is of chain %d, not %d", h.Chain, v.chain)
	}
	if cert.Header != codec.Sum(c.Header) || cert.Height != h.Height || cert.Epoch != h.Epoch {
		return nil, unproved("certificate_mismatch", "the certificate is not of the header of height %d", h.Height)
	}
	if h.Height == 1 && h.Previous != v.genesis {
		return nil, unproved("other_chain", "the chain begins with genesis %s, not %s", h.Previous, v.genesis)
	}
	if n := v.signatures(h, cert); n < v.quorum {
		return nil, unproved("no_quorum", "height %d has %d valid signatures of the %d needed", h.Height, n, v.quorum)
	}
	v.keep(c.Header, h)
	return h, nil
}

// signatures counts the distinct validators who signed all they had to.
func (v *Verifier) signatures(h *Header, cert *chain.Certificate) int {
	headerMsg := keys.HeaderMessage(v.chain, cert.Header)
	rootMsg := keys.RootMessage(v.chain, h.Epoch, h.RootAt, h.StateRoot)
	signed := map[chain.ValidatorNo]bool{}
	for i := range cert.Signatures {
		s := &cert.Signatures[i]
		m, ok := v.members[s.Validator]
		if !ok || signed[s.Validator] || !m.header.Verify(headerMsg, s.Header) {
			continue
		}
		signed[s.Validator] = h.RootAt == 0 || m.root.Verify(rootMsg, s.Root)
	}
	n := 0
	for _, ok := range signed {
		if ok {
			n++
		}
	}
	return n
}

func (v *Verifier) recall(header []byte) *Header {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.kept {
		if k := &v.kept[i]; k.header != nil && bytes.Equal(k.bytes, header) {
			return k.header
		}
	}
	return nil
}

func (v *Verifier) keep(header []byte, h *Header) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept[v.next] = verified{bytes.Clone(header), h} // a copy: what the caller does with its bytes must not change what we know
	v.next = (v.next + 1) % len(v.kept)
}

// line finds the line of a batch in a certified header, and checks the batch's outcomes against it.
func (v *Verifier) line(c Certified, at Place, packed []byte) (*Header, *chain.BatchResult, Outcomes, error) {
	h, err := v.Header(c)
	if err != nil {
		return nil, nil, Outcomes{}, err
	}
	if at.Height != h.Height || int64(at.BatchIndex) >= int64(len(h.Batches)) {
		return nil, nil, Outcomes{}, unproved("no_line", "the header of height %d has no batch %d of height %d", h.Height, at.BatchIndex, at.Height)
	}
	o, err := codec.UnpackOutcomes(packed)
	if err != nil {
		return nil, nil, o, fault.Wrap(fault.Corrupt, err, "the outcomes")
	}
	line := &h.Batches[at.BatchIndex]
	if uint32(len(o.Codes)) != line.Legs || o.Hash() != line.Outcomes {
		return nil, nil, o, unproved("outcomes_mismatch", "the outcomes are not those of batch %d at height %d", at.BatchIndex, at.Height)
	}
	return h, line, o, nil
}

// Batch checks that the batch of this id was executed where the receipt says, with the outcomes it says.
func (v *Verifier) Batch(r *BatchReceipt, id Hash) error {
	h, line, _, err := v.line(r.Certified, r.Place, r.Packed)
	if err != nil {
		return err
	}
	if line.Batch != id || r.Batch != id {
		return unproved("other_batch", "batch %d at height %d is %s, not %s", r.BatchIndex, r.Height, line.Batch, id)
	}
	r.Header, r.Verified = h, true
	return nil
}

// Transaction checks that the transaction or leg of this id stands where the answer says, with the outcome, the result
// and the bytes it says. The answer must carry a proof.
func (v *Verifier) Transaction(t *Transaction, id [32]byte) error {
	h, line, o, err := v.line(t.Certified, t.Place, t.Packed)
	if err != nil {
		return err
	}
	if t.Proof == nil || t.Item >= line.Legs {
		return unproved("no_proof", "there is no proof that item %d of the batch is %s", t.Item, Hash(id))
	}
	content := v.tx
	if t.Leg {
		content = v.leg
	}
	raw, err := content(t, line, id)
	if err != nil {
		return err
	}
	result := uint32(0)
	if len(o.Results) > 0 {
		result = o.Results[t.Item]
	}
	if t.Batch.IsZero() {
		t.Batch = line.Batch
	}
	if o.Codes[t.Item] != t.Outcome || result != t.Result || t.ID != id || t.Batch != line.Batch {
		return unproved("outcomes_mismatch", "the answer differs from what it proves")
	}
	if t.Bytes != nil && !bytes.Equal(t.Bytes, raw) {
		return unproved("content_mismatch", "the bytes are not those of the proof")
	}
	t.Bytes, t.Header, t.Verified = raw, h, true
	return nil
}

// leg proves a leg's record. A slice does not prove a length, so the leg count comes from the batch's header.
func (v *Verifier) leg(t *Transaction, line *chain.BatchResult, id [32]byte) ([]byte, error) {
	if LegID(id) != chain.NewLegID(line.Batch, t.Item) {
		return nil, unproved("other_batch", "leg %s is not leg %d of batch %s", Hash(id), t.Item, line.Batch)
	}
	return legRecords(t.Proof, line, t.Item, 1)
}

func legRecords(p *Proof, line *chain.BatchResult, from, count uint32) ([]byte, error) {
	front, err := codec.VerifySlice(p.Front, 0, chain.BatchHeaderBytes, line.Batch)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the batch's header")
	}
	if !bytes.HasPrefix(front, []byte(batchMagic)) {
		return nil, unproved("no_leg", "the payload is no client batch")
	}
	legs := binary.LittleEndian.Uint32(front[batchLegsAt:])
	if legs != line.Legs || uint64(from)+uint64(count) > uint64(legs) || count == 0 {
		return nil, unproved("no_leg", "the batch has %d legs, not %d from %d", legs, count, from)
	}
	offset, length := codec.LegSpan(from)
	records, err := codec.VerifySlice(p.Item, offset, length*uint64(count), line.Batch)
	return records, fault.Wrap(fault.Corrupt, err, "the legs")
}

// tx proves a single transaction through the table in front of its batch.
func (v *Verifier) tx(t *Transaction, line *chain.BatchResult, id [32]byte) ([]byte, error) {
	head, err := codec.VerifySlice(t.Proof.Front, 0, uint64(codec.TxBatchBytes(int(line.Legs), 0)), line.Batch)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the batch's table")
	}
	offset, length, err := codec.TxSpan(head, t.Item)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the batch's table")
	}
	raw, err := codec.VerifySlice(t.Proof.Item, offset, length, line.Batch)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the transaction")
	}
	if _, got, err := codec.DecodeSignedTx(raw); err != nil || got != id {
		return nil, unproved("other_tx", "item %d of batch %s is not transaction %s", t.Item, line.Batch, Hash(id))
	}
	return raw, nil
}

// Legs checks a range of legs of the batch of this id.
func (v *Verifier) Legs(l *Legs, id Hash) error {
	if err := v.Batch(&l.Receipt, id); err != nil {
		return err
	}
	line := &l.Receipt.Header.Batches[l.Receipt.BatchIndex]
	records, err := legRecords(&l.Proof, line, l.From, uint32(len(l.Records)/chain.LegBytes))
	if err != nil {
		return err
	}
	if !bytes.Equal(records, l.Records) {
		return unproved("content_mismatch", "the records are not those of the proof")
	}
	l.Verified = true
	return nil
}

func unproved(reason, format string, args ...any) error {
	return fault.Reasoned(fault.Corrupt, reason, "not proved: "+format, args...)
}
