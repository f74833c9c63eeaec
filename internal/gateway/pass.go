// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// CallsMax bounds the calls under way, streams included. More are told to try later.
const CallsMax = 8192

// ConnectionsPerValidator are enough for frames that pass as they are.
const ConnectionsPerValidator = 2

// passer passes calls to validators.
type passer struct {
	pool     *upstream.Pool
	metrics  *metrics
	calls    chan struct{}   // a place for each call under way
	stopping context.Context // ended when the gateway stops
	methods  map[string]grpcapi.Method
	// own are the methods that the gateway answers itself, by name.
	own map[string]func(grpc.ServerStream) error
	// amend puts what only the gateway knows behind the answer of a unary method, by name.
	amend map[string]func(*grpcapi.Frame)
}

func newPasser(stopping context.Context, p *upstream.Pool, m *metrics) *passer {
	s := &passer{pool: p, metrics: m, stopping: stopping, calls: make(chan struct{}, CallsMax), methods: map[string]grpcapi.Method{}}
	for _, method := range grpcapi.Methods() {
		s.methods[method.Full] = method
	}
	return s
}

// handle answers one call.
func (s *passer) handle(_ any, down grpc.ServerStream) (err error) {
	full, _ := grpc.MethodFromServerStream(down)
	m, ok := s.methods[full]
	if !ok {
		return status.Errorf(codes.Unimplemented, "the gateway does not know the method")
	}
	select {
	case s.calls <- struct{}{}:
		defer func() { <-s.calls }()
	default:
		return s.refuse(fault.Reasoned(fault.TryLater, "calls_full", "%d calls are under way at the gateway: try again in a moment", CallsMax))
	}
	if own := s.own[m.Name]; own != nil {
		return own(down)
	}
	if m.Unary {
		return s.unary(down, m)
	}
	return s.stream(down, m)
}

// readAttempts is how often a unary read is asked for: of another validator where there is one.
const readAttempts = 2

// callOf is a method as the pool must know it.
func callOf(ctx context.Context, m grpcapi.Method) upstream.Call {
	c := upstream.Call{Group: groupOf(m), Retry: upstream.RetryNever, Key: keyOf(ctx)}
	if m.Reads {
		c.Retry, c.Attempts = upstream.RetrySafe, readAttempts
	}
	return c
}

// groupOf is the group of a method: what changes something, what reads many, what reads one.
func groupOf(m grpcapi.Method) upstream.Group {
	switch {
	case strings.HasPrefix(m.Name, "Submit"):
		return upstream.GroupPay
	case m.Follows, strings.HasPrefix(m.Name, "List"), m.Name == "ReadBlocks":
		return upstream.GroupList
	}
	return upstream.GroupRead
}

// refuse counts what the gateway itself says no to.
func (s *passer) refuse(err error) error {
	s.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	return err
}

// keyOf spreads client connections over validators: the calls of one connection have one key.
func keyOf(ctx context.Context) uint32 {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return 0
	}
	return uint32(maphash.String(seed, p.Addr.String()))
}

// seed is of this process: nobody outside chooses which validator a connection falls on.
var seed = maphash.MakeSeed()

// outgoing is a call's context with the metadata that the client sent. gRPC leaves out what it writes itself.
func outgoing(ctx context.Context) context.Context {
	md, _ := metadata.FromIncomingContext(ctx)
	return metadata.NewOutgoingContext(ctx, md.Copy())
}

// end counts how a call at a validator ended, and gives its error the form in which it goes to the client.
func (s *passer) end(ctx context.Context, m grpcapi.Method, conn grpc.ClientConnInterface, err error) error {
	if code := status.Code(err); code == codes.Canceled && ctx.Err() == nil {
		err = status.Error(codes.Unavailable, "")
	}
	code := status.Code(err)
	s.metrics.calls.WithLabelValues(m.Name, upstream.AddressOf(conn), code.String()).Inc()
	if code == codes.Unavailable && len(status.Convert(err).Details()) == 0 {
		// No fault is put to it: it would say that the call was not carried out, and nobody knows that.
		return status.Error(codes.Unavailable, "the validator that the gateway asked was lost before it answered: send the same again")
	}
	return err
}

