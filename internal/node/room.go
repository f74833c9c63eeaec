// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// roomLook is how long a look at the disk is good for.
const roomLook = 20 * time.Millisecond

// orderRoomBytesMin is the room in the ordering log below which nothing more is accepted while no further segment of it can
// be made ready: a page a block for what is in flight.
const orderRoomBytesMin = 1 << 20

// room watches the free space of the disk under the data folder. What was accepted takes space after it was accepted: rows of
// the block store, checkpoints, ordered heights. So the node stops accepting while a reserve is left, and goes on by itself
// when there is more again. A write that fails for want of space would stop the node for good.
type room struct {
	dir      string
	reserve  int64
	buffers  []string // checkpoint files; an anchor or a first copy may take as much again
	log      *slog.Logger
	freeOf   func(dir string) (int64, error)
	orderLog interface{ RoomBytes() (int64, error) }

	// mu guards all below.
	mu     sync.Mutex
	looked time.Time
	free   int64
	need   int64
	tight  bool // payments are refused; logged once
}

func newRoom(dir string, reserve int64, buffers []string, log *slog.Logger) *room {
	return &room{dir: dir, reserve: reserve, buffers: buffers, log: log, freeOf: freeBytes}
}

// freeBytes is the space that the disk under dir has for this process.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "measure the free space under %s", dir)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// look measures the disk if the last look is too old. A disk that cannot be measured counts as it did before. The caller
// holds mu.
func (r *room) look() {
	if time.Since(r.looked) < roomLook {
		return
	}
	r.looked = time.Now()
	free, err := r.freeOf(r.dir)
	if err != nil {
		r.log.Warn("the free space of the disk is not known", obs.Err(err))
		return
	}
	var largest int64
	for _, path := range r.buffers {
		if info, err := os.Stat(path); err == nil {
			largest = max(largest, info.Size())
		}
	}
	r.free, r.need = free, r.reserve+2*largest
}

// segment says whether a new segment may take n bytes.
func (r *room) segment(n int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked = time.Time{} // the last segment may have been taken a moment ago
	if r.look(); r.free-n < r.need {
		return fault.Reasoned(fault.TryLater, "disk_full", "%d bytes are free under %s, %d must stay beside a segment of %d: free space there, or lower commit.reserve_bytes", r.free, r.dir, r.need, n)
	}
	return nil
}

// admit says whether a payload may be accepted.
func (r *room) admit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look()
	if r.free < r.need {
		return fault.Reasoned(fault.TryLater, "disk_full", "the node's disk is full: it accepts again when space is freed")
	}
	if left, cause := r.orderLog.RoomBytes(); cause != nil && left < orderRoomBytesMin {
		return &fault.Error{Kind: fault.TryLater, Reason: "no_segment", Text: "the node cannot order more: it accepts again when space on its disk is freed", Cause: cause}
	}
	return nil
}

// tell logs when accepting stops and when it goes on, by what became of one payload.
func (r *room) tell(err error) {
	if err != nil && !fault.Is(err, fault.TryLater) {
		return // the node stops, and says why
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && !r.tight:
		r.log.Error("the disk is full: payments are told to try later", obs.KeyDir, r.dir, obs.KeyBytes, r.free, obs.KeyReason, fault.ReasonOf(err))
	case err == nil && r.tight:
		r.log.Info("the disk has room again: payments are accepted", obs.KeyDir, r.dir, obs.KeyBytes, r.free)
	}
	r.tight = err != nil
}

// register exports the free space.
func (r *room) register(to prometheus.Registerer) error {
	return to.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "aurigraph_node_disk_free_bytes", Help: "Free space of the disk under the data folder.",
	}, func() float64 {
		free, err := r.freeOf(r.dir)
		if err != nil {
			return -1
		}
		return float64(free)
	}))
}

// roomyLane is the lane behind a look at the disk.
type roomyLane struct {
	intake.Lane
	room *room
}

// Append puts an item on the lane, or says that the disk is full. It takes over the item's buffer.
func (l roomyLane) Append(ctx context.Context, item lane.Item) error {
	err := l.room.admit()
	if err != nil {
		item.Payload.Release()
	} else {
		err = l.Lane.Append(ctx, item)
	}
	l.room.tell(err)
	return err
}
