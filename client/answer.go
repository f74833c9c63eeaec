// SPDX-License-Identifier: Apache-2.0

package client

import (
	"math"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Place is where a batch was executed: a line of the executed header of a height.
type Place struct {
	Height     Height
	BatchIndex uint32
}

// BatchReceipt is the certified fate of a client batch. Header is set when Verified.
type BatchReceipt struct {
	Place
	Batch     Hash
	Packed    []byte // outcomes as they travel; Outcomes reads them
	Certified Certified
	First     bool // false: the receipt of an earlier submission
	Header    *Header
	Verified  bool
}

// Outcomes reads the outcome of each leg.
func (r *BatchReceipt) Outcomes() (Outcomes, error) { return codec.UnpackOutcomes(r.Packed) }

// Proof ties an item to its batch's id by BLAKE3 slices: of the payload's front, and of the item.
type Proof struct{ Front, Item []byte }

// Transaction is the certified fate of a single transaction or leg, and what it was. Header is set when Verified.
type Transaction struct {
	Place
	ID        [32]byte
	Batch     Hash // zero if the node did not say and nothing was verified
	Item      uint32
	Outcome   Outcome
	Result    uint32 // number of the account, asset or institution made
	First     bool
	Leg       bool   // Bytes is a leg's 64-byte record, else a signed transaction
	Bytes     []byte // empty if the node has no payload any more
	Packed    []byte
	Certified Certified
	Proof     *Proof
	Header    *Header
	Verified  bool
	// Origin is that of a change which V10 made and which was applied here; nil: it is none. Outcome is this ledger's own then. It is the
	// node's word: what proves it is the leg behind this one in the batch.
	Origin *Origin
}

// Origin is V10's id of a transaction that came by sync, and what V10 decided. Round 0: it has no id there.
type Origin struct {
	TimeMs, Round uint64
	Place         uint32
	Outcome       Outcome
}

func originOf(o *ledgerv1.Origin) (*Origin, error) {
	if o == nil {
		return nil, nil
	}
	if o.Outcome > math.MaxUint8 {
		return nil, fault.Reasoned(fault.Corrupt, "answer_malformed", "the node's answer has outcome %d of V10", o.Outcome)
	}
	return &Origin{TimeMs: o.TimeMs, Round: o.Round, Place: o.Place, Outcome: Outcome(o.Outcome)}, nil
}

// LegRecord reads the leg. It is valid if Leg is set and Bytes are there.
func (t *Transaction) LegRecord() (Leg, error) {
	if !t.Leg || len(t.Bytes) != chain.LegBytes {
		return Leg{}, fault.New(fault.Invalid, "%s is not a leg with its record", Hash(t.ID))
	}
	return chain.ReadLeg(t.Bytes), nil
}

// SignedTx reads the transaction. It is valid if Leg is not set and Bytes are there.
func (t *Transaction) SignedTx() (*SignedTx, error) {
	tx, _, err := codec.DecodeSignedTx(t.Bytes)
	return tx, err
}

// Legs are records of one batch under one proof.
type Legs struct {
	Receipt  BatchReceipt
	From     uint32
	Records  []byte // 64 bytes each
	Proof    Proof
	Verified bool
}

func certifiedOf(c *ledgerv1.Certified) Certified {
	return Certified{Header: c.GetHeader(), Certificate: c.GetCertificate()}
}

func batchReceiptOf(r *ledgerv1.BatchReceipt) (*BatchReceipt, error) {
	out := &BatchReceipt{
		Place:     Place{Height(r.GetHeight()), r.GetBatchIndex()},
		Packed:    r.GetOutcomes(),
		Certified: certifiedOf(r.GetCertified()),
		First:     r.GetFirst(),
	}
	return out, putHash(&out.Batch, r.GetBatch())
}

func transactionOf(r *ledgerv1.TransactionReceipt, p *ledgerv1.Proof) (*Transaction, error) {
	out := &Transaction{
		Place:     Place{Height(r.GetHeight()), r.GetBatchIndex()},
		Item:      r.GetItem(),
		Outcome:   Outcome(r.GetOutcome()),
		Result:    r.GetResult(),
		First:     r.GetFirst(),
		Packed:    r.GetOutcomes(),
		Certified: certifiedOf(r.GetCertified()),
	}
	if p != nil {
		out.Proof = &Proof{Front: p.Front, Item: p.Item}
	}
	return out, putHash((*Hash)(&out.ID), r.GetId())
}

// putHash reads a hash that must be there.
func putHash(dst *Hash, b []byte) error {
	if len(b) != len(dst) {
		return fault.Reasoned(fault.Corrupt, "answer_malformed", "the node's answer has a hash of %d bytes", len(b))
	}
	*dst = Hash(b)
	return nil
}
