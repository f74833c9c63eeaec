// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// zeros is what files are zeroed with: aligned, never written to.
var zeros = disk.Aligned(1 << 20)

// prepareBytesPerSecondMin is the rate of zeroing behind a writer that hardly writes.
const prepareBytesPerSecondMin = 32 << 20

// ready counts the zeroed segments ahead of the writer. The caller holds mu.
func (l *Log) ready() int {
	n := len(l.spares)
	if l.staged != nil {
		n++
	}
	return n
}

// prepareFirst makes one segment ready before the log opens.
func (l *Log) prepareFirst() error {
	l.hurry.Store(true)
	defer l.hurry.Store(false)
	for l.staged == nil {
		s := l.nextStep()
		err := l.step(s)
		l.stepped(s, err)
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) runPreparer() {
	defer l.running.Done()
	for {
		s, ok := l.awaitStep()
		if !ok {
			return
		}
		err := l.step(s)
		l.stepped(s, err)
		if err != nil {
			l.metrics.prepareFails.Inc()
			l.pause()
		}
	}
}

// stepped takes note of a step's end and wakes the writer. The file of a failed step is tried again.
func (l *Log) stepped(s prepStep, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.kind == stepStage {
		l.stageErr = err
	}
	switch {
	case err == nil:
		l.prepErr = nil
		l.starved = l.starved && l.staged == nil
	case s.kind == stepStage:
		l.prepErr = err
		l.spares = append(l.spares, s.path)
	case s.kind == stepZero || s.kind == stepNew:
		l.prepErr = err
	default:
		l.dirty = append(l.dirty, s.path)
	}
	l.work.Broadcast()
	l.room.Broadcast()
}

// pause waits before a failed step is tried again.
func (l *Log) pause() {
	timer := time.NewTimer(l.opts.PrepareRetryDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.retry:
	case <-l.quit:
	}
}

// The steps of preparation, most urgent first.
type stepKind uint8

const (
	stepNone   stepKind = iota
	stepStage           // a spare gets the next segment's name and is opened
	stepZero            // a dirty file is zeroed and becomes a spare
	stepNew             // the same with a new file, which takes room on the disk
	stepRemove          // a dirty file too many is removed
)

type prepStep struct {
	kind stepKind
	path string
}

// awaitStep waits until there is something to prepare. False means: stop.
func (l *Log) awaitStep() (prepStep, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.dead != nil || l.closed {
			return prepStep{}, false
		}
		if s := l.nextStep(); s.kind != stepNone {
			return s, true
		}
		l.prep.Wait()
	}
}

// nextStep chooses a step and takes its file off the lists. The caller holds mu.
func (l *Log) nextStep() prepStep {
	switch {
	case l.staged == nil && len(l.spares) > 0:
		return prepStep{stepStage, pop(&l.spares)}
	case len(l.dirty) > 0 && l.ready() < l.opts.ReadyMin:
		return prepStep{stepZero, pop(&l.dirty)}
	case len(l.dirty) > l.opts.RecycledMax:
		return prepStep{stepRemove, pop(&l.dirty)}
	case l.ready() < l.opts.ReadyMin || l.staged == nil:
		return prepStep{stepNew, l.newDirtyPath()}
	}
	return prepStep{}
}

func pop(list *[]string) string {
	last := len(*list) - 1
	path := (*list)[last]
	*list = (*list)[:last]
	return path
}

func (l *Log) newDirtyPath() string {
	l.fileNo++
	return filepath.Join(l.dir, fileName(dirtyPrefix, l.fileNo))
}

func (l *Log) step(s prepStep) error {
	switch s.kind {
	case stepStage:
		return l.stage(s.path)
	case stepNew:
		if err := l.opts.Room(l.opts.SegmentBytes); err != nil {
			return err
		}
		return l.makeSpare(s.path)
	case stepZero:
		return l.makeSpare(s.path)
	default:
		return fault.Wrap(fault.Unavailable, l.opts.FS.Remove(s.path), "a recycled segment cannot be removed")
	}
}

// stage gives a spare the name of the next segment, so that the writer need not wait for the folder's flush.
func (l *Log) stage(spare string) error {
	f, err := l.opts.FS.OpenFile(spare, disk.ReadWrite, true)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "a spare cannot be opened")
	}
	number := l.segNo + 1
	path := filepath.Join(l.dir, fileName(segPrefix, number))
	if err := l.opts.FS.Rename(spare, path); err != nil {
		_ = f.Close() // nothing was written through it
		return fault.Wrap(fault.Unavailable, err, "a spare cannot be renamed")
	}
	if err := l.opts.FS.SyncDir(l.dir); err != nil {
		_ = f.Close() // the log is dead anyway
		return l.die(err)
	}
	s := &segment{path: path, file: f, header: segmentHeader{number: number, bytes: uint32(l.opts.SegmentBytes)}}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.staged, l.segNo = s, number
	return nil
}

