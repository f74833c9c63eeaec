// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

var someHash = chain.Hash{1, 2, 3, 15: 16, 16: 17, 31: 32}

func writeAll(c *store.Changes) {
	store.WriteMeta(c, "name", []byte("m"))
	store.WriteHeader(c, 258, []byte("h"))
	store.WriteCertificate(c, 258, []byte("c"))
	store.WriteProposal(c, 258, []byte("p"))
	store.WriteOutcome(c, 258, 7, []byte("o"))
	store.WritePlace(c, 258, 7, []byte("l"))
	store.WriteBatch(c, someHash, []byte("b"))
	store.WriteTx(c, someHash, store.TxPlace{Height: 258, Index: 7, Item: 9})
	store.WriteHolding(c, 3, 4, 258, []byte("v"))
}

func TestKeysAreGolden(t *testing.T) {
	s := memstore.New()
	apply(t, s, writeAll)
	if err := store.EnsureFormat(memstore.New()); err != nil {
		t.Fatal(err)
	}
	it, err := s.Iter(store.Range{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for it.Next() {
		fmt.Fprintf(&b, "%c %x = %x\n", it.Key()[0], it.Key()[1:], it.Value())
	}
	testkit.Golden(t, "keys.txt", b.Bytes())
}

func TestEveryPrefixIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	s := memstore.New()
	apply(t, s, writeAll)
	it, _ := s.Iter(store.Range{})
	for it.Next() {
		if row := fmt.Sprintf("| `%c` |", it.Key()[0]); !strings.Contains(string(doc), row) {
			t.Errorf("FORMAT.md has no row %q", row)
		}
	}
}

func TestReadWriteDelete(t *testing.T) {
	s := memstore.New()
	reads := map[string]func() ([]byte, error){
		"m": func() ([]byte, error) { return store.ReadMeta(s, "name") },
		"h": func() ([]byte, error) { return store.ReadHeader(s, 258) },
		"c": func() ([]byte, error) { return store.ReadCertificate(s, 258) },
		"p": func() ([]byte, error) { return store.ReadProposal(s, 258) },
		"o": func() ([]byte, error) { return store.ReadOutcome(s, 258, 7) },
		"l": func() ([]byte, error) { return store.ReadPlace(s, 258, 7) },
		"b": func() ([]byte, error) { return store.ReadBatch(s, someHash) },
		"v": func() ([]byte, error) {
			_, v, err := store.ReadHolding(s, 3, 4, 300)
			return v, err
		},
		"x": func() ([]byte, error) {
			p, err := store.ReadTx(s, someHash)
			if err == nil && p != (store.TxPlace{Height: 258, Index: 7, Item: 9}) {
				err = errors.New("wrong place")
			}
			return []byte("x"), err
		},
	}
	for name, read := range reads {
		if _, err := read(); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s before it was written: %v", name, err)
		}
	}
	apply(t, s, writeAll)
	for name, read := range reads {
		if v, err := read(); err != nil || string(v) != name {
			t.Errorf("%s: %q %v", name, v, err)
		}
	}
	apply(t, s, func(c *store.Changes) {
		store.DeleteMeta(c, "name")
		store.DeleteHeader(c, 258)
		store.DeleteCertificate(c, 258)
		store.DeleteProposal(c, 258)
		store.DeleteOutcome(c, 258, 7)
		store.DeleteBatch(c, someHash)
		store.DeleteTx(c, someHash)
		store.DeleteHoldingBelow(c, 3, 4, 259)
		store.DeletePlace(c, 258, 7)
	})
	for name, read := range reads {
		if _, err := read(); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s after it was deleted: %v", name, err)
		}
	}
}

func TestLast(t *testing.T) {
	s := memstore.New()
	lasts := []func(store.Reader) (chain.Height, []byte, error){store.LastHeader, store.LastCertificate, store.LastProposal}
	for _, last := range lasts {
		if _, _, err := last(s); !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
	}
	apply(t, s, func(c *store.Changes) {
		for _, h := range []chain.Height{1, 255, 256, 70000} {
			store.WriteHeader(c, h, fmt.Append(nil, h))
			store.WriteCertificate(c, h, fmt.Append(nil, h))
			store.WriteProposal(c, h, fmt.Append(nil, h))
			store.WriteOutcome(c, h, 0, nil)
		}
	})
	check := func(want chain.Height) {
		t.Helper()
		for _, last := range lasts {
			if h, v, err := last(s); h != want || string(v) != fmt.Sprint(want) || err != nil {
				t.Fatal(h, v, err)
			}
		}
	}
	check(70000)
	apply(t, s, func(c *store.Changes) { store.DeleteBlocksAbove(c, 255) })
	check(255)
	if _, err := store.ReadOutcome(s, 256, 0); !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	if _, err := store.ReadOutcome(s, 255, 0); err != nil {
		t.Fatal(err)
	}
}

