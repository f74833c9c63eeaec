// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

func testRows(t *testing.T, open Open) {
	s := opened(t, open)
	var b store.Batch
	for _, f := range store.Families() {
		b.Put(f, []byte("a"), []byte(f.String()))
	}
	b.Put(store.Meta, []byte("b"), nil)
	b.Put(store.Meta, []byte("c"), []byte("first"))
	b.Put(store.Meta, []byte("c"), []byte("last"))
	b.Put(store.Meta, []byte("d"), []byte("gone"))
	b.Delete(store.Meta, []byte("d"))
	b.Delete(store.Meta, []byte("never"))
	b.Put(store.Meta, []byte("a\xff"), []byte{0, 1})
	must[store.Position](t)(s.Apply(&b))
	for _, f := range store.Families() {
		expect(t, string(must[[]byte](t)(s.Get(f, []byte("a")))), f.String())
	}
	if v := must[[]byte](t)(s.Get(store.Meta, []byte("b"))); v == nil || len(v) != 0 {
		t.Errorf("an empty row is %v", v)
	}
	_, err := s.Get(store.Meta, []byte("d"))
	expectReason(t, err, fault.NotFound, "not_found")
	_, err = s.Get(store.Assets, []byte("b"))
	expectReason(t, err, fault.NotFound, "not_found")

	all := "a=meta a\xff=\x00\x01 b= c=last"
	for _, c := range []struct {
		r    store.Range
		want string
	}{
		{store.Range{}, all},
		{store.Prefix([]byte("a")), "a=meta a\xff=\x00\x01"},
		{store.Range{Low: []byte("b"), High: []byte("c")}, "b="},
		{store.Range{Low: []byte("bb")}, "c=last"},
		{store.Range{High: []byte("b")}, "a=meta a\xff=\x00\x01"},
		{store.Range{Reverse: true}, "c=last b= a\xff=\x00\x01 a=meta"},
		{store.Range{High: []byte("c"), Reverse: true}, "b= a\xff=\x00\x01 a=meta"},
		{store.Range{Low: []byte("a\x00"), High: []byte("bz"), Reverse: true}, "b= a\xff=\x00\x01"},
		{store.Range{Low: []byte("c"), High: []byte("b")}, ""},
		{store.Range{Low: []byte("x")}, ""},
		{store.Range{High: []byte("A"), Reverse: true}, ""},
	} {
		expect(t, Dump(t, s, store.Meta, c.r), c.want)
	}
	expect(t, Dump(t, s, store.Accounts, store.Range{}), "a=accounts")
}

// testModel applies random batches to the store and to maps, and compares all rows now and then.
func testModel(t *testing.T, open Open) {
	s := opened(t, open)
	random := rand.New(rand.NewPCG(7, 11))
	model := make([]map[string]string, len(store.Families()))
	for i := range model {
		model[i] = map[string]string{}
	}
	for round := range 200 {
		var b store.Batch
		for range 1 + random.IntN(20) {
			f, key := store.Family(random.IntN(len(model))), fmt.Sprintf("k%02d", random.IntN(60))
			if random.IntN(3) == 0 {
				b.Delete(f, []byte(key))
				delete(model[f], key)
				continue
			}
			value := fmt.Sprintf("%d.%d", round, random.Uint32())
			b.Put(f, []byte(key), []byte(value))
			model[f][key] = value
		}
		must[store.Position](t)(s.Apply(&b))
		if round%20 == 19 {
			for _, f := range store.Families() {
				expect(t, Dump(t, s, f, store.Range{}), rowsOf(model[f]))
			}
		}
	}
}

func rowsOf(m map[string]string) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		words = append(words, k+"="+m[k])
	}
	return strings.Join(words, " ")
}

