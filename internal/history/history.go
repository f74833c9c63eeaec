// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// History reads what was committed. It is safe for concurrent use.
type History struct {
	store store.Reader
	read  func(chain.Location) ([]byte, error)
}

// New makes a history over a block store. payload reads a payload's bytes; it answers Pruned when they were recycled.
func New(s store.Reader, payload func(chain.Location) ([]byte, error)) *History {
	return &History{store: s, read: payload}
}

// Payload reads the payload at a location, which a row of the store named: that nothing was ever written there is Corrupt.
func (h *History) Payload(l chain.Location) ([]byte, error) {
	payload, err := h.read(l)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.Wrap(fault.Corrupt, err, "the payload of batch %d of block %d: run verify on this folder", l.Index, l.Height)
	}
	return payload, err
}

// Receipt finds a client batch by its id.
func (h *History) Receipt(batch chain.Hash) (chain.Receipt, error) {
	raw, err := store.ReadBatch(h.store, batch)
	if fault.Is(err, fault.NotFound) {
		return chain.Receipt{}, fault.New(fault.NotFound, "batch %s was not executed here", batch)
	}
	if err != nil {
		return chain.Receipt{}, err
	}
	loc, err := codec.DecodeLocation(raw)
	if err != nil {
		return chain.Receipt{}, fault.Wrap(fault.Corrupt, err, "location of batch %s", batch)
	}
	r, err := h.ReceiptAt(loc.Height, loc.Index)
	if err == nil && r.Batch != batch {
		return chain.Receipt{}, fault.New(fault.Corrupt, "the lookup of batch %s leads to batch %d of block %d, which is %s", batch, loc.Index, loc.Height, r.Batch)
	}
	return r, err
}

// ReceiptAt finds a batch by its place. Pruned means that its outcomes were pruned, long after its payload.
func (h *History) ReceiptAt(height chain.Height, index uint32) (chain.Receipt, error) {
	header, raw, err := h.header(height)
	if err != nil {
		return chain.Receipt{}, err
	}
	if int(index) >= len(header.Batches) {
		return chain.Receipt{}, fault.New(fault.NotFound, "block %d has no batch %d", height, index)
	}
	r := chain.Receipt{Batch: header.Batches[index].Batch, Header: raw}
	if r.Location, err = h.Place(height, index); err != nil {
		return chain.Receipt{}, err
	}
	if r.Certificate, err = h.certificate(height); err != nil {
		return chain.Receipt{}, err
	}
	if r.Outcomes, err = h.packed(height, index); err != nil {
		return chain.Receipt{}, err
	}
	return r, nil
}

// Place is where the payload of a block's batch lies.
func (h *History) Place(height chain.Height, index uint32) (chain.Location, error) {
	raw, err := store.ReadPlace(h.store, height, index)
	if err != nil {
		return chain.Location{}, rowGone(err, height, index)
	}
	place, err := codec.DecodeLocation(raw)
	if err != nil {
		return chain.Location{}, fault.Wrap(fault.Corrupt, err, "place of batch %d of block %d", index, height)
	}
	return place, nil
}

func (h *History) packed(height chain.Height, index uint32) ([]byte, error) {
	raw, err := store.ReadOutcome(h.store, height, index)
	return raw, rowGone(err, height, index)
}

func (h *History) outcomes(height chain.Height, index uint32) (packed []byte, o codec.Outcomes, err error) {
	if packed, err = h.packed(height, index); err != nil {
		return nil, o, err
	}
	o, err = codec.UnpackOutcomes(packed)
	return packed, o, fault.Wrap(fault.Corrupt, err, "outcomes of batch %d of block %d", index, height)
}

// rowGone says what it means that a batch which a header names has no row, although those of its height were not pruned:
// rows and header are written together.
func rowGone(err error, height chain.Height, index uint32) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return fault.New(fault.Corrupt, "batch %d of block %d has lost a row: run verify on this folder", index, height)
}

func (h *History) certificate(height chain.Height) ([]byte, error) {
	raw, err := store.ReadCertificate(h.store, height)
	if fault.Is(err, fault.NotFound) {
		return h.sealedTail(height)
	}
	return raw, err
}

