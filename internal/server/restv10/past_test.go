// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// pastReader is a ledger that knows one payment of V10's.
type pastReader struct {
	fakeReader
	found query.Transfer
	err   error // of any other
	own   error // of what stands at a place
}

func (r pastReader) TransferAt(ctx context.Context, at query.Place) (*query.PlacedTransfer, error) {
	if r.own != nil {
		return nil, r.own
	}
	return r.fakeReader.TransferAt(ctx, at)
}

func (r pastReader) V10Transfer(_ context.Context, round uint64, place uint32) (*query.Transfer, error) {
	if round != r.found.Origin.Round || place != r.found.Origin.Place {
		return nil, r.err
	}
	return &r.found, nil
}

func (r pastReader) V10Round(_ context.Context, number uint64) (*imported.Round, error) {
	if number != r.found.Origin.Round {
		return nil, fault.New(fault.NotFound, "no such round")
	}
	return &imported.Round{Number: number, Hash: [32]byte{0xab}}, nil
}

// TestV10IDs asks for what V10 made, and for what nobody made, by V10's ids.
func TestV10IDs(t *testing.T) {
	const ms, round, place = fakeTimeUs/1000 - 5000, 7, 3
	copied := query.Transfer{
		From: 1, To: 2, Asset: 1, Amount: chain.Units(150_000_000), Kind: history.KindTransfer, Outcome: chain.InsufficientFunds, TimeUs: ms * 1000,
		Origin: history.Origin{Ms: ms, Round: round, Place: place},
	}
	synced := copied
	synced.Height, synced.Index, synced.Item, synced.TimeUs, synced.Outcome = 1, 2, 4, fakeTimeUs, chain.OK
	id := v10.TxIDAt(ms, round, place).String()
	missing := fault.New(fault.NotFound, "nothing")
	for _, c := range []struct {
		name, path string
		reader     pastReader
		code       int
		want       []string
	}{
		{"before the copy", id, pastReader{found: copied}, http.StatusOK, []string{`"id":"` + id, `"from":"alice"`, `"to":"bob"`, `"amount":1.5`, `"FAILED"`, `"block":7`}},
		{"its receipt", id + "/receipt", pastReader{found: copied}, http.StatusOK, []string{`"transaction_id":"` + id, `"block_hash":"0xab00`, `"block_number":7`, `"index":3`}},
		{"by sync", id, pastReader{found: synced}, http.StatusOK, []string{`"id":"` + id, `"CONFIRMED"`, `"block":7`}},
		{"the receipt of V11's block", id + "/receipt", pastReader{found: synced}, http.StatusOK, []string{`"transaction_id":"` + id, `"block_hash":"0x0100`, `"block_number":1,`, `"index":16388`}},
		{"of another time", v10.TxIDAt(ms+1, round, place).String(), pastReader{found: copied}, http.StatusNotFound, nil},
		{"of another place", v10.TxIDAt(ms, round, place+1).String(), pastReader{found: copied, err: missing}, http.StatusNotFound, nil},
		{"no index", v10.TxIDAt(ms, 8, 0).String(), pastReader{found: copied, err: fault.Reasoned(fault.Unavailable, query.ReasonNoIndex, "none")}, http.StatusNotFound, nil},
		{"the index is away", v10.TxIDAt(ms, 8, 0).String(), pastReader{found: copied, err: fault.New(fault.Unavailable, "away")}, http.StatusServiceUnavailable, nil},
		{"the place here was let go", id, pastReader{found: copied, own: fault.New(fault.Pruned, "gone")}, http.StatusOK, []string{`"block":7`}},
		{"the chain is away", id, pastReader{found: copied, own: fault.New(fault.Unavailable, "away")}, http.StatusServiceUnavailable, nil},
		{"an own one comes first", v10.TxIDAt(fakeTimeUs/1000, 1, 0).String(), pastReader{found: copied, err: missing}, http.StatusOK, []string{`"block":1}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ledger *fakeLedger
			w := start(t, func(_ *Config, p *Parts) {
				ledger = p.Reader.(fakeReader).fakeLedger
				c.reader.fakeReader = fakeReader{ledger}
				p.Reader = c.reader
			})
			ledger.mu.Lock()
			ledger.blocks = [][]query.Transfer{{{Height: 1, From: 1, To: 2, Asset: 1, Amount: chain.Units(1), Kind: "transfer", TimeUs: fakeTimeUs}}}
			ledger.mu.Unlock()
			answer, text := w.ask(http.MethodGet, "/api/v10/transactions/"+c.path, "")
			if answer.StatusCode != c.code {
				t.Errorf("%d %s, want %d", answer.StatusCode, text, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s has no %s", text, want)
				}
			}
		})
	}
}

// TestOneIDOfTwo: what stands here at the time and place of an id may have come from V10, under another id. Then it is V10's own at that id that
// is meant, if there is one.
func TestOneIDOfTwo(t *testing.T) {
	const ms = fakeTimeUs / 1000
	came := query.Transfer{
		Height: 1, From: 1, To: 2, Asset: 1, Amount: chain.Units(1), Kind: history.KindTransfer, TimeUs: fakeTimeUs, Origin: history.Origin{Ms: ms - 200, Round: 9},
	}
	meant := query.Transfer{Height: 2, From: 2, To: 1, Asset: 1, Amount: chain.Units(1), Kind: history.KindTransfer, TimeUs: fakeTimeUs + 7000, Origin: history.Origin{Ms: ms, Round: 1}}
	missing := fault.New(fault.NotFound, "nothing")
	for name, c := range map[string]struct {
		reader pastReader
		want   string
	}{
		"V10's":             {pastReader{found: meant, err: missing}, `"from":"bob"`},
		"by its place here": {pastReader{found: query.Transfer{Origin: history.Origin{Round: 77}}, err: missing}, `"from":"alice"`},
		"without an index": {
			pastReader{found: query.Transfer{Origin: history.Origin{Round: 77}}, err: fault.Reasoned(fault.Unavailable, query.ReasonNoIndex, "none")}, `"from":"alice"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var ledger *fakeLedger
			w := start(t, func(_ *Config, p *Parts) {
				ledger = p.Reader.(fakeReader).fakeLedger
				c.reader.fakeReader = fakeReader{ledger}
				p.Reader = c.reader
			})
			ledger.mu.Lock()
			ledger.blocks = [][]query.Transfer{{came}}
			ledger.mu.Unlock()
			answer, text := w.ask(http.MethodGet, "/api/v10/transactions/"+v10.TxIDAt(ms, 1, 0).String(), "")
			if answer.StatusCode != http.StatusOK || !strings.Contains(text, c.want) {
				t.Errorf("%d %s, want %s", answer.StatusCode, text, c.want)
			}
		})
	}
}
