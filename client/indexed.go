// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// reasonNoIndex is the reason of a node that keeps no query index.
const reasonNoIndex = "no_index"

// indexed finds the endpoint that keeps the query index: of a network of several validators that is its gateway, and calls go
// round among all. It is safe for concurrent use.
type indexed struct {
	endpoints   []string
	credentials credentials.TransportCredentials

	mu    sync.Mutex
	conns []*grpc.ClientConn // guarded by mu; by endpoint, nil until it is asked
	at    int                // guarded by mu; who answered last
}

func newIndexed(endpoints []string, c credentials.TransportCredentials) *indexed {
	return &indexed{endpoints: endpoints, credentials: c, conns: make([]*grpc.ClientConn, len(endpoints))}
}

// listTransfers asks the endpoint that answered last, and then the others in their order, until one has an index. If none has,
// the error is that of one that says so, else what the first one said.
func (x *indexed) listTransfers(ctx context.Context, q *ledgerv1.ListTransfersRequest, opts ...grpc.CallOption) (*ledgerv1.ListTransfersResponse, error) {
	var without error
	for _, i := range x.order() {
		conn, err := x.conn(i)
		if err != nil {
			return nil, err
		}
		a, err := ledgerv1.NewLedgerClient(conn).ListTransfers(ctx, q, opts...)
		if err == nil {
			x.answered(i)
			return a, nil
		}
		said, _ := faultOf(err)
		if !fault.Is(said, fault.Unavailable) || ctx.Err() != nil {
			return nil, err
		}
		if without == nil || fault.ReasonOf(said) == reasonNoIndex {
			without = err
		}
	}
	return nil, without
}

// order lists the endpoints from the one that answered last on.
func (x *indexed) order() []int {
	x.mu.Lock()
	defer x.mu.Unlock()
	order := []int{x.at}
	for i := range x.endpoints {
		if i != x.at {
			order = append(order, i)
		}
	}
	return order
}

func (x *indexed) answered(i int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.at = i
}

// conn is a connection to one endpoint, which is made when it is first needed.
func (x *indexed) conn(i int) (*grpc.ClientConn, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.conns[i] != nil {
		return x.conns[i], nil
	}
	c, err := grpc.NewClient("passthrough:///"+x.endpoints[i], append(options(), grpc.WithTransportCredentials(x.credentials))...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "set up the connection")
	}
	x.conns[i] = c
	return c, nil
}

func (x *indexed) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.conns {
		if c != nil {
			_ = c.Close() // it says only that it was closed before
		}
	}
}
