// SPDX-License-Identifier: Apache-2.0

package hugepage

import (
	"sync"
	"time"
)

// reserveSlabsMax bounds the slabs that wait.
const reserveSlabsMax = 4

// fillPace is the time between two slabs that are made ready. Slabs are taken when load sets in, and the first touch of all
// new ones at once would then hold up what they were taken for.
const fillPace = 100 * time.Millisecond

// Reserve gives slabs of memory that were touched before they are needed: the first touch of 2 MiB stalls for 0.2 ms, and
// for 8 ms inside a virtual machine whose host has not given that memory yet. It keeps half as many ready as were taken,
// at most 4, so that a small owner keeps a small reserve. It is safe for concurrent use and needs no end: the goroutine
// that fills it ends when it is full.
type Reserve struct {
	slabBytes int

	mu      sync.Mutex // guards all below
	ready   [][]byte
	taken   int
	filling bool
}

// NewReserve makes an empty reserve of slabs of that size.
func NewReserve(slabBytes int) *Reserve { return &Reserve{slabBytes: slabBytes} }

// Take gives a slab, a ready one if there is one. Errors as of Alloc.
func (r *Reserve) Take() ([]byte, error) {
	r.mu.Lock()
	r.taken++
	var slab []byte
	if last := len(r.ready) - 1; last >= 0 {
		slab, r.ready = r.ready[last], r.ready[:last]
	}
	fill := !r.filling && r.wanting()
	r.filling = r.filling || fill
	r.mu.Unlock()
	if fill {
		go r.fill()
	}
	if slab != nil {
		return slab, nil
	}
	return Alloc(r.slabBytes)
}

// wanting reports whether too few are ready. The caller holds mu.
func (r *Reserve) wanting() bool { return len(r.ready) < min(r.taken/2, reserveSlabsMax) }

func (r *Reserve) fill() {
	for {
		r.mu.Lock()
		r.filling = r.wanting()
		again := r.filling
		r.mu.Unlock()
		if !again {
			return
		}
		<-time.After(fillPace)
		slab, err := Alloc(r.slabBytes)
		if err != nil {
			r.mu.Lock()
			r.filling = false // the next Take meets the same error and has somebody to tell
			r.mu.Unlock()
			return
		}
		for i := 0; i < len(slab); i += touchBytes {
			slab[i] = 0
		}
		r.mu.Lock()
		r.ready = append(r.ready, slab)
		r.mu.Unlock()
	}
}

// touchBytes is the smallest page there is, where huge ones are not given.
const touchBytes = 4096
