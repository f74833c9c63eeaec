// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TxPlace says where a single transaction stands: the height, the batch within it and the item within the batch.
type TxPlace struct {
	Height chain.Height
	Index  uint32
	Item   uint32
}

// ReadBatch returns the location of the batch with an id: fault.NotFound if there never was one, and fault.Pruned, as from
// OlderPruned, if nobody can tell any more.
func ReadBatch(r Reader, id chain.Hash) ([]byte, error) {
	v, err := r.Get(tableBatch.fixed(id[:]))
	if fault.Is(err, fault.NotFound) {
		if older := OlderPruned(r); older != nil {
			return nil, older
		}
	}
	return v, err
}

// BatchesWithPrefix is the range of batch ids that begin with prefix, in Iter.
func BatchesWithPrefix(prefix []byte) Range { return Prefix(tableBatch.fixed(prefix)) }

// WriteBatch puts the location of the batch with an id.
func WriteBatch(c *Changes, id chain.Hash, location []byte) { c.Put(tableBatch.fixed(id[:]), location) }

// DeleteBatch removes the location of the batch with an id.
func DeleteBatch(c *Changes, id chain.Hash) { c.Delete(tableBatch.fixed(id[:])) }

// ReadTx returns the place of the transaction whose hash begins as hash does. The caller compares the whole hash of
// what it finds there.
func ReadTx(r Reader, hash chain.Hash) (TxPlace, error) {
	v, err := r.Get(tableTx.fixed(hash[:TxPrefixBytes]))
	if err != nil {
		return TxPlace{}, err
	}
	if len(v) != txPlaceBytes {
		return TxPlace{}, fault.New(fault.Corrupt, "place of transaction %s has %d bytes, must have %d", hash, len(v), txPlaceBytes)
	}
	return TxPlace{
		Height: chain.Height(binary.LittleEndian.Uint64(v)),
		Index:  binary.LittleEndian.Uint32(v[8:]),
		Item:   binary.LittleEndian.Uint32(v[12:]),
	}, nil
}

// WriteTx puts the place of the transaction with a hash.
func WriteTx(c *Changes, hash chain.Hash, p TxPlace) {
	var v [txPlaceBytes]byte
	binary.LittleEndian.PutUint64(v[:], uint64(p.Height))
	binary.LittleEndian.PutUint32(v[8:], p.Index)
	binary.LittleEndian.PutUint32(v[12:], p.Item)
	c.Put(tableTx.fixed(hash[:TxPrefixBytes]), v[:])
}

// DeleteTx removes the place of the transaction with a hash.
func DeleteTx(c *Changes, hash chain.Hash) { c.Delete(tableTx.fixed(hash[:TxPrefixBytes])) }

// ReadHolding returns the newest version of a holding at or below h and the height that wrote it; fault.NotFound if the
// holding did not exist then.
func ReadHolding(r Reader, asset chain.AssetNo, account chain.AccountNo, h chain.Height) (chain.Height, []byte, error) {
	key, value, err := first(r, Range{
		Low:     holdingKey(asset, account, 0),
		High:    append(holdingKey(asset, account, h), 0),
		Reverse: true,
	})
	if err != nil {
		return 0, nil, err
	}
	at, err := heightOf(key, holdingKeyBytes)
	return at, value, err
}

// WriteHolding puts a holding's version of h.
func WriteHolding(c *Changes, asset chain.AssetNo, account chain.AccountNo, h chain.Height, holding []byte) {
	c.Put(holdingKey(asset, account, h), holding)
}

// DeleteHoldingBelow removes all versions of a holding older than h.
func DeleteHoldingBelow(c *Changes, asset chain.AssetNo, account chain.AccountNo, h chain.Height) {
	c.DeleteRange(holdingKey(asset, account, 0), holdingKey(asset, account, h))
}

// ReadMeta returns the record with a name.
func ReadMeta(r Reader, name string) ([]byte, error) { return r.Get(tableMeta.fixed([]byte(name))) }

// WriteMeta puts the record with a name.
func WriteMeta(c *Changes, name string, value []byte) { c.Put(tableMeta.fixed([]byte(name)), value) }

// DeleteMeta removes the record with a name.
func DeleteMeta(c *Changes, name string) { c.Delete(tableMeta.fixed([]byte(name))) }

// first returns copies of the first key and value of a range.
func first(r Reader, rng Range) (key, value []byte, err error) {
	it, err := r.Iter(rng)
	if err != nil {
		return nil, nil, err
	}
	found := it.Next()
	if found {
		key, value = append([]byte(nil), it.Key()...), append([]byte(nil), it.Value()...)
	}
	if err := firstError(it.Err(), it.Close()); err != nil {
		return nil, nil, err
	}
	if !found {
		return nil, nil, fault.New(fault.NotFound, "the store has no such record")
	}
	return key, value, nil
}
