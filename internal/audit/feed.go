// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"runtime"
	"sync"

	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// entriesAheadMax bounds the lane entries read and not yet taken, beside the bytes that the log reader's pool bounds. At
// either bound reading waits.
const entriesAheadMax = 4096

// jobsMax bounds what waits for a worker. At the bound who asks waits: workers never do.
const jobsMax = 256

// entry is a lane entry on its way through the audit.
type entry struct {
	*lane.Stored
	buffer *seglog.Buffer
	hashed chan struct{} // closed when badHash is known
	// badHash is why the payload is not the one that its entry names, or empty.
	badHash string
}

// release gives up the memory of the payload. What the entry says stays.
func (e *entry) release() {
	e.Stored = bare(e.Stored)
	if e.buffer != nil {
		e.buffer.Release()
		e.buffer = nil
	}
}

func (e *entry) retain() {
	if e.buffer != nil {
		e.buffer.Retain()
	}
}

// bare is an entry without its payload.
func bare(s *lane.Stored) *lane.Stored {
	return &lane.Stored{Entry: s.Entry, Digest: s.Digest, Key: s.Key, Signature: s.Signature, Pos: s.Pos, Executed: s.Executed}
}

// feed reads the lanes ahead of execution and keeps all cores busy with hashes and signatures.
type feed struct {
	log     *seglog.Reader
	entries chan *entry // in the log's order; closed at its end
	jobs    chan func(*worker)
	workers sync.WaitGroup
}

// worker is the memory of one goroutine that does jobs.
type worker struct{ signatures signatureBatch }

func newFeed(log *seglog.Reader) *feed {
	f := &feed{log: log, entries: make(chan *entry, entriesAheadMax), jobs: make(chan func(*worker), jobsMax)}
	for range runtime.GOMAXPROCS(0) {
		f.workers.Go(func() {
			w := &worker{}
			for job := range f.jobs {
				job(w)
			}
		})
	}
	return f
}

// close waits for all jobs. Nobody may ask for another.
func (f *feed) close() {
	close(f.jobs)
	f.workers.Wait()
}

// readAll reads the log from its oldest record on. Each entry in f.entries holds its memory until release.
func (f *feed) readAll(ctx context.Context) error {
	defer close(f.entries)
	return f.log.Scan(ctx, seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		s, err := lane.ParseRecord(pos, rec)
		if err != nil {
			return err
		}
		rec.Buffer.Retain()
		e := &entry{Stored: s, buffer: rec.Buffer, hashed: make(chan struct{})}
		f.jobs <- func(*worker) { e.hash() }
		select {
		case f.entries <- e:
			return nil
		case <-ctx.Done():
			<-e.hashed
			e.release()
			return ctx.Err()
		}
	})
}

// read reads one record, into memory of its own.
func (f *feed) read(pos seglog.Pos) (*lane.Stored, error) {
	rec, err := f.log.Read(pos)
	if err != nil {
		return nil, err
	}
	return lane.ParseRecord(pos, rec)
}

// hash compares the payload with what the entry says of it.
func (e *entry) hash() {
	defer close(e.hashed)
	switch {
	case len(e.Payload()) != int(e.Entry.Bytes):
		e.badHash = "the payload's length is not the entry's"
	case codec.Sum(e.Payload()) != e.Entry.Payload:
		e.badHash = "the payload's hash is not the id in the entry"
	}
}
