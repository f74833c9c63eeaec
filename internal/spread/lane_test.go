// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestBoundsOfALane(t *testing.T) {
	for name, bound := range map[string]func(*Bounds){
		"entries": func(b *Bounds) { b.LaneEntriesMax = 4 },
		"bytes":   func(b *Bounds) { b.LaneBytesMax = 4*testBytes + 50 },
	} {
		c := testCore(t, 4, bound)
		a := links(1, 8)
		feed(t, c, a[:4]...)
		out := c.Step(PeerEntry{1, a[4]})
		if v := out.Verdicts[0]; v.Refused != RefusedFull || out.Asks != nil {
			t.Errorf("%s: %q, asks %+v", name, v.Refused, out.Asks)
		}
		want := []SendAsk{{1, Ask{Lane: 1, Sequence: 5}}}
		equal(t, name+": asked when there is room", c.Step(executedOf(a[0])).Asks, want)
		if out := c.Step(PeerEntry{1, a[4]}, executedOf(a[1]), PeerEntry{1, a[5]}); out.Verdicts[0].Refused+out.Verdicts[1].Refused != "" || out.Asks != nil {
			t.Errorf("%s: with room %+v, asks %+v", name, out.Verdicts, out.Asks)
		}
	}
}

func TestABigEntryIsAskedForUntilItFits(t *testing.T) {
	c := testCore(t, 4, func(b *Bounds) { b.LaneBytesMax = 4*testBytes + 50 })
	a := links(1, 5)
	a[4].Bytes = 3 * testBytes
	feed(t, c, a[:4]...)
	ask := []SendAsk{{1, Ask{Lane: 1, Sequence: 5}}}
	for i, want := range [][]SendAsk{ask, ask, ask} {
		equal(t, "asked as room grows", c.Step(PeerEntry{1, a[4]}, executedOf(a[i])).Asks, want)
		equal(t, "asked again with no more room", c.Step(PeerEntry{1, a[4]}).Asks, nil)
	}
	if c.lanes[1].tip() != 5 {
		t.Error("it never fit")
	}
}

func TestAnEntryAlwaysFits(t *testing.T) {
	c := testCore(t, 4, func(b *Bounds) { b.LaneBytesMax, b.WindowBytes = 1, 1 })
	feed(t, c, links(1, 1)...)
	out := c.Step(OwnStored{links(0, 1)[0]})
	equal(t, "sent", sequences(out.Send, 2), []uint64{1})
}

func TestBackpressure(t *testing.T) {
	c := testCore(t, 4, func(b *Bounds) { b.LaneBytesMax = 2*chain.BatchBytesMax - 1 })
	own := links(0, 2)
	own[0].Bytes = chain.BatchBytesMax
	if c.Step().Backpressure || !c.Step(OwnStored{own[0]}).Backpressure || c.Step(executedOf(own[0])).Backpressure {
		t.Error("pressed back at other times than when a full batch would not fit")
	}
}

func TestGapIsAskedFor(t *testing.T) {
	c := testCore(t, 4, nil)
	a := links(1, 8)
	ask := func(s uint64) []SendAsk { return []SendAsk{{1, Ask{Lane: 1, Sequence: s}}} }
	feed(t, c, a[0])
	equal(t, "asked", c.Step(PeerEntry{1, a[3]}).Asks, ask(2))
	equal(t, "asked again at once", c.Step(PeerEntry{1, a[4]}, Tick{}).Asks, nil)
	ticks(c, 3)
	equal(t, "asked after a while", c.Step(Tick{}, PeerEntry{1, a[4]}).Asks, ask(2))
	feed(t, c, a[1])
	equal(t, "asked from the new tip", c.Step(PeerEntry{1, a[4]}).Asks, ask(3))
	for _, out := range ticks(c, 12) {
		equal(t, "asked without need", out.Asks, nil)
	}
	equal(t, "nobody to ask", c.Step(PeerEntry{1, a[4]}, Tick{}, Tick{}, Tick{}, Tick{}, Tick{}, Disconnected{1}).Asks, nil)
}

func TestExecutedLeaps(t *testing.T) {
	c := testCore(t, 4, nil)
	a := links(1, 9)
	b := fork(1, a[:1], 9, 7)
	feed(t, c, a[:4]...)
	out := c.Step(executedOf(b[2]))
	if len(out.Evidence) != 1 || out.Evidence[0].Kind != EvidenceDecided || out.Evidence[0].Ours != a[2] {
		t.Errorf("the fork that lost: %+v", out.Evidence)
	}
	equal(t, "told", out.Acks[0].Positions, []Position{positionOf(b[2])})
	equal(t, "a decided one that is not here", c.Step(executedOf(b[4])).Evidence, nil)
	equal(t, "old news", c.Step(executedOf(b[3])).Evidence, nil)
	if l := c.lanes[1]; l.executed != 5 || l.tip() != 5 || l.tipDigest() != digest(b[4]) || len(c.places) != 0 || l.waiting() != 0 {
		t.Errorf("executed %d, tip %d, %d places", l.executed, l.tip(), len(c.places))
	}
	if v := c.Step(PeerEntry{1, b[5]}).Verdicts[0]; v.Refused != RefusedFaulted {
		t.Errorf("a lane that forked: %q", v.Refused)
	}
}

