// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	_ "google.golang.org/grpc/health" // follows the health of who is connected
	"google.golang.org/grpc/keepalive"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Times of connections.
const (
	reconnectMin     = 100 * time.Millisecond
	reconnectMax     = 2 * time.Second
	connectTimeout   = 5 * time.Second
	keepaliveIdle    = 20 * time.Second
	keepaliveTimeout = 10 * time.Second
)

// healthConfig has each connection follow its validator's health: one that lets nobody in, because it starts, stops or is late, is not
// ready, and nothing is asked of it. Who does not know the question counts as well.
const healthConfig = `{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":"aurigraph.ledger.v1.Ledger"}}`

// Conn is a connection to one validator. Do and Stream hand it out as a grpc.ClientConnInterface.
type Conn struct {
	*grpc.ClientConn
	of *validator
}

// Address is the validator's.
func (c *Conn) Address() string { return c.of.address }

// AddressOf is the validator's address of a connection that Do or Stream handed out; empty for another one.
func AddressOf(conn grpc.ClientConnInterface) string {
	if c, ok := conn.(*Conn); ok {
		return c.Address()
	}
	return ""
}

// validator is one of a pool's.
type validator struct {
	address string
	conns   []*Conn
	stop    context.CancelFunc
	health  map[Group]*health // each guarded by its group
}

// open begins to connect to a validator.
func (p *Pool) open(address string) (*validator, error) {
	ctx, stop := context.WithCancel(context.Background()) //lint:context a connection lives as long as its validator is on the list
	v := &validator{address: address, stop: stop, health: map[Group]*health{}}
	for _, g := range Groups() {
		v.health[g] = &health{}
	}
	for range p.cfg.ConnectionsPerValidator {
		c, err := grpc.NewClient("passthrough:///"+address, append(p.options(), p.parts.DialOptions...)...)
		if err != nil {
			v.close()
			return nil, fault.Wrap(fault.Invalid, err, "set up a connection to %s", address)
		}
		v.conns = append(v.conns, &Conn{ClientConn: c, of: v})
		p.keepers.Go(func() { p.keep(ctx, c) })
	}
	return v, nil
}

func (p *Pool) options() []grpc.DialOption {
	wait := backoff.DefaultConfig
	wait.BaseDelay, wait.MaxDelay = reconnectMin, reconnectMax
	return []grpc.DialOption{
		grpc.WithTransportCredentials(p.parts.Credentials),
		grpc.WithDisableServiceConfig(), // that of a resolver
		grpc.WithDefaultServiceConfig(healthConfig),
		grpc.WithDisableRetry(), // what is lost is not sent again unseen
		grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveIdle, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: connectTimeout}),
	}
}

// keep keeps a connection open until ctx ends: gRPC lets one rest that was lost.
func (p *Pool) keep(ctx context.Context, c *grpc.ClientConn) {
	for {
		state := c.GetState()
		if state == connectivity.Idle {
			c.Connect()
		}
		p.parts.Changed()
		if !c.WaitForStateChange(ctx, state) {
			return
		}
	}
}

func (v *validator) close() {
	v.stop()
	for _, c := range v.conns {
		_ = c.Close() // it says only that it was closed before
	}
}

// ready is a connection that is up, of those the one that a key falls on; nil if there is none.
func (v *validator) ready(key uint32) *Conn {
	n := uint32(len(v.conns))
	for i := range n {
		c := v.conns[(key%n+i)%n]
		if c.GetState() == connectivity.Ready {
			return c
		}
	}
	return nil
}
