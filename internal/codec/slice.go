// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"

	"lukechampine.com/blake3/bao"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// sliceGroup is bao's chunk group: 2^4 chunks of 1 KiB. An outboard at group 4 costs 0.17 ms a full batch (1.16 ms at
// group 0), and a slice of 16 KiB is extracted in 5 us and verified in 9.
const sliceGroup = 4

const sliceGroupBytes = 1024 << sliceGroup

// Slices extracts BLAKE3 slices (Bao, verified streaming) of one payload.
type Slices struct{ data, outboard []byte }

// NewSlices hashes data once and keeps the tree above its 16 KiB groups. It also returns the payload's id.
func NewSlices(data []byte) (*Slices, chain.Hash) {
	outboard, root := bao.EncodeBuf(data, sliceGroup, true)
	return &Slices{data, outboard}, root
}

// Slice proves bytes [offset, offset+length) of the payload. The range must lie inside and not be empty.
func (s *Slices) Slice(offset, length uint64) ([]byte, error) {
	size := uint64(len(s.data))
	if length == 0 || offset > size || length > size-offset {
		return nil, fault.New(fault.Invalid, "slice [%d,+%d) of a payload of %d bytes", offset, length, len(s.data))
	}
	// Beside an outboard, ExtractSlice reads only the groups that the range touches.
	groups := bytes.NewReader(s.data[offset&^(sliceGroupBytes-1):])
	var out bytes.Buffer
	if err := bao.ExtractSlice(&out, groups, bytes.NewReader(s.outboard), sliceGroup, offset, length); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "extract slice")
	}
	return out.Bytes(), nil
}

// sliceBytesMax bounds a slice that is verified: an ordinary one is 16 to 32 KiB and a few parents.
const sliceBytesMax = 128 << 10

// VerifySlice checks a slice against a payload id and returns exactly the bytes [offset, offset+length).
//
// A slice does not prove the payload's length: what must be known of it (a leg count, a table) is read from a slice of
// its front.
func VerifySlice(slice []byte, offset, length uint64, id chain.Hash) ([]byte, error) {
	// The range must not wrap around: bao adds its ends without looking.
	if length == 0 || length > sliceBytesMax || offset+length < offset || len(slice) > sliceBytesMax {
		return nil, fault.New(fault.Invalid, "slice of %d bytes for %d", len(slice), length)
	}
	data, ok := bao.VerifySlice(slice, sliceGroup, offset, length, id)
	if !ok || uint64(len(data)) != length {
		return nil, fault.Reasoned(fault.Corrupt, "slice", "slice does not prove bytes [%d,+%d) of %s", offset, length, id)
	}
	return data, nil
}

// LegSpan is where leg i lies in a client batch.
func LegSpan(i uint32) (offset, length uint64) {
	return chain.BatchHeaderBytes + uint64(i)*chain.LegBytes, chain.LegBytes
}
