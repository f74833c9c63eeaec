// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func testHeads() []EntryHead {
	e := links(3, 2)[1]
	txs := e
	txs.Kind = chain.PayloadTxs
	return []EntryHead{{Entry: e, Key: 7, Signature: []byte("a client's")}, {Entry: txs}, {Entry: e, Key: 8, Signature: make([]byte, chain.SignatureBytesMax)}}
}

func testPositions(n int) []Position {
	p := make([]Position, n)
	for i := range p {
		p[i] = Position{chain.ValidatorNo(i + 1), chain.Epoch(i + 2), uint64(i) + 1<<40, chain.Hash{byte(i), 5}}
	}
	return p
}

// TestGoldenBytes pins the frames that FORMAT.md draws.
func TestGoldenBytes(t *testing.T) {
	var out bytes.Buffer
	for _, h := range testHeads()[:2] {
		fmt.Fprintf(&out, "kind %d, head of an entry\n%x\n", KindEntry, AppendEntryHead(nil, &h))
	}
	fmt.Fprintf(&out, "kind %d, acknowledgement\n%x\n", KindAck, AppendPositions(nil, testPositions(2)))
	for _, a := range []Ask{{3, 9, chain.Hash{}}, {0, 0, chain.Hash{1, 2}}} {
		fmt.Fprintf(&out, "kind %d, ask\n%x\n", KindAsk, AppendAsk(nil, a))
	}
	for _, e := range testEvidence() {
		fmt.Fprintf(&out, "evidence, %s\n%x\n", e.Kind, AppendEvidence(nil, &e))
	}
	testkit.Golden(t, "golden.txt", out.Bytes())
}

func TestFramesReadBack(t *testing.T) {
	for _, h := range testHeads() {
		b := AppendEntryHead(nil, &h)
		n, err := EntryHeadBytes([2]byte(b))
		if err != nil || n != len(b) || n > EntryHeadBytesMax {
			t.Errorf("a head of %d bytes says %d, %v", len(b), n, err)
		}
		if got, err := DecodeEntryHead(b); err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%+v, %v, want %+v", got, err, h)
		}
	}
	for _, n := range []int{1, 2, chain.ValidatorsMax} {
		got, err := DecodePositions(AppendPositions(nil, testPositions(n)))
		if err != nil {
			t.Error(err)
		}
		equal(t, "positions", got, testPositions(n))
	}
}

func TestFramesRefused(t *testing.T) {
	head := AppendEntryHead(nil, &testHeads()[0])
	badKind, badMagic, long := bytes.Clone(head), bytes.Clone(head), bytes.Clone(head)
	badKind[2+4+2+8+8+32], badMagic[2], long[1] = 9, 'X', 0xff
	read := map[string]func([]byte) error{
		"entry": func(b []byte) error { _, err := DecodeEntryHead(b); return err },
		"ack":   func(b []byte) error { _, err := DecodePositions(b); return err },
		"ask":   func(b []byte) error { _, err := DecodeAsk(b); return err },
	}
	for kind, frames := range map[string][][]byte{
		"entry": {nil, {1}, head[:len(head)-1], append(bytes.Clone(head), 0), badKind, badMagic, long, {0, 0}},
		"ack":   {nil, make([]byte, positionBytes-1), make([]byte, positionBytes+1), make([]byte, positionBytes*(chain.ValidatorsMax+1))},
		"ask":   {nil, make([]byte, askBytes-1), make([]byte, askBytes+1)},
	} {
		for i, b := range frames {
			if err := read[kind](b); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s %d: %v", kind, i, err)
			}
		}
	}
	for name, f := range map[string]func(){
		"a signature too long": func() { AppendEntryHead(nil, &EntryHead{Signature: make([]byte, chain.SignatureBytesMax+1)}) },
		"too many positions":   func() { AppendPositions(nil, testPositions(chain.ValidatorsMax+1)) },
	} {
		func() {
			defer func() {
				if _, ok := recover().(*fault.Violation); !ok {
					t.Errorf("%s was written", name)
				}
			}()
			f()
		}()
	}
}

