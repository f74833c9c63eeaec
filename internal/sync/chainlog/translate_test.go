// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

var update = flag.Bool("update", false, "write the golden files anew")

var desk = chain.BatchHeader{Institution: gateway, Key: deskKey}

// everyKind is a block with each kind of change, and with all that is left out beside it.
func everyKind(t testing.TB, w *world) *Block {
	refused := []chain.Outcome{chain.InsufficientFunds, chain.InsufficientFunds, chain.UnknownAccount, chain.NotHome, chain.Duplicate, chain.InsufficientFunds}
	return w.add(
		legs(t, desk, nil,
			chain.Leg{From: 11, To: 12, Asset: 1, Amount: chain.Amount{Lo: 5, Hi: 1}, Reference: [32]byte{31: 7}}, // a transfer
			keyed(1, pays(12, 11, 1, 2)),  // under a key
			pays(20, 21, 2, 3),            // of V11 only
			pays(11, 12, 2, 4),            // of portable accounts, in an asset of V11 only
			keyed(9, pays(11, 12, 2, 4))), // likewise
		legs(t, desk, refused,
			keyed(2, pays(11, 12, 1, 1000)), // refused under a key
			pays(11, 12, 1, 1000),           // refused without one: nothing to remember
			keyed(3, pays(11, 999, 1, 1)),   // to nobody
			keyed(4, pays(11, 12, 1, 1)),    // V10 is the home, and decides
			keyed(5, pays(11, 12, 1, 1)),    // a repeat
			keyed(6, pays(20, 21, 2, 900))), // of V11 only
		legs(t, chain.BatchHeader{Institution: 3, Key: 9}, []chain.Outcome{chain.InsufficientFunds},
			keyed(7, pays(11, 12, 1, 1000)), keyed(8, pays(13, 11, 1, 6))), // another institution's keys are not V10's
		legs(t, chain.BatchHeader{Institution: gateway, Key: 9}, []chain.Outcome{chain.NotAuthorized}, keyed(10, pays(11, 12, 1, 1))), // of a key that is not the institution's
		legs(t, chain.BatchHeader{Institution: gateway, Key: deskKey, Flags: chain.FlagAtomic}, []chain.Outcome{chain.InsufficientFunds}, keyed(11, pays(11, 12, 1, 1))),
		bySync(t, pays(11, 12, 1, 77), (&chain.SyncOrigin{Position: chain.SyncPosition{Minor: 1}}).Leg()), // V10 told it
		txs(
			tx{11, 7, &chain.Transfer{To: 13, Asset: 1, Amount: chain.Units(8), Reference: [32]byte{8}}, chain.OK, 0},
			tx{11, 7, &chain.Transfer{To: 13, Asset: 1, Amount: chain.Units(8)}, chain.InsufficientFunds, 0},
			tx{10, deskKey, &chain.Issue{To: 11, Asset: 1, Amount: chain.Units(9)}, chain.OK, 0},
			tx{10, deskKey, &chain.Redeem{Asset: 1, Amount: chain.Units(10), Reference: [32]byte{9}}, chain.OK, 0},
			tx{20, 7, &chain.Issue{To: 21, Asset: 2, Amount: chain.Units(9)}, chain.OK, 0},
			tx{2, deskKey, &chain.OpenAccount{AliasTag: chain.Hash{1}, Address: chain.Address{1}}, chain.OK, 13},
			tx{2, syncKey, &chain.OpenAccount{AliasTag: chain.Hash{2}, Address: chain.Address{2}}, chain.OK, 12}, // the applier, for V10
			tx{2, deskKey, &chain.OpenAccount{Slot: chain.SlotNone}, chain.OK, 22},
			tx{2, deskKey, &chain.OpenAccounts{Count: 3}, chain.OK, 23},
			tx{12, deskKey, &chain.CreateAsset{Code: "EUR.X", Name: "Euro", Scale: 2, Flags: chain.AssetPortable}, chain.OK, 4},
			tx{12, syncKey, &chain.CreateAsset{Code: "EUR.Y", Name: "Euro", Scale: 2, Flags: chain.AssetPortable}, chain.OK, 5}, // likewise
			tx{20, 7, &chain.CreateAsset{Code: "OWN", Name: "Own"}, chain.OK, 6},
			tx{12, 7, &chain.Freeze{Account: 12, Frozen: true}, chain.OK, 0}),
	)
}

