// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bufio"
	"crypto/tls"
	"io"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// incoming is a connection for what a peer sends. Its own goroutine answers pings and beats while a Receiver holds the
// reader up, so that back-pressure is never taken for death.
type incoming struct {
	t     *TCP
	peer  *peer
	class Class
	wire  *wire
	conn  *tls.Conn
	r     *bufio.Reader
	since time.Time
	pings chan [pingBytes]byte
	gone  chan struct{}
	once  sync.Once

	frames int   // read and not yet counted
	bytes  int64 // of them
}

func newIncoming(t *TCP, p *peer, c Class, w *wire, conn *tls.Conn) *incoming {
	return &incoming{
		t: t, peer: p, class: c, wire: w, conn: conn, r: bufio.NewReaderSize(conn, recordBytesMax), since: time.Now(),
		pings: make(chan [pingBytes]byte, 1), gone: make(chan struct{}),
	}
}

// end closes the connection. It does not wait.
func (c *incoming) end() {
	c.once.Do(func() {
		close(c.gone)
		c.wire.Close()
	})
}

// run reads until the connection ends.
func (c *incoming) run() {
	defer c.end()
	s := c.peer.seats[c.class]
	if !s.take(c) {
		return
	}
	defer s.give(c)
	c.t.metrics.connections[directionIn][c.class].Inc()
	defer c.t.metrics.connections[directionIn][c.class].Dec()
	c.t.work.Go(c.beat)
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-c.gone:
		return
	}
	if err := c.read(); err != nil {
		c.fail(err)
	}
}

func (c *incoming) fail(err error) {
	select {
	case <-c.gone:
		return
	default:
	}
	err = asConnectionError(err)
	reason := fault.ReasonOf(err)
	c.t.metrics.failures.WithLabelValues(c.class.String(), reason).Inc()
	c.t.complaints.say(complaint{reason, int(c.peer.no), c.class}, "the "+c.class.String()+" connection of a validator ended", err)
}

// read hands frames over, one after the other. An end between two frames is no error.
func (c *incoming) read() error {
	body := bodyReader{r: c.r}
	defer c.count()
	for {
		kind, n, err := readHeader(c.r, c.class)
		if err == io.EOF || (err == nil && kind == kindControl && n == 0) {
			return nil // the end, or a goodbye
		}
		if err != nil {
			return err
		}
		if kind == kindControl {
			if err := c.pinged(); err != nil {
				return err
			}
			continue
		}
		body.left = n
		if err := c.t.receiver.Frame(c.peer.no, c.class, kind, n, &body); err != nil && body.err == nil {
			return &fault.Error{Kind: fault.KindOf(err), Reason: "receiver", Text: "the frame was not accepted", Cause: err}
		}
		if err := body.skip(); err != nil {
			return err
		}
		c.frames++
		c.bytes += int64(frameBytes(n))
		if c.r.Buffered() == 0 {
			c.count()
		}
	}
}

func (c *incoming) count() {
	c.t.metrics.count(directionIn, c.class, c.frames, c.bytes)
	c.frames, c.bytes = 0, 0
}

func (c *incoming) pinged() error {
	var b [pingBytes]byte
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return err
	}
	select {
	case c.pings <- b:
	default: // the answer before is still under way
	}
	return nil
}

// beat answers pings, and shows once an interval that this side lives.
func (c *incoming) beat() {
	ticker := time.NewTicker(c.t.opts.PingInterval)
	defer ticker.Stop()
	var b [headerBytes + pingBytes]byte
	for {
		message := b[:headerBytes]
		select {
		case <-c.gone:
			return
		case <-ticker.C:
			putHeader(message, kindControl, 0)
		case ping := <-c.pings:
			message = b[:]
			putHeader(message, kindControl, pingBytes)
			copy(message[headerBytes:], ping[:])
		}
		err := c.wire.SetWriteDeadline(time.Now().Add(c.t.opts.DeadAfter))
		if err == nil {
			_, err = c.conn.Write(message)
		}
		if err != nil {
			c.end()
			return
		}
	}
}
