// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// Item is what a door puts on the lane: a payload with its id, and for a client batch who signed it.
type Item struct {
	Kind      chain.PayloadKind
	ID        chain.Hash
	Key       chain.KeyNo
	Signature []byte
	Payload   *seglog.Buffer // the lane takes over the caller's reference
}

// Stored is a lane entry whose bytes are on disk.
type Stored struct {
	Entry     chain.LaneEntry
	Digest    chain.Hash
	Key       chain.KeyNo
	Signature []byte
	Pos       seglog.Pos

	buffer *seglog.Buffer // nil when read back from disk
	bytes  []byte
}

// Payload is the entry's payload. It is valid until Forget of its digest.
func (s *Stored) Payload() []byte { return s.bytes }

// Config says whose lane it is.
type Config struct {
	Validator chain.ValidatorNo
	JoinEpoch chain.Epoch
	// OnDurable is told of each entry once its bytes are on disk, in lane order, on the log's writer goroutine: it must
	// not block.
	OnDurable func(*Stored)
	// OnFailed is told that an entry whose place in the lane was fixed is not on disk. The lane cannot go on without it:
	// the node stops, and recovery begins from what is there.
	OnFailed func(error)
}

// Lane is one validator's own lane.
type Lane struct {
	cfg Config
	log *seglog.Log

	// mu guards sequence and tip, and makes the order of Append calls the order of the log.
	mu       sync.Mutex
	sequence uint64
	tip      chain.Hash

	// heldMu guards held, entries on disk or on the way there that are not forgotten yet, what becomes known of these (Pos and
	// bytes), and failed.
	heldMu sync.Mutex
	held   map[chain.Hash]*Stored
	failed error // why an entry whose place was fixed is not on disk: nothing may be written after it
}

