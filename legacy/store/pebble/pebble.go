// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	engine "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// format is the engine's format of the files, named here so that an upgrade of the library does not change it by itself.
const format = engine.FormatValueSeparation

const (
	memtableBytes     = 16 << 20
	onceMemtableBytes = 2 << 20
	memtablesMax      = 4 // at the bound Apply blocks until one is flushed
	cacheBytes        = 64 << 20
	bloomBitsPerKey   = 10
)

// The first byte of a key that belongs to no family.
const (
	outboxPrefix = 0x80 // then the sequence, u64 big endian
	floorPrefix  = 0x81 // one row: the floor, see floor
)

// Options are what Open may be told; the zero value logs nothing and has the default bound.
type Options struct {
	Log      *slog.Logger // gets the engine's warnings
	LogBytes int64        // bound of the change log, 0: store.LogBytesDefault
	Cache    int64        // bytes of blocks that are kept in memory, 0: as a ledger needs it
	Once     bool         // it is read once from end to end: it takes little memory, and puts nothing in order in the background
}

// Store is a store.Store. It is safe for any number of goroutines.
type Store struct {
	*store.Progress
	db       *engine.DB
	lock     *engine.Lock
	logBytes int64
	cache    int64
	once     bool
	log      *slog.Logger
	halted   atomic.Pointer[fault.Error]

	// mu makes Apply and Trim one at a time, and guards what follows.
	mu    sync.Mutex
	floor mark
	total uint64 // bytes of all outbox rows that ever were
}

// mark is a place in the outbox: the last sequence below it, and how many bytes all rows up to there had.
type mark struct{ sequence, bytes uint64 }

