// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	syncv1 "github.com/aurigraph/aurigraph/gen/aurigraph/sync/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestGoldenRecords pins the bytes: what was published stays readable, and two publishers write the same.
func TestGoldenRecords(t *testing.T) {
	k := testKey(t, 1)
	var out bytes.Buffer
	fmt.Fprintf(&out, "schema %016x key %016x\n", Schema(), k.ID())
	records := sampleRecords()
	for i, wire := range sealChain(t, &k, records) {
		fmt.Fprintf(&out, "%s %T\n%x\n", records[i].Position, records[i].Change, wire)
	}
	testkit.Golden(t, "records.txt", out.Bytes())
	testkit.Golden(t, "schema.txt", []byte(schemaText()))
}

func TestRoundTrip(t *testing.T) {
	k, other := testKey(t, 1), testKey(t, 2)
	records := sampleRecords()
	for i, wire := range sealChain(t, &k, records) {
		got, err := Open([]Key{other, k}, wire)
		if err != nil {
			t.Fatalf("%T: %v", records[i].Change, err)
		}
		if !reflect.DeepEqual(records[i], got) {
			t.Errorf("sealed %+v\nopened %+v", records[i], got)
		}
	}
	seen := map[string]bool{}
	for _, r := range records {
		seen[fmt.Sprintf("%T", r.Change)] = true
	}
	if kinds := (&syncv1.Body{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields().Len(); len(seen) != kinds {
		t.Errorf("%d kinds are tried, the schema has %d", len(seen), kinds)
	}
}

// reseal changes a sealed record's body and makes a right tag for it, as a faulty writer that has the key would.
func reseal(t *testing.T, k *Key, wire []byte, change func(*syncv1.Envelope, *syncv1.Body)) []byte {
	t.Helper()
	var e syncv1.Envelope
	var b syncv1.Body
	if err := proto.Unmarshal(wire, &e); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(e.Body, &b); err != nil {
		t.Fatal(err)
	}
	change(&e, &b)
	e.Body, _ = proto.Marshal(&b)
	tag := k.tag(e.Version, e.Body)
	e.Tag = tag[:]
	out, err := proto.Marshal(&e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOpenRefuses(t *testing.T) {
	k := testKey(t, 1)
	wire := sealChain(t, &k, sampleRecords())[0]
	body := func(change func(*syncv1.Body)) []byte {
		return reseal(t, &k, wire, func(_ *syncv1.Envelope, b *syncv1.Body) { change(b) })
	}
	transfer := func(b *syncv1.Body) *syncv1.Transfer { return b.GetTransfer() }
	unknown := []byte{0xf8, 0x07, 0x01} // field 127, varint 1
	for name, c := range map[string]struct {
		wire   []byte
		reason string
		kind   fault.Kind
	}{
		"no bytes":        {nil, ReasonUnknownVersion, fault.Unavailable},
		"other bytes":     {[]byte("hello"), ReasonMalformed, fault.Invalid},
		"too large":       {make([]byte, RecordBytesMax+1), ReasonOversized, fault.Invalid},
		"later version":   {reseal(t, &k, wire, func(e *syncv1.Envelope, _ *syncv1.Body) { e.Version = 2 }), ReasonUnknownVersion, fault.Unavailable},
		"later schema":    {body(func(b *syncv1.Body) { b.Schema++ }), ReasonUnknownSchema, fault.Unavailable},
		"unknown key":     {reseal(t, &k, wire, func(e *syncv1.Envelope, _ *syncv1.Body) { e.Key++ }), ReasonUnknownKey, fault.Unavailable},
		"unknown field":   {body(func(b *syncv1.Body) { b.ProtoReflect().SetUnknown(unknown) }), ReasonMalformed, fault.Invalid},
		"deep unknown":    {body(func(b *syncv1.Body) { b.GetTransfer().Deed.ProtoReflect().SetUnknown(unknown) }), ReasonMalformed, fault.Invalid},
		"no change":       {body(func(b *syncv1.Body) { b.Change = nil }), ReasonMalformed, fault.Invalid},
		"no origin":       {body(func(b *syncv1.Body) { b.Origin = 0 }), ReasonMalformed, fault.Invalid},
		"life 0":          {body(func(b *syncv1.Body) { b.Life = 0 }), ReasonMalformed, fault.Invalid},
		"short ledger":    {body(func(b *syncv1.Body) { b.Ledger = b.Ledger[1:] }), ReasonMalformed, fault.Invalid},
		"backwards":       {body(func(b *syncv1.Body) { b.Previous = b.Position }), ReasonMalformed, fault.Invalid},
		"since itself":    {body(func(b *syncv1.Body) { b.Since = b.Position.Major }), ReasonMalformed, fault.Invalid},
		"zero tag":        {body(func(b *syncv1.Body) { b.PreviousTag = make([]byte, 32) }), ReasonMalformed, fault.Invalid},
		"long amount":     {body(func(b *syncv1.Body) { transfer(b).Amount = make([]byte, 17) }), ReasonMalformed, fault.Invalid},
		"padded amount":   {body(func(b *syncv1.Body) { transfer(b).Amount = []byte{0, 1} }), ReasonMalformed, fault.Invalid},
		"no payer":        {body(func(b *syncv1.Body) { transfer(b).From = "" }), ReasonMalformed, fault.Invalid},
		"bad code":        {body(func(b *syncv1.Body) { transfer(b).Asset = "aur" }), ReasonMalformed, fault.Invalid},
		"high place":      {body(func(b *syncv1.Body) { transfer(b).Deed.Place = v10.PlacesPerBlockMax }), ReasonMalformed, fault.Invalid},
		"unknown outcome": {body(func(b *syncv1.Body) { transfer(b).Deed.Outcome = 1 << 20 }), ReasonUnknownSchema, fault.Unavailable},
		"no key":          {body(func(b *syncv1.Body) { transfer(b).Deed.Request.Key = make([]byte, 16) }), ReasonMalformed, fault.Invalid},
		"long caller":     {body(func(b *syncv1.Body) { transfer(b).Deed.Request.Caller = strings.Repeat("x", 256) }), ReasonMalformed, fault.Invalid},
		"granted refusal": {body(func(b *syncv1.Body) {
			b.Change = &syncv1.Body_Refusal{Refusal: &syncv1.Refusal{Request: transfer(b).Deed.Request}}
		}), ReasonMalformed, fault.Invalid},
		"signers mixed up": {body(func(b *syncv1.Body) {
			b.Change = &syncv1.Body_Block{Block: &syncv1.Block{Hash: make([]byte, 32), Previous: make([]byte, 32), Signers: []uint32{1, 1}}}
		}), ReasonMalformed, fault.Invalid},
	} {
		if _, err := Open([]Key{k}, c.wire); fault.ReasonOf(err) != c.reason || fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v (%s)", name, err, fault.ReasonOf(err))
		}
	}
}

// TestOpenSeesEveryBit: whatever bit changes on the way, nothing is returned.
func TestOpenSeesEveryBit(t *testing.T) {
	k := testKey(t, 1)
	for _, wire := range sealChain(t, &k, sampleRecords()) {
		for bit := range len(wire) * 8 {
			bad := slices.Clone(wire)
			bad[bit/8] ^= 1 << (bit % 8)
			if r, err := Open([]Key{k}, bad); err == nil {
				t.Fatalf("bit %d of %x is changed, and this was read: %+v", bit, wire, r)
			}
		}
	}
}

func TestSealRefuses(t *testing.T) {
	k := testKey(t, 1)
	for name, change := range map[string]func(*Record){
		"no change":     func(r *Record) { r.Change = nil },
		"no source":     func(r *Record) { r.Source = Source{} },
		"not ascending": func(r *Record) { r.Previous = r.Position },
		"item too high": func(r *Record) { r.Change.(*Transfer).ID.Item = 1 << 13 },
		"many votes":    func(r *Record) { r.Change = &Round{Votes: make([]string, VotesMax+1)} },
		"long name":     func(r *Record) { r.Change.(*Transfer).To = strings.Repeat("x", v10.NameBytesMax+1) },
		"heart-beat":    func(r *Record) { r.Change = &Heartbeat{} },
	} {
		r := sampleRecords()[0]
		change(r)
		if _, err := Seal(&k, r); fault.ReasonOf(err) != ReasonMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewKey(make([]byte, SecretBytesMin-1)); !fault.Is(err, fault.Invalid) {
		t.Errorf("a short secret: %v", err)
	}
}

// TestLargestRecord: no change that keeps its bounds comes near the bound of a record.
func TestLargestRecord(t *testing.T) {
	k := testKey(t, 1)
	votes := slices.Repeat([]string{strings.Repeat("n", v10.NameBytesMax)}, VotesMax)
	r := &Record{Source: testSource, Position: Position{2, 0}, Since: 1, Change: &Round{Leader: votes[0], Votes: votes}}
	wire, err := Seal(&k, r)
	if err != nil || len(wire) > RecordBytesMax/8 {
		t.Errorf("%d bytes, %v", len(wire), err)
	}
}

func TestPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Position {
			return Position{rapid.Uint64().Draw(t, name), rapid.Uint32().Draw(t, name+" minor")}
		}
		p, q := draw("p"), draw("q")
		back, err := DecodePosition(p.Append(nil))
		parsed, err2 := ParsePosition(p.String())
		if err != nil || err2 != nil || back != p || parsed != p {
			t.Fatalf("%s: %v %v %v %v", p, back, err, parsed, err2)
		}
		if bytes.Compare(p.Append(nil), q.Append(nil)) != p.Compare(q) || p.Before(q) != (p.Compare(q) < 0) {
			t.Fatalf("%s and %s are ordered otherwise as bytes", p, q)
		}
	})
	for _, text := range []string{"", "1", "1.", ".1", "01.2", "1.2.3", "1.4294967296", "-1.0"} {
		if p, err := ParsePosition(text); err == nil {
			t.Errorf("%q is read as %s", text, p)
		}
	}
	if _, err := DecodePosition(make([]byte, 11)); err == nil {
		t.Error("11 bytes are read as a position")
	}
	if end := EndOf(5); !(Position{5, math.MaxUint32 - 1}).Before(end) || !end.Before(Position{6, 0}) {
		t.Error("the end of a batch is not between its changes and the next batch")
	}
}

func FuzzOpen(f *testing.F) {
	k := testKey(f, 1)
	for _, wire := range sealChain(f, &k, sampleRecords()) {
		var e syncv1.Envelope
		if err := proto.Unmarshal(wire, &e); err != nil {
			f.Fatal(err)
		}
		f.Add(e.Body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := Open([]Key{k}, body); err == nil {
			t.Fatal("bytes without a tag are a record")
		}
		// With a right tag, so that the fuzzer reaches what lies behind it.
		tag := k.tag(Version, body)
		wire, err := proto.Marshal(&syncv1.Envelope{Version: Version, Key: k.id, Body: body, Tag: tag[:]})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open([]Key{k}, wire)
		if err != nil {
			return
		}
		again, err := Seal(&k, r)
		if err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", r, err)
		}
		if back, err := Open([]Key{k}, again); err != nil || !reflect.DeepEqual(r, back) {
			t.Fatalf("%+v is another record when it is written again: %v", r, err)
		}
	})
}
