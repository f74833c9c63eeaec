// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"sync"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// takeBytes is how much a writer takes at once: what it takes goes out in one flush.
const takeBytes = 256 << 10

// frame is one that waits.
type frame struct {
	head []byte // header, and what Send copied
	body Body   // nil, or the rest
	size int64  // on the wire
}

func newFrame(kind uint8, body int, parts ...[]byte) frame {
	copied := 0
	for _, p := range parts {
		copied += len(p)
	}
	head := make([]byte, headerBytes, headerBytes+copied)
	putHeader(head, kind, body)
	for _, p := range parts {
		head = append(head, p...)
	}
	return frame{head: head, size: int64(frameBytes(body))}
}

func (f *frame) release() {
	if f.body != nil {
		f.body.Release()
	}
	*f = frame{}
}

// queue holds the frames to one peer in one class. It counts what was taken until it is settled, so that the bound covers
// the frame that a slow peer holds up as well.
type queue struct {
	limits     Limits
	dropOldest bool
	wake       chan struct{} // holds one token when there may be frames
	dropped    func(frames int, reason string)

	mu      sync.Mutex
	ring    []frame // guarded by mu; its length is a power of two, or 0
	first   int     // guarded by mu; place of the oldest
	waiting int     // guarded by mu
	bytes   int64   // guarded by mu; waiting or taken
	refusal error   // guarded by mu; why nothing is accepted
}

func newQueue(l Limits, c Class, dropped func(int, string)) *queue {
	return &queue{limits: l, dropOldest: c == Consensus, wake: make(chan struct{}, 1), dropped: dropped}
}

// push adds a frame, or says why not.
func (q *queue) push(f frame) error {
	evicted, err := q.add(f)
	if evicted > 0 {
		q.dropped(evicted, "superseded")
	}
	if err != nil {
		return err
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

func (q *queue) add(f frame) (evicted int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refusal != nil {
		return 0, q.refusal
	}
	for q.full(f.size) && q.dropOldest && q.waiting > 0 {
		old := q.pop()
		q.bytes -= old.size
		old.release()
		evicted++
	}
	if q.full(f.size) {
		return evicted, fault.Reasoned(fault.TryLater, "queue_full", "%d bytes wait for the peer already", q.bytes)
	}
	if q.waiting == len(q.ring) {
		q.grow()
	}
	q.ring[(q.first+q.waiting)&(len(q.ring)-1)] = f
	q.waiting++
	q.bytes += f.size
	return evicted, nil
}

func (q *queue) full(size int64) bool {
	return q.bytes+size > q.limits.Bytes || q.waiting >= q.limits.Frames
}

func (q *queue) grow() {
	ring := make([]frame, max(16, 2*len(q.ring)))
	n := copy(ring, q.ring[q.first:])
	copy(ring[n:], q.ring[:q.first])
	q.ring, q.first = ring, 0
}

func (q *queue) pop() frame {
	f := q.ring[q.first]
	q.ring[q.first] = frame{}
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.waiting--
	return f
}

// take appends waiting frames to dst: at least one if there is one, and no more than about takeBytes. Each must be
// settled.
func (q *queue) take(dst []frame) []frame {
	q.mu.Lock()
	defer q.mu.Unlock()
	var taken int64
	for q.waiting > 0 && (taken == 0 || taken+q.ring[q.first].size <= takeBytes) {
		taken += q.ring[q.first].size
		dst = append(dst, q.pop())
	}
	return dst
}

// settle forgets frames that were taken, written or not.
func (q *queue) settle(taken []frame) {
	var bytes int64
	for i := range taken {
		bytes += taken[i].size
		taken[i].release()
	}
	q.mu.Lock()
	q.bytes -= bytes
	q.mu.Unlock()
}

// refuse drops all that waits and answers every push with err; nil accepts again.
func (q *queue) refuse(err error, reason string) {
	q.mu.Lock()
	q.refusal = err
	var dropped []frame
	if err != nil {
		for q.waiting > 0 {
			dropped = append(dropped, q.pop())
		}
		q.ring, q.first = nil, 0
	}
	q.mu.Unlock()
	if len(dropped) > 0 {
		q.dropped(len(dropped), reason)
	}
	q.settle(dropped)
}

func (q *queue) size() (frames int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting, q.bytes
}