func TestExecutedAgainstAvailable(t *testing.T) {
	c := testCore(t, 4, nil)
	a := links(1, 4)
	b := fork(1, a[:1], 4, 7)
	feed(t, c, a...)
	c.Step(ackOf(1, a[3]), ackOf(2, a[3]))
	out := c.Step(executedOf(b[2]), Missing{Digest: digest(b[3])}, PeerEntry{2, b[3]}, storedOf(b[3]))
	if e := out.Evidence; len(e) != 1 || e[0].Kind != EvidenceDecided || out.Verdicts[0].Refused != "" {
		t.Errorf("evidence %+v, %+v", e, out.Verdicts)
	}
	equal(t, "acknowledgements of a fork count for what follows the other", out.Offer, nil)
	equal(t, "offered", c.Step(ackOf(1, b[3]), ackOf(2, b[3])).Offer, []chain.Hash{digest(b[3])})
}

func TestForgets(t *testing.T) {
	c := testCore(t, 4, nil)
	a, own := links(1, 6), links(0, 6)
	feed(t, c, own...)
	for _, e := range a {
		c.Step(PeerEntry{1, e})
	}
	c.Step(storedOf(a[0]), storedOf(a[1]), executedOf(a[3]), executedOf(own[5]))
	if l := c.lanes[1]; l.first() != 2 || c.own().first() != 4 || len(c.places) != 6 {
		t.Errorf("remembers a peer's lane from %d, its own from %d, %d places", l.first(), c.own().first(), len(c.places))
	}
	c.Step(storedOf(a[2]), storedOf(a[3]), storedOf(a[4]))
	if l := c.lanes[1]; l.first() != 4 || l.stored != 5 {
		t.Errorf("remembers from %d, stored to %d", l.first(), l.stored)
	}
}

func TestRestart(t *testing.T) {
	a, own := links(1, 5), links(0, 4)
	state := func() []LaneState {
		return []LaneState{
			{Epoch: 1, Executed: 2, Digest: digest(own[1]), Stored: own[2:]}, {Epoch: 1, Executed: 3, Digest: digest(a[2]), Stored: a[3:4]},
			{Epoch: 1, Faulted: true}, {Epoch: 1},
		}
	}
	c, err := New(Config{Bounds: DefaultBounds()}, state())
	if err != nil {
		t.Fatal(err)
	}
	out := c.Step(Connected{2})
	equal(t, "announced", out.Acks[0].Positions, []Position{positionOf(own[3]), positionOf(a[3]), {Lane: 2, Epoch: 1}, {Lane: 3, Epoch: 1}})
	equal(t, "sent before the peer says how far it is", out.Send, nil)
	equal(t, "sent", sequences(c.Step(ackOf(2, own[2])).Send, 2), []uint64{4})
	equal(t, "offered", c.Step(ackOf(1, own[3])).Offer, []chain.Hash{digest(own[2])})
	if v := c.Step(PeerEntry{1, a[4]}, PeerEntry{2, links(2, 1)[0]}).Verdicts; v[0].Refused != "" || v[1].Refused != RefusedFaulted {
		t.Errorf("the next one %q, one of a faulted lane %q", v[0].Refused, v[1].Refused)
	}
	for name, spoil := range map[string]func(*Config, []LaneState) (*Config, []LaneState){
		"no lanes": func(c *Config, s []LaneState) (*Config, []LaneState) { return c, nil },
		"too many": func(c *Config, s []LaneState) (*Config, []LaneState) {
			return c, make([]LaneState, chain.ValidatorsMax+1)
		},
		"a stranger": func(c *Config, s []LaneState) (*Config, []LaneState) { c.Self = 4; return c, s },
		"no bound":   func(c *Config, s []LaneState) (*Config, []LaneState) { c.Bounds.ResendTicks = 0; return c, s },
	} {
		cfg, lanes := spoil(&Config{Bounds: DefaultBounds()}, state())
		if _, err := New(*cfg, lanes); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, stored := range map[string][]chain.LaneEntry{
		"a gap": a[4:], "executed": a[2:], "another lane": links(2, 4)[3:], "a fork": fork(1, a[:2], 4, 7)[3:],
	} {
		lanes := state()
		lanes[1].Stored = stored
		if _, err := New(Config{Bounds: DefaultBounds()}, lanes); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRejoined(t *testing.T) {
	c := testCore(t, 4, nil)
	a, own := links(1, 2), links(0, 3)
	feed(t, c, append(a, own...)...)
	c.Step(PeerEntry{1, fork(1, nil, 1, 7)[0]}, ackOf(2, own[2]))
	again, mine := a[0], own[0]
	again.JoinEpoch, mine.JoinEpoch = 5, 5
	out := c.Step(Rejoined{1, 1}, PeerEntry{1, a[1]}, Rejoined{1, 5}, PeerEntry{1, again}, Rejoined{0, 5}, OwnStored{mine})
	if v := out.Verdicts; v[0].Refused != RefusedDuplicate || v[1].Refused != "" {
		t.Errorf("an old epoch changes nothing, a new one begins: %+v", v)
	}
	equal(t, "told", out.Acks[0].Positions, []Position{positionOf(mine), {Lane: 1, Epoch: 5}})
	equal(t, "sent", sequences(c.Step(Ack{2, Position{Epoch: 5}}).Send, 2), []uint64{1})
	other := again
	other.Payload[3]++
	equal(t, "found", c.Step(PeerEntry{1, other}).Evidence, c.Evidence(1))
	if len(c.places) != 2 || len(c.Evidence(1)) != 1 || c.Evidence(1)[0].Epoch != 5 {
		t.Errorf("%d places, evidence %+v", len(c.places), c.Evidence(1))
	}
}
