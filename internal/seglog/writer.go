// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// writer is the state of the writing goroutine, which alone touches it once the log is open.
type writer struct {
	seg   *segment  // nil before the first record
	off   int64     // where the next record goes
	began time.Time // when seg was begun; zero if that was before Open
	chain chain
	group []item
	at    []Pos
	parts [][]byte
}

func (l *Log) runWriter() {
	defer l.running.Done()
	for l.collect() {
		l.settle(l.writer.group, l.writer.at, l.writeGroup())
	}
}

// collect waits for records and takes as many as one flush may carry and the segment holds. False means: stop.
func (l *Log) collect() bool {
	for {
		n, ok := l.awaitWork()
		if !ok {
			return false
		}
		if err := l.makeRoom(n); err != nil {
			l.refuse(err)
			continue
		}
		l.linger()
		l.take()
		return true
	}
}

// awaitWork waits for a record and gives its size. False means: closed, and nothing is left to write.
func (l *Log) awaitWork() (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 {
		if l.closed {
			return 0, false
		}
		l.work.Wait()
	}
	return int64(l.queue[0].b.recordBytes()), true
}

// makeRoom sees to it that a record of n bytes fits the segment.
func (l *Log) makeRoom(n int64) error {
	l.mu.Lock()
	dead := l.dead
	l.mu.Unlock()
	if dead != nil || l.writer.fits(n) {
		return dead
	}
	return l.rotate()
}

func (w *writer) fits(n int64) bool { return w.seg != nil && w.off+n <= w.seg.size() }

// take moves the group out of the queue and gives each record its place.
func (l *Log) take() {
	w := &l.writer
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum int64
	taken := 0
	w.group, w.at = w.group[:0], w.at[:0]
	for _, it := range l.queue {
		n := int64(it.b.recordBytes())
		if taken > 0 && (sum+n > l.opts.GroupBytesMax || !w.fits(sum+n)) {
			break
		}
		w.group = append(w.group, it)
		w.at = append(w.at, Pos{Segment: w.seg.header.number, Offset: uint32(w.off + sum), Bytes: uint32(n), Seq: w.chain.nextSeq + uint64(taken)})
		sum += n
		taken++
	}
	left := copy(l.queue, l.queue[taken:])
	clear(l.queue[left:])
	l.queue = l.queue[:left]
}

// linger gives a group that is not full GroupDelayMax to fill.
func (l *Log) linger() {
	if l.opts.GroupDelayMax == 0 || l.queued.Load() >= l.opts.GroupBytesMax {
		return
	}
	late := time.NewTimer(l.opts.GroupDelayMax)
	defer late.Stop()
	select {
	case <-late.C:
	case <-l.quit:
	}
}

// writeGroup writes and flushes the group, and then makes it visible to readers.
func (l *Log) writeGroup() error {
	w := &l.writer
	w.parts = w.parts[:0]
	first, group := w.chain.nextSeq, w.chain.group+1
	var sum int64
	for i, it := range w.group {
		h := recordHead{segment: w.at[i].Segment, seq: w.at[i].Seq, group: group, groupFirst: first}
		w.parts = append(w.parts, it.b.frame(h, w.seg.header.salt))
		sum += int64(w.at[i].Bytes)
	}
	err := w.seg.file.WriteVec(w.parts, w.off)
	clear(w.parts)
	if err != nil {
		return l.die(err)
	}
	begin := time.Now()
	if err := w.seg.file.Datasync(); err != nil {
		return l.die(err)
	}
	l.metrics.fsync.Observe(time.Since(begin).Seconds())
	l.metrics.groupBytes.Observe(float64(sum))
	l.metrics.bytes.Add(float64(sum))
	l.metrics.records.Add(float64(len(w.group)))
	w.off += sum
	w.chain = chain{nextSeq: first + uint64(len(w.group)), group: group, groupFirst: first}
	w.seg.end.Store(w.off)
	l.nextSeq.Store(w.chain.nextSeq)
	return nil
}

// settle tells the callers and gives up memory and room.
func (l *Log) settle(items []item, at []Pos, err error) {
	for i, it := range items {
		n := int64(it.b.recordBytes())
		var pos Pos
		if err == nil {
			pos = at[i]
		}
		l.queued.Add(-n)
		it.b.appended = err == nil // what was refused may be appended again by who retained it
		if it.done != nil {
			it.done(pos, err)
		}
		it.b.Release()
		l.queueRoom.Release(l.weight(n))
	}
	clear(items)
}

// drainLocked empties the queue.
func (l *Log) drainLocked() []item {
	items := l.queue
	l.queue = nil
	return items
}

// refuse answers all that is queued with err: what comes later in the log must not be written without what came before.
func (l *Log) refuse(err error) {
	l.mu.Lock()
	items := l.drainLocked()
	if l.opts.Reserve && len(items) > 0 && fault.Is(err, fault.TryLater) {
		// They were promised a place. What slips in before their user hears of it must not be written without them.
		err = l.dieLocked(err)
	}
	l.plan = plan{}
	if w := &l.writer; w.seg != nil {
		l.plan = plan{off: w.off, size: w.seg.size()}
	}
	l.room.Broadcast()
	l.mu.Unlock()
	l.settle(items, nil, err)
}

// rotate goes on to the next segment: its header is durable before any record is written to it. If there is none and
// preparing fails it answers TryLater, and appends are refused until one is ready.
func (l *Log) rotate() error {
	s, err := l.awaitStaged()
	if err != nil {
		return err
	}
	w := &l.writer
	var salt [4]byte
	if _, err := io.ReadFull(l.opts.Rand, salt[:]); err != nil {
		return l.die(err)
	}
	s.header = segmentHeader{
		identity: l.opts.Identity, number: s.header.number, firstSeq: w.chain.nextSeq, firstGroup: w.chain.group + 1,
		bytes: s.header.bytes, salt: binary.LittleEndian.Uint32(salt[:]),
	}
	page := disk.Aligned(PageBytes)
	s.header.encode(page)
	if err := s.file.WriteVec([][]byte{page}, 0); err != nil {
		return l.die(err)
	}
	if err := s.file.Datasync(); err != nil {
		return l.die(err)
	}
	s.end.Store(PageBytes)
	now := time.Now()
	if !w.began.IsZero() {
		l.fillTime.Store(int64(now.Sub(w.began)))
	}
	w.seg, w.off, w.began = s, PageBytes, now
	l.Reader.mu.Lock()
	l.segs = append(l.segs, s)
	l.Reader.mu.Unlock()
	l.takeStaged()
	return nil
}

// takeStaged lets the next segment be staged: only now, so that there is never more than one without a header.
func (l *Log) takeStaged() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.staged = nil
	if l.opts.Reserve {
		l.plan.ahead--
	}
	l.prep.Signal()
	l.endPause() // a spare may wait to be staged
}

// awaitStaged gives the next segment, which stays staged until its header is durable.
func (l *Log) awaitStaged() (*segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.staged == nil {
		switch {
		case l.dead != nil:
			return nil, l.dead
		case l.stageErr != nil || l.prepErr != nil && l.ready() == 0:
			l.starved = true
			return nil, l.noSegment()
		case l.closed:
			return nil, errClosed()
		}
		l.hurry.Store(true)
		l.prep.Signal()
		l.work.Wait()
	}
	l.hurry.Store(false)
	return l.staged, nil
}