// unary passes a call of one message each way. A read that finds no answer is asked of another validator, once.
func (s *passer) unary(down grpc.ServerStream, m grpcapi.Method) error {
	var q grpcapi.Frame
	if err := down.RecvMsg(&q); err != nil {
		return err
	}
	defer q.Free()
	var a answer
	asked := 0
	err := s.pool.Do(down.Context(), callOf(down.Context(), m), func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		if asked++; asked > 1 {
			s.metrics.moved.Inc()
		}
		a, err = s.ask(ctx, m, conn, &q)
		return err
	})
	if upstream.Refused(err) {
		return s.refuse(err)
	}
	down.SetTrailer(a.trailer)
	if headerErr := down.SetHeader(a.header); err != nil || headerErr != nil {
		return cmp.Or(err, headerErr)
	}
	defer a.frame.Free()
	if amend := s.amend[m.Name]; amend != nil {
		amend(&a.frame)
	}
	return down.SendMsg(&a.frame)
}

// answer is what a validator answered to a unary call.
type answer struct {
	frame           grpcapi.Frame // empty with an error
	header, trailer metadata.MD
}

// ask passes a unary call to one validator.
func (s *passer) ask(ctx context.Context, m grpcapi.Method, conn grpc.ClientConnInterface, q *grpcapi.Frame) (a answer, err error) {
	err = conn.Invoke(outgoing(ctx), m.Full, q, &a.frame, grpc.ForceCodecV2(grpcapi.FrameCodec()), grpc.Header(&a.header), grpc.Trailer(&a.trailer))
	return a, s.end(ctx, m, conn, err)
}

// stream passes messages both ways until the validator ends the call.
func (s *passer) stream(down grpc.ServerStream, m grpcapi.Method) (err error) {
	conn, done, err := s.pool.Stream(down.Context(), callOf(down.Context(), m))
	if err != nil {
		return s.refuse(err)
	}
	defer func() { done(err) }()
	ctx, cancel := context.WithCancel(outgoing(down.Context()))
	defer cancel()
	if m.Follows { // it would hold the end up
		defer context.AfterFunc(s.stopping, cancel)()
	}
	up, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, m.Full, grpc.ForceCodecV2(grpcapi.FrameCodec()))
	if err != nil {
		return s.end(down.Context(), m, conn, err)
	}
	broken := make(chan error, 1) // why the client's side ended, if not well
	go func() {
		// It ends with the call: gRPC ends the client's side when the handler has returned.
		if err := upward(down, up); err != nil {
			broken <- err
			cancel()
		}
	}()
	err = downward(up, down)
	select {
	case why := <-broken:
		return why
	default:
	}
	if m.Follows && s.stopping.Err() != nil {
		return s.refuse(fault.Reasoned(fault.Unavailable, "stopping", "the gateway is stopping: go on from the last height at a validator"))
	}
	down.SetTrailer(up.Trailer())
	return s.end(down.Context(), m, conn, err)
}

// upward passes what the client sends, and its half-close. An error is one of the client's side: the validator's has the status
// of the call, which downward gets.
func upward(down grpc.ServerStream, up grpc.ClientStream) error {
	var f grpcapi.Frame
	defer f.Free()
	for {
		err := down.RecvMsg(&f)
		if errors.Is(err, io.EOF) {
			_ = up.CloseSend() // it never fails
			return nil
		}
		if err != nil {
			return err
		}
		if err := up.SendMsg(&f); err != nil {
			return nil
		}
	}
}

// downward passes what the validator sends, and returns the status with which it ends the call; nil if all is well.
func downward(up grpc.ClientStream, down grpc.ServerStream) error {
	var f grpcapi.Frame
	defer f.Free()
	for first := true; ; first = false {
		err := up.RecvMsg(&f)
		if first && (err == nil || errors.Is(err, io.EOF)) {
			if header, headerErr := up.Header(); headerErr == nil {
				if err := down.SetHeader(header); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := down.SendMsg(&f); err != nil {
			return err
		}
	}
}
