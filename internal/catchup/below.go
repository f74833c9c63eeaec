// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// A state travels with the executed headers below it: who goes on from it must know an entry that is decided a second time,
// though nobody has its payload any more, and a batch whose sequence is used up. Each header names the one below by its hash,
// so the state's own header proves them all, and any peer may be asked.

// Bounds of the headers that go with a state. They are the newest ones below it, as many as a batch may be valid for; at
// either bound the older ones are left out, and the node knows nothing of what was executed there.
const (
	HeadersMax      = chain.ValidityBlocksMax
	HeadersBytesMax = 64 << 20
)

// Kinds of frames by which headers below a state are asked for. No session is needed.
const (
	KindAskBelow uint8 = 16
	KindBelow    uint8 = 17
)

type (
	// AskBelow asks for the executed headers of the heights from Below-1 down to Least, as many as fit a frame.
	AskBelow struct{ Below, Least chain.Height }
	// Below answers AskBelow: the headers of Below-1 and of as many heights under it as are here without a gap, newest first.
	// None means that the peer does not hold the first.
	Below struct {
		Below   chain.Height
		Headers [][]byte
	}
)

// Kind implements Message.
func (AskBelow) Kind() uint8 { return KindAskBelow }

// Kind implements Message.
func (Below) Kind() uint8 { return KindBelow }

// Append implements Message.
func (m AskBelow) Append(dst []byte) []byte {
	return le.AppendUint64(le.AppendUint64(dst, uint64(m.Below)), uint64(m.Least))
}

// Append implements Message.
func (m Below) Append(dst []byte) []byte {
	dst = le.AppendUint16(le.AppendUint64(dst, uint64(m.Below)), uint16(len(m.Headers)))
	for _, raw := range m.Headers {
		dst = appendPart(dst, raw)
	}
	return dst
}

func appendPart(dst, part []byte) []byte {
	return append(le.AppendUint32(dst, uint32(len(part))), part...)
}

// belowHeadBytes and partHeadBytes are what a frame has beside its headers.
const (
	belowHeadBytes = 8 + 2
	partHeadBytes  = 4
)

// belowMax bounds the headers of a frame: their number is a u16.
const belowMax = 1<<16 - 1

func (r *reader) below() Below {
	m := Below{Below: chain.Height(r.u64())}
	for n := r.u16(); n > 0 && !r.bad; n-- {
		m.Headers = append(m.Headers, r.part())
	}
	return m
}

// descent is headers below a height, each proved by the one above it.
type descent struct {
	at    chain.Height // the lowest one that is proved
	next  chain.Hash   // of the header below it
	list  [][]byte     // newest first
	bytes int
}

// newDescent begins below a header that is proved.
func newDescent(header []byte) (*descent, error) {
	h, err := codec.DecodeHeader(header)
	if err != nil {
		return nil, wrong("wrong_headers", "%v", err)
	}
	return &descent{at: h.Height, next: h.Previous}, nil
}

// take takes the header below the lowest one. Invalid: it is another.
func (d *descent) take(raw []byte) error {
	if codec.Sum(raw) != d.next {
		return wrong("wrong_history", "the header below height %d is not the one that its header names", d.at)
	}
	h, err := codec.DecodeHeader(raw)
	if err != nil || h.Height+1 != d.at {
		return wrong("wrong_history", "what the header of height %d names is no header of the height below", d.at)
	}
	d.at, d.next = h.Height, h.Previous
	d.list, d.bytes = append(d.list, raw), d.bytes+len(raw)
	return nil
}

// full reports whether no more headers may go with the state.
func (d *descent) full() bool { return len(d.list) >= HeadersMax || d.bytes >= HeadersBytesMax }
