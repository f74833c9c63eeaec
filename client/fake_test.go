// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs an edge over TLS on loopback and returns its address, its authority's file and how to stop it.
func serve(t testing.TB, backend grpcapi.Backend) (address, ca string, stop func()) {
	t.Helper()
	files, ca, err := server.DevTLS(t.TempDir(), []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	tls, err := files.Load()
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen("127.0.0.1:0", 16)
	if err != nil {
		t.Fatal(err)
	}
	edge := grpcapi.New(grpcapi.Config{TLS: tls, ShutdownGrace: 50 * time.Millisecond}, backend, nil)
	edge.SetServing(true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- edge.Serve(ctx, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return l.Addr().String(), ca, stop
}

// dial serves backend and connects to it.
func dial(t testing.TB, backend grpcapi.Backend, trust *client.Trust) *client.Client {
	t.Helper()
	address, ca, _ := serve(t, backend)
	c, err := client.Dial(t.Context(), client.Config{Endpoints: []string{address}, CAFile: ca, Trust: trust, Timeout: 10 * time.Second, RetriesMax: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func sampleBatch(t testing.TB, legs int, sequence uint64) *client.SignedBatch {
	t.Helper()
	list := make([]client.Leg, legs)
	for i := range list {
		list[i] = client.Leg{From: client.AccountNo(i + 1), To: client.AccountNo(i + 2), Asset: 1, Amount: client.Units(uint64(i % 3))}
	}
	h := client.BatchHeader{Chain: 7, Institution: 1, Key: 1, Sequence: sequence, ValidUntil: 100}
	b, err := client.SignBatch(grpcapitest.Signer(keys.MLDSA65, 99), h, list)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sampleTx(t testing.TB, nonce uint64) []byte {
	t.Helper()
	signed, err := client.SignTx(grpcapitest.Signer(keys.Ed25519, 98), client.Tx{
		Chain: 7, Sender: 1, Key: 1, Nonce: nonce, ValidUntil: 100,
		Body: &client.Transfer{To: 2, Asset: 1, Amount: client.Units(5)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}
