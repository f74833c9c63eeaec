// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Nothing is encoded that a decoder would refuse, and no length is cut to its field's width.
func TestEncodersRefuse(t *testing.T) {
	long := []byte(longText)
	tx := func(b chain.Body) func() { return func() { AppendTx(nil, &chain.Tx{Body: b}) } }
	for name, encode := range map[string]func(){
		"long code":             tx(&chain.CreateAsset{Code: longText}),
		"code a byte too long":  tx(&chain.CreateAsset{Code: longText[:chain.CodeBytesMax+1]}),
		"long asset name":       tx(&chain.CreateAsset{Name: longText}),
		"long institution name": tx(&chain.RegisterInstitution{Name: longText[:chain.NameBytesMax+1]}),
		"long first key":        tx(&chain.RegisterInstitution{PublicKey: long}),
		"long account key":      tx(&chain.OpenAccount{PublicKey: long}),
		"long added key":        tx(&chain.AddKey{PublicKey: long[:chain.PublicKeyBytesMax+1]}),
		"no body":               tx(nil),
		"strange body":          tx(strangeBody{}),
		"long signature": func() {
			AppendSignedTx(nil, &chain.SignedTx{Tx: chain.Tx{Body: &chain.Void{}}, Signature: long[:chain.SignatureBytesMax+1]})
		},
		"many entries": func() { AppendProposal(nil, &chain.Proposal{Entries: make([]chain.Hash, chain.EntriesPerBlockMax+1)}) },
		"many batches": func() {
			AppendHeader(nil, &chain.ExecutedHeader{Batches: make([]chain.BatchResult, chain.EntriesPerBlockMax+1)})
		},
		"many signatures": func() {
			AppendCertificate(nil, &chain.Certificate{Signatures: make([]chain.ValidatorSignature, chain.ValidatorsMax+1)})
		},
		"long validator signature": func() {
			AppendCertificate(nil, &chain.Certificate{Signatures: []chain.ValidatorSignature{{Root: long}}})
		},
		"many members": func() {
			AppendMembership(nil, &chain.Membership{Members: make([]chain.Member, chain.ValidatorsMax+1)})
		},
		"long member name":      func() { AppendMembership(nil, &chain.Membership{Members: []chain.Member{{Name: longText}}}) },
		"long header":           func() { AppendProvedHandover(nil, &chain.ProvedHandover{HeaderBytes: long[:HeaderBytesMax+1]}) },
		"many approvals":        tx(&chain.ChangeValidator{Approvals: make([]chain.Approval, chain.ApprovalsMax+1)}),
		"short approval":        tx(&chain.ChangeValidator{Approvals: []chain.Approval{{Signature: long[:63]}}}),
		"approval of 64":        tx(&chain.ChangeValidator{Approvals: []chain.Approval{{Validator: 64, Signature: long[:64]}}}),
		"approvals twice":       tx(&chain.ChangeValidator{Approvals: []chain.Approval{{Signature: long[:64]}, {Signature: long[:64]}}}),
		"genesis name":          func() { AppendGenesis(nil, &chain.Genesis{Name: longText}) },
		"empty tx batch":        func() { AppendTxBatch(nil, nil) },
		"empty tx":              func() { AppendTxBatch(nil, [][]byte{{}}) },
		"long tx":               func() { AppendTxBatch(nil, [][]byte{make([]byte, chain.TxBytesMax+1)}) },
		"many txs":              func() { AppendTxBatch(nil, slices.Repeat([][]byte{{1}}, chain.TxsPerBatchMax+1)) },
		"no outcomes":           func() { Outcomes{}.AppendPacked(nil) },
		"many outcomes":         func() { Outcomes{Codes: make([]chain.Outcome, chain.BatchLegsMax+1)}.AppendPacked(nil) },
		"outcomes, few results": func() { Outcomes{Codes: make([]chain.Outcome, 2), Results: make([]uint32, 1)}.AppendPacked(nil) },
	} {
		func() {
			defer func() {
				var v *fault.Violation
				if err, _ := recover().(error); !errors.As(err, &v) {
					t.Errorf("%s was encoded", name)
				}
			}()
			encode()
		}()
	}
}

type strangeBody struct{}

func (strangeBody) Kind() chain.TxKind { return 200 }

