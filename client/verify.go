// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Certified is an executed header with its finality certificate, both canonical bytes. Of the last headers of an epoch that was
// sealed, Certificate may be the headers above instead, up to the one that the seal names.
type Certified struct{ Header, Certificate []byte }

// Where a client batch's header says that it is one, and how many legs follow.
const (
	batchMagic  = "AUB1"
	batchLegsAt = 28
)

// headersKeptMax is how many verified headers a Verifier remembers: receipts of one block come together, so few suffice.
const headersKeptMax = 16

// Verifier checks what nodes say against a Trust. It works offline and is safe for concurrent use. Every error of a
// failed check is Corrupt: either the node lies, or the Trust is of another network. One of reason ReasonUnknownEpoch may also
// mean that the validators changed: Extend tells the Verifier, and a Client does so by itself.
//
// It believes the validators of an epoch until it learns that the epoch has ended.
type Verifier struct {
	history *epoch.History
	genesis Hash

	mu   sync.Mutex
	kept [headersKeptMax]verified // guarded by mu
	next int                      // guarded by mu
}

type verified struct {
	bytes  []byte
	header *Header
}

// NewVerifier checks the keys of t. A Trust without validators, with a number out of place or with an unusable key is Invalid.
func NewVerifier(t *Trust) (*Verifier, error) {
	first := &chain.Genesis{Chain: t.ChainID}
	for i, m := range t.Validators {
		if int(m.Number) != i {
			return nil, fault.New(fault.Invalid, "validator %d stands at place %d of the trust", m.Number, i)
		}
		first.Validators = append(first.Validators, chain.GenesisValidator{Name: m.Name, Ed25519: m.Ed25519, MLDSA65: m.MLDSA65})
	}
	history, err := epoch.NewHistory(first)
	if err != nil {
		return nil, err
	}
	return &Verifier{history: history, genesis: t.GenesisHash}, nil
}

// Header checks a certificate and returns the header that it certifies: q validators of its membership epoch, each once,
// signed the header's hash with Ed25519 and, if it carries a state root, signed that with ML-DSA-65 too. The header is shared:
// do not change it. The first time costs 50 µs a signature (and 0.1 ms a root's); a header seen lately costs a comparison.
func (v *Verifier) Header(c Certified) (*Header, error) {
	if h := v.recall(c.Header); h != nil {
		return h, nil
	}
	h, err := codec.DecodeHeader(c.Header)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the header")
	}
	if err := v.header(h, codec.Sum(c.Header), c.Certificate); err != nil {
		return nil, err
	}
	v.keep(c.Header, h)
	return h, nil
}

func (v *Verifier) header(h *Header, hash Hash, certificate []byte) error {
	if id := v.chain(); h.Chain != id {
		return unproved(epoch.ReasonOtherChain, "the header is of chain %d, not %d", h.Chain, id)
	}
	if h.Height == 1 && h.Previous != v.genesis {
		return unproved(epoch.ReasonOtherChain, "the chain begins with genesis %s, not %s", h.Previous, v.genesis)
	}
	set := v.history.At(h.Epoch)
	if set == nil {
		return unproved(ReasonUnknownEpoch, "the header of height %d is of epoch %d, the newest one known here is %d", h.Height, h.Epoch, v.Epoch())
	}
	if is := v.history.EpochOf(h.Height); is != h.Epoch {
		return unproved(epoch.ReasonOtherEpoch, "the header of height %d is of epoch %d, but the height is of epoch %d", h.Height, h.Epoch, is)
	}
	if codec.IsSealedTail(certificate) {
		return v.sealed(h, hash, certificate)
	}
	cert, err := codec.DecodeCertificate(certificate)
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "the certificate")
	}
	return notProved(set.VerifyCertificate(h, hash, cert))
}

// sealed checks a header that a quorum of its epoch signed by sealing the epoch, and not before.
func (v *Verifier) sealed(h *Header, hash Hash, tail []byte) error {
	above, err := codec.DecodeSealedTail(tail)
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "the headers up to a seal")
	}
	err = v.history.VerifySealed(h, hash, above)
	if ReasonOf(err) == epoch.ReasonNotEnded {
		return unproved(ReasonUnknownEpoch, "%v", err)
	}
	return notProved(err)
}

func (v *Verifier) chain() ChainID { return v.history.At(1).Chain() }

func (v *Verifier) recall(header []byte) *Header {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.kept {
		k := &v.kept[i]
		if k.header == nil || !bytes.Equal(k.bytes, header) {
			continue
		}
		if v.history.EpochOf(k.header.Height) != k.header.Epoch {
			return nil // its epoch had ended, as was learned since
		}
		return k.header
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

// notProved is an error of a check as one that a node is to blame for.
func notProved(err error) error {
	if err == nil {
		return nil
	}
	return fault.Reasoned(fault.Corrupt, fault.ReasonOf(err), "not proved: %v", err)
}
