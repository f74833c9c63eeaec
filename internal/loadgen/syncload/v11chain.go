// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/aurigraph/aurigraph/client"
	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// answerBytesMax is more than the largest answer of a validator.
const answerBytesMax = 16 << 20

// v11 is V11 as a client reads it over gRPC.
type v11 struct {
	client *client.Client
	conn   *grpc.ClientConn
	heard  *heard
}

func dialV11(ctx context.Context, t *Target) (*v11, error) {
	text, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the network's authority")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.Invalid, "%s holds no certificate", t.CAFile)
	}
	c, err := client.Dial(ctx, client.Config{Endpoints: t.Endpoints, CAFile: t.CAFile, Trust: t.Trust})
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(t.Endpoints[0], grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerBytesMax)))
	if err != nil {
		c.Close()
		return nil, fault.Wrap(fault.Unavailable, err, "connect to %s", t.Endpoints[0])
	}
	return &v11{client: c, conn: conn, heard: &heard{at: map[chain.Height]time.Duration{}}}, nil
}

func (v *v11) close() {
	_ = v.conn.Close() // all its calls have ended
	v.client.Close()
}

// heard is when a client had the certificate of each block.
type heard struct {
	mu     sync.Mutex // guards what follows
	at     map[chain.Height]time.Duration
	newest chain.Height
}

func (h *heard) note(height chain.Height, at time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at[height], h.newest = at, height
}

func (h *heard) of(height chain.Height) (time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, known := h.at[height]
	return at, known
}

func (h *heard) height() chain.Height {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest
}

// listen notes each certified block until ctx ends.
func (v *v11) listen(ctx context.Context, from chain.Height, since func() time.Duration) error {
	err := v.client.FollowBlocks(ctx, from, func(b *client.Block) error {
		v.heard.note(b.Height, since())
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// leg is a payment in the chain, by account numbers of V11.
type leg struct {
	made
	height   chain.Height // of the block that it is in
	from, to chain.AccountNo
	asset    chain.AssetNo
}

// read reads the chain from height first to last, and calls each for every executed payment.
func (v *v11) read(ctx context.Context, first, last chain.Height, each func(*leg)) error {
	ledger := ledgerv1.NewLedgerClient(v.conn)
	q := &ledgerv1.ReadBlocksRequest{FromHeight: uint64(first)}
	for q.FromHeight <= uint64(last) {
		a, err := ledger.ReadBlocks(ctx, q)
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read V11's chain")
		}
		if len(a.Blocks) == 0 {
			return fault.New(fault.Pruned, "V11 has nothing of its block %d, and %d were made: it retains from %d on", q.FromHeight, a.CertifiedHeight, a.RetainedFrom)
		}
		if err := v.answer(a, q, each); err != nil {
			return err
		}
	}
	return nil
}

// answer takes an answer to q, and makes q the question behind it.
func (v *v11) answer(a *ledgerv1.ReadBlocksResponse, q *ledgerv1.ReadBlocksRequest, each func(*leg)) error {
	for _, b := range a.Blocks {
		h, err := codec.DecodeHeader(b.Header)
		if err != nil {
			return err
		}
		for i, contents := range b.Batches {
			if err := legs(h, q.FromBatch+uint32(i), contents, each); err != nil {
				return err
			}
		}
		q.FromHeight = uint64(h.Height)
		if q.FromBatch += uint32(len(b.Batches)); int64(q.FromBatch) >= int64(len(h.Batches)) {
			q.FromHeight, q.FromBatch = q.FromHeight+1, 0
		}
	}
	return nil
}

// legs are the executed payments of one batch of a block.
func legs(h *chain.ExecutedHeader, index uint32, contents *ledgerv1.BatchContents, each func(*leg)) error {
	outcomes, err := codec.UnpackOutcomes(contents.Outcomes)
	if err != nil || len(outcomes.Results) > 0 { // single transactions are none of the bench's payments
		return err
	}
	batch, err := chain.ParseBatch(contents.Payload)
	if err != nil {
		return err
	}
	if batch.Len() != len(outcomes.Codes) {
		return fault.New(fault.Corrupt, "batch %d of block %d has %d legs and %d outcomes", index, h.Height, batch.Len(), len(outcomes.Codes))
	}
	sync := batch.Header().Flags&chain.FlagSync != 0
	for i := range batch.Len() {
		l := batch.Leg(i)
		if outcomes.Codes[i] != chain.OK || l.Kind != chain.LegTransfer {
			continue
		}
		out := leg{height: h.Height, from: l.From, to: l.To, asset: l.Asset}
		out.origin, out.units = V11, l.Amount
		out.id = v10.TxID{Ms: h.TimeUs / 1000, Height: h.Height, Batch: index, Item: uint32(i)}
		if sync {
			var o chain.SyncOrigin
			ok := i+1 < batch.Len()
			if ok {
				second := batch.Leg(i + 1)
				o, ok = second.Origin()
			}
			if !ok {
				return fault.New(fault.Corrupt, "leg %d of batch %d of block %d has no origin behind it", i, index, h.Height)
			}
			out.origin, out.id = V10, v10.TxIDAt(o.TimeMs, chain.Height(o.Height), o.Place)
		}
		each(&out)
	}
	return nil
}

// namesMax is how many accounts are named by one call.
const namesMax = 8192

// names are the V10 names of accounts.
func (v *v11) names(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	desk, out := custodyv1.NewCustodyClient(v.conn), map[chain.AccountNo]string{}
	for len(numbers) > 0 {
		q := &custodyv1.NameAccountsRequest{}
		some := numbers[:min(namesMax, len(numbers))]
		for _, no := range some {
			q.Numbers = append(q.Numbers, uint32(no))
		}
		a, err := desk.NameAccounts(ctx, q)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "name V11's accounts")
		}
		for no, name := range a.Names {
			out[chain.AccountNo(no)] = string(name)
		}
		numbers = numbers[len(some):]
	}
	return out, nil
}
