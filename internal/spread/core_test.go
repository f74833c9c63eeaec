// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

const testBytes = 100 // of an entry of these tests

// links makes the first n entries of a lane; mark makes two lanes of one owner differ from their entry 'from' on.
func links(lane chain.ValidatorNo, n int) []chain.LaneEntry { return fork(lane, nil, n, 0) }

func fork(lane chain.ValidatorNo, of []chain.LaneEntry, n int, mark byte) []chain.LaneEntry {
	entries, parent := slices.Clone(of), chain.Hash{}
	if len(of) > 0 {
		parent = codec.EntryDigest(of[len(of)-1])
	}
	for len(entries) < n {
		e := chain.LaneEntry{
			Validator: lane, JoinEpoch: 1, Sequence: uint64(len(entries) + 1), Parent: parent, Kind: chain.PayloadBatch,
			Payload: chain.Hash{byte(len(entries)), mark}, Bytes: testBytes,
		}
		parent = codec.EntryDigest(e)
		entries = append(entries, e)
	}
	return entries
}

func digest(e chain.LaneEntry) chain.Hash { return codec.EntryDigest(e) }

func positionOf(e chain.LaneEntry) Position {
	return Position{Lane: e.Validator, Epoch: e.JoinEpoch, Sequence: e.Sequence, Digest: digest(e)}
}

func ackOf(from chain.ValidatorNo, e chain.LaneEntry) Ack { return Ack{from, positionOf(e)} }

func storedOf(e chain.LaneEntry) PeerStored { return PeerStored{e.Validator, e.Sequence, digest(e)} }

func executedOf(e chain.LaneEntry) Executed { return Executed{e.Validator, e.Sequence, digest(e)} }

// testCore is validator 0 of n, joined in epoch 1, connected to the others, which have nothing of its lane.
func testCore(t *testing.T, n int, bounds func(*Bounds)) *Core {
	t.Helper()
	b := Bounds{
		LaneBytesMax: 10 * testBytes, LaneEntriesMax: 8, WindowBytes: 3 * testBytes, WindowEntries: 3, KeepEntries: 2, MissingMax: 4,
		FetchesMax: 2, ServeBytes: 1000, ResendTicks: 5, FetchTicks: 3, AnnounceTicks: 1000,
	}
	if bounds != nil {
		bounds(&b)
	}
	lanes := make([]LaneState, n)
	for i := range lanes {
		lanes[i].Epoch = 1
	}
	c, err := New(Config{Bounds: b}, lanes)
	if err != nil {
		t.Fatal(err)
	}
	for v := 1; v < n; v++ {
		c.Step(Connected{chain.ValidatorNo(v)}, Ack{chain.ValidatorNo(v), Position{Epoch: 1}})
	}
	return c
}

// feed streams entries to a core, and makes them durable.
func feed(t *testing.T, c *Core, entries ...chain.LaneEntry) {
	t.Helper()
	for _, e := range entries {
		if e.Validator == c.cfg.Self {
			c.Step(OwnStored{e})
		} else if out := c.Step(PeerEntry{e.Validator, e}, storedOf(e)); out.Verdicts[0].Refused != "" {
			t.Fatalf("entry %d of lane %d: %s", e.Sequence, e.Validator, out.Verdicts[0].Refused)
		}
	}
}

func ticks(c *Core, n int) (all []Output) {
	for range n {
		all = append(all, c.Step(Tick{}))
	}
	return all
}

