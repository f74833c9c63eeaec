// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/subscribe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The words of the world.
const (
	house, alice, bob, carol, ported = historytest.House, historytest.Alice, historytest.Bob, historytest.Carol, historytest.Ported
	gold, silver                     = historytest.Gold, historytest.Silver
	govKey                           = historytest.GovernanceKey
)

var pay = historytest.Pay

// world is a running network and what answers from it.
type world struct {
	*historytest.World
	*query.Query
	hub    *subscribe.Hub
	index  *fakeIndex
	halted bool
}

// inWorld runs a test in a running network, in a bubble.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) { inWorldOf(t, historytest.Start, f) }

func inWorldOf(t *testing.T, start func(testing.TB, func(chain.Height)) *historytest.World, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{hub: subscribe.NewHub(0), index: &fakeIndex{}}
		w.World = start(t, w.hub.Publish)
		w.Query = query.New(query.Parts{
			History: w.History, State: w.Loop, Feed: w.hub, Index: w.index,
			Status: func() query.Status {
				return query.Status{Chain: historytest.Chain, Height: w.Loop.Height(), Halted: w.halted}
			},
		})
		f(t, w)
	})
}

// fakeIndex says what it was asked. The real one, in package index, is a layer above.
type fakeIndex struct {
	account chain.AccountNo
	asset   chain.AssetNo
	before  uint64
	limit   int
	next    uint64
	err     error

	rows    []query.Transfer                  // what Transfers answers, if any
	origins map[history.Origin]query.Transfer // without Ms
}

func (f *fakeIndex) ByOrigin(_ context.Context, round uint64, place uint32) (query.Transfer, error) {
	t, ok := f.origins[history.Origin{Round: round, Place: place}]
	if !ok && f.err == nil {
		return t, fault.New(fault.NotFound, "not in the index")
	}
	return t, f.err
}

func (f *fakeIndex) Transfers(_ context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (chain.Height, []query.Transfer, uint64, error) {
	f.account, f.asset, f.before, f.limit = account, asset, before, limit
	if f.rows != nil {
		return 9, f.rows, f.next, f.err
	}
	return 9, []query.Transfer{{From: account}}, f.next, f.err
}

// want checks an error's kind, and that its text has a word that helps.
func want(t *testing.T, name string, err error, kind fault.Kind, word string) {
	t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), word) {
		t.Errorf("%s: %v (%v), must be %v with %q", name, err, fault.KindOf(err), kind, word)
	}
}

// open opens accounts of Governance.
func (w *world) open(count uint32) chain.Receipt {
	signed, _ := w.Tx(house, govKey, &chain.OpenAccounts{Count: count})
	return w.Txs(signed)
}

// Batch executes legs; the query's own Batch is w.Query.Batch.
func (w *world) Batch(legs ...chain.Leg) chain.Receipt { return w.World.Batch(legs...) }
