// SPDX-License-Identifier: Apache-2.0

package check

import (
	"errors"
	"fmt"
	"reflect"
)

// Step is one thing that can happen in a state.
type Step[S comparable] struct {
	To     S
	Action uint16 // what Spec.Name understands
	Fault  bool   // progress may not count on it
	Broken string // a violation that the step itself is; empty if none
}

// Spec is a protocol within bounds. Its functions are called by several goroutines at once and must be pure.
type Spec[S comparable] struct {
	Initial []S
	// Next appends every step possible in s.
	Next func(s *S, steps []Step[S]) []Step[S]
	// Violation names the invariant that s breaks, or is empty.
	Violation func(s *S) string
	// Goal says whether s is a state that every run must be able to reach. Nil: progress cannot be asked.
	Goal func(s *S) bool
	// Name tells a reader what a step did. It sees the state before and after.
	Name func(action uint16, from, to *S) string
}

// Options bound a search.
type Options struct {
	StatesMax int  // states; 0 means 32M
	Workers   int  // goroutines; 0 means 2
	Progress  bool // look also for states from which no path without faults leads to a goal
}

// Report is what a search found.
type Report struct {
	States, Steps int64
	Depth         int             // steps to the state farthest from the initial ones
	Goals         int64           // states that are a goal, if progress was asked
	Stuck         int64           // states without a way to a goal
	Violation     string          // empty if none
	Trace         []string        // the steps that lead to it, the first line being the first step
	Kinds         [kindsMax]int64 // steps by Action>>8: what the search has exercised
}

const kindsMax = 256

// Last is the last step of the trace, or empty.
func (r Report) Last() string {
	if len(r.Trace) == 0 {
		return ""
	}
	return r.Trace[len(r.Trace)-1]
}

// NoProgress is the violation of a state that has no way to a goal.
const NoProgress = "no way on: no path without faults leads to rest"

var (
	// ErrTooLarge says that the search met Options.StatesMax: nothing is known of the states beyond.
	ErrTooLarge = errors.New("more states than the bound")
	// ErrState says that the state type is not one that can be hashed by its bytes.
	ErrState = errors.New("a state must be made of unsigned bytes and words, without padding")
)

// checkType makes sure that equal states have equal bytes.
func checkType(t reflect.Type) error {
	if t.Size() > 255 {
		return fmt.Errorf("%w: %d bytes, at most 255", ErrState, t.Size())
	}
	if n, ok := byteCount(t); !ok || n != t.Size() {
		return fmt.Errorf("%w: %s", ErrState, t)
	}
	return nil
}

func byteCount(t reflect.Type) (uintptr, bool) {
	switch t.Kind() {
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Bool:
		return t.Size(), true
	case reflect.Array:
		n, ok := byteCount(t.Elem())
		return n * uintptr(t.Len()), ok
	case reflect.Struct:
		var sum uintptr
		for field := range t.Fields() {
			n, ok := byteCount(field.Type)
			if !ok {
				return 0, false
			}
			sum += n
		}
		return sum, true
	default:
		return 0, false
	}
}
