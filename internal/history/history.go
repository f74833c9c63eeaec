// SPDX-License-Identifier: Apache-2.0

package history

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// History reads what was committed. It is safe for concurrent use.
type History struct {
	store   store.Reader
	payload func(chain.Location) ([]byte, error)
}

// New makes a history over a block store. payload reads a payload's bytes; it answers Pruned when they were recycled.
func New(s store.Reader, payload func(chain.Location) ([]byte, error)) *History {
	return &History{store: s, payload: payload}
}

// Payload reads the payload at a location.
func (h *History) Payload(l chain.Location) ([]byte, error) { return h.payload(l) }

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
	return h.ReceiptAt(loc.Height, loc.Index)
}

// ReceiptAt finds a batch by its place.
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
	if r.Certificate, err = store.ReadCertificate(h.store, height); err != nil {
		return chain.Receipt{}, err
	}
	r.Outcomes, err = store.ReadOutcome(h.store, height, index)
	return r, err
}

// Place is where the payload of a block's batch lies.
func (h *History) Place(height chain.Height, index uint32) (chain.Location, error) {
	raw, err := store.ReadPlace(h.store, height, index)
	if err != nil {
		return chain.Location{}, err
	}
	return codec.DecodeLocation(raw)
}

func (h *History) header(height chain.Height) (*chain.ExecutedHeader, []byte, error) {
	raw, err := store.ReadHeader(h.store, height)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, fault.New(fault.NotFound, "there is no block %d", height)
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

// TxReceipt finds a single transaction by its id: the receipt of its batch, and its place there.
func (h *History) TxReceipt(id chain.Hash) (r chain.Receipt, item uint32, err error) {
	place, err := store.ReadTx(h.store, id)
	if fault.Is(err, fault.NotFound) {
		return r, 0, fault.New(fault.NotFound, "transaction %s was not executed here", id)
	}
	if err != nil {
		return r, 0, err
	}
	r, err = h.ReceiptAt(place.Height, place.Index)
	return r, place.Item, err
}

// Leg finds a leg of a client batch by its id: the receipt of its batch, and its place there. A leg id has the first 28
// bytes of its batch's id, so this is a scan over the batches that begin with them: one, unless somebody found a collision.
func (h *History) Leg(id chain.LegID) (r chain.Receipt, item uint32, err error) {
	prefix, item := id.Split()
	it, err := h.store.Iter(store.BatchesWithPrefix(prefix[:]))
	if err != nil {
		return r, 0, err
	}
	defer it.Close()
	if !it.Next() {
		if err := it.Err(); err != nil {
			return r, 0, err
		}
		return r, 0, fault.New(fault.NotFound, "%s is no transaction or leg that was executed here", id)
	}
	loc, err := codec.DecodeLocation(it.Value())
	if err != nil {
		return r, 0, fault.Wrap(fault.Corrupt, err, "location of the batch of leg %s", id)
	}
	if loc.Kind != chain.PayloadBatch || item >= loc.Legs {
		return r, 0, fault.New(fault.NotFound, "batch %x… has no leg %d", prefix[:8], item)
	}
	r, err = h.ReceiptAt(loc.Height, loc.Index)
	return r, item, err
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
	if c.CertBytes, err = store.ReadCertificate(h.store, height); err != nil {
		return nil, err
	}
	for i := range header.Batches {
		b := chain.CertifiedBatch{}
		if b.Location, err = h.Place(height, uint32(i)); err != nil {
			return nil, err
		}
		if b.Packed, err = store.ReadOutcome(h.store, height, uint32(i)); err != nil {
			return nil, err
		}
		outcomes, err := codec.UnpackOutcomes(b.Packed)
		if err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "outcomes of batch %d of block %d", i, height)
		}
		for _, o := range outcomes.Codes {
			if o == chain.OK {
				b.LegsOK++
			}
		}
		c.Batches = append(c.Batches, b)
	}
	return c, nil
}

// Holding is an account's balance of a versioned asset as of a height.
func (h *History) Holding(asset chain.AssetNo, account chain.AccountNo, at chain.Height) (chain.Amount, error) {
	_, raw, err := store.ReadHolding(h.store, asset, account, at)
	if fault.Is(err, fault.NotFound) {
		return chain.Amount{}, nil
	}
	if err != nil {
		return chain.Amount{}, err
	}
	if len(raw) != 16 {
		return chain.Amount{}, fault.New(fault.Corrupt, "holding of account %d in asset %d has %d bytes", account, asset, len(raw))
	}
	return chain.Amount{Lo: binary.LittleEndian.Uint64(raw), Hi: binary.LittleEndian.Uint64(raw[8:])}, nil
}
