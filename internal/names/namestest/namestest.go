// SPDX-License-Identifier: Apache-2.0

// Package namestest is the conformance suite of names.Vault: each engine runs the same cases.
//
//	namestest.Run(t, namestest.Engines{Open: …, Crash: …, Holds: …})
package namestest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/names"
)

// Engines opens vaults.
type Engines struct {
	// Open opens the vault that dir names, or makes it. It may be open already, as by another process.
	Open func(dir string, id chain.ChainID, genesis chain.Hash) (names.Vault, error)
	// Crash names a copy of a vault in use, as a killed process leaves it.
	Crash func(t testing.TB, dir string) string
	// Holds reports whether any byte of storage of a vault in use holds text.
	Holds func(t testing.TB, dir, text string) bool
}

const testChain chain.ChainID = 77

var testGenesis = chain.Hash{7, 31: 7}

// Run runs the suite.
func Run(t *testing.T, engines Engines) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*world)
	}{
		{"put, get, count", testPut},
		{"any bytes are a name", testBytes},
		{"a second name is refused, and all that came with it", testTaken},
		{"bounds", testBounds},
		{"a forgotten name is gone from storage", testForget},
		{"a killed process loses nothing that was put", testCrash},
		{"several processes", testShared},
		{"of another chain", testForeign},
		{"the caller's end", testContext},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{T: t, Engines: engines, dir: t.TempDir(), ctx: t.Context()}
			w.vault = w.open()
			c.run(w)
		})
	}
}

type world struct {
	*testing.T
	Engines
	dir   string
	ctx   context.Context
	vault names.Vault
}

func (w *world) open() names.Vault {
	w.Helper()
	return w.openAt(w.dir)
}

