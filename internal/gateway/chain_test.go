// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// teller is what a validator knows of the chain.
type teller interface {
	Contents(ctx context.Context, ask query.ContentsRequest) (*query.Contents, error)
	Handovers(ctx context.Context, from chain.Epoch, limit int) (*query.Handovers, error)
}

// local is a Reader without a wire, which may lie.
type local struct {
	teller
	lie      func(*ledgerv1.ReadBlocksResponse)
	handover func([]byte) []byte
	err      error
	reads    atomic.Int32
}

func (l *local) ReadBlocks(ctx context.Context, q *ledgerv1.ReadBlocksRequest, _ ...grpc.CallOption) (*ledgerv1.ReadBlocksResponse, error) {
	if l.reads.Add(1); l.err != nil {
		return nil, l.err
	}
	most := int(q.BytesMax)
	if most == 0 {
		most = query.ContentsBytesMax
	}
	c, err := l.Contents(ctx, query.ContentsRequest{From: chain.Height(q.FromHeight), Batch: q.FromBatch, BytesMax: most, HeadersOnly: q.HeadersOnly})
	if err != nil {
		return nil, err
	}
	a := &ledgerv1.ReadBlocksResponse{Certificate: c.Certificate, CertifiedHeight: uint64(c.Height), RetainedFrom: uint64(c.RetainedFrom)}
	for _, b := range c.Blocks {
		x := &ledgerv1.BlockContents{Header: b.Header}
		for _, y := range b.Batches {
			x.Batches = append(x.Batches, &ledgerv1.BatchContents{Payload: y.Payload, Outcomes: y.Outcomes})
		}
		a.Blocks = append(a.Blocks, x)
	}
	if l.lie != nil {
		l.lie(a)
	}
	return a, nil
}

func (l *local) ListHandovers(ctx context.Context, q *ledgerv1.ListHandoversRequest, _ ...grpc.CallOption) (*ledgerv1.ListHandoversResponse, error) {
	h, err := l.Handovers(ctx, chain.Epoch(q.FromEpoch), query.HandoversMax)
	if err != nil {
		return nil, err
	}
	a := &ledgerv1.ListHandoversResponse{MembershipEpoch: uint64(h.Epoch)}
	for _, raw := range h.Proved {
		if l.handover != nil {
			raw = l.handover(slices.Clone(raw))
		}
		a.Handovers = append(a.Handovers, raw)
	}
	return a, nil
}

// reading is a Chain that reads from some readers.
type reading struct {
	*Chain
	t        testing.TB
	registry *prometheus.Registry
}

func newReading(t testing.TB, g *chain.Genesis, readers ...Reader) *reading {
	t.Helper()
	p, err := newProver(g)
	must(t, err)
	r := prometheus.NewRegistry()
	list := make([]named, len(readers))
	for i, x := range readers {
		list[i] = named{x, string(rune('a' + i))}
	}
	return &reading{newChain(p, func() []named { return list }, newMetrics(r), slog.New(slog.DiscardHandler)), t, r}
}

// caught is how often a validator was caught, by reason.
func (r *reading) caught(address string) map[string]float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	must(r.t, err)
	by := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "aurigraph_gateway_unproved_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["validator"] == address {
				by[labels["reason"]] = m.GetCounter().GetValue()
			}
		}
	}
	return by
}

