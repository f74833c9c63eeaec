// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// AppendTx appends the unsigned encoding of t: what is hashed to its id. A value that no decoder could give back (no body,
// a byte string over its bound) breaks an invariant: whoever builds a transaction calls t.Validate first. What a decoder
// did give back always encodes, even where Validate would refuse it.
func AppendTx(dst []byte, t *chain.Tx) []byte {
	fault.Invariant(t.Body != nil, "a transaction has no body")
	w := writer{dst}
	w.raw([]byte(magicTx))
	w.u8(uint8(t.Body.Kind()))
	w.u64(uint64(t.Chain))
	w.u32(uint32(t.Sender))
	w.u32(uint32(t.Key))
	w.u64(t.Nonce)
	w.u64(uint64(t.ValidUntil))
	appendBody(&w, t.Body)
	return w.b
}

func appendBody(w *writer, body chain.Body) {
	switch b := body.(type) {
	case *chain.Transfer:
		w.u32(uint32(b.To))
		w.u32(uint32(b.Asset))
		w.amount(b.Amount)
		w.raw(b.Reference[:])
	case *chain.Hold:
		w.u32(uint32(b.To))
		w.u32(uint32(b.Asset))
		w.amount(b.Amount)
		w.u32(b.Blocks)
		w.raw(b.Reference[:])
	case *chain.Post:
		w.raw(b.Hold[:])
		w.amount(b.Amount)
	case *chain.Void:
		w.raw(b.Hold[:])
	case *chain.Issue:
		w.u32(uint32(b.To))
		w.u32(uint32(b.Asset))
		w.amount(b.Amount)
		w.raw(b.Reference[:])
	case *chain.Redeem:
		w.u32(uint32(b.Asset))
		w.amount(b.Amount)
		w.raw(b.Reference[:])
	case *chain.CreateAsset:
		w.bytes([]byte(b.Code), chain.CodeBytesMax)
		w.bytes([]byte(b.Name), chain.NameBytesMax)
		w.u8(b.Scale)
		w.u16(uint16(b.Flags))
	case *chain.OpenAccount:
		w.bytes(b.PublicKey, chain.PublicKeyBytesMax)
		w.raw(b.AliasTag[:])
		w.raw(b.Address[:])
		w.u16(b.Slot)
	case *chain.OpenAccounts:
		w.u32(b.Count)
	case *chain.Freeze:
		w.u32(uint32(b.Account))
		w.u32(uint32(b.Asset))
		w.flag(b.Frozen)
	case *chain.RegisterInstitution:
		w.bytes([]byte(b.Name), chain.NameBytesMax)
		w.bytes(b.PublicKey, chain.PublicKeyBytesMax)
	case *chain.AddKey:
		w.u32(uint32(b.Account))
		w.bytes(b.PublicKey, chain.PublicKeyBytesMax)
	case *chain.AddDelegate:
		w.bytes(b.PublicKey, chain.PublicKeyBytesMax)
	case *chain.RevokeKey:
		w.u32(uint32(b.Key))
	case *chain.ChangeValidator:
		appendChange(w, b)
		appendApprovals(w, b.Approvals, chain.ApprovalsMax)
	case *chain.OpenInbox, *chain.SkipSync, *chain.FreezeSlot:
		appendSyncBody(w, body)
	case *chain.SetMover, *chain.MoveSlots, *chain.AbortMove, *chain.CloseMigration:
		appendMoveBody(w, body)
	default:
		fault.Invariant(false, "a transaction has a body of no known kind")
	}
}

// appendSyncBody appends the bodies by which governance looks after the inbox.
func appendSyncBody(w *writer, body chain.Body) {
	switch b := body.(type) {
	case *chain.OpenInbox:
		w.raw(b.Ledger[:])
		w.raw(b.Incarnation[:])
		w.u32(b.Life)
		w.u32(uint32(b.Institution))
		w.u32(uint32(b.Key))
		w.u64(b.Position.Major)
		w.u32(b.Position.Minor)
		w.raw(b.Tag[:])
	case *chain.SkipSync:
		w.u32(b.Life)
		w.u64(b.Position.Major)
		w.u32(b.Position.Minor)
		w.raw(b.Tag[:])
		w.u16(b.Slot)
		w.raw(b.Reason[:])
	case *chain.FreezeSlot:
		w.u16(b.Slot)
		w.flag(b.Frozen)
	}
}

