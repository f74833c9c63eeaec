// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

func skipOf(r *envelope.Record) *envelope.Skip {
	return &envelope.Skip{
		Source: r.Source, Previous: r.Previous, PreviousTag: r.PreviousTag, Position: r.Position, Tag: r.Tag,
		Kind: envelope.KindOf(r.Change), Reason: "agreed by both desks", By: "ann@ops",
	}
}

// TestSkip: exactly the record that cannot be applied is passed over, once, with a row that says who did it and why; what follows it is
// applied, and the batch bears the mark of the other ledger's.
func TestSkip(t *testing.T) {
	p := startPeer(t)
	p.apply(paid(deed(10, chain.OK, ""), "alice", "bob", 400))
	bad := p.record(paid(deed(11, chain.OK, ""), "alice", "bob", 4000))
	p.refused(bad, fault.Conflict, ReasonUnderflow)
	for name, c := range map[string]struct {
		bend   func(*envelope.Skip)
		reason string
	}{
		"another ledger":      {func(s *envelope.Skip) { s.Source.Ledger[0] ^= 1 }, ReasonInboxTaken},
		"another life":        {func(s *envelope.Skip) { s.Source.Life++ }, ReasonInboxTaken},
		"not the next one":    {func(s *envelope.Skip) { s.Previous.Major++; s.Position.Major++ }, ReasonInboxElsewhere},
		"one that is applied": {func(s *envelope.Skip) { s.Position = p.at; s.Previous.Major-- }, ReasonInboxElsewhere},
		"another chain":       {func(s *envelope.Skip) { s.PreviousTag[0] ^= 1 }, envelope.ReasonFork},
	} {
		s, before := skipOf(bad), p.s.Head()
		c.bend(s)
		if _, err := p.Skip(t.Context(), s); fault.ReasonOf(err) != c.reason || p.s.Head() != before {
			t.Errorf("%s: %v", name, err)
		}
	}
	head := p.s.Head()
	tail, err := p.s.Since(head)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	for range 2 { // again it is nothing
		in, err := p.Skip(t.Context(), skipOf(bad))
		if err != nil || in.Position != bad.Position || in.Tag != bad.Tag {
			t.Fatal(in, err)
		}
	}
	c, ok, err := tail.Next()
	if err != nil || !ok || !strings.HasPrefix(string(c.Origin), OriginPrefix+"v11:") {
		t.Errorf("%q %v %v", c.Origin, ok, err)
	}
	if _, more, _ := tail.Next(); more {
		t.Error("the second time it wrote something")
	}
	p.at, p.tag = bad.Position, bad.Tag
	p.apply(paid(deed(12, chain.OK, ""), "alice", "bob", 1))
	p.expectBalance("bob", 401)
	for range 2 {
		list, err := p.Resolutions(0, envelope.Position{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if r := list[0]; r.Kind != KindSkip || r.Position != bad.Position.String() || r.Tag != bad.Tag.String() || r.By != "ann@ops" || r.Reason == "" || r.Change != "transfer" || r.Ms == 0 {
			t.Errorf("%+v", r)
		}
		if list, err := p.Resolutions(1, bad.Position); err != nil || len(list) != 0 {
			t.Error("a resolution behind the last one", list, err)
		}
		p.reopen()
	}
	if in, err := p.Inbox(); err != nil || in.Position != p.at {
		t.Error(in, err)
	}
}
