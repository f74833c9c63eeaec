// SPDX-License-Identifier: Apache-2.0

package grpcapi

import "sync"

// frameBytes is the largest HTTP/2 frame that gRPC sends or takes.
const frameBytes = 16 << 10

// framePool lends memory for received frames. gRPC's own pool clears each buffer before it lends it again: one more pass
// over every batch, for memory that is overwritten whole.
type framePool struct{ frames, small sync.Pool }

// smallBytes serves frames that carry little, so that a peer who sends one byte a frame does not make us hold 16 KiB.
const smallBytes = 1 << 10

func newFramePool() *framePool {
	lend := func(n int) func() any {
		return func() any { b := make([]byte, n); return &b }
	}
	return &framePool{frames: sync.Pool{New: lend(frameBytes)}, small: sync.Pool{New: lend(smallBytes)}}
}

// Get lends n bytes with old content.
func (p *framePool) Get(n int) *[]byte {
	var b *[]byte
	switch {
	case n > frameBytes:
		big := make([]byte, n)
		return &big
	case n > smallBytes:
		b = p.frames.Get().(*[]byte)
	default:
		b = p.small.Get().(*[]byte)
	}
	*b = (*b)[:n]
	return b
}

// Put takes memory back. What is of no size of ours is left to the collector.
func (p *framePool) Put(b *[]byte) {
	switch cap(*b) {
	case frameBytes:
		p.frames.Put(b)
	case smallBytes:
		p.small.Put(b)
	}
}
