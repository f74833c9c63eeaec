// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// places lists where the executed entries of a node's lane lie.
func (r *running) places() (list []seglog.Pos) {
	r.folder.t.Helper()
	must(r.folder.t, r.eachLine(1, func(_ chain.BatchResult, at lane.Named) { list = append(list, at.Pos) }))
	return list
}

// segmentFile is a file of the node's lane.
func (f *folder) segmentFile(number uint64) string {
	return f.cfg.Data(fmt.Sprintf("lane/seg-%012d.log", number))
}

// flip damages one byte of a record in a stopped node's lane.
func (f *folder) flip(at seglog.Pos, off int64) {
	f.t.Helper()
	file, err := os.OpenFile(f.segmentFile(at.Segment), os.O_RDWR, 0)
	must(f.t, err)
	b := make([]byte, 1)
	_, err = file.ReadAt(b, int64(at.Offset)+off)
	must(f.t, err)
	b[0] ^= 0x40
	_, err = file.WriteAt(b, int64(at.Offset)+off)
	must(f.t, err)
	must(f.t, file.Close())
}

// sameLane wants every byte of a stopped node's lane to be sound, and every executed entry where the chain says.
func (f *folder) sameLane(places []seglog.Pos) {
	f.t.Helper()
	report, err := seglog.Verify(context.Background(), nil, f.cfg.Data("lane"), nil)
	must(f.t, err)
	if !report.OK() {
		f.t.Errorf("%+v", report.Problems)
	}
	r, err := seglog.OpenReader(nil, f.cfg.Data("lane"))
	must(f.t, err)
	for _, at := range places {
		if _, err := r.Read(at); err != nil {
			f.t.Error(err)
		}
	}
	must(f.t, r.Close())
	if _, err := os.Stat(f.cfg.Data(RepairMark)); !os.IsNotExist(err) {
		f.t.Errorf("the mark is left: %v", err)
	}
}

// inNewest is a record of the newest segment, with some behind it if there are: older segments are read by the scrub only.
func inNewest(p []seglog.Pos) seglog.Pos {
	at := len(p) - 1
	for at > 0 && len(p)-at < 5 && p[at-1].Segment == p[len(p)-1].Segment {
		at--
	}
	return p[at]
}

// TestRepair damages the lane of a stopped validator. It heals from the others when it starts.
func TestRepair(t *testing.T) {
	c := newCluster(t, 4)
	for _, f := range c.folders {
		f.cfg.Commit.SegmentBytes, f.cfg.Commit.RetainBytes = 1<<20, 64<<20
		f.genesis.Assets[0].Flags |= chain.AssetVersioned
		f.writeGenesis()
	}
	c.start(0, 1, 2, 3)
	for i := range 12 {
		c.pay(i%4, 5)
		c.sequence++
		must(t, c.nodes[i%4].tryBatch(c.sequence, chain.BatchLegsMax))
	}
	c.agree()
	f := c.folders[2]
	for name, harm := range map[string]func(places []seglog.Pos){
		"a head in the newest segment": func(p []seglog.Pos) { f.flip(inNewest(p), 30) },
		"the newest record":            func(p []seglog.Pos) { f.flip(p[len(p)-1], seglog.PageBytes+3) },
		"a payload that nothing reads": func(p []seglog.Pos) {
			f.flip(p[1], seglog.PageBytes+3)
			must(t, os.WriteFile(f.cfg.Data(RepairMark), []byte("found by the scrub"), 0o644))
		},
		"a head and a payload and a file": func(p []seglog.Pos) {
			f.flip(p[0], 9)
			f.flip(p[2], seglog.PageBytes)
			must(t, os.Remove(f.segmentFile(3)))
		},
		"a segment's header": func([]seglog.Pos) { f.flip(seglog.Pos{Segment: 2}, 9) },
	} {
		t.Run(name, func(t *testing.T) {
			places := c.nodes[2].places()
			c.halt(2)
			harm(places)
			c.start(2)
			if n := testutil.ToFloat64(c.nodes[2].repair.metrics.segments); n == 0 {
				t.Errorf("nothing was repaired:\n%s", c.nodes[2].log)
			} else if found := testutil.ToFloat64(c.nodes[2].repair.metrics.damaged.WithLabelValues(foundByRepair)); found != n {
				t.Errorf("%v segments were damaged, %v repaired", found, n)
			}
			c.pay(2, 5)
			c.agree()
			places = c.nodes[2].places()
			c.halt(2)
			f.sameLane(places)
			c.start(2)
		})
	}
}