// TxID is t's identity. The signature stays outside, so nobody can give one transaction two ids.
func TxID(t *chain.Tx) chain.Hash { return Sum(AppendTx(nil, t)) }

// AppendSignedTx appends t and its signature, as submitted and as stored.
func AppendSignedTx(dst []byte, t *chain.SignedTx) []byte {
	w := writer{AppendTx(dst, &t.Tx)}
	w.bytes(t.Signature, chain.SignatureBytesMax)
	return w.b
}

// DecodeSignedTx reads a signed transaction of at most chain.TxBytesMax bytes and returns its id too.
func DecodeSignedTx(b []byte) (*chain.SignedTx, chain.Hash, error) {
	if len(b) > chain.TxBytesMax {
		return nil, chain.Hash{}, fault.Reasoned(fault.Invalid, "tx_oversized", "transaction: %d bytes, at most %d", len(b), chain.TxBytesMax)
	}
	r := reader{b: b, what: "transaction"}
	r.magic(magicTx)
	kind := chain.TxKind(r.u8())
	t := &chain.SignedTx{Tx: chain.Tx{
		Chain:      chain.ChainID(r.u64()),
		Sender:     chain.AccountNo(r.u32()),
		Key:        chain.KeyNo(r.u32()),
		Nonce:      r.u64(),
		ValidUntil: chain.Height(r.u64()),
	}}
	t.Body = readBody(&r, kind)
	unsigned := len(b) - len(r.b)
	t.Signature = r.bytes(chain.SignatureBytesMax)
	if err := r.done(); err != nil {
		return nil, chain.Hash{}, err
	}
	return t, Sum(b[:unsigned]), nil
}

func readBody(r *reader, kind chain.TxKind) chain.Body {
	switch kind {
	case chain.TxTransfer:
		b := &chain.Transfer{To: chain.AccountNo(r.u32()), Asset: chain.AssetNo(r.u32()), Amount: r.amount()}
		b.Reference = r.hash()
		return b
	case chain.TxHold:
		b := &chain.Hold{To: chain.AccountNo(r.u32()), Asset: chain.AssetNo(r.u32()), Amount: r.amount(), Blocks: r.u32()}
		b.Reference = r.hash()
		return b
	case chain.TxPost:
		return &chain.Post{Hold: r.hash(), Amount: r.amount()}
	case chain.TxVoid:
		return &chain.Void{Hold: r.hash()}
	case chain.TxIssue:
		b := &chain.Issue{To: chain.AccountNo(r.u32()), Asset: chain.AssetNo(r.u32()), Amount: r.amount()}
		b.Reference = r.hash()
		return b
	case chain.TxRedeem:
		b := &chain.Redeem{Asset: chain.AssetNo(r.u32()), Amount: r.amount()}
		b.Reference = r.hash()
		return b
	case chain.TxCreateAsset:
		b := &chain.CreateAsset{Code: string(r.bytes(chain.CodeBytesMax)), Name: string(r.bytes(chain.NameBytesMax))}
		b.Scale, b.Flags = r.u8(), chain.AssetFlags(r.u16())
		return b
	case chain.TxOpenAccount:
		b := &chain.OpenAccount{PublicKey: r.bytes(chain.PublicKeyBytesMax), AliasTag: r.hash()}
		copy(b.Address[:], r.take(len(b.Address)))
		b.Slot = r.u16()
		return b
	case chain.TxOpenAccounts:
		return &chain.OpenAccounts{Count: r.u32()}
	case chain.TxFreeze:
		return &chain.Freeze{Account: chain.AccountNo(r.u32()), Asset: chain.AssetNo(r.u32()), Frozen: r.flag()}
	case chain.TxRegisterInstitution:
		return &chain.RegisterInstitution{Name: string(r.bytes(chain.NameBytesMax)), PublicKey: r.bytes(chain.PublicKeyBytesMax)}
	case chain.TxAddKey:
		return &chain.AddKey{Account: chain.AccountNo(r.u32()), PublicKey: r.bytes(chain.PublicKeyBytesMax)}
	case chain.TxAddDelegate:
		return &chain.AddDelegate{PublicKey: r.bytes(chain.PublicKeyBytesMax)}
	case chain.TxRevokeKey:
		return &chain.RevokeKey{Key: chain.KeyNo(r.u32())}
	case chain.TxChangeValidator:
		b := readChange(r)
		b.Approvals = readApprovals(r, chain.ApprovalsMax)
		return b
	}
	if b := readSyncBody(r, kind); b != nil {
		return b
	}
	if b := readMoveBody(r, kind); b != nil {
		return b
	}
	r.fail("transaction kind %d", kind)
	return nil
}