func capture(t testing.TB, w *world) *Capture {
	t.Helper()
	c, err := New(Config{Institution: gateway, SyncKeys: []chain.KeyNo{syncKey}}, Parts{Chain: w, Names: w, Sink: w})
	must(t, err)
	return c
}

func text(drafts []Draft) []byte {
	var out bytes.Buffer
	for _, d := range drafts {
		fmt.Fprintf(&out, "%s end=%v home=%d %T", d.Position, d.End, d.HomeVersion, d.Change)
		v := reflect.ValueOf(d.Change).Elem()
		for i := range v.NumField() {
			switch f := v.Field(i).Interface().(type) {
			case envelope.Deed:
				fmt.Fprintf(&out, " id=%s outcome=%s", f.ID, f.Outcome)
				if f.Request != nil {
					fmt.Fprintf(&out, " key=%x body=%x", f.Request.Key[:2], f.Request.Body[:2])
				}
			case envelope.Request:
				fmt.Fprintf(&out, " key=%x body=%x", f.Key[:2], f.Body[:2])
			default:
				fmt.Fprintf(&out, " %s=%v", v.Type().Field(i).Name, f)
			}
		}
		out.WriteString("\n")
	}
	return out.Bytes()
}

// TestEveryKind: the records of a block with each kind of change, in order, and nothing else.
func TestEveryKind(t *testing.T) {
	w := newWorld()
	everyKind(t, w)
	must(t, capture(t, w).height(t.Context(), 1, envelope.Position{}))
	got, golden := text(w.got), filepath.Join("testdata", "block.txt")
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestMoves: a record bears the version of the home table under which its item was executed, also within a batch in which slots move, and
// a move that was refused makes none.
func TestMoves(t *testing.T) {
	w := newWorld()
	slots := []chain.SlotRange{{From: 1, To: 2}}
	pay := func(n uint64) tx {
		return tx{11, 7, &chain.Transfer{To: 12, Asset: 1, Amount: chain.Units(n)}, chain.OK, 0}
	}
	w.add(
		legs(t, desk, nil, pays(11, 12, 1, 1)),
		txs(pay(2), tx{2, 8, &chain.MoveSlots{HomeVersion: 4, Slots: slots}, chain.OK, 0}, pay(3),
			tx{2, 8, &chain.MoveSlots{HomeVersion: 4, Slots: slots}, chain.HomesMoved, 0}, pay(4),
			tx{2, 8, &chain.AbortMove{HomeVersion: 5, Slots: slots}, chain.OK, 0}),
		legs(t, desk, nil, pays(11, 12, 1, 5)))
	must(t, capture(t, w).height(t.Context(), 1, envelope.Position{}))
	var got []uint64
	for _, d := range w.got {
		got = append(got, d.HomeVersion)
	}
	if want := []uint64{4, 4, 5, 5, 6, 6}; !slices.Equal(got, want) { // the last is the block's own record
		t.Errorf("versions %v, want %v", got, want)
	}
}

// TestRecordsGoThroughTheEnvelope: what is captured can be sealed, and is the same when it is opened again.
func TestRecordsGoThroughTheEnvelope(t *testing.T) {
	w := newWorld()
	everyKind(t, w)
	must(t, capture(t, w).height(t.Context(), 1, envelope.Position{}))
	k, err := envelope.NewKey(bytes.Repeat([]byte{5}, envelope.SecretBytesMin))
	must(t, err)
	genesis := envelope.LedgerID{9}
	before := envelope.Record{Source: envelope.Source{Ledger: genesis, Origin: envelope.V11, Life: 1, Incarnation: envelope.Incarnation{3}}}
	for _, d := range w.got {
		r := envelope.Record{
			Source: before.Source, Position: d.Position, Previous: before.Position, PreviousTag: before.Tag, Since: d.Position.Major - 1,
			End: d.End, HomeVersion: d.HomeVersion, Change: d.Change,
		}
		wire, err := envelope.Seal(&k, &r)
		if err != nil {
			t.Fatalf("%s %T: %v", d.Position, d.Change, err)
		}
		back, err := envelope.Open([]envelope.Key{k}, wire)
		must(t, err)
		if !reflect.DeepEqual(back, &r) {
			t.Errorf("%s\n%+v\n%+v", d.Position, back.Change, r.Change)
		}
		before = r
	}
}

// TestStops: what V10 cannot be told stops the direction, with a reason and without a name.
func TestStops(t *testing.T) {
	for name, c := range map[string]struct {
		with   func(testing.TB) contents
		reason string
	}{
		"a payee without a known name": {func(t testing.TB) contents { return legs(t, desk, nil, pays(11, 14, 1, 1)) }, ReasonNameUnknown},
		"a native payee":               {func(t testing.TB) contents { return legs(t, desk, nil, pays(11, 20, 1, 1)) }, ReasonNativeParty},
		"a native payer":               {func(t testing.TB) contents { return legs(t, desk, nil, pays(20, 11, 1, 1)) }, ReasonNativeParty},
		"a hold": {func(t testing.TB) contents {
			return legs(t, desk, nil, chain.Leg{Kind: chain.LegHold, From: 11, To: 12, Asset: 1, Amount: chain.Units(1), Arg: 3})
		}, ReasonHold},
		"a native issuer": {func(testing.TB) contents {
			return txs(tx{20, 7, &chain.Issue{To: 11, Asset: 3, Amount: chain.Units(1)}, chain.OK, 0})
		}, ReasonNativeIssuer},
		"an asset of a native issuer": {func(testing.TB) contents {
			return txs(tx{20, 7, &chain.CreateAsset{Code: "X", Name: "X", Flags: chain.AssetPortable}, chain.OK, 7})
		}, ReasonNativeIssuer},
		"an account without a known name": {func(testing.TB) contents {
			return txs(tx{2, deskKey, &chain.OpenAccount{AliasTag: chain.Hash{1}, Address: chain.Address{1}}, chain.OK, 15})
		}, ReasonNameUnknown},
		"an asset that is not there": {func(t testing.TB) contents { return legs(t, desk, nil, pays(11, 12, 99, 1)) }, ReasonFactMissing},
	} {
		w := newWorld()
		w.add(c.with(t))
		err := capture(t, w).block(t.Context(), 1, envelope.Position{})
		if fault.ReasonOf(err) != c.reason || len(w.got) != 0 {
			t.Errorf("%s: %v, and %d records", name, err, len(w.got))
		}
		for _, one := range w.names {
			if err != nil && strings.Contains(err.Error(), one) {
				t.Errorf("%s: the error has a name", name)
			}
		}
	}
	w := newWorld()
	b := w.add(legs(t, desk, nil, pays(20, 21, 2, 1), chain.Leg{Kind: chain.LegHold, From: 20, To: 21, Asset: 2, Amount: chain.Units(1), Arg: 3}))
	must(t, capture(t, w).block(t.Context(), 1, envelope.Position{}))
	if len(w.got) != 1 || !w.got[0].End || w.got[0].Change.(*envelope.Block).Hash != b.Hash {
		t.Errorf("%s", text(w.got))
	}
}

// TestDamage: contents that do not fit each other are Corrupt.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(*Block){
		"outcomes": func(b *Block) { b.Batches[0].Outcomes = []byte{9} },
		"fewer outcomes": func(b *Block) {
			b.Batches[0].Outcomes = legs(t, desk, nil, pays(1, 2, 1, 1)).codes.AppendPacked(nil)
		},
		"payload":          func(b *Block) { b.Batches[0].Payload = b.Batches[0].Payload[:100] },
		"payload of txs":   func(b *Block) { b.Batches[6].Payload = b.Batches[6].Payload[:9] },
		"a batch too many": func(b *Block) { b.Batches = append(b.Batches, b.Batches[0]) },
	} {
		w := newWorld()
		damage(everyKind(t, w))
		if err := capture(t, w).block(t.Context(), 1, envelope.Position{}); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
