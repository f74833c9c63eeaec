// SPDX-License-Identifier: Apache-2.0

package history

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// What follows gives a block out as it can be checked by who believes nobody: bytes, and what the bytes are proved by.

// HeaderBytes reads an executed header and its canonical bytes. Pruned: a peer's state stands for the block.
func (h *History) HeaderBytes(height chain.Height) (*chain.ExecutedHeader, []byte, error) {
	return h.header(height)
}

// Certificate reads a header's certificate, or the sealed tail that stands for it.
func (h *History) Certificate(height chain.Height) ([]byte, error) { return h.certificate(height) }

// Contents reads one batch of a block: its payload, which hashes to the batch id of the header's line, and its packed
// outcomes. Pruned: retention recycled one of them.
func (h *History) Contents(height chain.Height, index uint32) (payload, packed []byte, err error) {
	place, err := h.Place(height, index)
	if err != nil {
		return nil, nil, err
	}
	if packed, err = h.packed(height, index); err != nil {
		return nil, nil, err
	}
	payload, err = h.Payload(place)
	return payload, packed, err
}

// HeadersFrom is the first height from a given one on whose header is here: the end of the hole that a peer's state left.
func (h *History) HeadersFrom(height chain.Height) (chain.Height, error) {
	a, err := store.ReadAdopted(h.store)
	if fault.Is(err, fault.NotFound) {
		return height, nil
	}
	if err != nil {
		return 0, err
	}
	for _, hole := range a.Holes {
		if height >= hole.From && height <= hole.To {
			height = hole.To + 1
		}
	}
	return height, nil
}

// TransfersOf calls each for every transfer of one batch of a block, in order, from contents that the caller has checked against
// the header's line. It reuses the Transfer it passes. What the batch holds is told by its outcomes: transactions have results,
// legs have none. Contents that do not decode, or do not fit each other, are Corrupt.
func TransfersOf(header *chain.ExecutedHeader, index uint32, payload []byte, o codec.Outcomes, each func(*Transfer) error) error {
	if int(index) >= len(header.Batches) {
		return fault.New(fault.NotFound, "block %d has no batch %d", header.Height, index)
	}
	b := batchRows{header: header, index: index, payload: payload, codes: o.Codes, each: each}
	if len(o.Results) == 0 {
		return b.legs()
	}
	return b.txs()
}
