// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// checkForm holds for every form: a value survives the round trip, Append appends, and no prefix or extension of an
// encoding is an encoding.
func checkForm[T any](t *rapid.T, v T, encode func([]byte, T) []byte, decode func([]byte) (T, error)) {
	t.Helper()
	b := encode(nil, v)
	if got := encode([]byte("before"), v); string(got) != "before"+string(b) {
		t.Fatalf("%+v is not appended", v)
	}
	back, err := decode(b)
	if err != nil || !reflect.DeepEqual(back, v) {
		t.Fatalf("%+v became %+v, %v", v, back, err)
	}
	cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
	if _, err := decode(b[:cut]); !fault.Is(err, fault.Invalid) {
		t.Fatalf("the first %d of %d bytes decode: %v", cut, len(b), err)
	}
	if _, err := decode(append(b, 0)); !fault.Is(err, fault.Invalid) {
		t.Fatalf("a byte too many decodes: %v", err)
	}
}

func TestLaneEntryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := chain.LaneEntry{
			Validator: chain.ValidatorNo(rapid.Uint16().Draw(t, "validator")),
			JoinEpoch: chain.Epoch(rapid.Uint64().Draw(t, "epoch")),
			Sequence:  rapid.Uint64().Draw(t, "sequence"),
			Parent:    anyHash().Draw(t, "parent"),
			Kind:      rapid.SampledFrom([]chain.PayloadKind{chain.PayloadBatch, chain.PayloadTxs}).Draw(t, "kind"),
			Payload:   anyHash().Draw(t, "payload"),
			Bytes:     rapid.Uint32().Draw(t, "bytes"),
		}
		checkForm(t, e, AppendLaneEntry, DecodeLaneEntry)
		if b := AppendLaneEntry(nil, e); len(b) != LaneEntryBytes || EntryDigest(e) != Sum(b) {
			t.Fatal("length or digest")
		}
	})
}

func TestProposalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &chain.Proposal{
			Height: chain.Height(rapid.Uint64().Draw(t, "height")),
			Term:   rapid.Uint64().Draw(t, "term"),
			TimeUs: rapid.Uint64().Draw(t, "time"),
		}
		for range rapid.IntRange(0, chain.EntriesPerBlockMax).Draw(t, "entries") {
			p.Entries = append(p.Entries, anyHash().Draw(t, "entry"))
		}
		checkForm(t, p, AppendProposal, DecodeProposal)
		if ProposalHash(p) != Sum(AppendProposal(nil, p)) {
			t.Fatal("hash")
		}
	})
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &chain.ExecutedHeader{
			Chain:     chain.ChainID(rapid.Uint64().Draw(t, "chain")),
			Epoch:     chain.Epoch(rapid.Uint64().Draw(t, "epoch")),
			Height:    chain.Height(rapid.Uint64().Draw(t, "height")),
			Previous:  anyHash().Draw(t, "previous"),
			Proposal:  anyHash().Draw(t, "proposal"),
			TimeUs:    rapid.Uint64().Draw(t, "time"),
			EVMRoot:   anyHash().Draw(t, "evm root"),
			RootAt:    chain.Height(rapid.Uint64().Draw(t, "root at")),
			StateRoot: anyHash().Draw(t, "state root"),
			Next:      anyHash().Draw(t, "next"),
		}
		for range rapid.IntRange(0, chain.EntriesPerBlockMax).Draw(t, "batches") {
			h.Batches = append(h.Batches, chain.BatchResult{
				Entry: anyHash().Draw(t, "entry"), Batch: anyHash().Draw(t, "batch"),
				Legs: rapid.Uint32().Draw(t, "legs"), Outcomes: anyHash().Draw(t, "outcomes"),
			})
		}
		checkForm(t, h, AppendHeader, DecodeHeader)
		if b := AppendHeader(nil, h); HeaderHash(h) != Sum(b) || len(b) != headerFixedBytes+len(h.Batches)*batchResultBytes {
			t.Fatal("hash or length")
		}
	})
}

func TestCertificateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &chain.Certificate{
			Epoch:  chain.Epoch(rapid.Uint64().Draw(t, "epoch")),
			Height: chain.Height(rapid.Uint64().Draw(t, "height")),
			Header: anyHash().Draw(t, "header"),
		}
		for range rapid.IntRange(0, chain.ValidatorsMax).Draw(t, "signatures") {
			c.Signatures = append(c.Signatures, chain.ValidatorSignature{
				Validator: chain.ValidatorNo(rapid.Uint16().Draw(t, "validator")),
				Header:    anyBytes(chain.SignatureBytesMax).Draw(t, "header signature"),
				Root:      anyBytes(chain.SignatureBytesMax).Draw(t, "root signature"),
			})
		}
		checkForm(t, c, AppendCertificate, DecodeCertificate)
	})
}

func TestMembershipRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMembership().Draw(t, "membership")
		checkForm(t, m, AppendMembership, DecodeMembership)
		if b := AppendMembership(nil, m); MembershipHash(m) != Sum(b) || len(b) > membershipBytesMax {
			t.Fatal("hash or length")
		}
	})
}

func TestHandoverRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHandover().Draw(t, "handover")
		checkForm(t, h, AppendHandover, DecodeHandover)
		if b := AppendHandover(nil, h); HandoverHash(h) != Sum(b) || len(b) > handoverBytesMax {
			t.Fatal("hash or length")
		}
	})
}

func TestProvedHandoverRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyProved().Draw(t, "proved handover")
		checkForm(t, p, AppendProvedHandover, DecodeProvedHandover)
		if n := len(AppendProvedHandover(nil, p)); n > ProvedHandoverBytesMax {
			t.Fatalf("%d bytes", n)
		}
	})
}

// TestChangeHash: the hash that members approve covers all of a change but the approvals.
func TestChangeHash(t *testing.T) {
	hash := ChangeHash(sampleChange())
	approved := sampleChange()
	approved.Approvals = nil
	if ChangeHash(approved) != hash {
		t.Error("the approvals are part of what is approved")
	}
	for name, change := range map[string]func(c *chain.ChangeValidator){
		"epoch":     func(c *chain.ChangeValidator) { c.Epoch++ },
		"validator": func(c *chain.ChangeValidator) { c.Validator++ },
		"name":      func(c *chain.ChangeValidator) { c.Name = "" },
		"ed25519":   func(c *chain.ChangeValidator) { c.Ed25519[31]++ },
		"ml-dsa-65": func(c *chain.ChangeValidator) { c.MLDSA65[1951]++ },
	} {
		c := sampleChange()
		if change(c); ChangeHash(c) == hash {
			t.Errorf("%s is not approved", name)
		}
	}
}

// TestLargestChangeFits: 64 members, an ML-DSA-65 key as governance, the longest name.
func TestLargestChangeFits(t *testing.T) {
	if chain.ApprovalsMax != chain.Quorum(chain.ValidatorsMax) {
		t.Errorf("the quorum of %d is %d", chain.ValidatorsMax, chain.Quorum(chain.ValidatorsMax))
	}
	c := sampleChange()
	c.Name, c.Approvals = string(run('a', chain.NameBytesMax)), nil
	for v := range chain.ValidatorNo(chain.ApprovalsMax) {
		c.Approvals = append(c.Approvals, chain.Approval{Validator: v, Signature: run(0, chain.Ed25519SignatureBytes)})
	}
	s := sampleTx(c)
	s.Signature = run(0, chain.SignatureBytesMax)
	b := AppendSignedTx(nil, s)
	if _, _, err := DecodeSignedTx(b); err != nil || len(b) > chain.TxBytesMax {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}

func TestLocationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := chain.Location{
			Height:  chain.Height(rapid.Uint64().Draw(t, "height")),
			Index:   rapid.Uint32().Draw(t, "index"),
			Kind:    chain.PayloadKind(rapid.Uint8().Draw(t, "kind")),
			Legs:    rapid.Uint32().Draw(t, "legs"),
			Segment: rapid.Uint64().Draw(t, "segment"),
			Offset:  rapid.Uint32().Draw(t, "offset"),
			Bytes:   rapid.Uint32().Draw(t, "bytes"),
			Seq:     rapid.Uint64().Draw(t, "seq"),
		}
		checkForm(t, l, AppendLocation, DecodeLocation)
	})
}

func TestSignedTxRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySignedTx().Draw(t, "tx")
		checkForm(t, s, AppendSignedTx, func(b []byte) (*chain.SignedTx, error) {
			s, _, err := DecodeSignedTx(b)
			return s, err
		})
		b := AppendSignedTx(nil, s)
		_, id, err := DecodeSignedTx(b)
		if err != nil || id != TxID(&s.Tx) || len(b) > chain.TxBytesMax {
			t.Fatalf("%d bytes, id %s: %v", len(b), id, err)
		}
		s.Signature = []byte("another")
		if _, again, err := DecodeSignedTx(AppendSignedTx(nil, s)); err != nil || again != id {
			t.Fatalf("the id depends on the signature: %v", err)
		}
	})
}

func TestOutcomesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := anyOutcomes().Draw(t, "outcomes")
		checkForm(t, o, func(dst []byte, o Outcomes) []byte { return o.AppendPacked(dst) }, UnpackOutcomes)
		flat := o.AppendFlat(nil)
		if len(flat) != len(o.Codes)+4*len(o.Results) || o.Hash() != Sum(flat) {
			t.Fatal("flat form or hash")
		}
	})
}

func TestTxBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		signed := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 50), 1, 50).Draw(t, "txs")
		checkForm(t, signed, AppendTxBatch, SplitTxBatch)
		b := AppendTxBatch(nil, signed)
		if total := len(bytes.Join(signed, nil)); len(b) != TxBatchBytes(len(signed), total) {
			t.Fatalf("%d bytes, TxBatchBytes says %d", len(b), TxBatchBytes(len(signed), total))
		}
		i := rapid.IntRange(0, len(signed)-1).Draw(t, "i")
		offset, length, err := TxSpan(b[:TxBatchBytes(len(signed), 0)], uint32(i))
		if err != nil || !bytes.Equal(b[offset:offset+length], signed[i]) {
			t.Fatalf("transaction %d is not at [%d,+%d): %v", i, offset, length, err)
		}
		if _, _, err := TxSpan(b, uint32(len(signed))); !fault.Is(err, fault.Invalid) {
			t.Fatalf("a transaction past the last: %v", err)
		}
	})
}