func sequences(send []SendEntry, to chain.ValidatorNo) (s []uint64) {
	for _, e := range send {
		if e.To == to {
			s = append(s, e.Sequence)
		}
	}
	return s
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestVerdicts(t *testing.T) {
	a := links(1, 12)
	b := fork(1, a[:2], 12, 7)
	otherEpoch, far, orphan, noLane := a[3], a[3], a[3], a[3]
	otherEpoch.JoinEpoch++
	far.Sequence = 1 << 63
	orphan.Parent[0]++
	noLane.Validator = 4
	for _, c := range []struct {
		name  string
		from  chain.ValidatorNo
		entry chain.LaneEntry
		want  string
		kinds []EvidenceKind
	}{
		{"the next one", 1, a[3], "", nil},
		{"again", 1, a[2], RefusedDuplicate, nil},
		{"executed", 1, a[0], RefusedOld, nil},
		{"behind a gap", 1, a[4], RefusedGap, nil},
		{"far away", 1, far, RefusedGap, nil},
		{"another in its place", 1, b[2], RefusedFork, []EvidenceKind{EvidenceFork}},
		{"another parent", 1, orphan, RefusedParent, []EvidenceKind{EvidenceParent}},
		{"not the owner", 2, a[3], RefusedNotOwner, nil},
		{"another epoch", 1, otherEpoch, RefusedEpoch, nil},
		{"no such lane", 1, noLane, RefusedLane, nil},
		{"no such sender", 4, a[3], RefusedSender, nil},
		{"from itself", 0, a[3], RefusedSender, nil},
		{"an own entry from a peer", 1, links(0, 1)[0], RefusedNotOwner, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			core := testCore(t, 4, nil)
			feed(t, core, a[:3]...)
			core.Step(executedOf(a[0]))
			out := core.Step(PeerEntry{c.from, c.entry})
			if v := out.Verdicts[0]; v.Refused != c.want || v.Digest != digest(c.entry) || v.From != c.from || v.Lane != c.entry.Validator || v.Sequence != c.entry.Sequence {
				t.Errorf("%+v, want %q", v, c.want)
			}
			var kinds []EvidenceKind
			for _, e := range out.Evidence {
				kinds = append(kinds, e.Kind)
			}
			equal(t, "evidence", kinds, c.kinds)
			after := ""
			if len(kinds) > 0 {
				after = RefusedFaulted
			}
			if want := after; c.want != "" {
				if v := core.Step(PeerEntry{1, a[3]}).Verdicts[0]; v.Refused != want {
					t.Errorf("the next one afterwards: %q, want %q", v.Refused, want)
				}
			}
		})
	}
}

func TestEvidenceIsKeptOnce(t *testing.T) {
	c := testCore(t, 4, nil)
	a := links(1, 3)
	b, d := fork(1, a[:1], 3, 7), fork(1, a[:1], 3, 8)
	feed(t, c, a...)
	c.Step(ackOf(2, a[1]), ackOf(3, a[1]))
	out := c.Step(PeerEntry{1, b[1]}, PeerEntry{1, d[1]}, PeerEntry{1, b[2]}, ackOf(3, b[2]), ackOf(3, d[2]), ackOf(2, b[1]))
	want := []Evidence{
		{Kind: EvidenceFork, Lane: 1, Epoch: 1, Sequence: 2, From: 1, Ours: a[1], Theirs: b[1], Digest: digest(b[1])},
		{Kind: EvidenceAck, Lane: 1, Epoch: 1, Sequence: 2, From: 2, Ours: a[1], Digest: digest(b[1])},
		{Kind: EvidenceAck, Lane: 1, Epoch: 1, Sequence: 3, From: 3, Ours: a[2], Digest: digest(d[2])},
	}
	equal(t, "found", out.Evidence, want)
	equal(t, "kept", c.Evidence(1), want)
	equal(t, "of another lane", c.Evidence(2), nil)
	equal(t, "refused", out.Refused, []string{RefusedAck, RefusedAck, RefusedAck})
	if l := c.lanes[1]; l.available != 2 || l.tip() != 3 {
		t.Errorf("available to %d of %d: what was, stays", l.available, l.tip())
	}
	equal(t, "offered with the ack that agrees", c.Step(ackOf(2, a[2]), ackOf(3, a[2])).Offer, []chain.Hash{digest(a[2])})
}