// Open opens the store in dir, which it makes if needed. Damaged files are fault.Corrupt, a store in use and all else
// fault.Unavailable.
func Open(dir string, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.LogBytes <= 0 {
		o.LogBytes = store.LogBytesDefault
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the ledger's folder")
	}
	// Locked before the engine is opened, which leaves a goroutine behind where it finds the folder in use.
	lock, err := engine.LockDirectory(dir, vfs.Default)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the ledger in %s is in use", dir)
	}
	if o.Cache <= 0 {
		o.Cache = cacheBytes
	}
	s := &Store{logBytes: o.LogBytes, cache: o.Cache, once: o.Once, log: o.Log, lock: lock}
	if err := s.open(dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Store) open(dir string) (err error) {
	if s.db, err = engine.Open(dir, s.options()); err != nil {
		return wrap(err, "open the store in %s", dir)
	}
	id, err := store.OpenIncarnation(dir)
	if err == nil {
		err = s.load(id)
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

func (s *Store) options() *engine.Options {
	o := &engine.Options{
		FormatMajorVersion:          format,
		MemTableSize:                memtableBytes,
		MemTableStopWritesThreshold: memtablesMax,
		CacheSize:                   s.cache,
		Lock:                        s.lock,
		Logger:                      (*engineLog)(s),
		EventListener:               &engine.EventListener{BackgroundError: func(err error) { s.halt(err) }},
	}
	if s.once {
		o.MemTableSize, o.DisableAutomaticCompactions = onceMemtableBytes, true
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
	}
	return o
}

// load reads where the outbox begins and ends.
func (s *Store) load(id store.Incarnation) error {
	floor, err := s.get([]byte{floorPrefix})
	switch {
	case fault.Is(err, fault.NotFound):
	case err != nil:
		return err
	case len(floor) != 16:
		return fault.New(fault.Corrupt, "the outbox's floor has %d bytes, not 16", len(floor))
	default:
		s.floor = mark{binary.BigEndian.Uint64(floor), binary.BigEndian.Uint64(floor[8:])}
	}
	last, err := s.lastOutboxRow()
	s.total = max(last.bytes, s.floor.bytes)
	s.Progress = store.NewProgress(store.Position{Incarnation: id, Sequence: max(last.sequence, s.floor.sequence)})
	return err
}

func familyKey(f store.Family, key []byte) []byte {
	k := make([]byte, 0, 1+len(key))
	return append(append(k, byte(f)), key...)
}

// Get implements store.Reader.
func (s *Store) Get(f store.Family, key []byte) ([]byte, error) { return get(s.db, familyKey(f, key)) }

func (s *Store) get(key []byte) ([]byte, error) { return get(s.db, key) }

func get(r engine.Reader, key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, store.ErrNoRow
	}
	if err != nil {
		return nil, wrap(err, "read row %x", key)
	}
	v = append([]byte{}, v...)
	return v, wrap(closer.Close(), "read row %x", key)
}

// Apply implements store.Store.
func (s *Store) Apply(b *store.Batch) (store.Position, error) {
	if err := b.Check(); err != nil {
		return store.Position{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err(); err != nil {
		return store.Position{}, err
	}
	sequence := s.Head().Sequence + 1
	row := encodeOutbox(s.total, b)
	cut, err := s.cutFor(len(row))
	if err == nil {
		err = s.write(func(w *engine.Batch) error { return s.fill(w, b, sequence, row, cut) })
	}
	if err != nil {
		s.halt(err)
		return store.Position{}, s.err()
	}
	s.total += uint64(len(row))
	s.floor = cut
	return s.Advance(sequence), nil
}

func (s *Store) fill(w *engine.Batch, b *store.Batch, sequence uint64, row []byte, cut mark) error {
	for _, op := range b.Ops() {
		key := familyKey(op.Family, op.Key)
		err := error(nil)
		if op.Delete {
			err = w.Delete(key, nil)
		} else {
			err = w.Set(key, op.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	if err := w.Set(outboxKey(sequence), row, nil); err != nil {
		return err
	}
	return s.trimTo(w, cut)
}

// write commits one synced batch, and turns the engine's panics, by which it says that its log is broken, into an error.
func (s *Store) write(fill func(*engine.Batch) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the engine gave up: %v", p)
		}
	}()
	w := s.db.NewBatch()
	if err := fill(w); err != nil {
		return errors.Join(err, w.Close())
	}
	err = errors.Join(w.Commit(engine.Sync), w.Close())
	// A fault in the background reaches halt, not this caller, and the commit may report success after it.
	if halted := s.err(); err == nil && halted != nil {
		return halted
	}
	return err
}

// Checkpoint implements store.Store.
func (s *Store) Checkpoint(dir string) (store.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.db.Checkpoint(dir, engine.WithFlushedWAL()); err != nil {
		return store.Position{}, wrap(err, "write a checkpoint into %s", dir)
	}
	return s.Head(), nil
}

// Close implements store.Store. A halted store is left as it is: the process ends, and the next one opens what is durable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err(); err != nil {
		return err
	}
	return wrap(errors.Join(s.db.Close(), s.lock.Close()), "close the store")
}

func (s *Store) err() error {
	if e := s.halted.Load(); e != nil {
		return e
	}
	return nil
}

func (s *Store) halt(cause error) {
	e := &fault.Error{Kind: fault.Halted, Reason: "store", Text: "the store halted: restart, and look at the disk", Cause: cause}
	if s.halted.CompareAndSwap(nil, e) {
		s.log.Error("the store halted", "err", cause.Error())
	}
}

// engineLog is the engine's logger. Its chatter is dropped.
type engineLog Store

func (*engineLog) Infof(string, ...any) {}

func (l *engineLog) Errorf(format string, args ...any) { l.log.Warn(fmt.Sprintf(format, args...)) }

// Fatalf is called when the engine cannot go on. It is the owner who ends the process: the store is halted first.
func (l *engineLog) Fatalf(format string, args ...any) {
	(*Store)(l).halt(fmt.Errorf(format, args...))
}

// wrap gives an engine's error its kind: damage is Corrupt, all else may pass.
func wrap(err error, format string, args ...any) error {
	kind := fault.Unavailable
	if engine.IsCorruptionError(err) {
		kind = fault.Corrupt
	}
	return fault.Wrap(kind, err, format, args...)
}
