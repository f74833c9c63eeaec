// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// Log is an append-only log. One goroutine writes; a second one keeps zeroed segments ready for it. Both end with
// Close. The methods are safe for concurrent use.
type Log struct {
	*Reader
	opts      Options
	metrics   *metrics
	recovery  Recovery
	queueRoom *semaphore.Weighted
	queued    atomic.Int64
	fillTime  atomic.Int64 // nanoseconds in which the writer filled the last segment; 0: not known
	hurry     atomic.Bool  // the writer waits for a segment: zero without pause
	writer    writer
	running   sync.WaitGroup
	recycling sync.Mutex    // held by Recycle, so that segments go oldest first; taken before mu
	quit      chan struct{} // closed by Close
	retry     chan struct{} // ends the pause after a failed preparation

	// mu guards all below. work tells the writer, prep the preparer, room who waits in Append that something changed.
	mu      sync.Mutex
	work    *sync.Cond
	prep    *sync.Cond
	room    *sync.Cond
	queue   []item
	plan    plan
	staged  *segment // the next segment: zero, named, open
	spares  []string // zero files
	dirty   []string // files to zero before use
	fileNo  uint64   // highest number given to a spare or dirty file
	segNo   uint64   // highest number given to a segment
	prepErr error    // why the last preparation failed
	// stageErr is why the last spare could not become the next segment, though it is there.
	stageErr error
	starved  bool  // the writer found no segment and the preparation fails: appends are refused
	dead     error // Halted: memory and disk may disagree
	closed   bool
}

// item is a record on its way to the disk.
type item struct {
	b    *Buffer
	done func(Pos, error)
}

// Open opens the log in dir, or begins one there. It continues after the last intact record; a torn tail is cut off
// (see Recovery), any other damage is Corrupt, another log's segments are a Conflict.
func Open(dir string, opts Options) (*Log, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if err := opts.FS.MkdirAll(dir); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the log's folder cannot be made")
	}
	inv, err := takeInventory(opts.FS, dir)
	if err != nil {
		return nil, err
	}
	ld, err := inv.open(opts.FS, dir, disk.ReadWrite, &opts.Identity)
	if err != nil {
		return nil, err
	}
	l := newLog(dir, opts)
	if err := l.recover(inv, ld); err != nil {
		ld.close()
		return nil, err
	}
	if l.metrics, err = newMetrics(l); err != nil {
		ld.close()
		return nil, err
	}
	l.metrics.cutBytes.Add(float64(l.recovery.CutBytes))
	l.running.Add(2)
	go l.runWriter()
	go l.runPreparer()
	return l, nil
}

func newLog(dir string, opts Options) *Log {
	l := &Log{
		Reader: &Reader{dir: dir, pool: opts.Pool}, opts: opts, queueRoom: semaphore.NewWeighted(opts.QueueBytesMax),
		quit: make(chan struct{}), retry: make(chan struct{}, 1),
	}
	l.work, l.prep, l.room = sync.NewCond(&l.mu), sync.NewCond(&l.mu), sync.NewCond(&l.mu)
	return l
}

// recover takes over what lies in the folder and sees to it that the writer can begin.
func (l *Log) recover(inv inventory, ld loaded) error {
	tail, err := ld.check(l.opts.CheckSegments)
	if err != nil {
		return err
	}
	if tail.chain.nextSeq <= l.opts.WrittenSeq {
		return corrupt(ld.newestPath(l.dir), tail.end, "record %d was durable, but the log ends with record %d", l.opts.WrittenSeq, tail.chain.nextSeq-1)
	}
	l.segs = ld.segs
	l.nextSeq.Store(tail.chain.nextSeq)
	l.writer = writer{chain: tail.chain}
	if newest := l.newest(); newest != nil {
		l.recovery = Recovery{CutBytes: tail.cutEnd - tail.end, CutRecords: tail.cutRecords}
		if err := cut(newest, tail); err != nil {
			return err
		}
		l.writer.seg, l.writer.off = newest, tail.end
		l.segNo = newest.header.number
		l.plan = plan{off: tail.end, size: newest.size()}
	}
	l.fileNo = inv.lastNo
	for _, e := range inv.spares {
		l.addFile(e, e.Bytes == l.opts.SegmentBytes)
	}
	for _, e := range inv.dirty {
		l.addFile(e, false)
	}
	if err := l.adoptBare(ld.bare); err != nil {
		return err
	}
	// A full disk must not keep a log closed that still has room in its segment.
	if err := l.prepareFirst(); err != nil && l.writer.seg == nil {
		return err
	}
	return nil
}

func (l *Log) addFile(e disk.Entry, zeroed bool) {
	path := filepath.Join(l.dir, e.Name)
	if zeroed {
		l.spares = append(l.spares, path)
	} else {
		l.dirty = append(l.dirty, path)
	}
}

// adoptBare stages a file that already has the next segment's name. A torn header is zeroed first.
func (l *Log) adoptBare(s *segment) error {
	if s == nil {
		return nil
	}
	size, err := s.file.Size()
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "a segment cannot be measured")
	}
	if size != l.opts.SegmentBytes {
		return l.discardBare(s)
	}
	if err := s.file.WriteVec([][]byte{zeros[:PageBytes]}, 0); err != nil {
		return fault.Halt(err, "the torn header of %s cannot be cut", s.path)
	}
	if err := s.file.Datasync(); err != nil {
		return fault.Halt(err, "%s cannot be flushed", s.path)
	}
	l.segNo++
	s.header.number, s.header.bytes = l.segNo, uint32(size)
	l.staged = s
	return nil
}

