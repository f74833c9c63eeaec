// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"bytes"
	"io"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// headerBytes is what a frame counts beside its body, as on the wire.
const headerBytes = 5

// flight is a frame on its way.
type flight struct {
	due   time.Duration
	order uint64
	kind  uint8
	bytes int
	head  []byte
	body  transport.Body
}

func (f flight) before(g flight) bool {
	return f.due < g.due || (f.due == g.due && f.order < g.order)
}

func (f flight) size() int64 { return int64(headerBytes + f.bytes) }

func (f flight) reader() io.Reader {
	if f.body == nil {
		return bytes.NewReader(f.head)
	}
	return io.MultiReader(bytes.NewReader(f.head), bytes.NewReader(f.body.Payload()))
}

// copied is the same frame in memory of its own.
func (f flight) copied() flight {
	if f.body != nil {
		f.head = append(bytes.Clone(f.head), f.body.Payload()...)
		f.body = nil
	}
	return f
}

func (f flight) release() {
	if f.body != nil {
		f.body.Release()
	}
}

// lane is the way of one class from one node to another: queue and connection in one.
type lane struct {
	from, to  chain.ValidatorNo
	class     transport.Class
	flights   []flight // in the order of delivery
	bytes     int64
	lastDue   time.Duration
	down      bool
	downSince time.Duration
	upSince   time.Duration
	connects  uint64
	dropped   uint64
	lastErr   string
}

// accept makes room for a frame, or says why there is none.
func (l *lane) accept(size int64, limits transport.Limits, now time.Duration) error {
	if l.dead(now) {
		l.dropped++
		return fault.Reasoned(fault.TryLater, "disconnected", "validator %d is not connected", l.to)
	}
	full := func() bool { return l.bytes+size > limits.Bytes || len(l.flights) >= limits.Frames }
	for full() && l.class == transport.Consensus && len(l.flights) > 0 {
		l.pop().release()
		l.dropped++
	}
	if full() {
		l.dropped++
		return fault.Reasoned(fault.TryLater, "queue_full", "%d bytes wait for the peer already", l.bytes)
	}
	return nil
}

// insert puts a frame in its place by due time. Without reorder it goes behind the last.
func (l *lane) insert(f flight, reorder bool) {
	if !reorder {
		f.due = max(f.due, l.lastDue)
	}
	l.lastDue = max(l.lastDue, f.due)
	at := len(l.flights)
	for at > 0 && f.before(l.flights[at-1]) {
		at--
	}
	l.flights = append(l.flights, flight{})
	copy(l.flights[at+1:], l.flights[at:])
	l.flights[at] = f
	l.bytes += f.size()
}

func (l *lane) pop() flight {
	f := l.flights[0]
	l.flights = l.flights[1:]
	l.bytes -= f.size()
	return f
}

// lose drops all that is under way.
func (l *lane) lose(reason string) {
	l.dropped += uint64(len(l.flights))
	for _, f := range l.flights {
		f.release()
	}
	l.flights, l.bytes, l.lastErr = nil, 0, reason
}

func (l *lane) connect(up bool, now time.Duration) {
	switch {
	case up && l.down:
		l.down, l.upSince = false, now
		l.connects++
	case !up && !l.down:
		l.down, l.downSince = true, now
		l.lose("connection_lost")
	}
}

func (l *lane) dead(now time.Duration) bool {
	return l.down && now-l.downSince >= transport.DefaultDeadAfter
}

func (l *lane) expire(now time.Duration) {
	if l.dead(now) && len(l.flights) > 0 {
		l.lose("disconnected")
	}
}
