// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"context"
	"maps"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	gateway chain.InstitutionNo = 2
	deskKey chain.KeyNo         = 5
	syncKey chain.KeyNo         = 6
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a chain of made-up blocks. Accounts 10 to 13 are portable, 20 and 21 live on V11 only; asset 1 is portable, 2 is not, 3 is
// portable and issued by 20.
type world struct {
	mu     sync.Mutex // guards all below
	blocks []*Block
	pruned chain.Height // everything up to here
	closed chain.Height // where the migration was closed
	names  map[chain.AccountNo]string
	got    []Draft // what the sink has
	asked  int     // calls of Parties
	fails  func() error
}

func newWorld() *world {
	return &world{
		names: map[chain.AccountNo]string{10: "treasury", 11: "alice", 12: "ACME GmbH/EUR", 13: "carol"},
		fails: func() error { return nil },
	}
}

func (w *world) Tip() (envelope.Position, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.got) == 0 {
		return envelope.Position{}, false
	}
	last := w.got[len(w.got)-1]
	return last.Position, last.End
}

func (w *world) Closed(context.Context) (chain.Height, error) { return w.closed, nil }

func (w *world) Publish(_ context.Context, d Draft) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fails(); err != nil {
		return err
	}
	if n := len(w.got); n > 0 && !w.got[n-1].Position.Before(d.Position) {
		return fault.New(fault.Invalid, "%s comes after %s", d.Position, w.got[n-1].Position)
	}
	w.got = append(w.got, d)
	return nil
}

// Follow calls each for the blocks that are there, and then waits for ctx.
func (w *world) Follow(ctx context.Context, from chain.Height, each func(chain.Height) error) error {
	for h := from; int(h) <= len(w.blocks); h++ {
		if err := each(h); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (w *world) Block(_ context.Context, h chain.Height) (*Block, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h <= w.pruned {
		return nil, fault.New(fault.Pruned, "block %d was let go", h)
	}
	return w.blocks[h-1], nil
}

func (w *world) Parties(_ context.Context, accounts []chain.AccountNo, assets []chain.AssetNo) (map[chain.AccountNo]bool, map[chain.AssetNo]Asset, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	portable, known := map[chain.AccountNo]bool{}, map[chain.AssetNo]Asset{}
	for _, no := range accounts {
		if no >= 10 && no <= 30 {
			portable[no] = no < 20
		}
	}
	all := map[chain.AssetNo]Asset{1: {Code: "AUR", Portable: true, Issuer: 10}, 2: {Code: "GOLD", Issuer: 20}, 3: {Code: "ODD", Portable: true, Issuer: 20}}
	for _, no := range assets {
		if a, ok := all[no]; ok {
			known[no] = a
		}
	}
	return portable, known, nil
}

func (w *world) Signs(_ context.Context, institution chain.InstitutionNo, key chain.KeyNo) (bool, error) {
	return institution == gateway && (key == deskKey || key == syncKey), nil
}

// Get is the vault.
func (w *world) Get(_ context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[chain.AccountNo]string{}
	for _, no := range numbers {
		if name, ok := w.names[no]; ok {
			out[no] = name
		}
	}
	return out, nil
}

func (w *world) name(no chain.AccountNo, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = maps.Clone(w.names)
	w.names[no] = name
}

func (w *world) drafts() []Draft {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Draft(nil), w.got...)
}

// contents is a batch of a block, before it is one.
type contents struct {
	payload []byte
	codes   codec.Outcomes
}

// legs is a client batch; codes may be shorter than legs, and ends with OK.
func legs(t testing.TB, h chain.BatchHeader, codes []chain.Outcome, all ...chain.Leg) contents {
	t.Helper()
	b, err := chain.NewBatch(h, all)
	must(t, err)
	return contents{b.Bytes(), codec.Outcomes{Codes: append(codes, make([]chain.Outcome, len(all)-len(codes))...)}}
}

func bySync(t testing.TB, all ...chain.Leg) contents {
	t.Helper()
	b, err := chain.NewSyncBatch(chain.BatchHeader{Institution: gateway, Key: syncKey}, chain.SyncHead{Life: 1, HomeVersion: 1}, all)
	must(t, err)
	return contents{b.Bytes(), codec.Outcomes{Codes: make([]chain.Outcome, len(all))}}
}

type tx struct {
	sender chain.AccountNo
	key    chain.KeyNo
	body   chain.Body
	code   chain.Outcome
	result uint32
}

func txs(all ...tx) contents {
	var signed [][]byte
	var o codec.Outcomes
	for i, one := range all {
		signed = append(signed, codec.AppendSignedTx(nil, &chain.SignedTx{
			Tx: chain.Tx{Sender: one.sender, Key: one.key, Nonce: uint64(i) + 1, ValidUntil: 9, Body: one.body}, Signature: make([]byte, 64),
		}))
		o.Codes, o.Results = append(o.Codes, one.code), append(o.Results, one.result)
	}
	return contents{codec.AppendTxBatch(nil, signed), o}
}

// add ends a block with those batches.
func (w *world) add(all ...contents) *Block {
	h := chain.Height(len(w.blocks) + 1)
	header := &chain.ExecutedHeader{Height: h, TimeUs: 1_700_000_000_000_000 + uint64(h)*1000, Previous: chain.Hash{byte(h - 1)}}
	b := &Block{Header: header, Hash: chain.Hash{byte(h)}, HomeVersion: 4}
	for _, c := range all {
		header.Batches = append(header.Batches, chain.BatchResult{Batch: codec.Sum(c.payload), Legs: uint32(len(c.codes.Codes))})
		b.Batches = append(b.Batches, Contents{c.payload, c.codes.AppendPacked(nil)})
	}
	w.blocks = append(w.blocks, b)
	return b
}

func key(n byte) [32]byte { return chain.KeyedReference(chain.IdempotencyKey{n}, [16]byte{n, n}) }

func pays(from, to chain.AccountNo, asset chain.AssetNo, n uint64) chain.Leg {
	return chain.Leg{From: from, To: to, Asset: asset, Amount: chain.Units(n)}
}

func keyed(n byte, l chain.Leg) chain.Leg {
	l.Arg, l.Reference = chain.LegKeyed, key(n)
	return l
}
