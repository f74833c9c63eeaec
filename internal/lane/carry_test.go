// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// run executes what a member was offered and has not executed, and gives how far its log is executed.
func (m *member) run(from int) (at Position, to int) {
	m.crew.t.Helper()
	offers := m.offers()
	var stored []*Stored
	for _, d := range offers[from:] {
		s, err := m.Fetch(context.Background(), d)
		if err != nil {
			m.crew.t.Fatal(err)
		}
		stored = append(stored, s)
	}
	at = m.Executed(stored)
	for _, s := range stored {
		m.Forget(s.Digest)
	}
	return at, len(offers)
}

// places is where a log's records of one entry lie.
func (m *member) places(digest chain.Hash) (at []seglog.Pos) {
	m.crew.t.Helper()
	err := m.log.Scan(context.Background(), seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		s, err := ParseRecord(pos, rec)
		if err == nil && s.Digest == digest {
			at = append(at, pos)
		}
		return err
	})
	if err != nil {
		m.crew.t.Fatal(err)
	}
	return at
}

// TestCarry lets the entry of a validator that died before a quorum had it leave the way of retention, over and over, and
// executes it after that validator came back.
func TestCarry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		dead, keeper := c.members[0], c.members[3]
		for _, v := range []chain.ValidatorNo{1, 2} {
			c.cut.Store([2]chain.ValidatorNo{0, v}, true)
		}
		settle(100 * time.Millisecond)
		dead.put("orphan", 3000)
		settle(time.Second)
		for _, v := range []chain.ValidatorNo{1, 2, 3} {
			c.cut.Store([2]chain.ValidatorNo{0, v}, true)
			c.cut.Store([2]chain.ValidatorNo{v, 0}, true)
		}
		raw := append([]byte("orphan"), make([]byte, 3000)...)
		orphan := codec.EntryDigest(chain.LaneEntry{Validator: 0, JoinEpoch: 1, Sequence: 1, Kind: chain.PayloadBatch, Payload: codec.Sum(raw), Bytes: uint32(len(raw))})
		if !keeper.Holds(orphan) {
			t.Fatal("the keeper does not hold it")
		}

		executed, pinned := 0, Position{}
		for round := range 4 {
			for i := range 30 {
				c.members[1+i%3].put("later", round*1000+i*100)
				settle(100 * time.Millisecond)
			}
			pinned, executed = keeper.run(executed)
			segments := keeper.log.Segments()
			newest := segments[len(segments)-1].Number
			if pinned.Pos.Segment+3 > newest {
				t.Fatalf("round %d: nothing is pinned: %+v of %d segments", round, pinned.Pos, newest)
			}
			if err := keeper.Carry(t.Context(), newest); err != nil {
				t.Fatal(err)
			}
			settle(time.Second)
			if at := keeper.places(orphan); at[len(at)-1].Segment < newest {
				t.Fatalf("round %d: it lies at %+v", round, at)
			}
			if err := keeper.Carry(t.Context(), newest); err != nil || len(keeper.places(orphan)) > 2 {
				t.Fatalf("round %d: carried twice: %v", round, err)
			}
			free := keeper.Executed(nil)
			if free.Pos.Segment < newest {
				t.Fatalf("round %d: executed up to %+v of %d segments", round, free.Pos, newest)
			}
			pinned = free
			if _, err := keeper.log.Recycle(free.Pos.Segment); err != nil {
				t.Fatal(err)
			}
		}

		lanes := make([]Place, 4)
		for v := range lanes {
			at := keeper.reach.executed[v]
			lanes[v].Sequence = at.sequence
		}
		tips := map[chain.ValidatorNo]chain.Hash{}
		for _, d := range keeper.offers() {
			if s, ok := keeper.recent.find(d); ok {
				tips[s.Entry.Validator] = d
			}
		}
		for v := range lanes {
			lanes[v].Tip = tips[chain.ValidatorNo(v)]
		}
		keeper.close()
		keeper.open(pinned, lanes)
		if !keeper.Holds(orphan) {
			t.Fatal("it is lost in a restart")
		}
		if again := keeper.Executed(nil); again.Pos != pinned.Pos {
			t.Errorf("executed up to %+v after a restart, before it up to %+v", again.Pos, pinned.Pos)
		}
		c.cut.Clear()
		settle(3 * time.Second)
		if !slices.Contains(keeper.offers(), orphan) {
			t.Fatal("it does not become available")
		}
		s, err := keeper.Fetch(t.Context(), orphan)
		if err != nil || codec.Sum(s.Payload()) != codec.Sum(raw) {
			t.Fatal(s, err)
		}
		if at := keeper.Executed([]*Stored{s}); at.Pos.Seq != keeper.log.NextSeq()-1 {
			t.Errorf("executed up to %+v of %d", at.Pos, keeper.log.NextSeq()-1)
		}
		for _, m := range c.members {
			for v := range c.members {
				if e := m.Evidence(chain.ValidatorNo(v)); len(e) != 0 {
					t.Errorf("validator %d accuses validator %d: %+v", m.no, v, e)
				}
			}
		}
	})
}

