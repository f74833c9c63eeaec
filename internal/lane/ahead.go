// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Bounds of reading ahead.
const (
	aheadReads    = 4       // under way at a time
	aheadQueueMax = 256     // entries to be read; what comes at the bound is read when it is fetched
	aheadBytesMax = 4 << 20 // of payloads read ahead and not forgotten
)

// readsAhead runs the readers until ctx ends.
func (r *Relay) readsAhead(ctx context.Context) *sync.WaitGroup {
	readers := &sync.WaitGroup{}
	for range aheadReads {
		readers.Go(func() {
			for {
				select {
				case d := <-r.ahead:
					r.readAhead(d)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return readers
}

// wantRead lets a payload be read back that is on disk only.
func (r *Relay) wantRead(d chain.Hash) {
	select {
	case r.ahead <- d:
	default:
	}
}

// readAhead reads a payload back before it is fetched, unless it is in memory, or would be too much. Who executes would else
// wait for the disk once an entry: measured on a virtual disk, half of the time of a node that catches up. What cannot be read
// is found out by Fetch.
func (l *Lane) readAhead(digest chain.Hash) {
	l.heldMu.Lock()
	s := l.held[digest]
	if s == nil || !s.durable || s.bytes != nil || s.coming != nil || l.aheadBytes+int64(s.Entry.Bytes) > aheadBytesMax {
		l.heldMu.Unlock()
		return
	}
	s.pinned, s.coming = true, make(chan struct{})
	if !s.ahead {
		s.ahead = true
		l.aheadBytes += int64(s.Entry.Bytes)
	}
	l.heldMu.Unlock()
	rec, err := l.log.Read(s.Pos)
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	if err == nil && s.bytes == nil {
		s.bytes = rec.Payload
	}
	close(s.coming)
	s.coming = nil
}
