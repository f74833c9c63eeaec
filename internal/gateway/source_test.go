// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/indextest"
	"github.com/aurigraph/aurigraph/internal/index/sqlite"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// loopFeed tells of the heights of a world.
type loopFeed struct{ *historytest.World }

func (f loopFeed) Height() chain.Height { return f.Loop.Height() }

func (loopFeed) Follow(context.Context, chain.Height, func(chain.Height) error) error {
	return fault.New(fault.Internal, "nobody follows")
}

// TestFollowRemote follows the chain from what validators answer, with a liar among them.
func TestFollowRemote(t *testing.T) {
	open := func(dir string, id chain.ChainID, genesis chain.Hash) (indextest.Engine, error) {
		return sqlite.Open(dir, id, genesis)
	}
	indextest.RunFollower(t, open, func(t testing.TB, w *historytest.World, e indextest.Engine) *indextest.Following {
		q := query.New(query.Parts{History: w.History, State: w.Loop, Feed: loopFeed{w}, Status: func() query.Status { return query.Status{Epoch: 1} }})
		liar := &local{teller: q, lie: func(a *ledgerv1.ReadBlocksResponse) {
			for _, b := range a.Blocks {
				for _, x := range b.Batches {
					x.Payload = flip(x.Payload)
				}
			}
		}}
		r := newReading(t, w.Genesis, liar, &local{teller: q})
		ctx, cancel := context.WithCancel(t.Context())
		base := e.Position().Complete()
		f := index.NewFollower(r.Source(ctx), e, base, 1<<40, prometheus.NewRegistry())
		var running sync.WaitGroup
		running.Go(func() { r.Track(ctx, base+1, f.Publish) })
		running.Go(func() {
			if err := f.Run(ctx); err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
		return &indextest.Following{Follower: f, Stop: func() { cancel(); running.Wait() }}
	})
}

// TestTrack proves the heads that validators tell of, over a validator that has nothing, and over what all have lost.
func TestTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := grpcapitest.New(4)
		grow(t, n)
		gone := func(a *ledgerv1.ReadBlocksResponse) {
			if len(a.Blocks) > 0 && heightOf(a.Blocks[0].Header) < 4 {
				pruned(4)(a)
			}
		}
		silent := &local{teller: n, err: context.DeadlineExceeded}
		r := newReading(t, n.Genesis, silent, &local{teller: n, lie: gone}, &local{teller: n, lie: gone})
		ctx, cancel := context.WithCancel(t.Context())
		var heights []chain.Height
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Track(ctx, 1, func(h *chain.ExecutedHeader) { heights = append(heights, h.Height) })
		}()
		<-time.After(time.Minute)
		synctest.Wait()
		for i, h := range heights {
			if h != chain.Height(4+i) {
				t.Fatalf("%v", heights)
			}
		}
		if len(heights) != 14-3 {
			t.Errorf("%v", heights)
		}
		cancel()
		<-done
	})
}

func heightOf(header []byte) chain.Height {
	h, err := codec.DecodeHeader(header)
	fault.Invariant(err == nil, "%v", err)
	return h.Height
}

