// SPDX-License-Identifier: Apache-2.0

package outcomes

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Bounds.
const (
	BytesDefault = 64 << 20 // of a file; with the one before it there are two
	BytesMin     = 4 << 10
	queueMax     = 8192 // outcomes that wait to be written
	flushEvery   = 50 * time.Millisecond
	batchBytes   = 256 << 10 // written at once, sooner than flushEvery
	olderSuffix  = ".1"
)

// Writer writes outcomes into a file. Its methods may be called by several at once; none after Close.
type Writer struct {
	path     string
	bytesMax int64
	queue    chan router.Outcome
	dropped  atomic.Uint64
	done     sync.WaitGroup

	// The rest is its goroutine's.
	file    *os.File
	size    int64
	batch   []byte
	lines   uint64 // in batch
	cut     bool   // the file may end within a line
	problem error  // the last one
}

// Create opens the file at path, or makes it, and writes behind what it holds. When it is larger than bytesMax it is renamed to path.1, in place of the
// one that was there, and a new one begun. Invalid: bytesMax is below BytesMin. Unavailable: the file cannot be written.
func Create(path string, bytesMax int64) (*Writer, error) {
	if bytesMax < BytesMin {
		return nil, fault.New(fault.Invalid, "the log of outcomes: %d bytes a file, at least %d", bytesMax, BytesMin)
	}
	w := &Writer{path: path, bytesMax: bytesMax, queue: make(chan router.Outcome, queueMax)}
	if err := w.open(); err != nil {
		return nil, err
	}
	w.done.Go(w.run)
	return w, nil
}

// Tell writes an outcome soon.
func (w *Writer) Tell(o *router.Outcome) {
	select {
	case w.queue <- *o:
	default:
		w.dropped.Add(1)
	}
}

// Dropped counts what was told and is not in the file.
func (w *Writer) Dropped() uint64 { return w.dropped.Load() }

// Close writes what was told before. Unavailable: some of it, or of what came before, could not be written.
func (w *Writer) Close() error {
	close(w.queue)
	w.done.Wait()
	return w.problem
}

func (w *Writer) run() {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	for {
		select {
		case o, more := <-w.queue:
			if !more {
				w.write()
				w.noted(w.shut())
				return
			}
			w.add(&o)
		case <-flush.C:
			w.write()
		}
	}
}

func (w *Writer) add(o *router.Outcome) {
	line, err := json.Marshal(o)
	if err != nil || len(line) >= router.OutcomeBytesMax { // no number there is none of JSON's, unless it is infinite
		w.dropped.Add(1)
		return
	}
	w.batch = append(append(w.batch, line...), '\n')
	w.lines++
	if len(w.batch) >= batchBytes {
		w.write()
	}
}

// write puts the batch into the file, which it changes for a new one first if that is due.
func (w *Writer) write() {
	if w.lines == 0 {
		return
	}
	err := w.turn()
	if err == nil {
		err = w.put()
	}
	if err != nil {
		w.dropped.Add(w.lines)
		w.noted(err)
	}
	w.batch, w.lines = w.batch[:0], 0
}

func (w *Writer) put() error {
	if w.cut { // what stands there is a line of its own, which is damaged
		n, err := w.file.Write([]byte{'\n'})
		w.size += int64(n)
		if err != nil {
			return err
		}
	}
	n, err := w.file.Write(w.batch)
	w.size += int64(n)
	w.cut = err != nil
	return err
}

// turn renames a file that is large enough, and opens one if there is none.
func (w *Writer) turn() error {
	if w.file != nil && w.size >= w.bytesMax {
		if err := os.Rename(w.path, w.path+olderSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) { // others may have taken it away
			return err
		}
		w.noted(w.shut())
	}
	if w.file == nil {
		return w.open()
	}
	return nil
}

func (w *Writer) open() error {
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o640)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "open the log of outcomes")
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // nothing was written
		return fault.New(fault.Unavailable, "the log of outcomes %s is no file that can be looked at", w.path)
	}
	last := [1]byte{'\n'}
	if info.Size() > 0 {
		if _, err := f.ReadAt(last[:], info.Size()-1); err != nil && err != io.EOF {
			_ = f.Close() // as above
			return fault.Wrap(fault.Unavailable, err, "read the log of outcomes")
		}
	}
	w.file, w.size, w.cut = f, info.Size(), last[0] != '\n'
	return nil
}

func (w *Writer) shut() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}

func (w *Writer) noted(err error) {
	if err != nil {
		w.problem = fault.Wrap(fault.Unavailable, err, "write the log of outcomes %s", w.path)
	}
}
