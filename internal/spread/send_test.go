// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func TestWindow(t *testing.T) {
	for name, c := range map[string]struct {
		bounds func(*Bounds)
		want   []uint64
	}{
		"entries": {func(b *Bounds) { b.WindowBytes = 1 << 20; b.WindowEntries = 2 }, []uint64{1, 2}},
		"bytes":   {func(b *Bounds) { b.WindowBytes = 2*testBytes + 99; b.WindowEntries = 100 }, []uint64{1, 2}},
	} {
		core := testCore(t, 4, c.bounds)
		var sent []SendEntry
		own := links(0, 6)
		for _, e := range own {
			sent = append(sent, core.Step(OwnStored{e}).Send...)
		}
		for v := chain.ValidatorNo(1); v < 4; v++ {
			equal(t, name+": sent unacknowledged", sequences(sent, v), c.want)
		}
		out := core.Step(ackOf(1, own[1]), ackOf(2, own[0]), ackOf(2, own[0]))
		equal(t, name+": a quick one goes on", sequences(out.Send, 1), []uint64{3, 4})
		equal(t, name+": so does a slower one", sequences(out.Send, 2), []uint64{3})
		equal(t, name+": a silent one waits alone", sequences(out.Send, 3), nil)
		equal(t, name+": an old word changes nothing", sequences(core.Step(ackOf(1, own[0])).Send, 1), nil)
		if s := out.Send[0]; s.Digest != digest(own[2]) || s.Lane != 0 {
			t.Errorf("%s: sent %+v", name, s)
		}
	}
}

func TestResend(t *testing.T) {
	c := testCore(t, 4, nil)
	own := links(0, 6)
	feed(t, c, own...)
	c.Step(ackOf(1, own[0]))
	var sent []uint64
	for i, out := range ticks(c, 12) {
		for _, s := range sequences(out.Send, 1) {
			sent = append(sent, uint64(100*(i+1))+s)
		}
	}
	equal(t, "after silence one, again and again", sent, []uint64{502, 1002})
	equal(t, "after its word all", sequences(c.Step(ackOf(1, own[1])).Send, 1), []uint64{3, 4, 5})
	equal(t, "all acknowledged", sequences(c.Step(ackOf(1, own[4])).Send, 1), []uint64{6})
	c.Step(ackOf(1, own[5]))
	for _, out := range ticks(c, 12) {
		equal(t, "to who has all", sequences(out.Send, 1), nil)
	}
}

func TestReconnect(t *testing.T) {
	c := testCore(t, 4, nil)
	own := links(0, 6)
	feed(t, c, own[:5]...)
	c.Step(ackOf(1, own[2]), ackOf(2, own[2]))
	equal(t, "to who is gone", sequences(c.Step(Disconnected{1}, OwnStored{own[5]}, ackOf(1, own[3])).Send, 1), nil)
	equal(t, "to who did not say how far it is", sequences(c.Step(Connected{1}).Send, 1), nil)
	equal(t, "from its word on, though it is less than before", sequences(c.Step(ackOf(1, own[1])).Send, 1), []uint64{3, 4, 5})
	c.Step(Connected{2})
	var silent []Output
	if silent = ticks(c, 5); len(sequences(silent[3].Send, 2)) > 0 {
		t.Error("sent before the silence was long")
	}
	equal(t, "after silence from what it acknowledged before", sequences(silent[4].Send, 2), []uint64{4})
}

func TestKeepsForWhoIsBehind(t *testing.T) {
	c := testCore(t, 4, nil)
	own := links(0, 8)
	feed(t, c, own...)
	out := c.Step(executedOf(own[7]), Asked{1, Ask{Sequence: 7}}, Asked{2, Ask{Sequence: 2}}, Asked{3, Ask{Sequence: 9}})
	equal(t, "from where it asked", sequences(out.Send, 1), []uint64{7, 8})
	equal(t, "from the oldest kept", sequences(out.Send, 2), []uint64{7, 8})
	equal(t, "nothing new yet", sequences(out.Send, 3), nil)
	equal(t, "refused", out.Refused, nil)
}

func TestAskedToStream(t *testing.T) {
	c := testCore(t, 4, func(b *Bounds) { b.ServeBytes = 3 * testBytes })
	own := links(0, 5)
	feed(t, c, own...)
	ask := Asked{1, Ask{Sequence: 2}}
	equal(t, "again from there", sequences(c.Step(ask).Send, 1), []uint64{2, 3})
	equal(t, "again", sequences(c.Step(ask).Send, 1), []uint64{2, 3})
	equal(t, "more than its share", c.Step(ask).Refused, []string{RefusedFlood})
	equal(t, "another's share", c.Step(Asked{2, ask.Ask}).Refused, nil)
	equal(t, "in the next tick", c.Step(Tick{}, ask).Refused, nil)
	equal(t, "what it acknowledged and lost", sequences(c.Step(ackOf(3, own[3]), Asked{3, ask.Ask}).Send, 3), []uint64{2, 3, 4})
}

func TestAskedForAnEntry(t *testing.T) {
	a := links(1, 3)
	for _, c := range []struct {
		name    string
		ask     Asked
		send    []SendEntry
		refused []string
	}{
		{"by place", Asked{2, Ask{1, 2, digest(a[1])}}, []SendEntry{{2, 1, 2, digest(a[1])}}, nil},
		{"by digest alone", Asked{2, Ask{0, 0, digest(a[2])}}, []SendEntry{{2, 1, 3, digest(a[2])}}, nil},
		{"forgotten", Asked{3, Ask{1, 1, digest(a[0])}}, []SendEntry{{3, 1, 0, digest(a[0])}}, nil},
		{"unknown", Asked{3, Ask{2, 9, chain.Hash{9}}}, []SendEntry{{3, 2, 0, chain.Hash{9}}}, nil},
		{"a stream of another's lane", Asked{3, Ask{1, 2, chain.Hash{}}}, nil, []string{RefusedAsk}},
		{"a stream from nowhere", Asked{3, Ask{0, 0, chain.Hash{}}}, nil, []string{RefusedAsk}},
		{"a stream of what is not cut", Asked{3, Ask{0, 2, chain.Hash{}}}, nil, []string{RefusedAsk}},
		{"of no lane", Asked{3, Ask{4, 1, digest(a[1])}}, nil, []string{RefusedLane}},
		{"by a stranger", Asked{4, Ask{1, 2, digest(a[1])}}, nil, []string{RefusedSender}},
	} {
		core := testCore(t, 4, nil)
		feed(t, core, a...)
		core.Step(executedOf(a[0]))
		out := core.Step(c.ask)
		equal(t, c.name+": sent", out.Send, c.send)
		equal(t, c.name+": refused", out.Refused, c.refused)
	}
	core := testCore(t, 4, nil)
	unknown := Asked{3, Ask{Digest: chain.Hash{9}}}
	equal(t, "an unknown one costs as much as a batch", core.Step(unknown, unknown).Refused, []string{RefusedFlood})
}
