// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was (a new form needs a new version):\n%s", name, got)
	}
}

// hexLines writes 32 bytes a line.
func hexLines(b []byte) string {
	var out strings.Builder
	for line := range slices.Chunk(b, 32) {
		out.WriteString(hex.EncodeToString(line) + "\n")
	}
	return out.String()
}

func goldenLegs() []Leg {
	return []Leg{
		{From: 2, To: 3, Asset: 1, Kind: LegTransfer, Amount: Units(1500), Reference: [32]byte{'i', 'n', 'v', 'o', 'i', 'c', 'e'}},
		{From: 0x01020304, To: 0x05060708, Asset: 0x090a0b0c, Kind: LegHold, Arg: 0x0d0e0f, Amount: Amount{Lo: 0x1112131415161718, Hi: 0x191a1b1c1d1e1f20}},
		{From: 4, Kind: LegPost, Amount: Units(7), Reference: [32]byte{0: 0xaa, 31: 0xbb}},
		{From: 4, Kind: LegVoid, Reference: [32]byte{0: 0xcc, 31: 0xdd}},
	}
}

func goldenHeader() BatchHeader {
	return BatchHeader{
		Flags: FlagAtomic, Chain: 0x0102030405060708, Institution: 0x11121314, Key: 0x21222324, Channel: 0x31, Legs: 4,
		Sequence: 0x4142434445464748, ValidUntil: 0x5152535455565758,
	}
}

func TestGoldenBatch(t *testing.T) {
	b, err := NewBatch(goldenHeader(), goldenLegs())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "batch", hexLines(b.Bytes()))
}

// A keyed leg: argument 1, the key in front of the reference.
func TestGoldenKeyedBatch(t *testing.T) {
	h := goldenHeader()
	h.Flags, h.Legs = 0, 1
	var key IdempotencyKey
	var request [16]byte
	for i := range key {
		key[i], request[i] = 0xa0+byte(i), 0xb0+byte(i)
	}
	b, err := NewBatch(h, []Leg{{From: 2, To: 3, Asset: 1, Kind: LegTransfer, Arg: LegKeyed, Amount: Units(1500), Reference: KeyedReference(key, request)}})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "batch_keyed", hexLines(b.Bytes()))
	leg := b.Leg(0)
	if got, keyed := leg.Key(); !keyed || got != key || [16]byte(leg.Reference[16:]) != request {
		t.Errorf("%x, %v", got, keyed)
	}
	for _, other := range []Leg{{}, {Arg: 2, Reference: leg.Reference}, {Kind: LegHold, Arg: LegKeyed, Reference: leg.Reference}} {
		if got, keyed := other.Key(); keyed || !got.IsZero() {
			t.Errorf("%+v has key %x", other, got)
		}
	}
}

// A sync batch: its head behind the header's fields, each change two legs.
func TestGoldenSyncBatch(t *testing.T) {
	h := goldenHeader()
	h.Flags = 0
	head := SyncHead{Life: 3, Previous: SyncPosition{Major: 1<<40 + 5, Minor: 7}, HomeVersion: 9}
	o := SyncOrigin{
		Position: SyncPosition{Major: 1<<40 + 6, Minor: 1}, Outcome: InsufficientFunds, TimeMs: 1<<48 - 2, Height: 1<<47 + 12345, Place: 1<<32 - 3,
		Tag: Hash{1, 2, 3, 31: 0xff},
	}
	change := Leg{From: 2, To: 3, Asset: 1, Kind: LegRefused, Amount: Units(1500)}
	b, err := NewSyncBatch(h, head, []Leg{change, o.Leg()})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "batch_sync", hexLines(b.Bytes()))
	if b.Header().Flags != FlagSync || b.SyncHead() != head {
		t.Errorf("%+v", b.SyncHead())
	}
	second := b.Leg(1)
	if got, ok := second.Origin(); !ok || got != o {
		t.Errorf("%+v, want %+v", got, o)
	}
	if _, ok := change.Origin(); ok {
		t.Error("a change is no origin")
	}
	if _, err := NewSyncBatch(h, head, []Leg{change}); err == nil {
		t.Error("half a change")
	}
	h.Flags = FlagAtomic
	if _, err := NewSyncBatch(h, head, []Leg{change, o.Leg()}); err == nil {
		t.Error("an atomic sync batch")
	}
	h.Flags = 0
	plain, err := NewBatch(h, []Leg{change})
	if err != nil {
		t.Fatal(err)
	}
	plain.Bytes()[syncMajorAt]++
	if _, err := ParseBatch(plain.Bytes()); err == nil {
		t.Error("a head without the flag")
	}
}

// goldenCopy is a sync batch of the initial copy: an account, a piece of history, an answer under a key, and the end.
func goldenCopy(t testing.TB) Batch {
	t.Helper()
	h := goldenHeader()
	h.Flags = 0
	account := OpenedAccount{Number: 1<<31 + 7, Tag: Hash{1, 31: 0xEE}, Address: Address{0xA0, 1, 2, 15: 0xAF, 16: 0xB0, 19: 0xBF}, Slot: 10_001}
	piece := HistoryChunk{Family: ChunkRounds, Number: 1<<33 + 5, Rows: ChunkRowsMax, Sum: 1<<60 + 1, Digest: Hash{2, 31: 0xDD}}
	noted := Leg{Kind: LegNoted, Arg: LegKeyed, From: 2, To: 3, Asset: 1, Amount: Units(1500), Reference: KeyedReference(IdempotencyKey{4}, [16]byte{5})}
	var legs []Leg
	for i, l := range []Leg{account.Leg(), piece.Leg(), noted, {Kind: LegBarrier, Amount: Units(9)}} {
		o := SyncOrigin{Position: SyncPosition{Minor: uint32(i) + 2}}
		if l.Kind == LegBarrier {
			o.Position = CopyEnd(1<<40 + 6)
		}
		if EndsCopy(&l, &o) != (l.Kind == LegBarrier) {
			t.Errorf("change %d and the end", i)
		}
		legs = append(legs, l, o.Leg())
	}
	b, err := NewSyncBatch(h, SyncHead{Life: 1, Previous: CopyBegin(), HomeVersion: 1}, legs)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := legs[0].Opens(); !ok || got != account {
		t.Errorf("%+v, want %+v", got, account)
	}
	if got, ok := legs[2].Chunk(); !ok || got != piece {
		t.Errorf("%+v, want %+v", got, piece)
	}
	return b
}

func TestGoldenCopy(t *testing.T) { golden(t, "batch_copy", hexLines(goldenCopy(t).Bytes())) }

// Outcomes and kinds are numbers in certified data: their table only grows.
func TestGoldenNames(t *testing.T) {
	var out bytes.Buffer
	for _, o := range Outcomes() {
		fmt.Fprintf(&out, "outcome %d %s\n", o, o)
	}
	for k := TxKind(0); k <= TxCloseMigration+1; k++ {
		fmt.Fprintf(&out, "tx %d %s\n", k, k)
	}
	golden(t, "names", out.String())
}
