// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// olderMax bounds the executed entries that a peer which fell behind is still given: what a retention of 4 GiB holds if its
// batches are an eighth of the largest. Some 4 MB.
const olderMax = 65536

// older remembers where entries lie that were executed, longer than recent does and with less of each: the beginning of the
// digest. So it says where to look, and not what is there. Its zero value is empty.
type older struct {
	places map[uint64]seglog.Pos
	ring   []uint64
	next   int
}

func beginning(d chain.Hash) uint64 { return binary.LittleEndian.Uint64(d[:]) }

func (o *older) add(d chain.Hash, at seglog.Pos) {
	if o.places == nil {
		o.places = make(map[uint64]seglog.Pos)
	}
	key := beginning(d)
	if len(o.ring) < olderMax {
		o.ring = append(o.ring, key)
	} else {
		delete(o.places, o.ring[o.next])
		o.ring[o.next] = key
		o.next = (o.next + 1) % olderMax
	}
	o.places[key] = at
}

func (o *older) find(d chain.Hash) (seglog.Pos, bool) {
	at, ok := o.places[beginning(d)]
	return at, ok
}
