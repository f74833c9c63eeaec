// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/rawhttp"
)

// Paths of the dialect.
const (
	payPath   = "/api/v10/transactions"
	batchPath = "/api/v10/transactions/batch"
)

// Connections of an arm.
const (
	directConnections = 4    // of gRPC, which carry any number of calls each
	restConnections   = 4096 // at most; as many are open as requests are under way
)

// arm is one way to pay. Payment i is the same in all of them.
type arm struct {
	name  string
	pids  []int // of what serves it
	edge  int   // of these, the one that answers
	pay   func(i int) (string, error)
	close func()
}

// arms opens all ways that there are, direct first.
func (g *gatewayRun) arms(ctx context.Context) (out []*arm, err error) {
	direct, err := g.directArm(ctx)
	if err != nil {
		return nil, err
	}
	first := g.target.Nodes[0].PID
	out = []*arm{direct, g.restArm("in_node", g.target.REST[0], g.pids(), first)}
	if e := g.target.Rest; e != nil {
		out = append(out, g.restArm("gateway", e.REST, append(g.pids(), e.PID), e.PID))
	}
	return out, nil
}

// directArm pays by unary calls of gRPC at the first validator.
func (g *gatewayRun) directArm(ctx context.Context) (*arm, error) {
	text, err := os.ReadFile(g.target.CAFile)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the network's authority")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.Invalid, "%s holds no certificate", g.target.CAFile)
	}
	secured := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}))
	a := &arm{name: "direct", pids: g.pids(), edge: g.target.Nodes[0].PID}
	var conns []*grpc.ClientConn
	a.close = func() {
		for _, c := range conns {
			_ = c.Close() // all its calls have ended
		}
	}
	desks := make([]custodyv1.CustodyClient, directConnections)
	for i := range desks {
		c, err := grpc.NewClient(g.target.Endpoints[0], secured)
		if err != nil {
			a.close()
			return nil, fault.Wrap(fault.Unavailable, err, "connect to %s", g.target.Endpoints[0])
		}
		conns, desks[i] = append(conns, c), custodyv1.NewCustodyClient(c)
	}
	to := payees(g.cfg.Seed, len(g.accounts))
	a.pay = func(i int) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, answerMax)
		defer cancel()
		from := i % len(g.accounts)
		r, err := desks[i%len(desks)].Pay(ctx, &custodyv1.PayRequest{From: []byte(g.accounts[from]), To: []byte(g.accounts[to[from]]), Amount: strconv.Itoa(paidUnits)})
		if err != nil {
			return "", fault.Wrap(fault.Unavailable, err, "pay")
		}
		if chain.Outcome(r.GetFate().GetOutcome()) != chain.OK {
			return "", fault.Reasoned(fault.Refused, r.GetFate().GetOutcomeName(), "the payment came out %s", r.GetFate().GetOutcomeName())
		}
		return "", nil
	}
	return a, nil
}

// restArm pays by POST at an address of the dialect.
func (g *gatewayRun) restArm(name, address string, pids []int, edge int) *arm {
	pool := rawhttp.NewPool(address, restConnections)
	to := payees(g.cfg.Seed, len(g.accounts))
	return &arm{name: name, pids: pids, edge: edge, close: pool.Close, pay: func(i int) (id string, err error) {
		from := i % len(g.accounts)
		body := appendPayment(make([]byte, 0, 128), g.accounts[from], g.accounts[to[from]], paidText)
		request := rawhttp.AppendPost(make([]byte, 0, 384), address, payPath, body)
		failed := pool.Do(time.Now().Add(answerMax), request, func(r *rawhttp.Response) { id, err = paidBy(r) })
		if failed != nil {
			return "", failed
		}
		return id, err
	}}
}

// appendPayment appends a payment as V10's clients write it.
func appendPayment(dst []byte, from, to, amount string) []byte {
	dst = append(dst, `{"from":"`...)
	dst = append(dst, from...)
	dst = append(dst, `","to":"`...)
	dst = append(dst, to...)
	dst = append(dst, `","amount":`...)
	dst = append(dst, amount...)
	return append(dst, '}')
}

// paidBy is the id of the payment that an answer acknowledges.
func paidBy(r *rawhttp.Response) (string, error) {
	if !r.OK() {
		return "", fault.Reasoned(fault.Refused, "http_"+strconv.Itoa(r.Status), "the answer was %d: %.200s", r.Status, r.Body)
	}
	const name = `"transaction_id":"`
	_, rest, ok := bytes.Cut(r.Body, []byte(name))
	id, _, whole := bytes.Cut(rest, []byte{'"'})
	if !ok || !whole {
		return "", fault.Reasoned(fault.Corrupt, "no_id", "an answer without a transaction's id: %.200s", r.Body)
	}
	return string(id), nil
}

// counter numbers payments over slices, so that each payer has a pause between two of his.
type counter struct{ next atomic.Int64 }

// requests makes an arm's payments those of a paced load.
func (c *counter) requests(a *arm) request {
	return func(int) (int, error) {
		if _, err := a.pay(int(c.next.Add(1))); err != nil {
			return 0, err
		}
		return 1, nil
	}
}