// Open continues the lane kept in log. executed is the sequence of the newest entry that the recovered state contains:
// entries after it are read back, in order, and can be fetched; Pending lists them. A log that does not hold the executed
// entry, or that holds another one in its place, is Corrupt.
func Open(ctx context.Context, log *seglog.Log, cfg Config, executed Position) (*Lane, error) {
	l := &Lane{cfg: cfg, log: log, sequence: executed.Sequence, tip: executed.Tip, held: map[chain.Hash]*Stored{}}
	if executed.Sequence > 0 && log.NextSeq() <= executed.Pos.Seq {
		return nil, fault.New(fault.Corrupt, "lane: the log ends before record %d, which holds executed entry %d", executed.Pos.Seq, executed.Sequence)
	}
	err := log.Scan(ctx, executed.Pos, func(pos seglog.Pos, rec seglog.Record) error {
		s, err := parseRecord(rec.Kind, rec.Meta, pos)
		if err != nil {
			return err
		}
		if s.Entry.Sequence == executed.Sequence && s.Digest != executed.Tip {
			return fault.New(fault.Corrupt, "lane: entry %d in the log is not the one that was executed", s.Entry.Sequence)
		}
		if s.Entry.Sequence <= executed.Sequence {
			return nil
		}
		if s.Entry.Sequence != l.sequence+1 || s.Entry.Parent != l.tip {
			return fault.New(fault.Corrupt, "lane: entry %d at segment %d offset %d does not follow entry %d", s.Entry.Sequence, pos.Segment, pos.Offset, l.sequence)
		}
		l.sequence, l.tip = s.Entry.Sequence, s.Digest
		l.held[s.Digest] = s
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Position is a place in the lane: an entry, and where its record lies.
type Position struct {
	Sequence uint64
	Tip      chain.Hash
	Pos      seglog.Pos
}

// Append puts an item on the lane. It blocks while the log's queue is full; it returns once the order is fixed, before
// the bytes are on disk. An error means the item is not on the lane: TryLater if no segment is ready (the disk is full),
// Halted if the log died or the lane failed before. The item's buffer is released in both cases.
func (l *Lane) Append(ctx context.Context, it Item) error {
	it.Payload.Seal() // the checksum is computed outside the lock
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.failure(); err != nil {
		it.Payload.Release()
		return err
	}
	s := &Stored{
		Entry: chain.LaneEntry{
			Validator: l.cfg.Validator,
			JoinEpoch: l.cfg.JoinEpoch,
			Sequence:  l.sequence + 1,
			Parent:    l.tip,
			Kind:      it.Kind,
			Payload:   it.ID,
			Bytes:     uint32(len(it.Payload.Payload())),
		},
		Key:       it.Key,
		Signature: it.Signature,
		buffer:    it.Payload,
		bytes:     it.Payload.Payload(),
	}
	s.Digest = codec.EntryDigest(s.Entry)
	if err := it.Payload.SetMeta(uint8(it.Kind), appendMeta(nil, s)); err != nil {
		it.Payload.Release()
		return err
	}
	l.hold(s)
	it.Payload.Retain() // one reference for the log, one held for execution
	if err := l.log.Append(ctx, it.Payload, func(pos seglog.Pos, err error) { l.durable(s, pos, err) }); err != nil {
		it.Payload.Release()
		l.Forget(s.Digest)
		return err
	}
	l.sequence, l.tip = s.Entry.Sequence, s.Digest
	return nil
}

func (l *Lane) hold(s *Stored) {
	l.heldMu.Lock()
	l.held[s.Digest] = s
	l.heldMu.Unlock()
}

// durable runs on the log's writer goroutine. After an error the lane takes nothing more: a disk that has room again would
// else keep an entry without its parent, and the lane could not be opened any more.
func (l *Lane) durable(s *Stored, pos seglog.Pos, err error) {
	if err != nil {
		err = fault.Halt(err, "lane entry %d was not written", s.Entry.Sequence)
		l.heldMu.Lock()
		if l.failed == nil {
			l.failed = err
		}
		l.heldMu.Unlock()
		l.Forget(s.Digest)
		l.cfg.OnFailed(err)
		return
	}
	l.heldMu.Lock()
	failed := l.failed
	s.Pos = pos
	l.heldMu.Unlock()
	if failed != nil { // it was queued in the moment in which one before it failed: nobody may build on it
		l.Forget(s.Digest)
		return
	}
	l.cfg.OnDurable(s)
}

func (l *Lane) failure() error {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	return l.failed
}

// Fetch returns an entry that is not forgotten, with its payload, reading it from disk if it is not in memory.
func (l *Lane) Fetch(digest chain.Hash) (*Stored, error) {
	l.heldMu.Lock()
	s, ok := l.held[digest]
	inMemory := ok && s.bytes != nil
	l.heldMu.Unlock()
	switch {
	case !ok:
		return nil, fault.New(fault.NotFound, "lane entry %s is not held", digest)
	case inMemory:
		return s, nil
	}
	rec, err := l.log.Read(s.Pos) // which is known since Open
	if err != nil {
		return nil, err
	}
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	if s.bytes == nil {
		s.bytes = rec.Payload
	}
	return s, nil
}

// Holds reports whether an entry is on disk, or on the way there, and not forgotten yet.
func (l *Lane) Holds(digest chain.Hash) bool {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	_, ok := l.held[digest]
	return ok
}

// Forget gives an executed entry's memory back.
func (l *Lane) Forget(digest chain.Hash) {
	l.heldMu.Lock()
	s := l.held[digest]
	delete(l.held, digest)
	l.heldMu.Unlock()
	if s != nil && s.buffer != nil {
		s.buffer.Release()
	}
}

// Pending lists the digests of entries held, in lane order; after Open these are what ordering has not executed yet.
func (l *Lane) Pending() []chain.Hash {
	l.heldMu.Lock()
	entries := slices.Collect(maps.Values(l.held))
	l.heldMu.Unlock()
	slices.SortFunc(entries, func(a, b *Stored) int { return cmp.Compare(a.Entry.Sequence, b.Entry.Sequence) })
	out := make([]chain.Hash, len(entries))
	for i, s := range entries {
		out[i] = s.Digest
	}
	return out
}

// ReadPayload reads the payload of an executed entry back from its segment: Pruned when it was recycled.
func (l *Lane) ReadPayload(pos seglog.Pos) ([]byte, error) {
	rec, err := l.log.Read(pos)
	if err != nil {
		return nil, err
	}
	return rec.Payload, nil
}
