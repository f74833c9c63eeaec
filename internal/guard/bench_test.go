// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// BenchmarkPayment is what the guard adds to a payment: the same request straight to a V10 that answers at once, and through the guard, in
// turns, over one kept connection each. The figure is the difference of the medians.
func BenchmarkPayment(b *testing.B) {
	instant := httptest.NewServer(http.HandlerFunc(instantV10))
	defer instant.Close()
	key, err := keys.Generate(keys.Ed25519, rand.Reader)
	must(b, err)
	g, err := New(Config{
		V10: instant.URL, Changes: instant.URL, V11: instant.URL, Dir: b.TempDir(), Chain: chainID, Genesis: []chain.SlotRange{{From: 0, To: chain.SlotsMax - 1}}, Homes: &moves{}, Key: key,
	})
	must(b, err)
	rest, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	control, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- g.Run(ctx, rest, control, func() { close(ready) }) }()
	<-ready
	defer func() { cancel(); <-ended }()

	direct, guarded := dialBench(b, instant.Listener.Addr().String()), dialBench(b, rest.Addr().String())
	defer direct.conn.Close()
	defer guarded.conn.Close()
	var times [2][]time.Duration
	for range b.N {
		for i, c := range [...]*benchConn{direct, guarded} {
			times[i] = append(times[i], c.pay(b))
		}
	}
	for _, part := range []struct {
		name string
		q    float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		var at [2]float64
		for i := range times {
			slices.Sort(times[i])
			at[i] = float64(times[i][int(part.q*float64(len(times[i])-1))].Nanoseconds()) / 1e3
		}
		b.ReportMetric(at[1]-at[0], "added-µs-"+part.name)
	}
}

func instantV10(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch {
	case strings.HasPrefix(r.URL.Path, "/barrier"):
		fmt.Fprintf(w, `{"generation":1,"position":"%032x:1"}`, 1)
	case r.URL.Path == "/homes":
		fmt.Fprint(w, `{"homes":{"version":1}}`)
	case r.Header.Get(v10.HeaderGeneration) == "" && strings.HasSuffix(r.URL.Path, "/redeem"):
		w.Header().Set(v10.HeaderGeneration, "1")
		w.WriteHeader(http.StatusConflict)
	default:
		fmt.Fprint(w, `{"transaction_id":"tx_1_1","status":"submitted","fee":"0","estimated_confirmation":"1s"}`)
	}
}

// benchConn is a client that costs little itself.
type benchConn struct {
	conn net.Conn
	in   *bufio.Reader
	text []byte
}

func dialBench(b *testing.B, address string) *benchConn {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	must(b, err)
	body := payment(alice, "shop")
	text := fmt.Sprintf("POST /api/v10/transactions HTTP/1.1\r\nHost: v10\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return &benchConn{conn, bufio.NewReader(conn), []byte(text)}
}

func (c *benchConn) pay(b *testing.B) time.Duration {
	began := time.Now()
	_, err := c.conn.Write(c.text)
	must(b, err)
	resp, err := http.ReadResponse(c.in, nil)
	must(b, err)
	_, err = io.Copy(io.Discard, resp.Body)
	must(b, err)
	if resp.StatusCode != 200 {
		b.Fatal(resp.Status)
	}
	return time.Since(began)
}
