// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// instant answers every batch at once with one receipt: what remains is the cost of both edges.
type instant struct {
	*grpcapitest.Node
	receipt chain.Receipt
	done    chan struct{}
}

func (i *instant) SubmitBatch(_ context.Context, buf *seglog.Buffer, _ []byte) (grpcapi.Pending, error) {
	buf.Release()
	return i, nil
}

func (i *instant) Done() <-chan struct{}                 { return i.done }
func (i *instant) Receipt() (chain.Receipt, bool, error) { return i.receipt, true, nil }

// BenchmarkBatchStream measures client and server together: TLS over loopback, 8,192 legs a batch, receipts verified.
// cpu-ns/leg is the CPU time of the whole process.
func BenchmarkBatchStream(b *testing.B) {
	node := grpcapitest.New(1)
	batch := sampleBatch(b, chain.BatchLegsMax, 1)
	buf, err := node.Buffer(b.Context(), len(batch.Bytes))
	if err != nil {
		b.Fatal(err)
	}
	copy(buf.Payload(), batch.Bytes)
	p, err := node.SubmitBatch(b.Context(), buf, batch.Signature)
	if err != nil {
		b.Fatal(err)
	}
	receipt, _, _ := p.Receipt()
	backend := &instant{Node: node, receipt: receipt, done: make(chan struct{})}
	close(backend.done)

	c := dial(b, backend, client.TrustGenesis(node.Genesis))
	stream, err := c.OpenBatchStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer stream.Close()
	runtime.GC()
	before := cpuTime()
	b.SetBytes(int64(len(batch.Bytes)))
	b.ReportAllocs()
	b.ResetTimer()
	sent := make(chan error, 1)
	go func() {
		for i := range b.N {
			if err := stream.Send(uint64(i), batch); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	for n := 0; ; n++ {
		a, err := stream.Recv()
		if err == io.EOF && n == b.N {
			break
		}
		if err != nil || !a.Receipt.Verified {
			b.Fatal(n, err, a)
		}
	}
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	legs := float64(b.N) * chain.BatchLegsMax
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/legs, "cpu-ns/leg")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/legs, "ns/leg")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
