// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
)

// Bounds of the connections to validators.
const (
	ConnectionsPerValidator = 2
	callFailuresMax         = 3                      // in a row, until a validator is left out
	callPatience            = 500 * time.Millisecond // a call that timed out before does not count
	skipPause               = 2 * time.Second
	reconnectMin            = 100 * time.Millisecond
	reconnectMax            = 2 * time.Second
	connectTimeout          = 5 * time.Second
	keepaliveIdle           = 20 * time.Second
	keepaliveTimeout        = 10 * time.Second
)

// pool is the validators, and connections to them that stay open. It is safe for concurrent use.
type pool struct {
	credentials credentials.TransportCredentials
	metrics     *metrics
	changed     func() // told when it may have changed how many are up

	mu         sync.RWMutex
	validators []*validator // guarded by mu
	keepers    sync.WaitGroup
}

// validator is one of them.
type validator struct {
	address   string
	conns     []*grpc.ClientConn
	stop      context.CancelFunc
	failures  atomic.Int32 // calls in a row
	skipUntil atomic.Int64 // Unix nanoseconds
}

func newPool(c credentials.TransportCredentials, m *metrics, changed func()) *pool {
	return &pool{credentials: c, metrics: m, changed: changed}
}

// follow takes the list of validators as it is now. Calls at one that is not on it any more end as lost.
func (p *pool) follow(addresses []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var next []*validator
	for _, a := range addresses {
		at := slices.IndexFunc(p.validators, func(v *validator) bool { return v.address == a })
		if at >= 0 {
			next = append(next, p.validators[at])
			continue
		}
		v, err := p.open(a)
		if err != nil {
			return err
		}
		next = append(next, v)
	}
	for _, v := range p.validators {
		if !slices.Contains(next, v) {
			v.close()
			p.metrics.forget(v.address)
		}
	}
	p.validators = next
	return nil
}

// open begins to connect to a validator.
func (p *pool) open(address string) (*validator, error) {
	ctx, stop := context.WithCancel(context.Background()) //lint:context a connection lives as long as its validator is on the list
	v := &validator{address: address, stop: stop}
	for range ConnectionsPerValidator {
		c, err := grpc.NewClient("passthrough:///"+address, append(grpcapi.PassOptions(), p.options()...)...)
		if err != nil {
			v.close()
			return nil, fault.Wrap(fault.Invalid, err, "set up a connection to %s", address)
		}
		v.conns = append(v.conns, c)
		p.keepers.Go(func() { p.keep(ctx, c) })
	}
	return v, nil
}

func (p *pool) options() []grpc.DialOption {
	wait := backoff.DefaultConfig
	wait.BaseDelay, wait.MaxDelay = reconnectMin, reconnectMax
	return []grpc.DialOption{
		grpc.WithTransportCredentials(p.credentials),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // what is lost is not sent again unseen
		grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveIdle, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: connectTimeout}),
	}
}

// keep keeps a connection open until ctx ends: gRPC lets one rest that was lost.
func (p *pool) keep(ctx context.Context, c *grpc.ClientConn) {
	for {
		state := c.GetState()
		if state == connectivity.Idle {
			c.Connect()
		}
		p.changed()
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

// close ends all connections.
func (p *pool) close() {
	p.mu.Lock()
	for _, v := range p.validators {
		v.close()
	}
	p.validators = nil
	p.mu.Unlock()
	p.keepers.Wait()
}

// ready is a connection that is up, of those the one that a key falls on; nil if there is none.
func (v *validator) ready(key uint32) *grpc.ClientConn {
	for i := range v.conns {
		c := v.conns[(int(key)+i)%len(v.conns)]
		if c.GetState() == connectivity.Ready {
			return c
		}
	}
	return nil
}

func (v *validator) skipped(now time.Time) bool { return now.UnixNano() < v.skipUntil.Load() }

// choice is a validator to call, and a connection to it.
type choice struct {
	*validator
	conn *grpc.ClientConn
}

// choices lists the validators that are up, in the order in which a key asks them: those that fail last.
func (p *pool) choices(key uint32) []choice {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var well, skipped []choice
	now := time.Now()
	for i := range p.validators {
		v := p.validators[(int(key%uint32(len(p.validators)))+i)%len(p.validators)]
		c := v.ready(key / uint32(len(p.validators)))
		switch {
		case c == nil:
		case v.skipped(now):
			skipped = append(skipped, choice{v, c})
		default:
			well = append(well, choice{v, c})
		}
	}
	return append(well, skipped...)
}

// up counts the validators that are connected and not left out.
func (p *pool) up() (n int) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	now := time.Now()
	for _, v := range p.validators {
		if v.ready(0) != nil && !v.skipped(now) {
			n++
		}
	}
	return n
}

// connected reports whether any validator can be called.
func (p *pool) connected() bool { return len(p.choices(0)) > 0 }

// note counts how a call at a validator ended, and how long it took.
func (p *pool) note(v *validator, code codes.Code, took time.Duration) {
	switch {
	case code == codes.Canceled, code == codes.DeadlineExceeded && took < callPatience:
		return // the client's doing: it says nothing of the validator
	case code == codes.Unavailable, code == codes.DeadlineExceeded:
		if v.failures.Add(1) < callFailuresMax || v.skipped(time.Now()) {
			return
		}
		v.skipUntil.Store(time.Now().Add(skipPause).UnixNano())
		p.metrics.skips.WithLabelValues(v.address).Inc()
	default:
		v.failures.Store(0)
		v.skipUntil.Store(0)
	}
}