// discardBare makes a dirty file of a next segment that has another size than asked for now.
func (l *Log) discardBare(s *segment) error {
	path := l.newDirtyPath()
	if err := l.opts.FS.Rename(s.path, path); err != nil {
		return fault.Wrap(fault.Unavailable, err, "a segment of another size cannot be renamed")
	}
	if err := l.opts.FS.SyncDir(l.dir); err != nil {
		return fault.Halt(err, "%s cannot be flushed", l.dir)
	}
	l.dirty = append(l.dirty, path)
	return fault.Wrap(fault.Unavailable, s.file.Close(), "a segment cannot be closed")
}

// Buffer lends memory for a payload of n bytes from the log's pool. At the pool's bound it waits until ctx ends:
// TryLater. Who would rather shed than wait calls TryGet of a pool of its own.
func (l *Log) Buffer(ctx context.Context, n int) (*Buffer, error) { return l.opts.Pool.Get(ctx, n) }

// Append hands a record over to the writer and takes over the caller's reference to it, which is released after done.
// On an error nothing was taken over, and done is not called. While the queue holds QueueBytesMax it waits until ctx
// ends: TryLater. With Options.Reserve it also waits while a segment for the record is being made ready, and answers
// TryLater when none can be, as on a full disk.
//
// done is called once, in order of the appends, when the record is durable or never will be: Halted (the disk failed;
// whether the record is there is known after the next Open; with Reserve also a ready segment that cannot be opened, and
// nothing was written), TryLater (no room on the disk, without Reserve; nothing was written) or Unavailable (closed). It runs
// on the writer's goroutine: it must be quick and must not call Append or Close.
func (l *Log) Append(ctx context.Context, b *Buffer, done func(Pos, error)) error {
	n := int64(b.recordBytes())
	if n > l.opts.SegmentBytes-PageBytes {
		return fault.Reasoned(fault.Invalid, "payload_too_large", "a record of %d bytes does not fit a segment of %d", n, l.opts.SegmentBytes)
	}
	if b.appended {
		return fault.New(fault.Invalid, "the buffer was appended already")
	}
	if err := l.refusal(); err != nil {
		return err
	}
	if err := l.queueRoom.Acquire(ctx, l.weight(n)); err != nil {
		return fault.Wrap(fault.TryLater, err, "the log's queue is full")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reserve(ctx, n); err != nil {
		l.queueRoom.Release(l.weight(n))
		return err
	}
	b.appended = true
	l.queued.Add(n)
	l.queue = append(l.queue, item{b: b, done: done})
	l.work.Signal()
	return nil
}

// weight is a record's share of the queue's bound; a record above the bound takes all of it.
func (l *Log) weight(n int64) int64 { return min(n, l.opts.QueueBytesMax) }

func (l *Log) refusal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refusalLocked()
}

func (l *Log) refusalLocked() error {
	switch {
	case l.dead != nil:
		return l.dead
	case l.closed:
		return errClosed()
	case l.starved:
		return l.noSegment()
	}
	return nil
}

func errClosed() error { return fault.New(fault.Unavailable, "the log is closed") }

func (l *Log) noSegment() error {
	return &fault.Error{Kind: fault.TryLater, Reason: "no_segment", Text: "no room for a new segment: free space on the disk", Cause: l.prepErr}
}

// Health is a log's state at a glance.
type Health struct {
	Ready      int   // zeroed segments ahead of the writer
	Direct     bool  // writes pass the page cache by
	PrepareErr error // why the last segment could not be made ready; nil if it could
	Dead       error // Halted: the log takes nothing until it is opened again
}

// Health tells how the log is.
func (l *Log) Health() Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	direct := false
	if s := l.newest(); s != nil {
		direct = s.file.Direct()
	} else if l.staged != nil {
		direct = l.staged.file.Direct()
	}
	return Health{Ready: l.ready(), Direct: direct, PrepareErr: l.prepErr, Dead: l.dead}
}

// Recovery says what Open had to repair.
func (l *Log) Recovery() Recovery { return l.recovery }

// Close writes what is queued, as far as segments are ready, stops both goroutines and closes the files. Later appends
// are Unavailable. It returns the error the log died of, if it did.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.running.Wait()
		return l.dead
	}
	l.closed = true
	close(l.quit)
	l.wakeAll()
	l.mu.Unlock()
	l.running.Wait()
	l.metrics.unregister()
	errs := []error{l.dead, l.Reader.Close()}
	for _, path := range l.dirty {
		// What is left is made ready or removed by the next Open.
		_ = l.opts.FS.Remove(path)
	}
	if l.staged != nil {
		errs = append(errs, l.staged.file.Close())
	}
	return errors.Join(errs...)
}

// die stops all writing for good: after a failed write or flush nobody knows what the disk holds. Nothing is retried.
func (l *Log) die(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dieLocked(cause)
}

func (l *Log) dieLocked(cause error) error {
	if l.dead == nil {
		l.dead = fault.Halt(cause, "the log in %s stopped: open it again to recover", l.dir)
	}
	l.wakeAll()
	return l.dead
}

// wakeAll lets everyone who waits look again. The caller holds mu.
func (l *Log) wakeAll() {
	l.work.Broadcast()
	l.prep.Broadcast()
	l.room.Broadcast()
}