func (w *world) openAt(dir string) names.Vault {
	w.Helper()
	v, err := w.Open(dir, testChain, testGenesis)
	w.must(err)
	w.Cleanup(func() { w.must(v.Close()) })
	return v
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func one(no chain.AccountNo, name string) map[chain.AccountNo]string {
	return map[chain.AccountNo]string{no: name}
}

// holds wants a vault to have exactly these names.
func (w *world) holds(v names.Vault, want map[chain.AccountNo]string) {
	w.Helper()
	ask := []chain.AccountNo{0, 1<<32 - 1}
	for no := range want {
		ask = append(ask, no, no+100_000)
	}
	have, err := v.Get(w.ctx, ask)
	w.must(err)
	if !maps.Equal(have, want) {
		w.Errorf("%v, want %v", have, want)
	}
	n, err := v.Count(w.ctx)
	w.must(err)
	if n != uint64(len(want)) {
		w.Errorf("%d names, want %d", n, len(want))
	}
}

func testPut(w *world) {
	w.holds(w.vault, nil)
	w.must(w.vault.Put(w.ctx, nil))
	w.must(w.vault.Put(w.ctx, map[chain.AccountNo]string{1: "one", 2: "two", 1<<32 - 2: "last"}))
	w.must(w.vault.Put(w.ctx, map[chain.AccountNo]string{2: "two", 3: "three"}))
	w.holds(w.vault, map[chain.AccountNo]string{1: "one", 2: "two", 3: "three", 1<<32 - 2: "last"})
	w.holds(w.open(), map[chain.AccountNo]string{1: "one", 2: "two", 3: "three", 1<<32 - 2: "last"})
}

func testBytes(w *world) {
	want := map[chain.AccountNo]string{
		1: "\x00", 2: "\xff\xfe", 3: " padded ", 4: "Zürich", 5: strings.Repeat("x", chain.AliasBytesMax), 6: "'; DROP TABLE names; --", 7: "0xabc", 8: "12",
	}
	for no, name := range want {
		w.must(w.vault.Put(w.ctx, one(no, name)))
	}
	w.holds(w.vault, want)
}

func testTaken(w *world) {
	w.must(w.vault.Put(w.ctx, map[chain.AccountNo]string{1: "secret-one"}))
	err := w.vault.Put(w.ctx, map[chain.AccountNo]string{2: "two", 1: "secret-other", 3: "three"})
	if !fault.Is(err, fault.Conflict) || strings.Contains(err.Error(), "secret") {
		w.Errorf("%v", err)
	}
	w.holds(w.vault, map[chain.AccountNo]string{1: "secret-one"})
}

func testBounds(w *world) {
	want := map[chain.AccountNo]string{}
	for i := range names.BatchMax {
		want[chain.AccountNo(i+1)] = fmt.Sprint("name", i)
	}
	w.must(w.vault.Put(w.ctx, want))
	var all []chain.AccountNo
	for no := range want {
		all = append(all, no)
	}
	have, err := w.vault.Get(w.ctx, all)
	w.must(err)
	if !maps.Equal(have, want) {
		w.Errorf("%d names, want %d", len(have), len(want))
	}
	tooMany := maps.Clone(want)
	tooMany[9000] = "x"
	for name, entries := range map[string]map[chain.AccountNo]string{
		"too many": tooMany, "number 0": {0: "x"}, "no name": {9000: ""},
		"a long name": {9000: "ok", 9001: strings.Repeat("x", chain.AliasBytesMax+1)},
	} {
		if err := w.vault.Put(w.ctx, entries); !fault.Is(err, fault.Invalid) {
			w.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.vault.Get(w.ctx, append(all, 1)); !fault.Is(err, fault.Invalid) {
		w.Errorf("too many numbers: %v", err)
	}
	if n, err := w.vault.Count(w.ctx); err != nil || n != names.BatchMax {
		w.Errorf("%d names, %v", n, err)
	}
}

func testForget(w *world) {
	other := w.open()
	const secret = "Erika Mustermann, Heidestr. 17"
	w.must(w.vault.Put(w.ctx, map[chain.AccountNo]string{1: "one", 2: secret, 3: "three"}))
	if !w.Holds(w, w.dir, secret) {
		w.Fatal("the name is nowhere in storage: the test looks in the wrong place")
	}
	if had, err := other.Forget(w.ctx, 2); err != nil || !had {
		w.Fatalf("%v, %v", had, err)
	}
	if w.Holds(w, w.dir, secret) {
		w.Error("a file still holds the forgotten name")
	}
	w.holds(w.vault, map[chain.AccountNo]string{1: "one", 3: "three"})
	if had, err := w.vault.Forget(w.ctx, 2); err != nil || had {
		w.Errorf("again: %v, %v", had, err)
	}
	w.must(w.vault.Put(w.ctx, map[chain.AccountNo]string{2: "another"})) // its owner came by, under whatever the account is called
	w.holds(other, map[chain.AccountNo]string{1: "one", 2: "another", 3: "three"})
}

func testCrash(w *world) {
	want := map[chain.AccountNo]string{}
	for i := range 20 {
		no := chain.AccountNo(i + 1)
		w.must(w.vault.Put(w.ctx, one(no, fmt.Sprint("name", i))))
		want[no] = fmt.Sprint("name", i)
	}
	_, err := w.vault.Forget(w.ctx, 7)
	w.must(err)
	delete(want, 7)
	w.holds(w.openAt(w.Crash(w, w.dir)), want)
}

// testShared has several vaults write and read at once: overlapping entries, all the same names.
func testShared(w *world) {
	const processes, rounds, each = 4, 20, 50
	var wg sync.WaitGroup
	errs := make(chan error, processes*rounds)
	for p := range processes {
		v := w.open()
		wg.Go(func() {
			for r := range rounds {
				entries := map[chain.AccountNo]string{}
				some := chain.AccountNo(0)
				for i := range each {
					some = chain.AccountNo(1 + (p*7+r*each+i)%(rounds*each))
					entries[some] = fmt.Sprint("name", some)
				}
				if err := v.Put(w.ctx, entries); err != nil {
					errs <- err
					return
				}
				if have, err := v.Get(w.ctx, []chain.AccountNo{some}); err != nil || len(have) != 1 {
					errs <- fmt.Errorf("what was put is not there: %v, %w", have, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		w.Error(err)
	}
	if n, err := w.vault.Count(w.ctx); err != nil || n != rounds*each {
		w.Errorf("%d names, want %d, %v", n, rounds*each, err)
	}
}

func testForeign(w *world) {
	for name, open := range map[string]func() (names.Vault, error){
		"another chain":   func() (names.Vault, error) { return w.Open(w.dir, testChain+1, testGenesis) },
		"another genesis": func() (names.Vault, error) { return w.Open(w.dir, testChain, chain.Hash{1}) },
	} {
		if v, err := open(); !fault.Is(err, fault.Conflict) {
			w.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func testContext(w *world) {
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	if err := w.vault.Put(ctx, map[chain.AccountNo]string{1: "one"}); !fault.Is(err, fault.Timeout) {
		w.Errorf("put: %v", err)
	}
	if _, err := w.vault.Get(ctx, []chain.AccountNo{1}); !fault.Is(err, fault.Timeout) {
		w.Errorf("get: %v", err)
	}
	w.holds(w.vault, nil)
}
