// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// classBytes are the sizes of buffer memory. 544 KiB takes a full client batch: head page, 1 KiB, 8,192 records of 64
// bytes, and some room.
var classBytes = [...]int{
	4 << 10, 8 << 10, 16 << 10, 64 << 10, 256 << 10, 544 << 10, 1 << 20, 2 << 20, 4 << 20, 8 << 20, PayloadBytesMax + PageBytes,
}

// Pool lends Buffers. Several users may share one: the network edge fills buffers before it knows the log they go to.
// BytesMax bounds all that are lent; at the bound Get blocks and TryGet sheds. Memory comes back to the operating
// system when more than IdleBytesMax lies idle, so memory in use plus that is the most a pool ever holds.
type Pool struct {
	bytesMax, idleBytesMax int64
	room                   *semaphore.Weighted
	lent                   atomic.Int64

	mu        sync.Mutex
	idle      [len(classBytes)][][]byte // guarded by mu
	idleBytes int64                     // guarded by mu
}

// NewPool makes a pool. bytesMax must hold at least one of the buffers asked for; idleBytesMax may be 0.
func NewPool(bytesMax, idleBytesMax int64) *Pool {
	return &Pool{bytesMax: bytesMax, idleBytesMax: idleBytesMax, room: semaphore.NewWeighted(bytesMax)}
}

// Get lends a buffer for a payload of n bytes. At the bound it waits, in order of asking, until ctx ends: TryLater.
func (p *Pool) Get(ctx context.Context, n int) (*Buffer, error) {
	class, err := p.class(n)
	if err != nil {
		return nil, err
	}
	if err := p.room.Acquire(ctx, int64(classBytes[class])); err != nil {
		return nil, fault.Wrap(fault.TryLater, err, "no memory for a payload of %d bytes became free", n)
	}
	return p.lend(class, n)
}

// TryGet is Get that answers TryLater at once instead of waiting.
func (p *Pool) TryGet(n int) (*Buffer, error) {
	class, err := p.class(n)
	if err != nil {
		return nil, err
	}
	if !p.room.TryAcquire(int64(classBytes[class])) {
		return nil, fault.Reasoned(fault.TryLater, "buffers_full", "all %d bytes of buffers are in use", p.bytesMax)
	}
	return p.lend(class, n)
}

// LentBytes is the memory of all buffers that are out.
func (p *Pool) LentBytes() int64 { return p.lent.Load() }

// IdleBytes is the memory that waits to be lent again.
func (p *Pool) IdleBytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idleBytes
}

// Trim gives all idle memory back to the operating system.
func (p *Pool) Trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.idle {
		for _, mem := range p.idle[c] {
			free(mem)
		}
		p.idle[c] = nil
	}
	p.idleBytes = 0
}

func (p *Pool) class(n int) (int, error) {
	if n < 0 || n > PayloadBytesMax {
		return 0, fault.Reasoned(fault.Invalid, "payload_too_large", "a payload of %d bytes exceeds the bound of %d", n, PayloadBytesMax)
	}
	class := classOf(recordBytes(n))
	if int64(classBytes[class]) > p.bytesMax {
		return 0, fault.Reasoned(fault.Invalid, "payload_too_large", "a payload of %d bytes exceeds the pool's bound of %d", n, p.bytesMax)
	}
	return class, nil
}

func classOf(bytes int) int {
	c := 0
	for classBytes[c] < bytes {
		c++
	}
	return c
}

func (p *Pool) lend(class, n int) (*Buffer, error) {
	mem := p.take(class)
	if mem == nil {
		var err error
		if mem, err = disk.Alloc(classBytes[class]); err != nil {
			p.room.Release(int64(classBytes[class]))
			return nil, fault.Wrap(fault.TryLater, err, "the system has no memory for a buffer")
		}
	}
	p.lent.Add(int64(len(mem)))
	clear(mem[:PageBytes])
	b := &Buffer{pool: p, mem: mem, payload: n}
	b.refs.Store(1)
	return b, nil
}

func (p *Pool) take(class int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle[class]) - 1
	if last < 0 {
		return nil
	}
	mem := p.idle[class][last]
	p.idle[class] = p.idle[class][:last]
	p.idleBytes -= int64(len(mem))
	return mem
}

func (p *Pool) put(mem []byte) {
	p.lent.Add(-int64(len(mem)))
	p.mu.Lock()
	keep := p.idleBytes+int64(len(mem)) <= p.idleBytesMax
	if keep {
		class := classOf(len(mem))
		p.idle[class] = append(p.idle[class], mem)
		p.idleBytes += int64(len(mem))
	}
	p.mu.Unlock()
	if !keep {
		free(mem)
	}
	p.room.Release(int64(len(mem)))
}

func free(mem []byte) {
	err := disk.Free(mem)
	fault.Invariant(err == nil, "buffer memory cannot be freed: %v", err)
}
