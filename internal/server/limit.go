// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net"
	"sync"
)

// Limit bounds the open connections of a listener: at the bound it accepts none until one closes. Unlike netutil.LimitListener its
// connections say what they wrap (NetConn), so that a server can reach the socket.
func Limit(l net.Listener, connectionsMax int) net.Listener {
	return &limiter{Listener: l, places: make(chan struct{}, connectionsMax), closed: make(chan struct{})}
}

type limiter struct {
	net.Listener
	places chan struct{} // one for each open connection
	close  sync.Once
	closed chan struct{}
}

// Accept waits for a place, then for a connection.
func (l *limiter) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: c, limiter: l}, nil
}

// Close ends the wait for a place as well.
func (l *limiter) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	limiter *limiter
	leave   sync.Once
}

// NetConn is the connection below.
func (c *limitedConn) NetConn() net.Conn { return c.Conn }

// Close gives the place back, once.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.leave.Do(func() { <-c.limiter.places })
	return err
}
