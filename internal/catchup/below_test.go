// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// chainBelow is headers 1 to h, newest first, and the one above them.
func chainBelow(h chain.Height, batches int) (list [][]byte, above []byte) {
	previous := chain.Hash{9}
	for at := chain.Height(1); at <= h+1; at++ {
		header := &chain.ExecutedHeader{Chain: testChain, Epoch: testEpoch, Height: at, Previous: previous, TimeUs: uint64(at), Batches: make([]chain.BatchResult, batches)}
		above = codec.AppendHeader(nil, header)
		previous = codec.Sum(above)
		list = append(list, above)
	}
	slices.Reverse(list)
	return list[1:], above
}

// teller is a peer that is asked for headers.
type teller struct {
	holds chain.Height // it has them from here on
	habit habit        // honest, absent, babbles, or mixes: false headers
	most  int          // in a frame; 0: all
}

// descents is a core that has all pages of the state behind a header, and tellers.
type descents struct {
	t       *testing.T
	core    *Core
	all     [][]byte // newest first
	tellers []teller
	asked   []chain.ValidatorNo
	dropped []Dropped
	refused []string
	out     Output
}

func newDescents(t *testing.T, height, known chain.Height, tellers ...teller) *descents {
	d := &descents{t: t, tellers: tellers}
	o := &Offer{Session: 7}
	d.all, o.Headers[0] = chainBelow(height-1, 0)
	rules := testRules()
	rules.Validators = len(tellers) + 1
	d.core = NewCore(CoreConfig{Self: chain.ValidatorNo(len(tellers)), Rules: rules, Known: known, AnswerTicks: 5, PauseTicks: 3, PenaltyTicks: 100, WindowMax: 1})
	d.core.plan = newPlan(&Proved{Offer: o, Height: height})
	d.core.plan.known, d.core.plan.looked = true, true
	var out Output
	d.core.goOn(&out)
	if m, ok := out.Send[0].Message.(Done); !ok || m.Session != d.core.session {
		t.Fatalf("the session is left open: %+v", out.Send)
	}
	d.follow(out)
	return d
}

// follow plays until the core is done.
func (d *descents) follow(out Output) {
	for n := 0; ; n++ {
		d.dropped, d.refused = append(d.dropped, out.Dropped...), append(d.refused, out.Refused...)
		if out.Done != nil {
			d.out = out
			return
		}
		if n > 10_000 {
			d.t.Fatal("it does not end")
		}
		var in Input = Tick{}
		for _, e := range out.Send {
			if m, ok := e.Message.(AskBelow); ok {
				d.asked = append(d.asked, e.To)
				if answer, ok := d.tell(&d.tellers[e.To], m); ok {
					in = Received{e.To, answer}
				}
			}
		}
		out = d.core.Step(in)
	}
}

func (d *descents) tell(x *teller, m AskBelow) (Message, bool) {
	out := Below{Below: m.Below}
	top := chain.Height(len(d.all) + 1)
	for h := m.Below - 1; h >= max(m.Least, x.holds) && (x.most == 0 || len(out.Headers) < x.most); h-- {
		out.Headers = append(out.Headers, bytes.Clone(d.all[top-1-h]))
	}
	switch x.habit {
	case absent:
		return nil, false
	case babbles:
		return nil, true
	case mixes:
		last := out.Headers[len(out.Headers)-1]
		last[len(last)-1] ^= 1
	}
	return out, true
}

// TestDescend takes headers from peers of which each has some, or lies: those that are taken are right, and without a gap.
func TestDescend(t *testing.T) {
	for name, x := range map[string]struct {
		known   chain.Height
		tellers []teller
		least   chain.Height // of those that are taken
		dropped []Dropped
	}{
		"all at once":             {0, []teller{{holds: 1}}, 1, nil},
		"in many frames":          {0, []teller{{holds: 1, most: 3}}, 1, nil},
		"what is here is not":     {60, []teller{{holds: 1, most: 7}}, 61, nil},
		"all is here":             {99, []teller{{holds: 1}}, 100, nil},
		"the second has the rest": {0, []teller{{holds: 50}, {holds: 1}}, 1, nil},
		"nobody has more":         {0, []teller{{holds: 50}, {holds: 200}, {holds: 30, most: 9}}, 30, nil},
		"nobody has any":          {0, []teller{{holds: 200}, {holds: 200}}, 100, nil},
		"a false header":          {0, []teller{{holds: 40, habit: mixes}, {holds: 1}}, 1, []Dropped{{0, "wrong_history"}}},
		"false headers alone":     {0, []teller{{holds: 40, habit: mixes}}, 41, []Dropped{{0, "wrong_history"}}},
		"one is silent":           {0, []teller{{habit: absent}, {holds: 1}}, 1, []Dropped{{0, "stalled"}}},
		"one babbles":             {0, []teller{{habit: babbles}, {holds: 1}}, 1, []Dropped{{0, "malformed"}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDescents(t, 100, x.known, x.tellers...)
			if want := d.all[:100-x.least]; !slices.EqualFunc(d.out.Below, want, bytes.Equal) {
				t.Errorf("%d headers are taken, %d were to be; dropped %v", len(d.out.Below), len(want), d.dropped)
			}
			if !slices.Equal(d.dropped, x.dropped) {
				t.Errorf("dropped %v", d.dropped)
			}
			if len(d.asked) > 200 {
				t.Errorf("asked %d times", len(d.asked))
			}
		})
	}
}

