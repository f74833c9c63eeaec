// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// A state that was taken from a peer comes with executed headers of the heights below it, which lie in a hole: they say what
// was executed there, and nothing else of these heights is here.

// WriteGapHeader puts the executed header of a height in a hole. It belongs into the Apply with Adopt.
func WriteGapHeader(c *Changes, h chain.Height, header []byte) { c.Put(tableGap.height(h), header) }

// DropGapHeaders removes those below a height.
func DropGapHeaders(c *Changes, below chain.Height) {
	c.DeleteRange(tableGap.all().Low, tableGap.height(below))
}

// ReadAnyHeader returns the executed header of h, also if it only came below a peer's state.
func ReadAnyHeader(r Reader, h chain.Height) ([]byte, error) {
	raw, err := ReadHeader(r, h)
	if fault.Is(err, fault.NotFound) {
		return r.Get(tableGap.height(h))
	}
	return raw, err
}