func testRefusals(t *testing.T, open Open) {
	s := opened(t, open)
	head := Put(t, s, store.Meta, "k", "v")
	for reason, fill := range map[string]func(*store.Batch){
		"batch_empty":     func(b *store.Batch) { b.Mark([]byte("an origin stands for nothing")) },
		"batch_too_large": func(b *store.Batch) { b.Put(store.Meta, []byte("k"), make([]byte, store.BatchBytesMax)) },
		"origin_too_long": func(b *store.Batch) {
			b.Mark(make([]byte, store.OriginBytes+1))
			b.Put(store.Meta, []byte("k"), nil)
		},
		"key": func(b *store.Batch) {
			b.Put(store.Meta, []byte("k"), []byte("half"))
			b.Put(store.Meta, bytes.Repeat([]byte{1}, store.KeyBytesMax+1), nil)
		},
	} {
		var b store.Batch
		fill(&b)
		_, err := s.Apply(&b)
		expectReason(t, err, fault.Invalid, reason)
	}
	var b store.Batch
	b.Delete(store.Meta, nil)
	_, err := s.Apply(&b)
	expectReason(t, err, fault.Invalid, "key")
	expect(t, s.Head().String(), head.String())
	expect(t, Dump(t, s, store.Meta, store.Range{}), "k=v")
}

func testSnapshot(t *testing.T, open Open) {
	s := opened(t, open)
	Put(t, s, store.Assets, "a", "1")
	at := Put(t, s, store.Assets, "b", "1")
	snapshot := s.Snapshot()
	defer snapshot.Close()
	it := must[store.Iterator](t)(s.Iter(store.Assets, store.Range{}))
	Put(t, s, store.Assets, "b", "2")
	Put(t, s, store.Assets, "c", "2")
	expect(t, snapshot.Position().String(), at.String())
	expect(t, Dump(t, snapshot, store.Assets, store.Range{}), "a=1 b=1")
	expect(t, string(must[[]byte](t)(snapshot.Get(store.Assets, []byte("b")))), "1")
	_, err := snapshot.Get(store.Assets, []byte("c"))
	expectReason(t, err, fault.NotFound, "not_found")
	n := 0
	for it.Next() {
		n++
	}
	if err := it.Close(); err != nil || n != 2 {
		t.Errorf("an iterator shows %d rows that were written after it: %v", n-2, err)
	}
	expect(t, Dump(t, s, store.Assets, store.Range{}), "a=1 b=2 c=2")
}

func testReopen(t *testing.T, open Open) {
	dir := t.TempDir()
	var origin store.Position
	var last store.Position
	for i := range 4 {
		s := must[store.Store](t)(open(dir, 0))
		if i == 0 {
			origin = s.Head()
		} else {
			expect(t, s.Head().String(), last.String())
		}
		last = Put(t, s, store.Accounts, fmt.Sprintf("run%d", i), "x")
		if _, err := open(dir, 0); !fault.Is(err, fault.Unavailable) {
			t.Error("a store in use was opened again:", err)
		}
		closed(t, s)
	}
	s := must[store.Store](t)(open(dir, 0))
	defer closed(t, s)
	expect(t, Dump(t, s, store.Accounts, store.Range{}), "run0=x run1=x run2=x run3=x")
	expect(t, keysOf(read(t, s, origin)), "run0 run1 run2 run3")
}

func testCheckpoint(t *testing.T, open Open) {
	s := opened(t, open)
	Put(t, s, store.Accounts, "a", "1")
	at := Put(t, s, store.Accounts, "b", "1")
	dir := filepath.Join(t.TempDir(), "copy")
	expect(t, must[store.Position](t)(s.Checkpoint(dir)).String(), at.String())
	if _, err := s.Checkpoint(dir); err == nil {
		t.Error("a checkpoint was written over another")
	}
	Put(t, s, store.Accounts, "b", "2")

	restored := must[store.Store](t)(open(dir, 0))
	defer closed(t, restored)
	expect(t, Dump(t, restored, store.Accounts, store.Range{}), "a=1 b=1")
	if restored.Head().Incarnation == at.Incarnation {
		t.Error("a restored ledger lives on under the old incarnation: two histories would have the same positions")
	}
	_, err := restored.Since(at)
	expectReason(t, err, fault.Conflict, store.ReasonOtherIncarnation)
	began := restored.Head()
	Put(t, restored, store.Accounts, "c", "3")
	expect(t, keysOf(read(t, restored, began)), "c")
}
