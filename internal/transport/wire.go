// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is the connection below TLS. It gathers records, because TLS writes each of at most 16 KiB by itself, and it ends a
// connection on which nothing comes any more.
type wire struct {
	net.Conn
	idleMax  time.Duration // a read fails after so long without a byte; 0 = never
	lastRead atomic.Int64  // Unix nanoseconds
	records  atomic.Int64  // written

	mu     sync.Mutex // TLS may answer a peer's message on the reader's goroutine
	gather bool       // guarded by mu
	buffer []byte     // guarded by mu
}

// startGathering makes writes wait for flush, up to bytes.
func (w *wire) startGathering(bytes int) {
	w.mu.Lock()
	w.gather, w.buffer = true, make([]byte, 0, bytes)
	w.mu.Unlock()
}

// Read waits at most idleMax.
func (w *wire) Read(p []byte) (int, error) {
	if w.idleMax > 0 {
		if err := w.SetReadDeadline(time.Now().Add(w.idleMax)); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.lastRead.Store(time.Now().UnixNano())
	}
	return n, err
}

// Write takes one record.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records.Add(1)
	if !w.gather {
		return w.Conn.Write(p)
	}
	if len(w.buffer)+len(p) > cap(w.buffer) {
		if err := w.flushLocked(); err != nil {
			return 0, err
		}
	}
	if len(p) > cap(w.buffer) {
		return w.Conn.Write(p)
	}
	w.buffer = append(w.buffer, p...)
	return len(p), nil
}

// flush writes what was gathered.
func (w *wire) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushLocked()
}

func (w *wire) flushLocked() error {
	if len(w.buffer) == 0 {
		return nil
	}
	_, err := w.Conn.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return err
}

// lastReadTime is when a byte came last; zero for never.
func (w *wire) lastReadTime() time.Time {
	if nanos := w.lastRead.Load(); nanos != 0 {
		return time.Unix(0, nanos)
	}
	return time.Time{}
}
