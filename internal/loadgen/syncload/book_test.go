// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// told is a book of payments that are all right.
func told(n int) *Book {
	b := NewBook()
	for _, origin := range []Side{V10, V11} {
		for i := range n {
			id, p := v10.TxIDAt(5, chain.Height(i), 3), Payment{uint32(i), uint32(i + 1), 7}
			b.Ack(origin, id, p, time.Duration(i))
			b.Saw(origin, V10, id, p)
			b.Saw(origin, V11, id, p)
		}
	}
	return b
}

func TestVerdict(t *testing.T) {
	id := func(i int) v10.TxID { return v10.TxIDAt(5, chain.Height(i), 3) }
	all := Verdict{Acked: 200}
	for name, test := range map[string]struct {
		spoil func(*Book)
		want  Verdict
	}{
		"all right": {func(*Book) {}, all},
		"dropped on the way": {func(b *Book) {
			b.Ack(V10, id(500), Payment{1, 2, 3}, 0)
			b.Saw(V10, V10, id(500), Payment{1, 2, 3})
		}, Verdict{Acked: 201, Lost: 1}},
		"answered, and on neither": {func(b *Book) { b.Ack(V11, id(500), Payment{1, 2, 3}, 0) }, Verdict{Acked: 201, Lost: 1}},
		"applied twice":            {func(b *Book) { b.Saw(V11, V10, id(4), Payment{4, 5, 7}) }, Verdict{Acked: 200, Duplicated: 1}},
		"made twice at home":       {func(b *Book) { b.Saw(V10, V10, id(4), Payment{4, 5, 7}) }, Verdict{Acked: 200, Duplicated: 1}},
		"another amount":           {func(b *Book) { b.Saw(V11, V10, id(600), Payment{4, 5, 8}); b.Saw(V11, V11, id(600), Payment{4, 5, 9}) }, Verdict{Acked: 200, Unanswered: 1, Altered: 1}},
		"parties swapped":          {func(b *Book) { b.Saw(V11, V10, id(4), Payment{5, 4, 7}) }, Verdict{Acked: 200, Duplicated: 1, Altered: 1}},
		"one id for two payments":  {func(b *Book) { b.Ack(V10, id(4), Payment{4, 5, 7}, 0) }, Verdict{Acked: 200, Altered: 1}},
		"invented":                 {func(b *Book) { b.Saw(V10, V11, id(700), Payment{4, 5, 7}) }, Verdict{Acked: 200, OneSided: 1}},
		"its answer never came":    {func(b *Book) { b.Saw(V10, V11, id(700), Payment{4, 5, 7}); b.Saw(V10, V10, id(700), Payment{4, 5, 7}) }, Verdict{Acked: 200, Unanswered: 1}},
	} {
		b := told(100)
		test.spoil(b)
		got := b.Verdict()
		wrong := len(got.Examples)
		if got.Examples = nil; !equal(got, test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		if right := test.want.Lost+test.want.Duplicated+test.want.Altered+test.want.OneSided == 0; got.Right() != right || wrong > 0 == right {
			t.Errorf("%s: right %v, %d examples", name, got.Right(), wrong)
		}
	}
}

func equal(a, b Verdict) bool {
	a.Examples, b.Examples = nil, nil
	return a.Acked == b.Acked && a.Lost == b.Lost && a.Duplicated == b.Duplicated && a.Altered == b.Altered && a.OneSided == b.OneSided && a.Unanswered == b.Unanswered
}

// TestMoved: money moves by what the payer's own ledger made, whether or not it was answered.
func TestMoved(t *testing.T) {
	b := NewBook()
	b.Saw(V10, V10, v10.TxIDAt(1, 1, 1), Payment{0, 1, 10})
	b.Saw(V11, V11, v10.TxIDAt(1, 1, 1), Payment{1, 2, 4})
	b.Saw(V11, V10, v10.TxIDAt(1, 1, 2), Payment{1, 2, 100}) // not at home
	b.Ack(V10, v10.TxIDAt(1, 1, 2), Payment{0, 2, 1000}, 0)  // nowhere
	if m := b.moved(3); m[0] != -10 || m[1] != 6 || m[2] != 4 {
		t.Error(m)
	}
}

// TestLatencies counts those whose answer and arrival are known; one that arrives before its answer took no time.
func TestLatencies(t *testing.T) {
	b := NewBook()
	for i := range 3 {
		b.Ack(V10, v10.TxIDAt(1, chain.Height(i), 0), Payment{}, 10*time.Millisecond)
	}
	b.Saw(V10, V10, v10.TxIDAt(1, 9, 0), Payment{})
	arrived := map[chain.Height]time.Duration{0: 15 * time.Millisecond, 1: 5 * time.Millisecond, 9: time.Second}
	got := b.latencies(V10, 0, time.Second, func(id v10.TxID) (time.Duration, bool) {
		at, known := arrived[id.Height]
		return at, known
	})
	if late := b.latencies(V10, 11*time.Millisecond, time.Second, func(v10.TxID) (time.Duration, bool) { return 0, true }); len(late) != 0 {
		t.Error("answers before it began are none", late)
	}
	if len(got) != 2 || got[0]+got[1] != 5*time.Millisecond {
		t.Error(got)
	}
}