// TestStale chooses what is carried on.
func TestStale(t *testing.T) {
	at := func(v chain.ValidatorNo, sequence, segment, seq uint64) *Stored {
		return &Stored{Entry: chain.LaneEntry{Validator: v, Sequence: sequence}, Digest: chain.Hash{byte(v), byte(sequence), byte(seq), byte(seq >> 8)},
			Pos: seglog.Pos{Segment: segment, Seq: seq}, durable: true}
	}
	pinned, undurable := at(1, 4, 2, 6), at(1, 5, 2, 7)
	pinned.pinned, undurable.durable = true, false
	l := &Lane{cfg: Config{Validator: 3}, held: map[chain.Hash]*Stored{}}
	for _, s := range []*Stored{
		at(3, 1, 1, 1),                  // an own one
		at(1, 2, 2, 4), at(1, 2, 9, 90), // two branches of a lane that forked
		at(1, 3, 2, 5), at(2, 1, 1, 2),
		at(1, 9, 8, 80), // not so old
		pinned, undurable,
	} {
		l.held[s.Digest] = s
	}
	var got []uint64
	for _, s := range l.stale(5) {
		got = append(got, s.Pos.Seq)
	}
	if want := []uint64{2, 4, 5, 90}; !slices.Equal(got, want) {
		t.Errorf("records %d are carried, must be %d", got, want)
	}
	for n := range uint64(2 * carriedMax) {
		s := at(2, 10+n/2, 2, 1000+n)
		l.held[s.Digest] = s
	}
	if list := l.stale(5); len(list) > carriedMax || len(list) < carriedMax-1 || list[0].Pos.Seq != 2 {
		t.Errorf("%d records are carried at once", len(list))
	}
}

// TestReachMoves follows records of lanes that are executed, carried on, and begun anew.
func TestReachMoves(t *testing.T) {
	r := newReach(Config{Validator: 0, JoinEpoch: 1, Lanes: []Place{{Epoch: 1}, {Epoch: 1}, {Epoch: 2}}}, Position{})
	record := func(seq uint64, v chain.ValidatorNo, epoch chain.Epoch, sequence uint64) *Stored {
		return &Stored{Entry: chain.LaneEntry{Validator: v, JoinEpoch: epoch, Sequence: sequence}, Pos: seglog.Pos{Segment: 1, Seq: seq}}
	}
	for i, s := range []*Stored{record(1, 1, 1, 1), record(2, 0, 1, 1), record(3, 2, 1, 7), record(4, 2, 2, 1), record(5, 1, 1, 1)} {
		r.note(s)
		if at := r.position().Pos.Seq; at != 0 {
			t.Errorf("after record %d: all is executed up to %d", i+1, at)
		}
	}
	for _, step := range []struct {
		what string
		do   func()
		want uint64
	}{
		{"an own entry is executed", func() { r.pass([]*Stored{record(2, 0, 1, 1)}) }, 0},
		{"record 1 lies again in record 5", func() { r.moved(1) }, 3},
		{"the other lane is executed, its older epoch is not", func() { r.pass([]*Stored{record(4, 2, 2, 1)}) }, 4},
		{"the copy is executed", func() { r.pass([]*Stored{record(5, 1, 1, 1)}) }, 5},
	} {
		step.do()
		if at := r.position().Pos.Seq; at != step.want {
			t.Errorf("%s: all is executed up to %d, must be %d", step.what, at, step.want)
		}
	}
}
