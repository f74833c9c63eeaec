// SPDX-License-Identifier: Apache-2.0

//go:build rocksdb

package rocks

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/linxGnu/grocksdb"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

const (
	walFileBytes    = 16 << 20 // of all live log files before families are flushed; so also of one
	memtableBytes   = 8 << 20  // of one family
	memtablesBytes  = 16 << 20 // of all families before the largest is flushed, which also begins another log file
	cacheBytes      = 64 << 20
	openFilesMax    = 512
	infoLogsKept    = 2
	bloomBitsPerKey = 10
)

// Options are what Open may be told; the zero value logs nothing and has the default bound.
type Options struct {
	Log      *slog.Logger // gets why the store halted
	LogBytes int64        // bound of the change log, 0: store.LogBytesDefault; rounded up to MiB
	Cache    int64        // bytes of blocks that are kept in memory, 0: as a ledger needs it
}

// Store is a store.Store. It is safe for any number of goroutines.
type Store struct {
	*store.Progress
	db       *grocksdb.DB
	handles  grocksdb.ColumnFamilyHandles // by family, then default
	families map[int]store.Family         // by RocksDB's number
	reading  *grocksdb.ReadOptions
	writing  *grocksdb.WriteOptions
	log      *slog.Logger
	halted   atomic.Pointer[fault.Error]
	mu       sync.Mutex // one Apply at a time, and none while a snapshot or checkpoint is made
}

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
	if o.Cache <= 0 {
		o.Cache = cacheBytes
	}
	s := &Store{log: o.Log, families: map[int]store.Family{}}
	if err := s.open(dir, o.LogBytes, o.Cache); err != nil {
		return nil, wrap(err, "open the store in %s", dir)
	}
	id, err := store.OpenIncarnation(dir)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Progress = store.NewProgress(store.Position{Incarnation: id, Sequence: s.db.GetLatestSequenceNumber()})
	return s, nil
}

func (s *Store) open(dir string, logBytes, cache int64) (err error) {
	options := engineOptions(logBytes, cache)
	defer options.Destroy()
	var names []string
	var each []*grocksdb.Options
	for _, f := range store.Families() {
		names, each = append(names, f.String()), append(each, options)
	}
	names, each = append(names, "default"), append(each, options)
	if s.db, s.handles, err = grocksdb.OpenDbColumnFamilies(options, dir, names, each); err != nil {
		return err
	}
	for _, f := range store.Families() {
		s.families[int(s.handles[f].ID())] = f
	}
	s.reading = grocksdb.NewDefaultReadOptions()
	s.reading.SetVerifyChecksums(true)
	s.writing = grocksdb.NewDefaultWriteOptions()
	s.writing.SetSync(true)
	return nil
}

func engineOptions(logBytes, cache int64) *grocksdb.Options {
	o := grocksdb.NewDefaultOptions()
	o.SetCreateIfMissing(true)
	o.SetCreateIfMissingColumnFamilies(true)
	o.SetWriteBufferSize(memtableBytes)
	o.SetDbWriteBufferSize(memtablesBytes)
	o.SetMaxTotalWalSize(walFileBytes)
	o.SetWalSizeLimitMb(uint64(logBytes+1<<20-1) >> 20)
	// The tolerant modes drop what follows a damaged record in the middle of the log; this one only a torn end.
	o.SetWALRecoveryMode(grocksdb.TolerateCorruptedTailRecordsRecovery)
	o.SetMaxOpenFiles(openFilesMax)
	o.SetKeepLogFileNum(infoLogsKept)
	tables := grocksdb.NewDefaultBlockBasedTableOptions()
	tables.SetBlockCache(grocksdb.NewLRUCache(uint64(cache)))
	tables.SetFilterPolicy(grocksdb.NewBloomFilter(bloomBitsPerKey))
	o.SetBlockBasedTableFactory(tables)
	return o
}

// Get implements store.Reader.
func (s *Store) Get(f store.Family, key []byte) ([]byte, error) { return s.get(s.reading, f, key) }

func (s *Store) get(o *grocksdb.ReadOptions, f store.Family, key []byte) ([]byte, error) {
	v, err := s.db.GetCF(o, s.handles[f], key)
	if err != nil {
		return nil, wrap(err, "read row %x of %s", key, f)
	}
	defer v.Free()
	if !v.Exists() {
		return nil, store.ErrNoRow
	}
	return append([]byte{}, v.Data()...), nil
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
	w := grocksdb.NewWriteBatch()
	defer w.Destroy()
	if len(b.Origin()) > 0 {
		w.PutLogData(b.Origin())
	}
	for _, op := range b.Ops() {
		if op.Delete {
			w.DeleteCF(s.handles[op.Family], op.Key)
		} else {
			w.PutCF(s.handles[op.Family], op.Key, op.Value)
		}
	}
	if err := s.db.Write(s.writing, w); err != nil {
		s.halt(err)
		return store.Position{}, s.err()
	}
	return s.Advance(s.db.GetLatestSequenceNumber()), nil
}

// Trim implements store.ChangeLog; see the package's third invariant.
func (s *Store) Trim(p store.Position) error {
	return errors.Join(s.err(), store.CheckSince(s.Head(), p))
}

// Checkpoint implements store.Store.
func (s *Store) Checkpoint(dir string) (store.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.db.NewCheckpoint()
	if err != nil {
		return store.Position{}, wrap(err, "begin a checkpoint")
	}
	defer c.Destroy()
	const flushAlways = 0 // so that the copy needs no log
	if err := c.CreateCheckpoint(dir, flushAlways); err != nil {
		return store.Position{}, wrap(err, "write a checkpoint into %s", dir)
	}
	return s.Head(), nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.handles {
		h.Destroy()
	}
	s.reading.Destroy()
	s.writing.Destroy()
	s.db.Close()
	return s.err()
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

// wrap gives an engine's error its kind: damage is Corrupt, all else may pass. The C interface has the text alone.
func wrap(err error, format string, args ...any) error {
	kind := fault.Unavailable
	if err != nil && strings.HasPrefix(err.Error(), "Corruption") {
		kind = fault.Corrupt
	}
	return fault.Wrap(kind, err, format, args...)
}
