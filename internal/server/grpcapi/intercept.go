// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// panicked is the fault of a handler that panicked, until the interceptor has counted and logged it.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return "a handler panicked" }

// recoverInto turns a panic into an error. Use it deferred.
func recoverInto(err *error) {
	if p := recover(); p != nil {
		*err = &panicked{value: p, stack: debug.Stack()}
	}
}

// gate stands before every handler: it limits, recovers, counts and translates errors.
type gate struct {
	log     *slog.Logger
	metrics *metrics
	unary   chan struct{}       // a place for each unary call under way
	height  func() chain.Height // newest certified; nil: this edge passes calls on
	streams peerLimit
	serving serving
}

func (g *gate) unaryCall(ctx context.Context, q any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	method, began := methodName(info.FullMethod), time.Now()
	defer func() {
		err = g.end(ctx, method, err)
		g.metrics.seconds.WithLabelValues(method).Observe(time.Since(began).Seconds())
	}()
	defer recoverInto(&err)
	select {
	case g.unary <- struct{}{}:
		defer func() { <-g.unary }()
	default:
		return nil, fault.Reasoned(fault.TryLater, "calls_full", "%d calls are under way: try again in a moment", cap(g.unary))
	}
	if err := g.catchUp(ctx); err != nil {
		return nil, err
	}
	if err := g.serving.admit(info.FullMethod); err != nil {
		return nil, err
	}
	return handle(ctx, q)
}

func (g *gate) streamCall(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	ctx, method := stream.Context(), methodName(info.FullMethod)
	defer func() { err = g.end(ctx, method, err) }()
	defer recoverInto(&err)
	if err := g.serving.admit(info.FullMethod); err != nil {
		return err
	}
	host := peerHost(ctx)
	if !g.streams.enter(host) {
		return fault.Reasoned(fault.TryLater, "streams_full", "%d streams of this peer are open: close one first", g.streams.max)
	}
	defer g.streams.leave(host)
	return handle(srv, stream)
}

// end counts a call and gives its error the form in which it leaves.
func (g *gate) end(ctx context.Context, method string, err error) error {
	g.report(ctx, method, err)
	out := statusOf(err)
	g.metrics.requests.WithLabelValues(method, status.Code(out).String()).Inc()
	return out
}

// report counts a refusal by its reason, and logs what has no kind: its text leaves the node in no other way.
func (g *gate) report(ctx context.Context, method string, err error) {
	if err == nil {
		return
	}
	if p, ok := err.(*panicked); ok {
		g.metrics.panics.Inc()
		g.log.ErrorContext(ctx, "a gRPC handler panicked", "method", method, "panic", p.value, "stack", string(p.stack))
		return
	}
	if _, own := err.(interface{ GRPCStatus() *status.Status }); own {
		return
	}
	if fault.Is(err, fault.Internal) {
		g.log.ErrorContext(ctx, "a gRPC call failed", "method", method, "error", err.Error())
	}
	g.metrics.refusals.WithLabelValues(fault.ReasonOf(err)).Inc()
}

func peerHost(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return p.Addr.String()
	}
	return host
}

// peerLimit bounds the open streams of each peer's host.
type peerLimit struct {
	max  int
	mu   sync.Mutex
	open map[string]int // guarded by mu; hosts with a stream only
}

func (l *peerLimit) enter(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[host] >= l.max {
		return false
	}
	l.open[host]++
	return true
}

func (l *peerLimit) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[host]--; l.open[host] == 0 {
		delete(l.open, host)
	}
}
