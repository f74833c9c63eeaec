// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/router"
)

func set(t testing.TB, ranges ...chain.SlotRange) (s router.Slots) {
	t.Helper()
	if err := s.Set(ranges...); err != nil {
		t.Fatal(err)
	}
	return s
}

func span(from, to uint16) chain.SlotRange { return chain.SlotRange{From: from, To: to} }

// TestNext decides for each state that a move goes through.
func TestNext(t *testing.T) {
	at := func(major uint64) chain.SyncPosition { return chain.SyncPosition{Major: major} }
	fence := func(version, major uint64, slots ...chain.SlotRange) *Fence {
		return &Fence{Fence: chain.Fence{HomeVersion: version, Position: at(major), Slots: slots}}
	}
	all, none := span(0, 9999), router.Slots{}
	to11 := Goal{ToV11: true, Slots: set(t, span(5, 9), span(20, 20))}
	to10 := Goal{Slots: to11.Slots}
	without := set(t, span(0, 4), span(10, 19), span(21, 9999))
	partly := set(t, span(0, 6), span(10, 19), span(21, 9999))
	ranges := []chain.SlotRange{span(5, 9), span(20, 20)}
	for _, c := range []struct {
		name string
		goal Goal
		is   State
		want Action
	}{
		{"nothing done yet", to11, State{Version: 3, Guard: 3, V10: set(t, all)}, Action{Verb: TakeFence, Ranges: ranges}},
		{"the guard is behind", to11, State{Version: 3, Guard: 2, V10: set(t, all)}, Action{Verb: Wait, Why: WaitGuard}},
		{"fenced, and not applied", to11, State{Version: 3, Guard: 3, V10: set(t, all), Applied: at(6), Fence: fence(3, 7, ranges...)}, Action{Verb: Wait, Why: WaitSync}},
		{"fenced and applied", to11, State{Version: 3, Guard: 3, V10: set(t, all), Applied: at(7), Fence: fence(3, 7, ranges...)}, Action{Verb: Move, Ranges: ranges}},
		{"a fence of another version", to11, State{Version: 4, Guard: 4, V10: set(t, all), Applied: at(7), Fence: fence(3, 7, ranges...)}, Action{Verb: TakeFence, Ranges: ranges}},
		{"a fence of other slots", to11, State{Version: 3, Guard: 3, V10: partly, Applied: at(7), Fence: fence(3, 7, ranges...)}, Action{Verb: TakeFence, Ranges: []chain.SlotRange{span(5, 6)}}},
		{"moved, and not followed", to11, State{Version: 4, Guard: 3, V10: without}, Action{Verb: Wait, Why: WaitGuard}},
		{"moved", to11, State{Version: 4, Guard: 4, V10: without}, Action{Verb: Done}},
		{"nothing to do", to10, State{Version: 1, Guard: 1, V10: set(t, all)}, Action{Verb: Done}},
		{"back", to10, State{Version: 4, Guard: 4, V10: without}, Action{Verb: Move, Ranges: ranges}},
		{"back, and V10 has not applied", to10, State{Version: 5, Guard: 5, V10: set(t, all), Coming: set(t, span(20, 20))}, Action{Verb: Wait, Why: WaitV10}},
		{"back", to10, State{Version: 5, Guard: 5, V10: set(t, all), Coming: set(t, span(21, 21))}, Action{Verb: Done}},
		{"there again before it was back", to11, State{Version: 5, Guard: 5, V10: set(t, all), Coming: set(t, span(20, 20))}, Action{Verb: Wait, Why: WaitV10}},
		{"no slots", Goal{ToV11: true, Slots: none}, State{Version: 1, Guard: 1, V10: set(t, all)}, Action{Verb: Done}},
	} {
		if got := Next(&c.goal, &c.is); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestNextBounds asks for no more ranges than a transaction holds, and for the rest afterwards.
func TestNextBounds(t *testing.T) {
	var odd []chain.SlotRange
	for slot := uint16(1); slot < 2*chain.MoveRangesMax+20; slot += 2 {
		odd = append(odd, span(slot, slot))
	}
	g := Goal{Slots: set(t, odd...)}
	s := State{Version: 1, Guard: 1}
	first := Next(&g, &s)
	if first.Verb != Move || len(first.Ranges) != chain.MoveRangesMax {
		t.Fatalf("%v of %d ranges", first.Verb, len(first.Ranges))
	}
	if err := s.V10.Set(first.Ranges...); err != nil {
		t.Fatal(err)
	}
	if rest := Next(&g, &s); !reflect.DeepEqual(rest.Ranges, odd[chain.MoveRangesMax:]) {
		t.Errorf("then %v", rest.Ranges)
	}
}
