// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// copies lists where the records of an entry lie in a member's lane.
func (m *member) copies(id chain.Hash) (at []seglog.Pos) {
	m.t.Helper()
	must(m.t, m.laneLog.Scan(context.Background(), seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		s, err := lane.ParseRecord(pos, rec)
		if err == nil && s.Entry.Payload == id {
			at = append(at, pos)
		}
		return err
	}))
	return at
}

// digest is the digest of an entry in a member's lane.
func (m *member) digest(id chain.Hash) chain.Hash {
	m.t.Helper()
	rec, err := m.laneLog.Read(m.copies(id)[0])
	must(m.t, err)
	s, err := lane.ParseRecord(seglog.Pos{}, rec)
	must(m.t, err)
	return s.Digest
}

// TestCarried proves the folder of a validator that alone holds an entry of one that died: it is written again and again at
// the log's end, and what lies before goes. Once it is ordered after all, it is executed, and all folders are sound.
func TestCarried(t *testing.T) {
	c := newCluster(t, 4)
	c.lost = func(from, to chain.ValidatorNo) bool { return from == 0 && (to == 1 || to == 2) }
	n := c.folders[0]
	c.start(tight, 0, 1, 2, 3)
	c.submit(1, n.batch(20))
	orphan := n.batch(20)
	must(t, c.nodes[0].lane.Append(t.Context(), orphan))
	keeper := c.nodes[3]
	var first seglog.Pos
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		if at := keeper.copies(orphan.ID); len(at) > 0 {
			first = at[0]
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the entry does not come")
		}
	}
	c.halt(0)
	produce := func(until func() bool) {
		t.Helper()
		for range 600 {
			c.submit(1, n.batch(150))
			if until() {
				return
			}
			<-time.After(2 * time.Millisecond) // a checkpoint now and then
		}
		t.Fatalf("the log is not let go: segments %d to %d, the entry lies at %+v", keeper.laneLog.Segments()[0].Number, len(keeper.laneLog.Segments()), keeper.copies(orphan.ID))
	}
	produce(func() bool { return keeper.laneLog.Segments()[0].Number > first.Segment })
	produce(func() bool { return len(keeper.copies(orphan.ID)) > 1 }) // it was carried on again, and the older one lies there still
	digest := keeper.digest(orphan.ID)
	c.agree()
	c.halt(3)
	report := verify(t, c.folders[3].dir)
	wantOK(t, report)
	if report.FromHeight == 0 {
		t.Error("it is executed again from genesis")
	}
	c.start(tight, 3)
	must(t, c.nodes[1].raft.Offer(digest)) // as if a quorum had it: the others fetch it from its keeper
	for _, m := range c.nodes[1:] {
		m.awaitPublished(orphan.ID)
	}
	c.submit(3, n.batch(20))
	c.agree()
	c.halt(1, 2, 3)
	for _, f := range c.folders[1:] {
		wantOK(t, verify(t, f.dir))
	}
}

// TestOwed wants what is not executed before the start of execution to lie once more behind it.
func TestOwed(t *testing.T) {
	r := newReach(seglog.Pos{Segment: 1, Seq: 5}, func(e *chain.LaneEntry) bool { return e.Sequence <= 3 })
	note := func(seq uint64, sequence uint64) {
		s := &lane.Stored{Entry: chain.LaneEntry{Validator: 1, Sequence: sequence}, Digest: chain.Hash{byte(sequence)}, Pos: seglog.Pos{Segment: 1, Seq: seq}}
		if text := r.note(&entry{Stored: s}); text != "" {
			t.Errorf("record %d: %s", seq, text)
		}
	}
	note(3, 4)
	note(4, 5)
	note(5, 3)
	if n := len(r.unpaid()); n != 2 {
		t.Errorf("%d records are owed", n)
	}
	note(6, 2)
	note(7, 5)
	note(8, 1)
	if list := r.unpaid(); len(list) != 1 || list[0].Pos.Seq != 3 {
		t.Errorf("owed: %+v", list)
	}
	if r.at.Seq != 6 || !r.waits(seglog.Pos{Seq: 7}) {
		t.Errorf("all is executed up to record %d", r.at.Seq)
	}
	note(9, 5)
	note(10, 4)
	if r.at.Seq != 8 || len(r.unpaid()) != 0 || r.waits(seglog.Pos{Seq: 8}) {
		t.Errorf("all is executed up to record %d", r.at.Seq)
	}
}
