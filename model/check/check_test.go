// SPDX-License-Identifier: Apache-2.0

package check

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// grid is a walk on a square of Side points from a corner, one step right or up at a time: (Side)² states, depth 2(Side-1).
type grid struct{ X, Y uint8 }

const side = 60

func walk(wall func(grid) bool, broken func(*grid) string) Spec[grid] {
	return Spec[grid]{
		Initial: []grid{{}},
		Next: func(s *grid, out []Step[grid]) []Step[grid] {
			for i, to := range []grid{{s.X + 1, s.Y}, {s.X, s.Y + 1}} {
				if to.X < side && to.Y < side && !wall(to) {
					out = append(out, Step[grid]{To: to, Action: uint16(i) << 8, Fault: i == 1 && s.X == side-2})
				}
			}
			return out
		},
		Violation: broken,
		Goal:      func(s *grid) bool { return s.X == side-1 && s.Y == side-1 },
		Name:      func(action uint16, _, to *grid) string { return fmt.Sprintf("%d to %d,%d", action>>8, to.X, to.Y) },
	}
}

func open(grid) bool     { return false }
func holds(*grid) string { return "" }

func TestRunCountsAllStates(t *testing.T) {
	r, err := Run(walk(open, holds), Options{Progress: true})
	if err != nil || r.Violation != "" {
		t.Fatal(err, r.Violation)
	}
	if r.States != side*side || r.Depth != 2*(side-1) || r.Steps != 2*side*(side-1) || r.Goals != 1 || r.Stuck != 0 {
		t.Errorf("%+v", r)
	}
	if r.Kinds[0] != side*(side-1) || r.Kinds[1] != side*(side-1) {
		t.Errorf("kinds %v", r.Kinds[:2])
	}
}

func TestViolationIsTheNearest(t *testing.T) {
	spec := walk(open, func(s *grid) string {
		if s.X >= 3 && s.Y >= 4 {
			return "fell off"
		}
		return ""
	})
	var traces [][]string
	for _, workers := range []int{1, 2, 5} {
		r, err := Run(spec, Options{Workers: workers})
		if err != nil || r.Violation != "fell off" || len(r.Trace) != 7 || r.Depth != 7 {
			t.Fatalf("%+v %v", r, err)
		}
		traces = append(traces, r.Trace)
	}
	if !slices.Equal(traces[0], traces[1]) || !slices.Equal(traces[0], traces[2]) {
		t.Errorf("traces depend on workers: %v", traces)
	}
	if last := traces[0][6]; last != "0 to 3,4" && last != "1 to 3,4" {
		t.Errorf("the trace ends with %q", last)
	}
}

func TestStepCanBreak(t *testing.T) {
	spec := walk(open, holds)
	next := spec.Next
	spec.Next = func(s *grid, out []Step[grid]) []Step[grid] {
		out = next(s, out)
		if s.X == 2 && s.Y == 2 {
			out[1].Broken = "up from the middle"
		}
		return out
	}
	r, err := Run(spec, Options{})
	if err != nil || r.Violation != "up from the middle" || r.Last() != "1 to 2,3" || len(r.Trace) != 5 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestInitialStateCanBreak(t *testing.T) {
	r, err := Run(walk(open, func(*grid) string { return "never right" }), Options{})
	if err != nil || r.Violation != "never right, before any step" || r.Last() != "" {
		t.Errorf("%+v %v", r, err)
	}
}

// TestProgress: a wall makes a corner from which only a fault, or nothing, leads on.
func TestProgress(t *testing.T) {
	wall := func(s grid) bool { return s.X == side-1 && s.Y < side-1 }
	r, err := Run(walk(wall, holds), Options{Progress: true})
	// In the column before the wall, all steps up are faults; only its top leads right.
	if err != nil || r.Violation != NoProgress || r.Stuck != side-1 || len(r.Trace) != side-2 {
		t.Errorf("%q stuck %d after %d: %v", r.Violation, r.Stuck, len(r.Trace), err)
	}
	if r, err = Run(walk(wall, holds), Options{}); err != nil || r.Violation != "" {
		t.Errorf("progress was not asked: %q %v", r.Violation, err)
	}
}

func TestRunEndsAtTheBound(t *testing.T) {
	r, err := Run(walk(open, holds), Options{StatesMax: 100})
	if !errors.Is(err, ErrTooLarge) || r.States <= 100 || r.States > 150 {
		t.Errorf("%d states, %v", r.States, err)
	}
}

func TestStateTypes(t *testing.T) {
	for _, c := range []struct {
		state any
		ok    bool
	}{
		{grid{}, true},
		{struct {
			A [3]uint16
			B [2]uint8
		}{}, true},
		{struct {
			A uint16
			B uint8
		}{}, false},
		{struct{ A int8 }{}, false},
		{struct{ A *uint8 }{}, false},
		{struct{ A string }{}, false},
		{[256]uint8{}, false},
	} {
		if err := checkType(reflect.TypeOf(c.state)); (err == nil) != c.ok || (err != nil && !errors.Is(err, ErrState)) {
			t.Errorf("%T: %v", c.state, err)
		}
	}
	if _, err := Run(Spec[string]{}, Options{}); !errors.Is(err, ErrState) {
		t.Errorf("a string was taken: %v", err)
	}
}

// TestStoreKeepsManyStates fills a shard far beyond its first table and finds everything again.
func TestStoreKeepsManyStates(t *testing.T) {
	sh := &shard[[2]uint32]{}
	const n = 3 * blockSize
	for round := range 2 {
		for i := range uint32(n) {
			s := [2]uint32{i, i * 7}
			if isNew := sh.add(&s, hashOf(&s), noRef); isNew != (round == 0) {
				t.Fatalf("round %d, %d: new %t", round, i, isNew)
			}
		}
	}
	for i := range uint32(n) {
		s, other := [2]uint32{i, i * 7}, [2]uint32{i, i*7 + 1}
		if sh.find(&s, hashOf(&s)) != i || sh.find(&other, hashOf(&other)) != noRef {
			t.Fatalf("%d was not found, or found in vain", i)
		}
	}
}

func TestVerify(t *testing.T) {
	s := Scenario{Name: "grid", States: side * side, Depth: 2 * (side - 1), Run: func(_ []string, o Options) (Report, error) {
		return Run(walk(open, holds), o)
	}}
	if _, err := s.Verify(Options{}); err != nil {
		t.Error(err)
	}
	s.States++
	if _, err := s.Verify(Options{}); err == nil {
		t.Error("another number of states was taken")
	}
	if _, err := s.Verify(Options{StatesMax: 10}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

type rule string

func (r rule) String() string { return string(r) }

func TestNames(t *testing.T) {
	known := []rule{"a", "b"}
	if got, err := Names(known, []string{"b"}); err != nil || !slices.Equal(got, []rule{"b"}) {
		t.Error(got, err)
	}
	if _, err := Names(known, []string{"b", "c"}); err == nil {
		t.Error("an unknown rule was taken")
	}
	if got := Strings(known); !slices.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
}
