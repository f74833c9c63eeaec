// SPDX-License-Identifier: Apache-2.0

// Package indextest is the conformance suite of index.Writer and index.Reader: each engine runs the same cases.
//
//	indextest.Run(t, indextest.Engines{Open: …, Crash: …})
//
// The cases compare an engine with a model that keeps every transfer in memory. They know nothing of how an engine stores
// them.
package indextest

import (
	"io"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/index"
)

// Engine is both sides of an index, and its end.
type Engine interface {
	index.Writer
	index.Reader
	io.Closer
}

// Engines opens indexes.
type Engines struct {
	// Open opens the index that dir names, or makes it.
	Open func(dir string, id chain.ChainID, genesis chain.Hash) (Engine, error)
	// Crash names a copy of an index in use, as a killed process leaves it.
	Crash func(t testing.TB, dir string) string
}

// Of what chain the indexes of the suite are.
const testChain chain.ChainID = 77

var testGenesis = chain.Hash{7, 31: 7}

// Run runs the suite.
func Run(t *testing.T, engines Engines) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, w *world)
	}{
		{"a new index is empty", testEmpty},
		{"random groups", testRandom},
		{"exactly once", testExactlyOnce},
		{"a group that fails", testFailedGroup},
		{"crash between groups", testCrash},
		{"every field", testFields},
		{"part of a block", testPart},
		{"accounts of a transfer", testAccounts},
		{"pages", testPages},
		{"gap", testGap},
		{"bounds of an answer", testBounds},
		{"another chain", testForeign},
		{"the end of a reader's patience", testCancelled},
		{"readers beside the writer", testReaders},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{t: t, engines: engines, dir: t.TempDir(), model: model{next: index.Start()}}
			w.open()
			c.run(t, w)
			w.close()
		})
	}
}

// world is an engine with what must be in it.
type world struct {
	t       *testing.T
	engines Engines
	dir     string
	engine  Engine
	model   model
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) open() {
	w.t.Helper()
	e, err := w.engines.Open(w.dir, testChain, testGenesis)
	must(w.t, err)
	w.engine = e
}

func (w *world) close() {
	w.t.Helper()
	must(w.t, w.engine.Close())
}

// apply applies a group, which must be taken, and checks the position.
func (w *world) apply(g *index.Group) {
	w.t.Helper()
	must(w.t, w.engine.Apply(g))
	w.model.apply(g)
	w.checkPosition()
}

func (w *world) checkPosition() {
	w.t.Helper()
	if have := w.engine.Position(); have != w.model.next {
		w.t.Fatalf("the position is %v, want %v", have, w.model.next)
	}
	newest, err := w.engine.Newest()
	must(w.t, err)
	if newest != w.model.newest {
		w.t.Fatalf("the newest block is %+v, want %+v", newest, w.model.newest)
	}
	last, err := w.engine.Last()
	must(w.t, err)
	switch n := len(w.model.rows); {
	case n == 0 && last != nil:
		w.t.Fatalf("an index without transfers has %+v", last)
	case n > 0 && (last == nil || *last != w.model.rows[n-1]):
		w.t.Fatalf("the newest transfer is %+v, want %+v", last, w.model.rows[n-1])
	}
}
