// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// sending knows whether a request may have been sent: it was given a connection. When the library asks for another one, it has written
// nothing on the first.
type sending struct {
	connected atomic.Bool
	// lost is called when the connection has ended; nil: nobody wants to know.
	lost func()
}

func (s *sending) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.connected.Store(false) },
		GotConn: func(got httptrace.GotConnInfo) {
			s.connected.Store(true)
			if s.lost != nil {
				go waitClosed(got.Conn, s.lost)
			}
		},
	})
}

// conn is a connection that says when it is closed, from whichever side.
type conn struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: dialMax}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, closed: make(chan struct{})}, nil
}

// Close closes the connection.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// waitClosed calls lost when a connection has been closed. The library closes one whose server has gone.
func waitClosed(c net.Conn, lost func()) {
	if inner, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = inner.NetConn()
	}
	if own, ok := c.(*conn); ok {
		<-own.closed
		lost()
	}
}

// failed is the error of a request that got no answer.
func (s *sending) failed(err error) error {
	if s.connected.Load() {
		return unknown(err)
	}
	return &fault.Error{
		Kind: fault.TryLater, Reason: ReasonUnsent, Cause: err,
		Text: "The ledger that serves the account cannot be reached: nothing was done, send it again in a moment",
	}
}

func unknown(err error) error {
	return &fault.Error{
		Kind: fault.Timeout, Reason: ReasonUnknown, Cause: err,
		Text: "the ledger that serves the account was asked and did not answer: nobody knows yet what became of it",
	}
}