// TestRepairWhileRunning damages the lane of a validator that runs. The scrub finds it, and the node opens its folder again.
func TestRepairWhileRunning(t *testing.T) {
	before := scrubRate
	scrubRate = 1 << 30
	defer func() { scrubRate = before }()
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(1, 20)
	c.agree()
	places := c.nodes[2].places()
	c.folders[2].flip(places[0], seglog.PageBytes)
	odd := c.nodes[2]
	go odd.scrubOnce(context.Background())
	select {
	case err := <-odd.ended:
		if !errors.Is(err, ErrRestart) {
			t.Fatalf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("the damage is not found:\n%s", odd.log)
	}
	if n := testutil.ToFloat64(odd.repair.metrics.damaged.WithLabelValues(foundByScrub)); n != 1 {
		t.Errorf("damage was counted %v times", n)
	}
	must(t, odd.Close())
	c.nodes[2] = nil
	c.pay(1, 5)
	c.start(2)
	c.agree()
	c.halt(2)
	c.folders[2].sameLane(places)
}

// TestRepairForNobody leaves a validator damaged when no other one runs, and says what to do.
func TestRepairForNobody(t *testing.T) {
	before := repairPatience
	repairPatience = time.Millisecond
	defer func() { repairPatience = before }()
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(1, 20)
	c.agree()
	places := c.nodes[2].places()
	for i := range c.nodes {
		c.halt(i)
	}
	f := c.folders[2]
	f.flip(places[len(places)-1], 30)
	f.refuses(fault.Corrupt, "could not be repaired from the others")
	f.refuses(fault.Corrupt, "could not be repaired from the others")
	if raw, err := os.ReadFile(f.cfg.Data(RepairMark)); err != nil || !strings.Contains(string(raw), "seg-") {
		t.Errorf("the mark says %q, %v", raw, err)
	}
	repairPatience = 0
	c.start(0, 1, 2, 3)
	c.agree()
	c.halt(2)
	f.sameLane(places)
}

// TestRepairAlone tells a validator alone that nobody can help.
func TestRepairAlone(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	r.pay(5)
	places := r.places()
	r.halt()
	f.flip(places[len(places)-1], 30)
	f.refuses(fault.Corrupt, "a validator alone has nobody to repair its lane from")
	f.flip(places[len(places)-1], 30)
	must(t, os.WriteFile(f.cfg.Data(RepairMark), []byte("found by the scrub"), 0o644))
	f.start().halt()
	f.sameLane(places)
}

// TestWrittenSeq knows the newest executed entry, so that its loss is no torn tail.
func TestWrittenSeq(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	if r.writtenSeq("lane") != 0 {
		t.Error("an entry is known before one was executed")
	}
	r.pay(5)
	raw, err := store.ReadPlace(r.store, r.loop.Height(), 0)
	for h := r.loop.Height(); err != nil && h > 0; h-- {
		raw, err = store.ReadPlace(r.store, h, 0)
	}
	must(t, err)
	l, err := codec.DecodeLocation(raw)
	must(t, err)
	if got := r.writtenSeq("lane"); got != l.Seq || r.writtenSeq("order") != 0 {
		t.Errorf("record %d is known, the newest is %d", got, l.Seq)
	}
	r.halt()
}
