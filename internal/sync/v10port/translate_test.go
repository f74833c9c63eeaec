// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// plainKeys are shared keys that a test can read.
type plainKeys struct{}

// Key implements SharedKeys.
func (plainKeys) Key(caller, key string) (k chain.IdempotencyKey) {
	copy(k[:], caller+"/"+key)
	return k
}

// Body implements SharedKeys.
func (plainKeys) Body(from, to, asset string, units chain.Amount) (b [16]byte) {
	copy(b[:], from+">"+to+units.String()+asset)
	return b
}

func put(family string, value any, key ...any) Op {
	op := Op{Family: family}
	for _, part := range key {
		switch p := part.(type) {
		case string:
			op.Key = append(op.Key, p...)
		case []byte:
			op.Key = append(op.Key, p...)
		case uint64:
			op.Key = binary.BigEndian.AppendUint64(op.Key, p)
		case uint32:
			op.Key = binary.BigEndian.AppendUint32(op.Key, p)
		}
	}
	text, ok := value.(string)
	if !ok {
		raw, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		text = string(raw)
	}
	op.Value = []byte(text)
	return op
}

var roundHash = bytes.Repeat([]byte{0xab}, 32)

func roundOp(number uint64, transactions int) Op {
	h := "0x" + hex.EncodeToString(roundHash)
	return put("consensus", fmt.Sprintf(`{"ms":1000,"leader":"n1","votes":["n1","n2"],"block_hash":%q,"previous_hash":%q,"transactions":%d}`, h, h, transactions), "r", number)
}

func txOp(number uint64, place uint32, rest string) Op {
	return put("transactions", `{"ms":1000,`+rest+`}`, "t", number, v10.LegacyPlaceMin+place)
}

func keyOp(k keyRow) Op {
	at := k.hash()
	return put("meta", fmt.Sprintf(`{"caller":%q,"key":%q,"item":%d,"request":"AA==","round":%d,"place":%d,"ms":1000,"outcome":0}`, k.Caller, k.Key, k.Item, k.Round, v10.LegacyPlaceMin+k.Place), "k", at[:])
}

// round is a batch with one of each kind of transaction, and all rows that follow from them.
func round() *Batch {
	return &Batch{Sequence: 77, Ops: []Op{
		put("accounts", "{}", "abob"), put("accounts", "bob", "n", uint64(4)), put("accounts", "", "h\x00\x03bobAUR"),
		put("assets", "5", "h\x00\x03AURbob"), put("transactions", "", "p\x00\x03bob", uint64(9), uint32(0)),
		txOp(9, 1, `"kind":"account","to":"carl","units":"0","outcome":21`),
		txOp(9, 0, `"kind":"transfer","from":"ann","to":"bob","asset":"AUR","units":"340282366920938463463374607431768211455","outcome":0`),
		txOp(9, 2, `"kind":"asset","from":"bob","asset":"EUR","units":"0","outcome":0`),
		txOp(9, 3, `"kind":"asset","from":"bob","asset":"EUR","units":"0","outcome":23`),
		txOp(9, 4, `"kind":"issue","from":"bob","to":"ann","asset":"EUR","units":"7","outcome":0`),
		txOp(9, 5, `"kind":"redeem","from":"bob","asset":"EUR","units":"8","outcome":8`),
		put("assets", `{"number":2,"name":"Euro","scale":2,"issuer":"bob","supply":"7","created_ms":1000}`, "aEUR"), put("assets", "EUR", "n", uint64(2)),
		keyOp(keyRow{Caller: "till", Key: "k", Item: 2, Round: 9, Place: 0}),
		put("meta", "", "e", uint64(1000), uint64(9), roundHash),
		{Family: "meta", Key: append([]byte("k"), roundHash...), Delete: true}, {Family: "meta", Key: []byte("eold"), Delete: true},
		roundOp(9, 6), put("consensus", "12345678", "b", roundHash), put("meta", `{"round":9,"home_version":3}`, "totals"),
	}}
}