// FuzzFrames wants decoders that never panic, and one form for each value.
func FuzzFrames(f *testing.F) {
	for _, h := range testHeads()[:2] {
		f.Add(KindEntry, AppendEntryHead(nil, &h))
	}
	f.Add(KindAck, AppendPositions(nil, testPositions(2)))
	f.Add(KindAsk, AppendAsk(nil, Ask{3, 9, chain.Hash{4}}))
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		var again []byte
		var err error
		switch kind {
		case KindEntry:
			var h EntryHead
			if h, err = DecodeEntryHead(b); err == nil {
				again = AppendEntryHead(nil, &h)
			}
		case KindAck:
			var p []Position
			if p, err = DecodePositions(b); err == nil {
				again = AppendPositions(nil, p)
			}
		case KindAsk:
			var a Ask
			if a, err = DecodeAsk(b); err == nil {
				again = AppendAsk(nil, a)
			}
		default:
			return
		}
		if err == nil && !bytes.Equal(again, b) || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%x came back as %x, %v", b, again, err)
		}
	})
}

// FuzzPeers wants that nothing peers send breaks a core or makes it remember more than it may.
func FuzzPeers(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 1, 1, 2, 0, 0, 1, 2, 9, 1, 1, 1, 0, 4, 2, 0, 0, 3, 1, 3, 0, 2, 2, 2, 0})
	f.Add([]byte{5, 1, 1, 1, 0, 1, 1, 1, 6, 1, 3, 1, 0, 1, 2, 1, 7, 1, 2, 1, 1, 3, 3, 0})
	f.Add([]byte("8Az10000zCz0")) // evidence about an entry of which only the digest is known
	f.Fuzz(func(t *testing.T, script []byte) {
		c := testCore(t, 4, nil)
		lanes := [][2][]chain.LaneEntry{}
		for v := range chain.ValidatorNo(4) {
			a := links(v, 40)
			lanes = append(lanes, [2][]chain.LaneEntry{a, fork(v, a[:2], 40, 7)})
		}
		own := 0
		for ; len(script) >= 4; script = script[4:] {
			from, lane := chain.ValidatorNo(script[1]%6), script[1]>>4%4
			e := lanes[lane][script[3]%2][script[2]%40]
			at := positionOf(e)
			if script[3] > 200 {
				at.Lane, at.Sequence = at.Lane*3, at.Sequence<<script[2]
			}
			switch script[0] % 10 {
			case 0, 1:
				if out := c.Step(PeerEntry{from, e}); out.Verdicts[0].Refused == "" && script[3] < 100 {
					c.Step(storedOf(e))
				}
			case 2:
				c.Step(Ack{from, at})
			case 3:
				c.Step(Asked{from, Ask{at.Lane, at.Sequence, at.Digest}})
			case 4:
				c.Step(Asked{from, Ask{at.Lane, at.Sequence, chain.Hash{}}})
			case 5:
				c.Step(Missing{Digest: at.Digest})
			case 6:
				c.Step(executedOf(e))
			case 7:
				c.Step(Connected{from})
			case 8:
				c.Step(Disconnected{from}, Tick{})
			case 9:
				if l := c.own(); own < 40 && l.tip() == uint64(own) && l.tipDigest() == lanes[0][0][own].Parent {
					c.Step(OwnStored{lanes[0][0][own]})
					own++
				}
			}
			remembered := 0
			for _, l := range c.lanes {
				for _, e := range c.Evidence(l.no) {
					evidenceReadsBack(t, e)
				}
				remembered += len(l.entries)
				if n := len(l.acked); l.executed > l.tip() || l.first() > l.executed || l.first() > l.stored || l.stored > l.tip() ||
					l.offered != l.available || l.available > l.tip() || slices.Max(l.acked) > l.tip() || len(l.early) > 4 || len(c.Evidence(l.no)) > 5*n {
					t.Fatalf("lane %d: first %d, executed %d, stored %d, available %d, offered %d, tip %d", l.no, l.first(), l.executed, l.stored, l.available, l.offered, l.tip())
				}
			}
			if len(c.places) != remembered || len(c.missing) > 4 {
				t.Fatalf("%d places of %d entries, %d missing", len(c.places), remembered, len(c.missing))
			}
		}
	})
}