func TestAvailable(t *testing.T) {
	a, own := links(1, 9), links(0, 2)
	b := fork(1, a[:2], 9, 7)
	h := func(entries ...chain.LaneEntry) (d []chain.Hash) {
		for _, e := range entries {
			d = append(d, digest(e))
		}
		return d
	}
	type stepCase struct {
		inputs []Input
		offer  []chain.Hash
	}
	for _, c := range []struct {
		name  string
		n     int
		steps []stepCase
	}{
		{"an own one with two of three peers", 4, []stepCase{
			{[]Input{OwnStored{own[0]}, OwnStored{own[1]}}, nil}, {[]Input{ackOf(1, own[1])}, nil}, {[]Input{ackOf(1, own[1])}, nil},
			{[]Input{ackOf(3, own[0])}, h(own[0])}, {[]Input{ackOf(3, own[1]), ackOf(2, own[1])}, h(own[1])},
		}},
		{"seven need five", 7, []stepCase{
			{[]Input{OwnStored{own[0]}, ackOf(1, own[0]), ackOf(2, own[0]), ackOf(3, own[0])}, nil}, {[]Input{ackOf(6, own[0])}, h(own[0])},
		}},
		{"alone", 1, []stepCase{{[]Input{OwnStored{own[0]}}, h(own[0])}}},
		{"a peer's, not durable here", 4, []stepCase{
			{[]Input{PeerEntry{1, a[0]}, ackOf(1, a[0]), ackOf(2, a[0])}, nil}, {[]Input{ackOf(3, a[0])}, h(a[0])}, {[]Input{storedOf(a[0])}, nil},
		}},
		{"durable here counts", 4, []stepCase{{[]Input{PeerEntry{1, a[0]}, ackOf(1, a[0]), ackOf(2, a[0])}, nil}, {[]Input{storedOf(a[0])}, h(a[0])}}},
		{"stored out of order", 4, []stepCase{
			{[]Input{PeerEntry{1, a[0]}, PeerEntry{1, a[1]}, ackOf(1, a[1]), ackOf(2, a[1]), storedOf(a[1])}, nil}, {[]Input{storedOf(a[0])}, h(a[:2]...)},
		}},
		{"acknowledged before it is known", 4, []stepCase{
			{[]Input{ackOf(1, a[2]), ackOf(2, a[2]), ackOf(3, a[2])}, nil}, {[]Input{PeerEntry{1, a[0]}, PeerEntry{1, a[1]}}, nil},
			{[]Input{PeerEntry{1, a[2]}}, h(a[:3]...)},
		}},
		{"acknowledged further and further ahead", 4, []stepCase{
			{[]Input{ackOf(1, a[8]), ackOf(2, a[1]), ackOf(2, a[3]), ackOf(2, a[2]), ackOf(2, a[5]), ackOf(2, a[4]), ackOf(3, a[1])}, nil},
			{[]Input{PeerEntry{1, a[0]}, PeerEntry{1, a[1]}, storedOf(a[0]), storedOf(a[1])}, h(a[:2]...)},
			{[]Input{PeerEntry{1, a[2]}, PeerEntry{1, a[3]}, PeerEntry{1, a[4]}, PeerEntry{1, a[5]}, storedOf(a[2]), storedOf(a[3]), storedOf(a[4]), storedOf(a[5])}, nil},
			{[]Input{ackOf(3, a[5])}, h(a[2:6]...)},
		}},
		{"another entry", 4, []stepCase{
			{[]Input{ackOf(2, b[2]), ackOf(3, a[2]), PeerEntry{1, a[0]}, PeerEntry{1, a[1]}, PeerEntry{1, a[2]}, ackOf(1, b[2]), storedOf(a[0]), storedOf(a[1]), storedOf(a[2])}, nil},
			{[]Input{ackOf(1, a[1])}, h(a[:2]...)}, {[]Input{ackOf(1, a[2])}, h(a[2])},
		}},
		{"from nobody", 4, []stepCase{{[]Input{OwnStored{own[0]}, ackOf(0, own[0]), ackOf(4, own[0]), ackOf(1, own[0])}, nil}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			core := testCore(t, c.n, nil)
			for i, s := range c.steps {
				equal(t, fmt.Sprintf("offered in step %d", i), core.Step(s.inputs...).Offer, s.offer)
			}
		})
	}
}