func TestTranslateRound(t *testing.T) {
	drafts, err := Translate(plainKeys{}, round())
	if err != nil {
		t.Fatal(err)
	}
	deed := func(place uint32, outcome chain.Outcome) envelope.Deed {
		return envelope.Deed{ID: v10.TxIDAt(1000, 9, v10.LegacyPlaceMin+place), Outcome: outcome}
	}
	first := deed(0, chain.OK)
	all := chain.Amount{Hi: 1<<64 - 1, Lo: 1<<64 - 1}
	first.Request = &envelope.Request{Key: plainKeys{}.Key("till", "k 1"), Body: plainKeys{}.Body("ann", "bob", "AUR", all), Caller: "till"}
	want := []envelope.Change{
		&envelope.Transfer{Deed: first, From: "ann", To: "bob", Asset: "AUR", Amount: all},
		&envelope.AccountOpened{Deed: deed(1, chain.AliasTaken), Alias: "carl"},
		&envelope.AssetCreated{Deed: deed(2, chain.OK), Code: "EUR", Name: "Euro", Scale: 2, Issuer: "bob"},
		&envelope.AssetCreated{Deed: deed(3, chain.CodeTaken), Code: "EUR", Issuer: "bob"},
		&envelope.Issued{Deed: deed(4, chain.OK), Asset: "EUR", Issuer: "bob", To: "ann", Amount: chain.Units(7)},
		&envelope.Redeemed{Deed: deed(5, chain.InsufficientFunds), Asset: "EUR", Issuer: "bob", Amount: chain.Units(8)},
		&envelope.Round{Number: 9, TimeMs: 1000, Leader: "n1", Votes: []string{"n1", "n2"}, Hash: [32]byte(roundHash), Previous: [32]byte(roundHash), Transactions: 6},
	}
	if len(drafts) != len(want) {
		t.Fatalf("%d changes, want %d", len(drafts), len(want))
	}
	for i, d := range drafts {
		if d.Position != (envelope.Position{Major: 77, Minor: uint32(i)}) || d.End != (i == len(want)-1) || d.HomeVersion != 3 || !reflect.DeepEqual(d.Change, want[i]) {
			t.Errorf("%d: %+v %+v, want %+v", i, d, d.Change, want[i])
		}
	}
}

func TestTranslateOthers(t *testing.T) {
	for name, test := range map[string]struct {
		batch Batch
		want  []envelope.Change
	}{
		"applied":  {Batch{Origin: []byte("sync:v11:7.0"), Ops: []Op{put("transactions", "{}", "u", uint64(1), uint64(1), uint32(1))}}, nil},
		"a cursor": {Batch{Ops: []Op{put("meta", "x", "cgenerate")}}, nil},
		"homes":    {Batch{Ops: []Op{put("meta", "{}", "homes"), put("meta", "{}", "totals")}}, nil},
		"opened":   {Batch{Ops: []Op{put("meta", "{}", "inbox"), put("meta", "{}", "totals")}}, nil},
		"barrier": {Batch{Ops: []Op{put("meta", `{"ms":5}`, "g", uint64(3)), put("meta", "{}", "totals")}},
			[]envelope.Change{&envelope.Barrier{Generation: 3, TimeMs: 5}}},
	} {
		drafts, err := Translate(plainKeys{}, &test.batch)
		if err != nil || len(drafts) != len(test.want) {
			t.Errorf("%s: %+v %v", name, drafts, err)
			continue
		}
		for i := range drafts {
			if !reflect.DeepEqual(drafts[i].Change, test.want[i]) || !drafts[i].End {
				t.Errorf("%s: %+v", name, drafts[i])
			}
		}
	}
}