// readSyncBody reads the bodies by which governance looks after the inbox; nil for any other kind.
func readSyncBody(r *reader, kind chain.TxKind) chain.Body {
	switch kind {
	case chain.TxOpenInbox:
		b := &chain.OpenInbox{Ledger: r.hash()}
		copy(b.Incarnation[:], r.take(len(b.Incarnation)))
		b.Life, b.Institution, b.Key = r.u32(), chain.InstitutionNo(r.u32()), chain.KeyNo(r.u32())
		b.Position, b.Tag = readSyncPosition(r), r.hash()
		return b
	case chain.TxSkipSync:
		b := &chain.SkipSync{Life: r.u32(), Position: readSyncPosition(r), Tag: r.hash()}
		b.Slot, b.Reason = r.u16(), r.hash()
		return b
	case chain.TxFreezeSlot:
		return &chain.FreezeSlot{Slot: r.u16(), Frozen: r.flag()}
	}
	return nil
}

func readSyncPosition(r *reader) chain.SyncPosition {
	return chain.SyncPosition{Major: r.u64(), Minor: r.u32()}
}

// AppendTxBatch appends the lane payload made of signed transactions (each an AppendSignedTx): magic, count, the end of
// each transaction relative to the first (u32 each), then the transactions. The table stands in front so that a slice of
// it proves where a transaction lies. There are 1 to chain.TxsPerBatchMax, of 1 to chain.TxBytesMax bytes each; else an
// invariant is broken.
func AppendTxBatch(dst []byte, signed [][]byte) []byte {
	w := writer{dst}
	w.raw([]byte(magicTxBatch))
	fault.Invariant(len(signed) > 0, "a transaction batch is empty")
	w.count(len(signed), chain.TxsPerBatchMax)
	end := uint32(0)
	for _, s := range signed {
		fault.Invariant(len(s) > 0 && len(s) <= chain.TxBytesMax, "a transaction's length is out of bounds")
		end += uint32(len(s))
		w.u32(end)
	}
	for _, s := range signed {
		w.raw(s)
	}
	return w.b
}

// TxBatchBytes is the size of a lane payload of n transactions that are total bytes long together.
func TxBatchBytes(n, total int) int { return txBatchHeadBytes + 4*n + total }

const txBatchHeadBytes = 8

// SplitTxBatch returns the signed transactions of a lane payload, sharing its memory; they are not decoded.
func SplitTxBatch(b []byte) ([][]byte, error) {
	r := reader{b: b, what: "transaction batch"}
	r.magic(magicTxBatch)
	n := r.count(chain.TxsPerBatchMax, 4)
	if n == 0 {
		r.fail("is empty")
	}
	table := reader{b: r.take(4 * n), what: r.what}
	signed := make([][]byte, 0, n)
	for last := uint32(0); len(signed) < n && r.err == nil; {
		end := table.u32()
		if end <= last || end-last > chain.TxBytesMax {
			r.fail("a transaction ends at %d after %d", end, last)
		}
		signed = append(signed, r.take(int(end-last)))
		last = end
	}
	return signed, r.done()
}

// TxSpan reads where transaction i lies in a lane payload from the payload's head (at least
// TxBatchBytes(count, 0) of it): offset and length in bytes.
func TxSpan(head []byte, i uint32) (offset, length uint64, err error) {
	r := reader{b: head, what: "transaction batch"}
	r.magic(magicTxBatch)
	n := uint32(r.count(chain.TxsPerBatchMax, 4))
	if r.err == nil && i >= n {
		r.fail("has no transaction %d", i)
	}
	start := uint32(0)
	if i > 0 {
		r.take(int(4 * (i - 1)))
		start = r.u32()
	}
	end := r.u32()
	if r.err == nil && (end <= start || end-start > chain.TxBytesMax) {
		r.fail("transaction %d ends at %d after %d", i, end, start)
	}
	return uint64(TxBatchBytes(int(n), int(start))), uint64(end - start), r.err
}
