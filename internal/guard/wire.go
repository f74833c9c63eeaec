// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of connections to a ledger.
const (
	connectionsMax    = 1024
	connectionIdleMax = 4 * time.Second // below what servers keep an idle connection for
	wireBufferBytes   = 4 << 10
)

// wire sends gathered requests to a ledger over connections that it keeps. Whoever calls writes and reads by himself: with the library's two
// goroutines for each connection, a payment waits twice more for a processor. And it is exact about what was sent: nothing is sent again.
type wire struct {
	base *url.URL
	port string
	open chan struct{} // full while connectionsMax are

	mu   sync.Mutex
	idle []*wireConn // the newest last
}

// wireConn is a connection, used by one request at a time.
type wireConn struct {
	net.Conn
	in    *bufio.Reader
	head  *io.LimitedReader // below in: bounds the head of an answer
	out   []byte
	since time.Time // idle
	raw   syscall.RawConn
}

func newWire(base *url.URL) *wire {
	w := &wire{base: base, port: base.Port(), open: make(chan struct{}, connectionsMax)}
	if w.port == "" {
		w.port = base.Scheme
	}
	return w
}

// close lets idle connections go.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.idle {
		w.drop(c)
	}
	w.idle = nil
}

// drop closes a connection. That of a socket which is of no more use cannot fail in a way that matters.
func (w *wire) drop(c *wireConn) {
	_ = c.Close()
	<-w.open
}

// send sends a request once, with one header more, before ctx ends. TryLater: the ledger was not reached, and nothing was done. Timeout:
// nobody knows.
func (w *wire) send(ctx context.Context, q *request, name, value string) (*http.Response, error) {
	for {
		c, used, err := w.take(ctx)
		if err != nil {
			return nil, unsent(err)
		}
		deadline, _ := ctx.Deadline()
		err = c.SetDeadline(deadline)
		n := 0
		if err == nil {
			c.out = appendRequest(c.out[:0], w.base.Host, q, name, value)
			n, err = c.Write(c.out)
		}
		switch {
		case err != nil && n == 0 && used:
			w.drop(c) // the ledger closed it while it was idle
			continue
		case err != nil && n == 0:
			w.drop(c)
			return nil, unsent(err)
		case err != nil:
			w.drop(c)
			return nil, unknown(err)
		}
		return w.answer(c, q)
	}
}

func unsent(err error) error {
	return &fault.Error{
		Kind: fault.TryLater, Reason: reasonUnsent, Cause: err, Text: "The ledger that serves the account cannot be reached: nothing was done, send it again in a moment",
	}
}

func unknown(err error) error {
	return &fault.Error{Kind: fault.Timeout, Reason: reasonUnknown, Cause: err, Text: "the ledger was asked and did not answer: nobody knows yet what became of it"}
}

// answer reads the head of an answer. Its body gives the connection back.
func (w *wire) answer(c *wireConn, q *request) (*http.Response, error) {
	for {
		c.head.N = headerBytesMax
		resp, err := http.ReadResponse(c.in, q.Request)
		c.head.N = math.MaxInt64
		if err != nil {
			w.drop(c)
			return nil, unknown(err)
		}
		if resp.StatusCode < http.StatusOK {
			if resp.StatusCode == http.StatusSwitchingProtocols {
				w.drop(c)
				return nil, unknown(errors.New("the ledger changed the protocol"))
			}
			continue // more is to come
		}
		resp.Body = &wireBody{resp.Body, w, c, resp.Close}
		return resp, nil
	}
}

// wireBody is the body of an answer. Once it has been read whole its connection serves again.
type wireBody struct {
	io.ReadCloser
	wire *wire
	conn *wireConn // nil: given back
	last bool      // the ledger closes the connection
}

// Read reads the body.
func (b *wireBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && b.conn != nil && !b.last {
		b.wire.give(b.conn)
		b.conn = nil
	}
	return n, err
}

// Close ends the connection, unless the body was read whole.
func (b *wireBody) Close() error {
	if b.conn != nil {
		b.wire.drop(b.conn)
		b.conn = nil
	}
	return nil
}

// take returns an idle connection that is open still, or a new one.
func (w *wire) take(ctx context.Context) (c *wireConn, used bool, err error) {
	for {
		c := w.pop()
		if c == nil {
			break
		}
		if time.Since(c.since) < connectionIdleMax && c.alive() {
			return c, true, nil
		}
		w.drop(c)
	}
	select {
	case w.open <- struct{}{}:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	if c, err = w.dial(ctx); err != nil {
		<-w.open
	}
	return c, false, err
}

func (w *wire) pop() *wireConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.idle) == 0 {
		return nil
	}
	last := len(w.idle) - 1
	c := w.idle[last]
	w.idle = w.idle[:last]
	return c
}

func (w *wire) give(c *wireConn) {
	c.since = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = append(w.idle, c)
}

func (w *wire) dial(ctx context.Context) (*wireConn, error) {
	conn, err := (&net.Dialer{Timeout: dialMax}).DialContext(ctx, "tcp", net.JoinHostPort(w.base.Hostname(), w.port))
	if err != nil {
		return nil, err
	}
	c := &wireConn{Conn: conn}
	if socket, ok := conn.(syscall.Conn); ok {
		c.raw, err = socket.SyscallConn()
	}
	if err == nil && w.base.Scheme == "https" {
		secret := tls.Client(conn, &tls.Config{ServerName: w.base.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
		err = secret.HandshakeContext(ctx)
		c.Conn = secret
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.head = &io.LimitedReader{R: c.Conn, N: math.MaxInt64}
	c.in = bufio.NewReaderSize(c.head, wireBufferBytes)
	return c, nil
}

// alive reports whether an idle connection has nothing to read: neither its end nor what nobody asked for.
func (c *wireConn) alive() bool {
	if c.in.Buffered() > 0 || c.raw == nil {
		return false
	}
	quiet := false
	err := c.raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, err := unix.Read(int(fd), one[:])
		quiet = errors.Is(err, unix.EAGAIN)
		return true
	})
	return err == nil && quiet
}

// appendRequest writes a request: the client's headers but those of its connection, and one more.
func appendRequest(b []byte, host string, q *request, name, value string) []byte {
	b = append(append(b, q.Method...), ' ')
	b = append(b, requestPath(q.Request)...)
	if q.URL.RawQuery != "" {
		b = append(append(b, '?'), q.URL.RawQuery...)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	if q.Host != "" {
		host = q.Host
	}
	b = append(append(b, host...), "\r\n"...)
	named := q.Header["Connection"]
	for key, values := range q.Header {
		if !travels(key, named) {
			continue
		}
		for _, v := range values {
			b = appendHeader(b, key, v)
		}
	}
	b = appendHeader(b, name, value)
	b = append(b, "Content-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(q.body)), 10), "\r\n\r\n"...)
	return append(b, q.body...)
}

func appendHeader(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}