// TestTranslateRefuses takes something away from a round, or adds something: none of it may pass as less than it is.
func TestTranslateRefuses(t *testing.T) {
	without := func(i int) *Batch { b := round(); b.Ops = append(b.Ops[:i:i], b.Ops[i+1:]...); return b }
	with := func(op Op) *Batch { b := round(); b.Ops = append(b.Ops, op); return b }
	wrongKey := keyOp(keyRow{Key: "k", Round: 9})
	wrongKey.Key[5] ^= 1
	for name, test := range map[string]struct {
		batch  *Batch
		reason string
	}{
		"a writer whom nobody knows":  {&Batch{Origin: []byte("mirror:1"), Ops: round().Ops}, ReasonUnknownOrigin},
		"a family":                    {with(put("contracts", "{}", "a")), ReasonUnknownRow},
		"a kind of row":               {with(put("meta", "{}", "z")), ReasonUnknownRow},
		"an empty key":                {with(put("meta", "{}")), ReasonUnknownRow},
		"applied rows without a mark": {with(put("transactions", "{}", "u", uint64(1), uint64(1), uint32(1))), ReasonUnknownRow},
		"a transaction taken back":    {with(Op{Family: "transactions", Key: round().Ops[5].Key, Delete: true}), ReasonUnknownRow},
		"a kind of transaction":       {with(txOp(9, 0, `"kind":"loan","units":"0","outcome":0`)), ReasonUnknownRow},
		"no transaction":              {without(6), ReasonRoundIncomplete},
		"one more transaction":        {with(txOp(9, 6, `"kind":"account","to":"x","units":"0","outcome":0`)), ReasonRoundIncomplete},
		"a transaction of another": {func() *Batch {
			b := without(6)
			b.Ops = append(b.Ops, txOp(8, 0, `"kind":"account","units":"0"`))
			return b
		}(), ReasonRoundIncomplete},
		"no round":               {without(17), ReasonRoundIncomplete},
		"two rounds":             {with(roundOp(10, 6)), ReasonRoundIncomplete},
		"a barrier with a round": {with(put("meta", `{"ms":5}`, "g", uint64(3))), ReasonRoundIncomplete},
		"no asset":               {without(11), ReasonRoundIncomplete},
		"a key of nothing":       {with(keyOp(keyRow{Key: "z", Round: 9, Place: 77})), ReasonRoundIncomplete},
		"a key elsewhere":        {with(wrongKey), ReasonUnreadableRow},
		"no JSON":                {with(put("meta", "{", "totals")), ReasonUnreadableRow},
		"a number out of range":  {with(txOp(9, 0, `"kind":"transfer","units":"-1"`)), ReasonUnreadableRow},
		"no hash":                {with(put("consensus", `{"block_hash":"0xab"}`, "r", uint64(9))), ReasonUnreadableRow},
	} {
		drafts, err := Translate(plainKeys{}, test.batch)
		if fault.ReasonOf(err) != test.reason || drafts != nil || fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v (%s), want %s", name, err, fault.ReasonOf(err), test.reason)
		}
	}
}

// FuzzTranslate gives one row of a round other bytes: it is refused, or makes changes in order, whose last alone is the end.
func FuzzTranslate(f *testing.F) {
	for i, op := range round().Ops {
		f.Add(i, op.Family, op.Key, op.Value, op.Delete)
	}
	f.Fuzz(func(t *testing.T, at int, family string, key, value []byte, deleted bool) {
		b := round()
		b.Ops[uint(at)%uint(len(b.Ops))] = Op{Family: family, Key: key, Value: value, Delete: deleted}
		drafts, err := Translate(plainKeys{}, b)
		if err != nil {
			if fault.ReasonOf(err) == "internal" || drafts != nil {
				t.Fatalf("%v", err)
			}
			return
		}
		for i, d := range drafts {
			if d.Position != (envelope.Position{Major: 77, Minor: uint32(i)}) || d.End != (i == len(drafts)-1) || d.Change == nil {
				t.Fatalf("%d of %d: %+v", i, len(drafts), d)
			}
		}
	})
}
