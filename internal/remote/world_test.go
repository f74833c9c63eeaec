// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// conn is a connection to a validator.
type conn = grpc.ClientConnInterface

// pool is validators that are asked one after the other, as upstream.Pool asks them, without its times.
type pool struct {
	validators []grpc.ClientConnInterface
	refuses    error // of the pool itself
}

func (p *pool) Do(ctx context.Context, c upstream.Call, do func(context.Context, grpc.ClientConnInterface) error) (err error) {
	if p.refuses != nil {
		return p.refuses
	}
	for i := range p.validators {
		err = do(ctx, p.validators[(int(c.Key%uint32(len(p.validators)))+i)%len(p.validators)])
		again := c.Retry == upstream.RetrySafe || c.Retry == upstream.RetryUnsent && spoken(err) != nil
		switch code := status.Code(err); {
		case err == nil, !again, ctx.Err() != nil:
			return err
		case code != codes.Unavailable && code != codes.DeadlineExceeded && code != codes.ResourceExhausted:
			return err
		}
	}
	return err
}

func (p *pool) Stream(_ context.Context, c upstream.Call) (grpc.ClientConnInterface, func(error), error) {
	if p.refuses != nil {
		return nil, nil, p.refuses
	}
	return p.validators[int(c.Key)%len(p.validators)], func(error) {}, nil
}

// desk is a validator's custody service without a network: handle answers, and may wait.
type desk struct {
	handle func(ctx context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error)

	mu    sync.Mutex
	asked []*custodyv1.PayManyRequest // guarded by mu
	keys  []string                    // guarded by mu; the API keys
}

func (d *desk) Invoke(ctx context.Context, method string, q, a any, _ ...grpc.CallOption) error {
	if method != custodyv1.Custody_PayMany_FullMethodName {
		return status.Error(codes.Unimplemented, method)
	}
	d.mu.Lock()
	d.asked = append(d.asked, q.(*custodyv1.PayManyRequest))
	md, _ := metadata.FromOutgoingContext(ctx)
	d.keys = append(d.keys, md.Get(keyHeader)...)
	d.mu.Unlock()
	out, err := d.handle(ctx, q.(*custodyv1.PayManyRequest))
	if err == nil {
		proto.Merge(a.(proto.Message), out)
	}
	return err
}

func (d *desk) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "no stream")
}

func (d *desk) calls() []*custodyv1.PayManyRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// pays answers every payment with success, at a height.
func pays(h uint64) func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
	return func(_ context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
		a := &custodyv1.PayManyResponse{}
		for i := range q.Payments {
			a.Answers = append(a.Answers, &custodyv1.PayAnswer{Fate: &custodyv1.Fate{Height: h, TimeUs: 7, Item: uint32(i), First: true}})
		}
		return a, nil
	}
}

// says answers every payment with a fault.
func says(k fault.Kind, reason string) func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
	return func(_ context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
		a := &custodyv1.PayManyResponse{}
		for range q.Payments {
			a.Answers = append(a.Answers, &custodyv1.PayAnswer{Fault: &ledgerv1.Fault{Kind: k.String(), Reason: reason, Text: "…"}})
		}
		return a, nil
	}
}

// loses ends every call without a word.
func loses(c codes.Code) func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
	return func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
		return nil, status.Error(c, "lost")
	}
}

// refuses ends every call with a validator's word.
func refuses(c codes.Code, k fault.Kind, reason string) func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
	s, err := status.New(c, "…").WithDetails(&ledgerv1.Fault{Kind: k.String(), Reason: reason, Text: "…"})
	fault.Invariant(err == nil, "%v", err)
	return func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
		return nil, s.Err()
	}
}

func newTestLedger(t testing.TB, cfg Config, p *pool) *Ledger {
	t.Helper()
	l, err := New(cfg, Parts{Validators: p, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ledgerOf is a remote ledger on desks.
func ledgerOf(t testing.TB, cfg Config, desks ...*desk) *Ledger {
	p := &pool{}
	for _, d := range desks {
		p.validators = append(p.validators, d)
	}
	return newTestLedger(t, cfg, p)
}

func payment(from string, key string) custody.Payment {
	return custody.Payment{From: from, To: "payee", Asset: "AUR", Amount: chain.Units(5), Keyed: key != "", ClientKey: key, Caller: "user/ann"}
}

// validator serves a fake chain over loopback, as a node does.
func validator(t *testing.T, node *grpcapitest.Node) grpc.ClientConnInterface {
	t.Helper()
	s := grpcapi.New(grpcapi.Config{}, node, prometheus.NewRegistry())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background()) //lint:context it ends with the test
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	conn, err := grpc.NewClient(l.Addr().String(), append(grpcapi.PassOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn
}