// TestLists lists what was paid through the gateway, from its own index, and says in a Status how far that is.
func TestLists(t *testing.T) {
	n := newNetwork(t, nil, nil).start()
	stream, err := n.SubmitBatches(t.Context())
	must(t, err)
	const batches = 3
	for i := range uint64(batches) {
		must(t, stream.Send(&ledgerv1.SubmitBatchRequest{Tag: i, Batch: batchBytes(t, 10, i+1), Signature: []byte{1}}))
		_, err := stream.Recv()
		must(t, err)
	}
	n.await("the index is there", func() bool {
		s, err := n.GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
		must(t, err)
		return s.IndexHeight == batches && s.IndexLagRows == 0 && s.Height == batches && s.Network == "fake"
	})
	first, err := n.ListTransfers(t.Context(), &ledgerv1.ListTransfersRequest{Account: 2, Limit: 20})
	must(t, err)
	rest, err := n.ListTransfers(t.Context(), &ledgerv1.ListTransfersRequest{Account: 2, Limit: 20, Cursor: first.NextCursor})
	if err != nil || len(first.Transfers) != 20 || len(rest.Transfers) != 10 || rest.NextCursor != "" || first.IndexHeight != batches || first.Transfers[0].Height != batches {
		t.Errorf("%d and %d transfers, %v", len(first.Transfers), len(rest.GetTransfers()), err)
	}
	_, err = n.ListTransfers(t.Context(), &ledgerv1.ListTransfersRequest{Cursor: "made up"})
	if faultOf(err).GetKind() != "invalid" {
		t.Error(err)
	}
	// The next gateway on the folder goes on with it.
	n.conn.Close()
	n.stop()
	n.start()
	if again, err := n.ListTransfers(t.Context(), &ledgerv1.ListTransfersRequest{Limit: 1000}); err != nil || len(again.Transfers) != 10*batches {
		t.Errorf("%d transfers, %v", len(again.GetTransfers()), err)
	}
}

// TestListsOverALiar has a validator among others that gives wrong payloads out: the lists are right, and it is counted.
func TestListsOverALiar(t *testing.T) {
	liar := &failing{contents: func(c *query.Contents) {
		for i := range c.Blocks {
			for j := range c.Blocks[i].Batches {
				c.Blocks[i].Batches[j].Payload = flip(c.Blocks[i].Batches[j].Payload)
			}
		}
	}}
	n := newNetwork(t, liar, nil)
	liar.Node = n.node
	n.start()
	for i := range uint64(4) {
		_, err := n.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: payBytes(i + 1)})
		must(t, err)
	}
	n.await("all is listed", func() bool {
		a, err := n.ListTransfers(t.Context(), &ledgerv1.ListTransfersRequest{Account: 3})
		must(t, err)
		return a.IndexHeight == 4 && len(a.Transfers) == 4
	})
	if caught := n.value("aurigraph_gateway_unproved_total", "reason", reasonPayload, "validator", n.servers[0].address); caught == 0 {
		t.Error("the liar was not caught")
	}
	if caught := n.value("aurigraph_gateway_unproved_total", "validator", n.servers[1].address); caught != 0 {
		t.Error("the honest one was")
	}
}

// FuzzProve gives whatever a validator may answer to the prover: it is refused or proves itself, and nothing breaks.
func FuzzProve(f *testing.F) {
	n := grpcapitest.New(4)
	grow(f, n)
	c, err := n.Contents(f.Context(), query.ContentsRequest{From: 1, BytesMax: 1})
	must(f, err)
	f.Add(c.Blocks[0].Header, c.Certificate, c.Blocks[0].Batches[0].Payload, c.Blocks[0].Batches[0].Outcomes)
	f.Fuzz(func(t *testing.T, header, certificate, payload, outcomes []byte) {
		p, err := newProver(n.Genesis)
		must(t, err)
		list, err := p.follow(1, [][]byte{header})
		if err != nil {
			return
		}
		if err := p.certified(list[0], certificate); err == nil && codec.Sum(header) != codec.Sum(c.Blocks[0].Header) {
			t.Error("another header is proved")
		}
		if _, err := checkContents(list[0], 0, payload, outcomes); err == nil && codec.Sum(payload) != list[0].Batches[0].Batch {
			t.Error("another payload is proved")
		}
	})
}

// TestNoIndex has a gateway without an index: all else passes.
func TestNoIndex(t *testing.T) {
	n := newNetwork(t, nil)
	n.cfg.Index.Enabled = false
	n.start()
	_, err := n.ListTransfers(t.Context(), &ledgerv1.ListTransfersRequest{})
	if f := faultOf(err); f.GetReason() != "no_index" || f.GetKind() != "unavailable" {
		t.Error(err)
	}
	if _, err := n.GetStatus(t.Context(), &ledgerv1.GetStatusRequest{}); err != nil {
		t.Error(err)
	}
}