// sealedTail is what stands for a certificate below the end of an epoch that was sealed.
func (h *History) sealedTail(height chain.Height) ([]byte, error) {
	end, err := h.sealAbove(height)
	if err != nil {
		return nil, err
	}
	var above [][]byte
	for at := height + 1; at <= end; at++ {
		raw, err := store.ReadHeader(h.store, at)
		if err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "block %d has no certificate, and the seal at height %d does not stand for it", height, end)
		}
		above = append(above, raw)
	}
	return codec.AppendSealedTail(nil, above), nil
}

// sealAbove is where a height's epoch was sealed, if that is so near that the height may have been left uncertified.
func (h *History) sealAbove(height chain.Height) (chain.Height, error) {
	rows, err := store.ReadHandovers(h.store, chain.FirstHandover)
	if err != nil {
		return 0, err
	}
	for _, raw := range rows {
		p, err := codec.DecodeProvedHandover(raw)
		if err != nil {
			return 0, fault.Wrap(fault.Corrupt, err, "a handover in the block store")
		}
		if p.Height < height {
			continue
		}
		if p.Verdict != chain.VerdictNone && p.Height-height <= codec.SealedTailMax {
			return p.Height, nil
		}
		break
	}
	return 0, fault.New(fault.Corrupt, "block %d has no certificate: run verify on this folder", height)
}

func (h *History) header(height chain.Height) (*chain.ExecutedHeader, []byte, error) {
	raw, err := store.ReadHeader(h.store, height)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, h.noBlock(height)
	}
	if err != nil {
		return nil, nil, err
	}
	header, err := codec.DecodeHeader(raw)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Corrupt, err, "block %d", height)
	}
	return header, raw, nil
}

// BatchesFrom is the height from which on every batch and transaction that was executed is found: older ones were pruned, or
// are in a state that was taken from a peer.
func (h *History) BatchesFrom() (chain.Height, error) { return store.ReadBatchesFrom(h.store) }

// Handover is the proved handover by which a membership epoch began. NotFound: none is known.
func (h *History) Handover(e chain.Epoch) ([]byte, error) { return store.ReadHandover(h.store, e) }

// noBlock says that there is no such block, or Pruned that a state which was taken from a peer stands for it.
func (h *History) noBlock(height chain.Height) error {
	a, err := store.ReadAdopted(h.store)
	switch {
	case err == nil && a.Missing(height):
		return fault.Reasoned(fault.Pruned, "history_gap", "block %d is not here: a peer's state stands for it; ask another node", height)
	case err == nil || fault.Is(err, fault.NotFound):
		return fault.New(fault.NotFound, "there is no block %d", height)
	}
	return err
}

// TxReceipt finds a single transaction by its id: the receipt of its batch, and its place there. The lookup knows the
// first store.TxPrefixBytes of an id only, so the caller compares the id of what stands there.
func (h *History) TxReceipt(id chain.Hash) (r chain.Receipt, item uint32, err error) {
	place, err := store.ReadTx(h.store, id)
	if fault.Is(err, fault.NotFound) {
		return r, 0, h.notExecuted(id)
	}
	if err != nil {
		return r, 0, err
	}
	r, err = h.ReceiptAt(place.Height, place.Index)
	return r, place.Item, err
}

// notExecuted says that a transaction was not executed, or Pruned that nobody here can tell: a state that was taken from a peer
// has blocks in it that are not here.
func (h *History) notExecuted(id chain.Hash) error {
	a, err := store.ReadAdopted(h.store)
	switch {
	case fault.Is(err, fault.NotFound) || err == nil && len(a.Holes) == 0:
		return fault.New(fault.NotFound, "transaction %s was not executed here", id)
	case err != nil:
		return err
	}
	last := a.Holes[len(a.Holes)-1]
	return fault.Reasoned(fault.Pruned, "history_gap", "transaction %s is not here, and neither are blocks %d to %d, which a peer's state stands for: ask another node", id, last.From, last.To)
}

