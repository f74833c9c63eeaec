// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Config sets the edge's bounds. Zero values mean the defaults.
type Config struct {
	// TLS secures connections. nil serves in the clear: behind a proxy that ends TLS, and in tests.
	TLS *tls.Config
	// Log takes what must not leave the node. Default slog.DiscardHandler.
	Log *slog.Logger
	// StreamsPerConnectionMax bounds the calls of one connection. At the bound a client waits. Default 256.
	StreamsPerConnectionMax uint32
	// StreamsPerPeerMax bounds the open streams of one host, over all its connections. More are told to try later.
	// Default 512.
	StreamsPerPeerMax int
	// UnaryCallsMax bounds the unary calls under way in the node. More are told to try later. Default 2,048.
	UnaryCallsMax int
	// ShutdownGrace is how long Serve lets calls finish before it cuts them. Default 2 s.
	ShutdownGrace time.Duration
}

func (c *Config) setDefaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.StreamsPerConnectionMax == 0 {
		c.StreamsPerConnectionMax = 256
	}
	if c.StreamsPerPeerMax == 0 {
		c.StreamsPerPeerMax = 512
	}
	if c.UnaryCallsMax == 0 {
		c.UnaryCallsMax = 2048
	}
	if c.ShutdownGrace == 0 {
		c.ShutdownGrace = 2 * time.Second
	}
}

// Bounds of a connection. A peer that passes one is cut off.
const (
	WindowBytes          = 4 << 20 // of a stream and of a connection: what may be on its way unread
	ReceiveBytesMax      = 4<<20 + 64<<10
	SendBytesMax         = 16 << 20 // 1,000 full blocks
	headerBytesMax       = 16 << 10
	handshakeTimeout     = 10 * time.Second
	keepaliveIdle        = 30 * time.Second
	keepaliveTimeout     = 10 * time.Second
	keepaliveIntervalMin = 5 * time.Second
)

// Sizes of a connection's buffers, in bytes. Reading: TLS gives at most one record of 16 KiB at a time, so more is memory
// for nothing (512 KiB and 32 KiB measure the same). Writing: answers are small.
const (
	readBytes  = 32 << 10
	writeBytes = 64 << 10
)

// Server is the edge. Make it with New.
type Server struct {
	grpc    *grpc.Server
	health  *health.Server
	serving *serving
	grace   time.Duration
	stop    chan struct{} // closed when Serve begins to end
}

// service implements the generated interface.
type service struct {
	ledgerv1.UnimplementedLedgerServer
	backend  Backend
	gate     *gate
	stopping chan struct{}
}

// refusal is a fault as the answer to one message of a stream, counted.
func (s *service) refusal(ctx context.Context, err error) *ledgerv1.Fault {
	s.gate.report(ctx, "stream", err)
	return faultOf(err)
}

// New makes an edge to backend. It reports NOT_SERVING until SetServing.
func New(cfg Config, backend Backend, registerer prometheus.Registerer) *Server {
	cfg.setDefaults()
	g := newGate(&cfg, registerer)
	if backend != nil {
		g.height = backend.Height
	}
	g.serving.submits = submits
	s := newServer(&cfg, g)
	ledgerv1.RegisterLedgerServer(s.grpc, &service{backend: backend, gate: g, stopping: s.stop})
	reflection.Register(s.grpc)
	return s
}

func newGate(cfg *Config, registerer prometheus.Registerer) *gate {
	return &gate{
		log:     cfg.Log,
		metrics: newMetrics(registerer),
		unary:   make(chan struct{}, cfg.UnaryCallsMax),
		streams: peerLimit{max: cfg.StreamsPerPeerMax, open: map[string]int{}},
	}
}

// newServer makes an edge that knows no service but health.
func newServer(cfg *Config, g *gate, more ...grpc.ServerOption) *Server {
	s := &Server{
		grpc:    grpc.NewServer(append(options(cfg, g), more...)...),
		health:  health.NewServer(),
		serving: &g.serving,
		grace:   cfg.ShutdownGrace,
		stop:    make(chan struct{}),
	}
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	s.SetServing(false)
	return s
}

func options(cfg *Config, g *gate) []grpc.ServerOption {
	opts := []grpc.ServerOption{
		grpc.ForceServerCodecV2(newWire()),
		experimental.BufferPool(newFramePool()),
		grpc.InitialWindowSize(WindowBytes),
		grpc.InitialConnWindowSize(WindowBytes),
		grpc.ReadBufferSize(readBytes),
		grpc.WriteBufferSize(writeBytes),
		grpc.MaxRecvMsgSize(ReceiveBytesMax),
		grpc.MaxSendMsgSize(SendBytesMax),
		grpc.MaxHeaderListSize(headerBytesMax),
		grpc.MaxConcurrentStreams(cfg.StreamsPerConnectionMax),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveIdle, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveIntervalMin, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(g.unaryCall),
		grpc.StreamInterceptor(g.streamCall),
		grpc.WaitForHandlers(true),
	}
	if cfg.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(cfg.TLS)))
	}
	return opts
}

// Serve serves on l until ctx ends, then lets calls finish for the grace and cuts the rest: a stream that is cut gets
// its answers by asking again with the same ids. It closes l, and is called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(l) }()
	select {
	case err := <-served:
		return fault.Wrap(fault.Unavailable, err, "serve gRPC on %s", l.Addr())
	case <-ctx.Done():
	}
	s.health.Shutdown()
	close(s.stop)
	ended := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(ended)
	}()
	timer := time.NewTimer(s.grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		s.grpc.Stop()
	}
	<-ended
	return fault.Wrap(fault.Unavailable, <-served, "serve gRPC on %s", l.Addr())
}
