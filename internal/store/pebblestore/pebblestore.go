// SPDX-License-Identifier: Apache-2.0

package pebblestore

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/seal"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// PebbleFormat is the format major version of all stores: 24, the newest of Pebble v2.1.7, which brings the log chunks
// that tell damage from a torn end. Named here rather than taken as FormatNewest, so that an upgrade of the library
// does not by itself write files that the release before cannot read.
const PebbleFormat = pebble.FormatValueSeparation

const (
	memtableBytes     = 8 << 20
	memtablesMax      = 3 // at the bound Apply blocks until one is flushed
	cacheBytes        = 8 << 20
	openFilesMax      = 256
	bloomBitsPerKey   = 10
	compactionsAtOnce = 1
)

// Options are what Open may be told; the zero value is a store on the local disk that logs nothing.
type Options struct {
	// Log gets the engine's warnings and faults.
	Log *slog.Logger

	// FS replaces the operating system's files in fault tests. A store with an FS is never sealed.
	FS vfs.FS
}

// Store is a store.Store on disk. Get and Iter are safe for any number of goroutines; Apply is for one.
type Store struct {
	db     *pebble.DB
	dir    string
	fs     vfs.FS
	sealed bool // seal on Close
	lock   *pebble.Lock
	*guard
}

// guard holds the first fault. It is shared with the engine's goroutines.
type guard struct {
	log    *slog.Logger
	first  atomic.Pointer[fault.Error]
	once   sync.Once
	halted chan struct{}
}

// Open opens the store in dir, which it makes if needed, for one process. Damaged files are fault.Corrupt; all else, a full disk and
// a store in use included, is fault.Unavailable.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{dir: dir, fs: o.FS, sealed: o.FS == nil, guard: newGuard(o.Log)}
	if s.fs == nil {
		s.fs = vfs.Default
	}
	if err := s.fs.MkdirAll(dir, 0o750); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the store's folder")
	}
	lock, err := pebble.LockDirectory(dir, s.fs)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the store %s is in use", dir)
	}
	s.lock = lock
	if err := s.open(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Store) open() error {
	if err := checkLogs(s.fs, s.dir); err != nil {
		return err
	}
	if s.sealed {
		if err := seal.Remove(s.dir); err != nil {
			return err
		}
	}
	opts := engineOptions(s.fs, s.guard)
	opts.Lock = s.lock
	err := s.openEngine(opts)
	if err == nil {
		// A new store's first log is begun before the format is raised, and lacks the synced offsets that checkLogs needs:
		// begin another.
		err = s.flush()
	}
	return wrap(err, "open the store")
}

// openEngine opens the engine, or returns the fault that halted the store. The engine writes out what its log had, and tries
// that without end where it fails, on a full disk: it is abandoned then.
func (s *Store) openEngine(opts *pebble.Options) error {
	type opening struct {
		db  *pebble.DB
		err error
	}
	done := make(chan opening, 1)
	go func() {
		var o opening
		func() {
			defer recovered(&o.err)
			o.db, o.err = pebble.Open(s.dir, opts)
		}()
		done <- o
	}()
	select {
	case o := <-done:
		s.db = o.db
		return o.err
	case <-s.halted:
		return s.Err()
	}
}

// flush writes the memtables out, or returns the fault that halted the store; the engine's own Flush would wait for ever.
func (s *Store) flush() (err error) {
	defer recovered(&err)
	done, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-done:
	case <-s.halted:
	}
	return s.Err()
}

// recovered turns the engine's panics, by which it reports a failed sync of a folder, into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fault.New(fault.Halted, "the engine gave up: %v", p)
	}
}

func engineOptions(fs vfs.FS, g *guard) *pebble.Options {
	opts := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          PebbleFormat,
		MemTableSize:                memtableBytes,
		MemTableStopWritesThreshold: memtablesMax,
		CacheSize:                   cacheBytes,
		MaxOpenFiles:                openFilesMax,
		CompactionConcurrencyRange:  func() (int, int) { return compactionsAtOnce, compactionsAtOnce },
		Logger:                      g,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { g.halt(err) },
			DataCorruption:  func(i pebble.DataCorruptionInfo) { g.halt(errors.New(i.String())) },
		},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
	}
	return opts
}

// Get implements store.Reader.
func (s *Store) Get(key []byte) ([]byte, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, fault.New(fault.NotFound, "the store has no key %x", key)
	}
	if err != nil {
		return nil, wrap(err, "read key %x", key)
	}
	v = append([]byte{}, v...)
	if err := closer.Close(); err != nil {
		return nil, wrap(err, "read key %x", key)
	}
	return v, nil
}

// Apply implements store.Store.
func (s *Store) Apply(c *store.Changes, durable bool) error {
	if err := s.Err(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	err := c.Each(func(op store.Op) error { return addOp(b, op) })
	if err == nil {
		err = s.commit(b, durable)
	}
	err = errors.Join(err, b.Close())
	// A fatal error of the engine reaches the guard, not the caller, and the commit may report success after it.
	if err != nil {
		s.halt(err)
	}
	return s.Err()
}

// commit turns the engine's panics, by which it reports that its log is broken, into an error.
func (s *Store) commit(b *pebble.Batch, durable bool) (err error) {
	defer recovered(&err)
	return b.Commit(&pebble.WriteOptions{Sync: durable})
}

func addOp(b *pebble.Batch, op store.Op) error {
	switch op.Kind {
	case store.OpPut:
		return b.Set(op.Key, op.Value, nil)
	case store.OpDelete:
		return b.Delete(op.Key, nil)
	default:
		if string(op.Key) >= string(op.Value) {
			return nil
		}
		return b.DeleteRange(op.Key, op.Value, nil)
	}
}

// Close waits for background work, writes memtables out and seals the folder, which reads all files once. A halted
// store is left as it is, its goroutines too, and Close returns the fault: the process must end.
func (s *Store) Close() error {
	if err := s.Err(); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		s.halt(err)
		return s.Err()
	}
	err := wrap(s.db.Close(), "close the store")
	if err == nil {
		err = s.Err()
	}
	if err == nil && s.sealed {
		err = seal.Write(s.dir)
	}
	return errors.Join(err, s.lock.Close())
}

// Err returns the fault.Halted that stopped the store, nil while it is healthy.
func (g *guard) Err() error {
	if e := g.first.Load(); e != nil {
		return e
	}
	return nil
}

// Halted is closed when the store halts.
func (g *guard) Halted() <-chan struct{} { return g.halted }

func newGuard(log *slog.Logger) *guard {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &guard{log: log, halted: make(chan struct{})}
}

func (g *guard) halt(cause error) {
	g.once.Do(func() {
		g.first.Store(&fault.Error{Kind: fault.Halted, Reason: "store", Text: "the store halted", Cause: cause})
		close(g.halted)
		g.log.Error("the store halted", "err", cause.Error())
	})
}

// Infof implements pebble.Logger; the engine's chatter is dropped.
func (*guard) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (g *guard) Errorf(format string, args ...any) { g.log.Warn(fmt.Sprintf(format, args...)) }

// Fatalf implements pebble.Logger. The engine calls it when it cannot go on and expects the process to end. It is the
// owner who ends it: the store is halted first, so that no later write is acknowledged.
func (g *guard) Fatalf(format string, args ...any) { g.halt(fmt.Errorf(format, args...)) }

// wrap gives an engine's error its kind: damage is Corrupt, all else may pass.
func wrap(err error, format string, args ...any) error {
	kind := fault.Unavailable
	if pebble.IsCorruptionError(err) {
		kind = fault.Corrupt
	}
	return fault.Wrap(kind, err, format, args...)
}