// TestDescendLate has answers that nobody waits for.
func TestDescendLate(t *testing.T) {
	d := newDescents(t, 100, 99, teller{holds: 1}, teller{})
	if out := d.core.Step(Received{0, Below{Below: 100}}); len(out.Refused) != 1 || out.Done != nil {
		t.Errorf("after the end: %+v", out)
	}
	d.core.phase, d.core.headers.at, d.core.peer = descending, 50, 0
	for _, m := range []Message{Below{Below: 60}, Refused{0, Busy}, PagesOf{}, LeavesOf{}, &Offer{}} {
		if out := d.core.Step(Received{0, m}); len(out.Refused) != 1 || out.Refused[0] != "late" || len(out.Send) != 0 {
			t.Errorf("%T while headers are awaited: %+v", m, out)
		}
	}
}

// TestDescendBound takes no more than goes with a state.
func TestDescendBound(t *testing.T) {
	d := &descent{}
	d.list = make([][]byte, HeadersMax)
	if !d.full() {
		t.Error("by number")
	}
	if d = (&descent{bytes: HeadersBytesMax}); !d.full() {
		t.Error("by bytes")
	}
}

// keepHeaders puts headers below a height into a node's store: the upper half as its own, the others as they come with a state.
func (n *node) keepHeaders(h chain.Height, batches int) (list [][]byte, above []byte) {
	list, above = chainBelow(h-1, batches)
	var c store.Changes
	for i, raw := range list {
		if at := h - 1 - chain.Height(i); i < len(list)/2 {
			store.WriteHeader(&c, at, raw)
		} else {
			store.WriteGapHeader(&c, at, raw)
		}
	}
	must(n.t, n.blocks.Apply(&c, true))
	return list, above
}

// TestHeadersBelow takes a state with the headers below it over frames and disk: more than a frame holds. Then each kind of
// damage to their file is found.
func TestHeadersBelow(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		giver, taker, l := newNode(t), newNode(t), newLedger(11)
		l.advance(40)
		const height = 900
		list, above := giver.keepHeaders(height, chain.EntriesPerBlockMax)
		top, err := codec.DecodeHeader(above)
		must(t, err)
		giver.previous = top.Previous
		giver.write(l, height, false)
		s := w.serve(ctx, wg, 1, giver, 0)
		dir := t.TempDir()
		c := w.client(2, dir, taker.dir)
		x := need(90)
		x.Known = 20
		if h, err := c.Fetch(ctx, x); h != height || err != nil {
			t.Fatal(h, err)
		}
		rules := testRules()
		taken, err := Open(dir, checkpoint.OS{}, &rules)
		must(t, err)
		want := list[:height-1-20]
		if !slices.EqualFunc(taken.Below, want, bytes.Equal) || count(c.metrics.headers) != float64(len(want)) || count(s.metrics.headers) < float64(len(want)) {
			t.Errorf("%d headers, there were to be %d", len(taken.Below), len(want))
		}
		path := filepath.Join(dir, headersName)
		for _, at := range []int64{0, 3, 90, 5000, 3 << 20} {
			flip(t, path, at)
			if _, err := Open(dir, checkpoint.OS{}, &rules); !fault.Is(err, fault.Corrupt) {
				t.Errorf("byte %d damaged: %v", at, err)
			}
			flip(t, path, at)
		}
		must(t, checkpoint.OS{}.Remove(path))
		if _, err := Open(dir, checkpoint.OS{}, &rules); !fault.Is(err, fault.Corrupt) {
			t.Errorf("without the file: %v", err)
		}
		must(t, Discard(dir, checkpoint.OS{}))
	})
}

// TestFalseHeaders has a giver whose headers are false from some height on: it is dropped and counted, and another peer has them.
func TestFalseHeaders(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		const height = 100
		var list [][]byte
		for no := range chain.ValidatorNo(2) {
			giver, l := newNode(t), newLedger(12)
			l.advance(40)
			var above []byte
			list, above = giver.keepHeaders(height, 2)
			top, err := codec.DecodeHeader(above)
			must(t, err)
			giver.previous = top.Previous
			giver.write(l, height, false)
			if no == 0 {
				false70 := bytes.Clone(list[height-1-70])
				false70[len(false70)-1] ^= 1
				var c store.Changes
				store.WriteHeader(&c, 70, false70)
				must(t, giver.blocks.Apply(&c, true))
			}
			w.serve(ctx, wg, no, giver, 0)
		}
		dir := t.TempDir()
		c := w.client(2, dir, t.TempDir())
		x := need(90)
		x.Known = 0
		if h, err := c.Fetch(ctx, x); h != height || err != nil {
			t.Fatal(h, err)
		}
		rules := testRules()
		taken, err := Open(dir, checkpoint.OS{}, &rules)
		must(t, err)
		if !slices.EqualFunc(taken.Below, list, bytes.Equal) {
			t.Errorf("%d headers, there were to be %d", len(taken.Below), len(list))
		}
		if n := count(c.metrics.dropped.WithLabelValues("wrong_history")); n != 1 {
			t.Errorf("who gave false headers was dropped %v times", n)
		}
	})
}

// FuzzDescent gives arbitrary bytes for headers: none is taken but the one that is named.
func FuzzDescent(f *testing.F) {
	list, above := chainBelow(2, 1)
	f.Add(list[0])
	f.Add(list[1])
	f.Add([]byte("no header"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := newDescent(above)
		must(t, err)
		if err := d.take(raw); (err == nil) != bytes.Equal(raw, list[0]) || err != nil && fault.ReasonOf(err) != "wrong_history" {
			t.Fatalf("%x: %v", raw, err)
		}
	})
}