func TestHoldingVersions(t *testing.T) {
	s := memstore.New()
	apply(t, s, func(c *store.Changes) {
		for _, h := range []chain.Height{5, 9} {
			store.WriteHolding(c, 1, 2, h, fmt.Append(nil, h))
		}
		store.WriteHolding(c, 1, 3, 1, []byte("other"))
		store.WriteHolding(c, 1, 1, 1, []byte("other"))
	})
	for at, want := range map[chain.Height]chain.Height{5: 5, 8: 5, 9: 9, ^chain.Height(0): 9} {
		if h, v, err := store.ReadHolding(s, 1, 2, at); h != want || string(v) != fmt.Sprint(want) || err != nil {
			t.Errorf("at %d: %d %q %v", at, h, v, err)
		}
	}
	if _, _, err := store.ReadHolding(s, 1, 2, 4); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestDamage(t *testing.T) {
	s := memstore.New()
	apply(t, s, func(c *store.Changes) {
		c.Put([]byte("h123"), nil)
		c.Put(append([]byte{'x'}, someHash[:store.TxPrefixBytes]...), []byte("short"))
	})
	if _, _, err := store.LastHeader(s); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
	if _, err := store.ReadTx(s, someHash); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
	if err := store.EnsureFormat(s); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
}

func TestEnsureFormat(t *testing.T) {
	s := memstore.New()
	for range 2 {
		if err := store.EnsureFormat(s); err != nil {
			t.Fatal(err)
		}
	}
	if s.Applies() != 1 {
		t.Error("the format was written again")
	}
	apply(t, s, func(c *store.Changes) { store.WriteMeta(c, "format", []byte{store.FormatVersion + 1}) })
	if err := store.EnsureFormat(s); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	_ = s.Close()
	if err := store.EnsureFormat(s); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if _, _, err := store.LastHeader(s); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestChanges(t *testing.T) {
	var c store.Changes
	fill := func() {
		c.Reset()
		c.Put([]byte("k"), []byte("value"))
		c.Delete([]byte("d"))
		c.DeleteRange([]byte("a"), []byte("b"))
	}
	fill()
	if c.Len() != 3 || c.Bytes() != 3*9+6+1+2 {
		t.Fatal(c.Len(), c.Bytes())
	}
	var got []string
	stop := errors.New("stop")
	err := c.Each(func(op store.Op) error {
		got = append(got, fmt.Sprintf("%d %s %s", op.Kind, op.Key, op.Value))
		if op.Kind == store.OpDeleteRange {
			return stop
		}
		return nil
	})
	if strings.Join(got, "|") != "1 k value|2 d |3 a b" || err != stop {
		t.Fatal(got, err)
	}
	if n := testing.AllocsPerRun(100, fill); n != 0 {
		t.Errorf("a reused Changes allocates %v times", n)
	}
}

func TestEmptyKey(t *testing.T) {
	run := func() (err error) {
		defer fault.Recover(&err)
		var c store.Changes
		c.Put(nil, []byte("v"))
		return nil
	}
	if err := run(); !fault.Is(err, fault.Halted) {
		t.Error("an empty key was taken:", err)
	}
}

func TestAfter(t *testing.T) {
	for _, c := range []struct{ prefix, want []byte }{
		{nil, nil}, {[]byte{0xff}, nil}, {[]byte{1}, []byte{2}}, {[]byte{1, 0xff, 0xff}, []byte{2}}, {[]byte{1, 2}, []byte{1, 3}},
	} {
		if got := store.After(c.prefix); !bytes.Equal(got, c.want) {
			t.Errorf("After(%x) = %x", c.prefix, got)
		}
	}
}

func apply(t *testing.T, s store.Store, fill func(*store.Changes)) {
	t.Helper()
	var c store.Changes
	fill(&c)
	if err := s.Apply(&c, true); err != nil {
		t.Fatal(err)
	}
}
