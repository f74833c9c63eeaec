// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
)

// recordsBytes is how much of encrypted records is gathered before it goes to the kernel: a TLS record is 16 KiB, and a
// system call for each of them costs as much as encrypting it.
const recordsBytes = 256 << 10

// gathering is TLS whose writes reach the kernel in few large pieces. What one Write gives is on its way when it
// returns; nothing waits for a later one.
type gathering struct {
	credentials.TransportCredentials
}

// ClientHandshake puts a gatherer below TLS.
func (g gathering) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	below := &gatherer{Conn: raw}
	c, info, err := g.TransportCredentials.ClientHandshake(ctx, authority, below)
	if err != nil {
		return nil, nil, err
	}
	return &gatheredConn{Conn: c, below: below}, info, nil
}

// Clone copies the credentials.
func (g gathering) Clone() credentials.TransportCredentials {
	return gathering{g.TransportCredentials.Clone()}
}

// gatheredConn is what gRPC sees.
type gatheredConn struct {
	net.Conn
	below *gatherer
}

// Write encrypts b, and then hands all its records to the kernel.
func (c *gatheredConn) Write(b []byte) (int, error) {
	c.below.hold()
	n, err := c.Conn.Write(b)
	if flushed := c.below.flush(); err == nil {
		err = flushed
	}
	return n, err
}

// gatherer keeps what is written while it holds. TLS also writes when nobody holds (the handshake, alerts, key updates):
// that passes at once.
type gatherer struct {
	net.Conn
	mu      sync.Mutex
	holding bool
	kept    []byte
}

func (g *gatherer) hold() {
	g.mu.Lock()
	g.holding = true
	g.mu.Unlock()
}

// Write keeps b, or passes all there is.
func (g *gatherer) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kept = append(g.kept, b...); !g.holding || len(g.kept) >= recordsBytes {
		if err := g.pass(); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (g *gatherer) flush() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holding = false
	return g.pass()
}

func (g *gatherer) pass() error {
	if len(g.kept) == 0 {
		return nil
	}
	_, err := g.Conn.Write(g.kept)
	g.kept = g.kept[:0]
	return err
}