func TestAcksRefused(t *testing.T) {
	own, a := links(0, 2), links(1, 1)
	old, noLane := positionOf(own[0]), positionOf(own[0])
	old.Epoch, noLane.Lane = 9, 4
	for want, ack := range map[string]Ack{
		RefusedSender: ackOf(4, own[0]), RefusedEpoch: {1, old}, RefusedLane: {1, noLane}, RefusedAhead: ackOf(1, own[1]),
		RefusedAck: {1, Position{Epoch: 1, Sequence: 1, Digest: digest(a[0])}},
	} {
		c := testCore(t, 4, nil)
		feed(t, c, own[0])
		out := c.Step(ack)
		equal(t, "refused", out.Refused, []string{want})
		if accuses := want == RefusedAhead || want == RefusedAck; accuses != (len(out.Evidence) == 1) {
			t.Errorf("%s: evidence %+v", want, out.Evidence)
		}
	}
}

func TestOwnLaneIsAsserted(t *testing.T) {
	own := links(0, 3)
	for name, in := range map[string]Input{
		"a gap": OwnStored{own[2]}, "again": OwnStored{own[0]}, "a peer's": OwnStored{links(1, 1)[0]}, "no lane": PeerStored{Lane: 4},
	} {
		c := testCore(t, 4, nil)
		feed(t, c, own[0])
		func() {
			defer func() {
				if _, ok := recover().(*fault.Violation); !ok {
					t.Errorf("%s was taken", name)
				}
			}()
			c.Step(in)
		}()
	}
}

func TestAcknowledges(t *testing.T) {
	c := testCore(t, 4, func(b *Bounds) { b.AnnounceTicks = 7 })
	a, other := links(1, 3), links(2, 1)
	c.Step(Disconnected{3})
	for _, e := range a {
		if out := c.Step(PeerEntry{1, e}); out.Acks != nil {
			t.Errorf("acknowledged before it is durable: %+v", out.Acks)
		}
	}
	out := c.Step(PeerEntry{2, other[0]}, storedOf(a[0]), storedOf(a[1]), storedOf(other[0]), PeerStored{1, 3, chain.Hash{1}}, PeerStored{1, 9, chain.Hash{1}})
	told := []Position{positionOf(a[1]), positionOf(other[0])}
	if len(out.Acks) != 2 || out.Acks[0].To != 1 || out.Acks[1].To != 2 {
		t.Fatalf("acks %+v, want one to each connected peer", out.Acks)
	}
	equal(t, "told 1", out.Acks[0].Positions, told)
	equal(t, "told 2", out.Acks[1].Positions, told)

	out = c.Step(PeerEntry{1, a[0]})
	if len(out.Acks) != 1 || out.Acks[0].To != 1 {
		t.Fatalf("an owner that repeats itself is told: %+v", out.Acks)
	}
	equal(t, "told the owner", out.Acks[0].Positions, told[:1])

	all := []Position{{Epoch: 1}, told[0], told[1], {Lane: 3, Epoch: 1}}
	out = c.Step(Connected{3})
	if len(out.Acks) != 1 || out.Acks[0].To != 3 {
		t.Fatalf("who connects is told: %+v", out.Acks)
	}
	equal(t, "told on connect", out.Acks[0].Positions, all)
	said := ticks(c, 7)
	if last := said[6].Acks; len(last) != 3 || !slices.Equal(last[2].Positions, all) || said[5].Acks != nil {
		t.Errorf("announced %+v, before %+v", last, said[5].Acks)
	}
	equal(t, "strangers", c.Step(Connected{0}, Connected{4}, Disconnected{4}).Refused, []string{RefusedSender, RefusedSender, RefusedSender})
}
