// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// exampleNetwork serves a fake of four validators. A real client gets these three things from its operator.
func exampleNetwork() (endpoint, caFile string, trust *client.Trust, stop func(), err error) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return "", "", nil, nil, err
	}
	files, ca, err := server.DevTLS(dir, []string{"127.0.0.1"})
	if err != nil {
		return "", "", nil, nil, err
	}
	tls, err := files.Load()
	if err != nil {
		return "", "", nil, nil, err
	}
	l, err := server.Listen("127.0.0.1:0", 0)
	if err != nil {
		return "", "", nil, nil, err
	}
	node := grpcapitest.New(4)
	edge := grpcapi.New(grpcapi.Config{TLS: tls, ShutdownGrace: 50 * time.Millisecond}, node, nil)
	edge.SetServing(true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- edge.Serve(ctx, l) }()
	return l.Addr().String(), ca, client.TrustGenesis(node.Genesis), func() { cancel(); <-done; os.RemoveAll(dir) }, nil
}

func ExampleClient_SubmitTx() {
	endpoint, caFile, trust, stop, err := exampleNetwork()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{Endpoints: []string{endpoint}, CAFile: caFile, Trust: trust})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	signer := grpcapitest.Signer(keys.Ed25519, 1) // or client.ReadKeyFile
	amount, err := client.ParseAmount("12.50", 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := client.SignTx(signer, client.Tx{
		Chain: trust.ChainID, Sender: 12, Key: 3, Nonce: 1, ValidUntil: 1000,
		Body: &client.Transfer{To: 13, Asset: 1, Amount: amount},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := c.SubmitTx(ctx, signed)
	if err != nil {
		fmt.Println(err) // of kind Timeout: unknown, submit the same bytes again
		return
	}
	fmt.Println(receipt.Outcome, "at height", receipt.Height, "verified", receipt.Verified)
	// Output: ok at height 1 verified true
}

func ExampleClient_OpenBatchStream() {
	endpoint, caFile, trust, stop, err := exampleNetwork()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{Endpoints: []string{endpoint}, CAFile: caFile, Trust: trust})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	stream, err := c.OpenBatchStream(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	signer := grpcapitest.Signer(keys.MLDSA65, 1)
	legs := []client.Leg{{From: 12, To: 13, Asset: 1, Amount: client.Units(5)}, {From: 12, To: 14, Asset: 1, Amount: client.Units(7)}}
	for sequence := range uint64(3) {
		h := client.BatchHeader{Chain: trust.ChainID, Institution: 1, Key: 1, Sequence: sequence + 1, ValidUntil: 1000}
		batch, err := client.SignBatch(signer, h, legs)
		if err == nil {
			err = stream.Send(sequence, batch)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := stream.CloseSend(); err != nil {
		fmt.Println(err)
		return
	}
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			return
		}
		if err != nil || answer.Refused != nil {
			fmt.Println(err, answer.Refused)
			return
		}
		fmt.Println("batch", answer.Tag, "at height", answer.Receipt.Height, "verified", answer.Receipt.Verified)
	}
	// Output:
	// batch 0 at height 1 verified true
	// batch 1 at height 2 verified true
	// batch 2 at height 3 verified true
}
