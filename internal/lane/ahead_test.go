// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// readAheadNow says how many of the entries are in memory that were read ahead, and what they count as.
func (m *member) readAheadNow(digests []chain.Hash) (n int, bytes int64) {
	m.heldMu.Lock()
	defer m.heldMu.Unlock()
	for _, d := range digests {
		if s := m.held[d]; s != nil && s.ahead && s.bytes != nil && s.buffer == nil {
			n++
		}
	}
	return n, m.aheadBytes
}

// TestReadsAhead: what is on disk only is in memory before it is fetched, up to the bound, and what is not is fetched all the
// same.
func TestReadsAhead(t *testing.T) {
	const entries, room, size = 15, 9, 30_000
	const others = aheadBytesMax - room*size - size/2 // bytes that count already
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		for range entries {
			c.members[0].put("", size)
		}
		settle(2 * time.Second)
		m := c.members[2]
		m.close()
		m.open(Position{}, make([]Place, 4))
		settle(3 * time.Second)
		wanted := m.offers()
		if n, bytes := m.readAheadNow(wanted); len(wanted) != entries || n != 0 || bytes != 0 {
			t.Fatalf("of %d entries %d are in memory after a restart, %d bytes", len(wanted), n, bytes)
		}
		m.heldMu.Lock()
		m.aheadBytes = others
		m.heldMu.Unlock()
		m.Want(wanted)
		m.Want(wanted)
		settle(time.Second)
		if n, bytes := m.readAheadNow(wanted); n != room || bytes != others+room*size {
			t.Errorf("%d of %d entries were read ahead, %d bytes; there was room for %d", n, entries, bytes, room)
		}
		for _, d := range wanted {
			if s, err := m.Fetch(context.Background(), d); err != nil || codec.Sum(s.Payload()) != s.Entry.Payload {
				t.Fatalf("%+v, %v", s, err)
			}
			m.Forget(d)
		}
		if n, bytes := m.readAheadNow(wanted); n != 0 || bytes != others {
			t.Errorf("%d entries, %d bytes count as read ahead after all are forgotten", n, bytes)
		}
		m.Want(wanted) // nobody has them any more in memory: nothing is read
		settle(10 * time.Millisecond)
	})
}

// TestFetchAwaitsReadAhead: who fetches while an entry is read ahead gets what that read gave.
func TestFetchAwaitsReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		c.members[0].put("one", 100)
		settle(2 * time.Second)
		m := c.members[1]
		d := m.offers()[0]
		m.heldMu.Lock()
		s := m.held[d]
		coming := make(chan struct{})
		payload := s.bytes
		s.coming, s.bytes = coming, nil
		m.heldMu.Unlock()
		got := make(chan *Stored)
		go func() {
			s, err := m.Fetch(context.Background(), d)
			if err != nil {
				t.Error(err)
			}
			got <- s
		}()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("it did not wait")
		default:
		}
		m.heldMu.Lock()
		s.coming, s.bytes = nil, payload
		m.heldMu.Unlock()
		close(coming)
		if s := <-got; codec.Sum(s.Payload()) != s.Entry.Payload {
			t.Errorf("%+v", s)
		}
	})
}
