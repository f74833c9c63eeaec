// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"cmp"
	"crypto/rand"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// Options set a log up. Zero values mean the defaults named here.
type Options struct {
	// Name labels the metrics of this log ("lane", "order"). Default "log".
	Name string
	// Identity is written into each segment; a folder with another one is refused.
	Identity Identity
	// SegmentBytes is the size of new segment files, a multiple of PageBytes. Default 64 MiB. It may change between
	// runs: each segment knows its own size.
	SegmentBytes int64
	// GroupBytesMax bounds what one write and flush carries. Default 8 MiB. A larger single record is its own group.
	GroupBytesMax int64
	// GroupDelayMax is how long a group that is not full waits for more. Default 0: the flush before is the window.
	GroupDelayMax time.Duration
	// QueueBytesMax bounds the records handed over and not yet durable. At the bound Append blocks. Default 32 MiB.
	QueueBytesMax int64
	// ReadyMin is the number of zeroed segments kept ahead of the writer. Default 2.
	ReadyMin int
	// RecycledMax is how many recycled segments are kept as they are until they are needed; more are removed. Retention
	// lets many go at once, and removing a full segment holds up every flush for some 15 ms. Default 16.
	RecycledMax int
	// PrepareByWriting makes segments ready by writing zeros instead of asking the file system for zeroed space. It doubles
	// the bytes written, and spares the first write into each block the file system's journal: measure which the disk
	// likes better.
	PrepareByWriting bool
	// PrepareBytesPerSecond bounds the rate of zeroing, except while the writer waits. Default 600 MiB/s. Once a segment
	// was filled, zeroing goes no faster than half as fast again as the writer.
	PrepareBytesPerSecond int64
	// PrepareRetryDelay is the pause after zeroing failed, say because the disk is full. Default 1 s. Recycle ends it.
	PrepareRetryDelay time.Duration
	// Reserve makes Append take a record over only when its place lies in a segment that is ready: on a full disk Append
	// answers TryLater, and done never does. Without it Append takes what the queue holds, and done may be told TryLater.
	Reserve bool
	// Room is asked before a new segment takes n bytes from the disk; an error is treated as a full disk: TryLater, until it
	// is nil. Default: always nil.
	Room func(n int64) error
	// CheckSegments is how many of the newest segments Open reads whole. Default 2. Of older ones it reads the header;
	// Verify reads all.
	CheckSegments int
	// WrittenSeq is the highest sequence that is known to have been durable; 0: nobody knows. What is lost up to there is damage,
	// and never a torn tail.
	WrittenSeq uint64
	// Pool lends the buffers of Buffer and Scan. Default: an own one of QueueBytesMax and PayloadBytesMax twice.
	Pool *Pool
	// FS is where the files are. Default disk.OS().
	FS disk.FS
	// Rand gives the salts of segments. Default crypto/rand.
	Rand io.Reader
	// Metrics takes the log's metrics; nil means none.
	Metrics prometheus.Registerer
}

func (o *Options) setDefaults() {
	o.Name = cmp.Or(o.Name, "log")
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 64<<20)
	o.GroupBytesMax = cmp.Or(o.GroupBytesMax, 8<<20)
	o.QueueBytesMax = cmp.Or(o.QueueBytesMax, 32<<20)
	o.ReadyMin = cmp.Or(o.ReadyMin, 2)
	o.RecycledMax = cmp.Or(o.RecycledMax, 16)
	o.PrepareBytesPerSecond = cmp.Or(o.PrepareBytesPerSecond, 600<<20)
	o.PrepareRetryDelay = cmp.Or(o.PrepareRetryDelay, time.Second)
	o.CheckSegments = cmp.Or(o.CheckSegments, 2)
	if o.Pool == nil {
		o.Pool = NewPool(o.QueueBytesMax+2*(PayloadBytesMax+PageBytes), 16<<20)
	}
	if o.Room == nil {
		o.Room = func(int64) error { return nil }
	}
	if o.FS == nil {
		o.FS = disk.OS()
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
}

func (o *Options) validate() error {
	if !goodSegmentBytes(o.SegmentBytes) {
		return fault.New(fault.Invalid, "segment_bytes %d must be a multiple of %d between %d and %d", o.SegmentBytes, PageBytes, 2*PageBytes, SegmentBytesMax)
	}
	if o.GroupBytesMax < 0 || o.GroupDelayMax < 0 || o.QueueBytesMax < 0 || o.ReadyMin < 0 || o.RecycledMax < 0 ||
		o.PrepareBytesPerSecond < 0 || o.PrepareRetryDelay < 0 || o.CheckSegments < 0 {
		return fault.New(fault.Invalid, "the bounds of log %q must not be negative", o.Name)
	}
	return nil
}