// listTransfers reads all transfers of the heights up to one.
func (r *reading) listTransfers(to chain.Height) (all []history.Transfer, err error) {
	s := r.Source(r.t.Context())
	for h := chain.Height(1); h <= to; h++ {
		header, _, err := s.Header(h)
		if err != nil {
			return nil, err
		}
		for i := range header.Batches {
			err := s.BatchTransfers(header, uint32(i), func(t *history.Transfer) error {
				all = append(all, *t)
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// grow makes blocks of a fake node's chain, with a change of its members in the middle.
func grow(t testing.TB, n *grpcapitest.Node) {
	t.Helper()
	for i := range uint64(6) {
		if i == 3 {
			n.Admit(4, 9)
			n.Seal()
		}
		buf, err := n.Buffer(t.Context(), len(batchBytes(t, 50, i+1)))
		must(t, err)
		copy(buf.Payload(), batchBytes(t, 50, i+1))
		_, err = n.SubmitBatch(t.Context(), buf, []byte{1})
		must(t, err)
		n.SubmitTxs(t.Context(), [][]byte{txBytes(i + 1)})
	}
}

// TestLiar has a validator that lies first and honest ones behind it: each lie is refused, by its reason, and the next is asked.
func TestLiar(t *testing.T) {
	header := func(change func(*chain.ExecutedHeader)) func(*ledgerv1.ReadBlocksResponse) {
		return func(a *ledgerv1.ReadBlocksResponse) {
			last := a.Blocks[len(a.Blocks)-1]
			h, err := codec.DecodeHeader(last.Header)
			must(t, err)
			change(h)
			last.Header = codec.AppendHeader(nil, h)
		}
	}
	contents := func(change func(*ledgerv1.BatchContents)) func(*ledgerv1.ReadBlocksResponse) {
		return func(a *ledgerv1.ReadBlocksResponse) {
			for _, b := range a.Blocks {
				for _, x := range b.Batches {
					change(x)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		lie    func(*ledgerv1.ReadBlocksResponse)
		reason string
	}{
		"a payload":              {contents(func(x *ledgerv1.BatchContents) { x.Payload = slices.Concat(x.Payload[:len(x.Payload)-1], []byte{7}) }), reasonPayload},
		"an outcome":             {contents(func(x *ledgerv1.BatchContents) { x.Outcomes = slices.Concat(x.Outcomes[:len(x.Outcomes)-1], []byte{7}) }), reasonOutcomes},
		"outcomes too short":     {contents(func(x *ledgerv1.BatchContents) { x.Outcomes = x.Outcomes[:3] }), reasonOutcomes},
		"no contents":            {func(a *ledgerv1.ReadBlocksResponse) { withoutBatches(a) }, reasonNotAsked},
		"a batch too many":       {func(a *ledgerv1.ReadBlocksResponse) { twice(a) }, reasonNotAsked},
		"the header":             {header(func(h *chain.ExecutedHeader) { h.TimeUs++ }), epoch.ReasonMismatch},
		"the header's height":    {header(func(h *chain.ExecutedHeader) { h.Height++ }), reasonNotAsked},
		"the header's chain":     {header(func(h *chain.ExecutedHeader) { h.Chain++ }), reasonNotAsked},
		"the header's epoch":     {header(func(h *chain.ExecutedHeader) { h.Epoch = 1 }), epoch.ReasonMismatch},
		"an epoch nobody knows":  {header(func(h *chain.ExecutedHeader) { h.Epoch = 9 }), reasonUnknownEpoch},
		"the header before":      {func(a *ledgerv1.ReadBlocksResponse) { a.Blocks[0].Header = flip(a.Blocks[0].Header) }, ""},
		"no certificate":         {func(a *ledgerv1.ReadBlocksResponse) { a.Certificate = nil }, "corrupt"},
		"a signature":            {func(a *ledgerv1.ReadBlocksResponse) { a.Certificate = flip(a.Certificate) }, ""},
		"a seal that is not one": {func(a *ledgerv1.ReadBlocksResponse) { a.Certificate = codec.AppendSealedTail(nil, nil) }, reasonUnknownEpoch},
	} {
		t.Run(name, func(t *testing.T) {
			n := grpcapitest.New(4)
			grow(t, n)
			status, err := n.Status(t.Context())
			must(t, err)
			want, err := newReading(t, n.Genesis, &local{teller: n}).listTransfers(status.Height)
			must(t, err)
			r := newReading(t, n.Genesis, &local{teller: n, lie: c.lie}, &local{teller: n})
			have, err := r.listTransfers(status.Height)
			must(t, err)
			if len(have) != 6*50 || !slices.Equal(have, want) {
				t.Errorf("%d transfers, want %d", len(have), len(want))
			}
			caught := r.caught("a")
			if len(caught) == 0 || c.reason != "" && caught[c.reason] == 0 {
				t.Errorf("caught %v, want %q", caught, c.reason)
			}
			if len(r.caught("b")) != 0 {
				t.Errorf("the honest one is called a liar: %v", r.caught("b"))
			}
			// A liar alone is not believed.
			alone := newReading(t, n.Genesis, &local{teller: n, lie: c.lie})
			if _, err := alone.listTransfers(status.Height); !fault.Is(err, fault.Unavailable) {
				t.Errorf("it is believed when it is alone: %v", err)
			}
		})
	}
}

func withoutBatches(a *ledgerv1.ReadBlocksResponse) {
	for _, b := range a.Blocks {
		b.Batches = nil
	}
}

func twice(a *ledgerv1.ReadBlocksResponse) {
	for _, b := range a.Blocks {
		b.Batches = append(b.Batches, b.Batches...)
	}
}

func flip(b []byte) []byte {
	b = slices.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

// TestHandoverLie shows a handover that nobody signed: the epochs behind it stay unknown, until somebody shows the true one.
func TestHandoverLie(t *testing.T) {
	n := grpcapitest.New(4)
	grow(t, n)
	liar := &local{teller: n, handover: flip}
	r := newReading(t, n.Genesis, liar)
	if _, err := r.listTransfers(14); !fault.Is(err, fault.Unavailable) || r.history.Current().Epoch() != 1 {
		t.Errorf("%v, in epoch %d", err, r.history.Current().Epoch())
	}
	if len(r.caught("a")) == 0 {
		t.Error("it was not caught")
	}
	r = newReading(t, n.Genesis, liar, &local{teller: n})
	if all, err := r.listTransfers(14); err != nil || len(all) != 6*50 || r.history.Current().Epoch() != 3 {
		t.Errorf("%d transfers, %v, in epoch %d", len(all), err, r.history.Current().Epoch())
	}
}

// TestCaughtLast asks a validator last that was caught.
func TestCaughtLast(t *testing.T) {
	n := grpcapitest.New(4)
	grow(t, n)
	liar := &local{teller: n, lie: func(a *ledgerv1.ReadBlocksResponse) { a.Certificate = nil }}
	r := newReading(t, n.Genesis, liar, &local{teller: n})
	for range 5 {
		if _, err := r.listTransfers(2); err != nil {
			t.Fatal(err)
		}
	}
	if liar.reads.Load() != 1 {
		t.Errorf("it was asked %d times", liar.reads.Load())
	}
}

// pruned says that all is gone up to a height.
func pruned(to chain.Height) func(*ledgerv1.ReadBlocksResponse) {
	return func(a *ledgerv1.ReadBlocksResponse) {
		a.Blocks, a.Certificate, a.RetainedFrom = nil, nil, uint64(to)
	}
}

// TestPrunedByHowMany believes that something is gone when more say so than may lie, and takes the least that they say.
func TestPrunedByHowMany(t *testing.T) {
	n := grpcapitest.New(4)
	grow(t, n)
	honest := func() *local { return &local{teller: n} }
	gone := func(to chain.Height) *local { return &local{teller: n, lie: pruned(to)} }
	away := func() *local { return &local{teller: n, err: context.DeadlineExceeded} }
	behind := func() *local { return &local{teller: n, lie: pruned(0)} }
	for name, c := range map[string]struct {
		readers []Reader
		kind    fault.Kind // 0: it is read
		from    chain.Height
	}{
		"one has it":               {[]Reader{gone(5), gone(6), gone(9), honest()}, 0, 0},
		"one says it is gone":      {[]Reader{gone(5), away(), away(), away()}, fault.Unavailable, 0},
		"two say it is gone":       {[]Reader{gone(7), away(), gone(5), away()}, fault.Pruned, 5},
		"nobody is reached":        {nil, fault.Unavailable, 0},
		"all are behind":           {[]Reader{behind(), behind(), behind()}, fault.Unavailable, 0},
		"gone below what is asked": {[]Reader{gone(1), gone(1), gone(1)}, fault.Unavailable, 0},
	} {
		r := newReading(t, n.Genesis, c.readers...)
		blocks, from, err := r.read(t.Context(), &ledgerv1.ReadBlocksRequest{FromHeight: 1})
		if c.kind == 0 && (err != nil || len(blocks) == 0) || c.kind != 0 && !fault.Is(err, c.kind) || from != c.from {
			t.Errorf("%s: %d blocks, from %d, %v", name, len(blocks), from, err)
		}
	}
}