// Leg finds a leg of a client batch by its id: the receipt of its batch, and its place there. A leg id has the first 28
// bytes of its batch's id, so this is a scan over the batches that begin with them: one, unless somebody found a collision;
// then it is the first of them that has such a leg.
func (h *History) Leg(id chain.LegID) (r chain.Receipt, item uint32, err error) {
	prefix, item := id.Split()
	loc, err := h.batchWithLeg(prefix[:], item)
	if fault.Is(err, fault.NotFound) {
		if older := store.OlderPruned(h.store); older != nil {
			return r, 0, older
		}
		return r, 0, fault.New(fault.NotFound, "%s is no transaction or leg that was executed here", id)
	}
	if err != nil {
		return r, 0, err
	}
	r, err = h.ReceiptAt(loc.Height, loc.Index)
	if err == nil && !bytes.HasPrefix(r.Batch[:], prefix[:]) {
		return chain.Receipt{}, 0, fault.New(fault.Corrupt, "the lookup of leg %s leads to batch %s", id, r.Batch)
	}
	return r, item, err
}

func (h *History) batchWithLeg(prefix []byte, item uint32) (loc chain.Location, err error) {
	it, err := h.store.Iter(store.BatchesWithPrefix(prefix))
	if err != nil {
		return loc, err
	}
	defer func() {
		if closed := it.Close(); err == nil {
			err = closed
		}
	}()
	for it.Next() {
		if loc, err = codec.DecodeLocation(it.Value()); err != nil {
			return loc, fault.Wrap(fault.Corrupt, err, "location of a batch that begins with %x", prefix)
		}
		if loc.Kind == chain.PayloadBatch && item < loc.Legs {
			return loc, nil
		}
	}
	if err := it.Err(); err != nil {
		return loc, err
	}
	return loc, fault.New(fault.NotFound, "no batch that begins with %x has leg %d", prefix, item)
}

// Block reads a block with its certificate and outcomes; height 0 is the newest.
func (h *History) Block(height chain.Height) (*chain.Certified, error) {
	if height == 0 {
		newest, _, err := store.LastHeader(h.store)
		if err != nil {
			return nil, err
		}
		height = newest
	}
	header, raw, err := h.header(height)
	if err != nil {
		return nil, err
	}
	c := &chain.Certified{Header: header, Hash: codec.Sum(raw), HeaderBytes: raw}
	if c.CertBytes, err = h.certificate(height); err != nil {
		return nil, err
	}
	for i := range header.Batches {
		b, err := h.batch(height, uint32(i))
		if err != nil {
			return nil, err
		}
		c.Batches = append(c.Batches, b)
	}
	return c, nil
}

func (h *History) batch(height chain.Height, index uint32) (b chain.CertifiedBatch, err error) {
	if b.Location, err = h.Place(height, index); err != nil {
		return b, err
	}
	packed, outcomes, err := h.outcomes(height, index)
	if err != nil {
		return b, err
	}
	b.Packed = packed
	for _, o := range outcomes.Codes {
		if o == chain.OK {
			b.LegsOK++
		}
	}
	return b, nil
}

// Holding is an account's balance of a versioned asset as of a height, and the height since which it is that. NotFound
// means that no block up to there changed it: it is what genesis gave, or nothing.
func (h *History) Holding(asset chain.AssetNo, account chain.AccountNo, at chain.Height) (amount chain.Amount, since chain.Height, err error) {
	since, raw, err := store.ReadHolding(h.store, asset, account, at)
	if fault.Is(err, fault.NotFound) {
		return amount, 0, fault.New(fault.NotFound, "no block up to %d changed what account %d has of asset %d, or the asset is not versioned", at, account, asset)
	}
	if err != nil {
		return amount, 0, err
	}
	if len(raw) != 16 {
		return amount, 0, fault.New(fault.Corrupt, "holding of account %d in asset %d at height %d has %d bytes, must have 16", account, asset, since, len(raw))
	}
	return chain.Amount{Lo: binary.LittleEndian.Uint64(raw), Hi: binary.LittleEndian.Uint64(raw[8:])}, since, nil
}
