// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if k.String() == "" || seen[k.String()] {
			t.Errorf("kind %d has no name of its own: %q", k, k)
		}
		seen[k.String()] = true
	}
	if Kind(200).String() != "internal" {
		t.Error("an unknown kind must read as internal")
	}
}

func TestKindOf(t *testing.T) {
	cause := errors.New("disk on fire")
	for _, c := range []struct {
		err    error
		kind   Kind
		reason string
		text   string
	}{
		{New(NotFound, "no account %d", 7), NotFound, "not_found", "no account 7"},
		{Reasoned(Refused, "stale", "sequence %d is behind", 3), Refused, "stale", "sequence 3 is behind"},
		{fmt.Errorf("while reading: %w", Wrap(Corrupt, cause, "segment")), Corrupt, "corrupt", "while reading: segment: disk on fire"},
		{Halt(cause, "height %d", 9), Halted, "halted", "height 9: disk on fire"},
		{context.DeadlineExceeded, Timeout, "timeout", context.DeadlineExceeded.Error()},
		{cause, Internal, "internal", "disk on fire"},
	} {
		if KindOf(c.err) != c.kind || ReasonOf(c.err) != c.reason || c.err.Error() != c.text {
			t.Errorf("%v: kind %v reason %q", c.err, KindOf(c.err), ReasonOf(c.err))
		}
		if !Is(c.err, c.kind) {
			t.Errorf("%v is not %v", c.err, c.kind)
		}
	}
	if Wrap(Internal, nil, "x") != nil || Is(nil, Internal) {
		t.Error("nil must stay nil")
	}
	if !errors.Is(Wrap(Corrupt, cause, "x"), cause) {
		t.Error("the cause is lost")
	}
}

func TestInvariant(t *testing.T) {
	before := Violations()
	run := func(cond bool) (err error) {
		defer Recover(&err)
		Invariant(cond, "sum is %d", 1)
		return nil
	}
	if err := run(true); err != nil || Violations() != before {
		t.Fatal("a kept invariant must pass", err)
	}
	err := run(false)
	if KindOf(err) != Halted || Violations() != before+1 || err.Error() != "the writer stopped: invariant broken: sum is 1" {
		t.Fatal(err)
	}
	defer func() {
		if recover() != "other" {
			t.Error("another panic must pass")
		}
	}()
	func() {
		var err error
		defer Recover(&err)
		panic("other")
	}()
}
