// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// freeBytes makes the node believe that so much is free.
func (r *running) freeBytes(n *atomic.Int64) {
	r.room.mu.Lock()
	defer r.room.mu.Unlock()
	r.room.freeOf = func(string) (int64, error) { return n.Load(), nil }
}

// await pays until it is answered as wanted: a look at the disk is good for a moment.
func (r *running) await(reason string) {
	r.folder.t.Helper()
	for {
		ticket := r.submit(1)[0]
		must(r.folder.t, ticket.Refused())
		<-ticket.Done()
		_, _, err := ticket.Receipt()
		switch {
		case err == nil && reason == "":
			return
		case err != nil && !fault.Is(err, fault.TryLater):
			r.folder.t.Fatal(err)
		case err != nil && fault.ReasonOf(err) == reason:
			return
		}
	}
}

// On a full disk payments are told to try later, nothing of them is kept, and with space they go on without a restart.
func TestFullDisk(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	var free atomic.Int64
	free.Store(f.cfg.Commit.ReserveBytes * 10)
	r.freeBytes(&free)
	r.pay(1)
	for range 2 {
		free.Store(f.cfg.Commit.ReserveBytes - 1)
		r.await("disk_full")
		paid, height := r.paid(), r.loop.Height()
		for range 3 {
			r.await("disk_full")
		}
		if r.paid() != paid || r.loop.ExecutedHeight() > height+20 {
			t.Errorf("%d were paid and then %d, height %d and then %d", paid, r.paid(), height, r.loop.ExecutedHeight())
		}
		free.Store(f.cfg.Commit.ReserveBytes * 10)
		r.await("")
		if r.paid() != paid+1 {
			t.Errorf("%d were paid, then one more: %d", paid, r.paid())
		}
	}
	if n := r.pool.LentBytes(); n > 1<<20 {
		t.Errorf("%d bytes are lent", n)
	}
	r.halt()
	log := r.log.String()
	if strings.Count(log, "the disk is full") != 2 || strings.Count(log, "the disk has room again") != 2 {
		t.Errorf("the log tells: %s", log)
	}
	r = f.start()
	r.pay(1)
	r.halt()
}

// When no further segment may be made, the lane takes what its segments hold, then refuses; the log tells it once.
func TestNoFurtherSegment(t *testing.T) {
	f := newFolder(t)
	f.cfg.Commit.RetainBytes = 1 << 30
	r := f.start()
	var free atomic.Int64
	free.Store(f.cfg.Commit.ReserveBytes + f.cfg.Commit.SegmentBytes/2)
	r.freeBytes(&free)
	sequence := uint64(1)
	for ; sequence < 100; sequence++ {
		if err := r.tryBatch(sequence, chain.BatchLegsMax); err != nil {
			if !fault.Is(err, fault.TryLater) || fault.ReasonOf(err) != "no_segment" {
				t.Fatal(err)
			}
			break
		}
	}
	for range 3 {
		if err := r.tryBatch(sequence, chain.BatchLegsMax); !fault.Is(err, fault.TryLater) {
			t.Errorf("batch %d: %v", sequence, err)
		}
	}
	free.Store(1 << 40)
	for err := error(fault.New(fault.TryLater, "")); err != nil; err = r.tryBatch(sequence, chain.BatchLegsMax) {
		if !fault.Is(err, fault.TryLater) {
			t.Fatal(err)
		}
	}
	r.halt()
	log := r.log.String()
	if strings.Count(log, "the disk is full") != 1 || strings.Count(log, "the disk has room again") != 1 {
		t.Errorf("the log tells: %s", log)
	}
}

// roomLeft is an ordering log with so much room.
type roomLeft struct {
	n   int64
	err error
}

// RoomBytes is what it says.
func (r roomLeft) RoomBytes() (int64, error) { return r.n, r.err }

func TestRoom(t *testing.T) {
	dir := t.TempDir()
	buffer := dir + "/a.ckpt"
	must(t, os.WriteFile(buffer, make([]byte, 100), 0o644))
	full := errors.New("no space left on device")
	for _, c := range []struct {
		free          int64
		order         roomLeft
		segment       bool
		admit, reason string
	}{
		{1300, roomLeft{orderRoomBytesMin, nil}, true, "", ""},
		{1299, roomLeft{orderRoomBytesMin, nil}, false, "", ""},
		{1200, roomLeft{orderRoomBytesMin, full}, false, "", ""},
		{1199, roomLeft{orderRoomBytesMin, nil}, false, "it accepts again", "disk_full"},
		{5000, roomLeft{orderRoomBytesMin - 1, nil}, true, "", ""},
		{5000, roomLeft{orderRoomBytesMin - 1, full}, true, "no space left", "no_segment"},
	} {
		log := &logBook{}
		r := newRoom(dir, 1000, []string{buffer, dir + "/b.ckpt"}, newLogger(log))
		r.freeOf, r.orderLog = func(string) (int64, error) { return c.free, nil }, c.order
		if err := r.segment(100); (err == nil) != c.segment || err != nil && !strings.Contains(err.Error(), "commit.reserve_bytes") {
			t.Errorf("%+v: a segment: %v", c, err)
		}
		err := r.admit()
		if (err == nil) != (c.admit == "") || err != nil && (!fault.Is(err, fault.TryLater) || fault.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.admit)) {
			t.Errorf("%+v: admitted: %v", c, err)
		}
		r.tell(err)
		if told := strings.Contains(log.String(), c.reason); c.reason != "" && !told {
			t.Errorf("%+v: the log says %s", c, log)
		}
	}
}

// A disk that cannot be measured counts as before, and is reported.
func TestRoomUnknown(t *testing.T) {
	log := &logBook{}
	r := newRoom(t.TempDir(), 1000, nil, newLogger(log))
	r.orderLog = roomLeft{}
	must(t, r.segment(1<<20)) // the real disk of the test
	r.freeOf = func(string) (int64, error) { return 0, errors.New("gone") }
	must(t, r.segment(1<<20))
	if !strings.Contains(log.String(), "the free space of the disk is not known") {
		t.Error(log)
	}
	if _, err := freeBytes(fmt.Sprint(t.TempDir(), "/none")); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	f := newFolder(t)
	run := f.start()
	families, err := run.metrics.Gather()
	must(t, err)
	free := 0.0
	for _, family := range families {
		if family.GetName() == "aurigraph_node_disk_free_bytes" {
			free = family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	if free < 1<<20 {
		t.Errorf("the metric says that %v bytes are free", free)
	}
	run.halt()
}
