// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

const handoverKeyBytes = 1 + 8

func handoverKey(e chain.Epoch) []byte {
	return tableHandover.fixed(binary.BigEndian.AppendUint64(nil, uint64(e)))
}

// WriteHandover puts the proved handover by which a membership epoch began. Handovers are kept for good.
func WriteHandover(c *Changes, e chain.Epoch, proved []byte) { c.Put(handoverKey(e), proved) }

// ReadHandover returns the proved handover by which an epoch began, NotFound if there is none.
func ReadHandover(r Reader, e chain.Epoch) ([]byte, error) { return r.Get(handoverKey(e)) }

// ReadHandovers lists the handovers to an epoch and those after it, in order. Corrupt: one between is missing.
func ReadHandovers(r Reader, from chain.Epoch) (list [][]byte, err error) {
	it, err := r.Iter(Range{Low: handoverKey(from), High: tableHandover.all().High})
	if err != nil {
		return nil, err
	}
	for err == nil && it.Next() {
		key, want := it.Key(), uint64(from)+uint64(len(list))
		if len(key) != handoverKeyBytes || binary.BigEndian.Uint64(key[1:]) != want {
			err = fault.New(fault.Corrupt, "the handover to epoch %d is missing", want)
		}
		list = append(list, append([]byte(nil), it.Value()...))
	}
	return list, firstError(err, it.Err(), it.Close())
}

// ReadBeginning returns the proved handover by which an epoch began with the state of a height and root: NotFound if none did.
func ReadBeginning(r Reader, height chain.Height, root chain.Hash) (*chain.ProvedHandover, error) {
	rows, err := ReadHandovers(r, chain.FirstHandover)
	if err != nil {
		return nil, err
	}
	for _, raw := range rows {
		p, err := codec.DecodeProvedHandover(raw)
		if err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "a handover in the block store")
		}
		if p.Height == height && p.Root == root {
			return p, nil
		}
	}
	return nil, fault.New(fault.NotFound, "no epoch begins with the state of height %d", height)
}