// makeSpare zeroes a file and calls it a spare, in this order: what is called a spare is zero on disk.
func (l *Log) makeSpare(path string) error {
	if err := l.zero(path); err != nil {
		// Give the space back: on a full disk half a spare helps nobody.
		_ = l.opts.FS.Remove(path)
		return fault.Wrap(fault.Unavailable, err, "a segment cannot be made ready")
	}
	spare := filepath.Join(l.dir, sparePrefix+filepath.Base(path)[len(dirtyPrefix):])
	if err := l.opts.FS.Rename(path, spare); err != nil {
		return fault.Wrap(fault.Unavailable, err, "a spare cannot be renamed")
	}
	if err := l.opts.FS.SyncDir(l.dir); err != nil {
		return l.die(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spares = append(l.spares, spare)
	return nil
}

func (l *Log) zero(path string) (err error) {
	f, err := l.opts.FS.OpenFile(path, disk.Create, true)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := l.fillZero(f); err != nil {
		return err
	}
	return f.Datasync()
}

// fillZero makes an open file a segment long and zero: by a word to the file system where it takes one, else by writing.
func (l *Log) fillZero(f disk.File) error {
	if !l.opts.PrepareByWriting {
		if err := f.Zero(l.opts.SegmentBytes); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if err := f.Truncate(l.opts.SegmentBytes); err != nil {
		return err
	}
	begin := time.Now()
	for off := int64(0); off < l.opts.SegmentBytes; {
		n := min(int64(len(zeros)), l.opts.SegmentBytes-off)
		if err := f.WriteVec([][]byte{zeros[:n]}, off); err != nil {
			return err
		}
		off += n
		if err := l.pace(begin, off); err != nil {
			return err
		}
		l.stageSpare()
	}
	return nil
}

// stageSpare stages a spare while another file is being zeroed: the writer must not wait for that one. A failure is
// seen and tried again by the usual step.
func (l *Log) stageSpare() {
	l.mu.Lock()
	wanted := l.staged == nil && len(l.spares) > 0 && l.dead == nil
	var s prepStep
	if wanted {
		s = l.nextStep()
	}
	l.mu.Unlock()
	if wanted {
		l.stepped(s, l.step(s))
	}
}

// pace keeps zeroing at prepareRate, so that it leaves the disk to the writer, unless the writer waits for it.
func (l *Log) pace(begin time.Time, done int64) error {
	if l.hurry.Load() {
		return nil
	}
	due := time.Duration(float64(done) / l.prepareRate() * float64(time.Second))
	timer := time.NewTimer(due - time.Since(begin))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-l.quit:
		return errClosed()
	}
}

// prepareRate is the rate of zeroing in bytes a second: all that is allowed until the first segment is full, then half
// as fast again as the last segment was filled. Bursts would cost the writer more time than an even load.
func (l *Log) prepareRate() float64 {
	most := float64(l.opts.PrepareBytesPerSecond)
	fill := time.Duration(l.fillTime.Load()).Seconds()
	if fill == 0 {
		return most
	}
	return min(most, max(prepareBytesPerSecondMin, 1.5*float64(l.opts.SegmentBytes)/fill))
}

// Recycle gives up the segments with a number below before, never the one being written, and returns how many. Their
// files are zeroed and used again, or removed if enough are ready. Oldest first, each durably, so that a crash leaves
// no hole. After a failed flush of the folder the log is dead: Halted.
func (l *Log) Recycle(before uint64) (int, error) {
	l.recycling.Lock()
	defer l.recycling.Unlock()
	for n := 0; ; n++ {
		s := l.oldest()
		if s == nil || s.header.number >= before || s == l.newest() {
			return n, nil
		}
		if err := l.recycle(s); err != nil {
			return n, err
		}
	}
}

func (l *Log) recycle(s *segment) error {
	l.mu.Lock()
	err := l.dead
	if err == nil && l.closed {
		err = errClosed()
	}
	path := l.newDirtyPath()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if err := l.opts.FS.Rename(s.path, path); err != nil {
		return fault.Wrap(fault.Unavailable, err, "a segment cannot be recycled")
	}
	if err := l.opts.FS.SyncDir(l.dir); err != nil {
		return l.die(err)
	}
	l.Reader.mu.Lock()
	l.segs = l.segs[1:]
	l.Reader.mu.Unlock()
	err = s.retire()
	l.mu.Lock()
	l.dirty = append(l.dirty, path)
	l.prep.Signal()
	l.mu.Unlock()
	l.endPause()
	return fault.Wrap(fault.Unavailable, err, "a recycled segment cannot be closed")
}

// endPause lets the preparer go on at once after a failure.
func (l *Log) endPause() {
	select {
	case l.retry <- struct{}{}:
	default:
	}
}