// A transaction that passes Validate encodes; one that decodes encodes again even where Validate refuses it, so that no
// peer's bytes can break an invariant.
func TestValidateAndEncode(t *testing.T) {
	for name, body := range sampleBodies() {
		if err := sampleTx(body).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := sampleTx(&chain.CreateAsset{Code: "\xff", Name: "", Scale: 200, Flags: 0xffff})
	back, id, err := DecodeSignedTx(AppendSignedTx(nil, bad))
	if err != nil || id != TxID(&back.Tx) {
		t.Fatalf("decoders check lengths only: %v", err)
	}
	if !fault.Is(back.Validate(), fault.Invalid) {
		t.Error("Validate must refuse it")
	}
}

// with is b with v written at an offset.
func with(b []byte, at int, v ...byte) []byte {
	b = slices.Clone(b)
	copy(b[at:], v)
	return b
}

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

func TestDecodersRefuse(t *testing.T) {
	entry, proposal, header := vectors()["lane_entry"], vectors()["proposal"], vectors()["header"]
	certificate, freeze, create := vectors()["certificate"], vectors()["tx_freeze"], vectors()["tx_create_asset"]
	batch, change := vectors()["tx_batch"], vectors()["tx_change_validator"]
	members, handover, proved := vectors()["membership"], vectors()["handover"], vectors()["proved"]
	errOf := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"entry, next version":         errOf(DecodeLaneEntry(with(entry, 3, '2'))),
		"entry, kind 0":               errOf(DecodeLaneEntry(with(entry, 54, 0))),
		"entry, kind 3":               errOf(DecodeLaneEntry(with(entry, 54, 3))),
		"proposal, magic of a header": errOf(DecodeProposal(with(proposal, 0, []byte(magicHeader)...))),
		"proposal, many entries":      errOf(DecodeProposal(with(proposal, 28, u32(chain.EntriesPerBlockMax+1)...))),
		"proposal, huge count":        errOf(DecodeProposal(with(proposal, 28, u32(1<<32-1)...))),
		"header, one batch less":      errOf(DecodeHeader(with(header, 204, u32(1)...))),
		"header, one batch more":      errOf(DecodeHeader(with(header, 204, u32(3)...))),
		"certificate, many":           errOf(DecodeCertificate(with(certificate, 52, u32(chain.ValidatorsMax+1)...))),
		"certificate, long signature": errOf(DecodeCertificate(with(certificate, 58, 0xff, 0xff))),
		"tx, kind 0":                  txErr(with(freeze, 4, 0)),
		"tx, kind 15":                 txErr(with(freeze, 4, 15)),
		"tx, 64 approvals":            txErr(with(change, 2039, 255, 255, 255, 255, 255, 255, 255, 255)),
		"tx, an approval more":        txErr(with(change, 2039, 255)),
		"membership, many":            errOf(DecodeMembership(with(members, 12, u32(chain.ValidatorsMax+1)...))),
		"membership, long name":       errOf(DecodeMembership(with(members, 26, chain.NameBytesMax+1, 0))),
		"handover, odd membership":    errOf(DecodeHandover(with(handover, 85, 'X'))),
		"handover, no home version":   errOf(DecodeHandover(with(handover, 12, uint8(chain.VerdictToV10)))),
		"handover, a home version":    errOf(DecodeHandover(with(vectors()["to_v10"], 12, uint8(chain.VerdictUnchanged)))),
		"proved, flag 2":              errOf(DecodeProvedHandover(with(proved, 4+len(handover)+2+408, 2))),
		"tx, flag 2":                  txErr(with(freeze, 45, 2)),
		"tx, long code":               txErr(with(create, 37, chain.CodeBytesMax+1, 0)),
		"tx batch, empty":             errOf(SplitTxBatch(append([]byte(magicTxBatch), 0, 0, 0, 0))),
		"tx batch, table falls":       errOf(SplitTxBatch(with(batch, 12, 0, 0, 0, 0))),
		"tx batch, empty tx":          errOf(SplitTxBatch(with(batch, 8, 0, 0, 0, 0))),
		"tx batch, long tx":           errOf(SplitTxBatch(with(batch, 8, u32(chain.TxBytesMax+1)...))),
		"tx batch, table past end":    errOf(SplitTxBatch(with(batch, 16, u32(5000)...))),
		"tx batch, many":              errOf(SplitTxBatch(with(batch, 4, u32(chain.TxsPerBatchMax+1)...))),
		"span, no head":               spanErr(batch[:7], 0),
		"span, head cut":              spanErr(batch[:8], 0),
		"span, past the last":         spanErr(batch, 3),
		"span, far past the last":     spanErr(batch, 1<<32-1),
		"span, table falls":           spanErr(with(batch, 12, 0, 0, 0, 0), 1),
		"span, long tx":               spanErr(with(batch, 8, u32(chain.TxBytesMax+1)...), 0),
		"outcomes, no bytes":          errOf(UnpackOutcomes(nil)),
		"outcomes, form 3":            errOf(UnpackOutcomes([]byte{3, 1, 0, 0, 0, 0})),
		"outcomes, none uniform":      errOf(UnpackOutcomes([]byte{packedUniform, 0, 0, 0, 0, 0})),
		"outcomes, none as codes":     errOf(UnpackOutcomes([]byte{packedCodes, 0, 0, 0, 0})),
		"outcomes, none as results":   errOf(UnpackOutcomes([]byte{packedResults, 0, 0, 0, 0})),
		"outcomes, uniform as codes":  errOf(UnpackOutcomes([]byte{packedCodes, 2, 0, 0, 0, 7, 7})),
		"outcomes, one as codes":      errOf(UnpackOutcomes([]byte{packedCodes, 1, 0, 0, 0, 7})),
		"outcomes, many":              errOf(UnpackOutcomes(append([]byte{packedUniform}, 1, 0x20, 0, 0, 0))),
		"outcomes, results cut":       errOf(UnpackOutcomes([]byte{packedResults, 1, 0, 0, 0, 0, 1, 0, 0})),
	} {
		if !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "malformed" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := txErr(make([]byte, chain.TxBytesMax+1)); fault.ReasonOf(err) != "tx_oversized" || !fault.Is(err, fault.Invalid) {
		t.Errorf("oversized: %v", err)
	}
}

func txErr(b []byte) error {
	_, _, err := DecodeSignedTx(b)
	return err
}

func spanErr(b []byte, i uint32) error {
	_, _, err := TxSpan(b, i)
	return err
}
