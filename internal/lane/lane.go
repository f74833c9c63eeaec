// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"cmp"
	"context"
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
	// Executed says that the entry was executed lately and its payload let go.
	Executed bool

	buffer  *seglog.Buffer // nil when read back from disk
	bytes   []byte
	durable bool
	pinned  bool          // somebody reads bytes
	ahead   bool          // the payload counts as read ahead
	coming  chan struct{} // closed when the payload was read ahead; nil: nobody does so now
}

// Payload is the entry's payload. It is valid until Forget of its digest.
func (s *Stored) Payload() []byte { return s.bytes }

// Config says whose lane it is.
type Config struct {
	Validator chain.ValidatorNo
	JoinEpoch chain.Epoch
	// Lanes are the executed places of all validators' lanes, by number; this one's own is not looked at. Empty: there are
	// no others.
	Lanes []Place
	// OnDurable is told of each entry once its bytes are on disk, an own one in lane order, on the log's writer goroutine: it
	// must not block.
	OnDurable func(*Stored)
	// OnFailed is told that an entry whose place in the lane was fixed is not on disk. The lane cannot go on without it:
	// the node stops, and recovery begins from what is there.
	OnFailed func(error)
}

// Place is how far a lane is executed.
type Place struct {
	Epoch    chain.Epoch // in which its owner joined
	Sequence uint64
	Tip      chain.Hash
}

// Lane is one validator's own lane, and what it keeps of the others'.
type Lane struct {
	cfg Config
	log *seglog.Log

	// mu guards sequence and tip, and makes the order of Append calls the order of the log.
	mu       sync.Mutex
	sequence uint64
	tip      chain.Hash

	// heldMu guards all below, and what becomes known of held entries.
	heldMu     sync.Mutex
	held       map[chain.Hash]*Stored // on disk or on the way there, and not forgotten yet
	recent     recent                 // executed lately
	older      older                  // and longer ago
	aheadBytes int64                  // of payloads read ahead and not forgotten
	reach      reach
	failed     error // why an entry whose place was fixed is not on disk: nothing may be written after it
}

// Position is how far the lanes are executed: the newest executed own entry, and the place in the log up to which every
// record is executed. With one lane that is the entry's own place.
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
	if err := l.write(ctx, s); err != nil {
		return err
	}
	l.sequence, l.tip = s.Entry.Sequence, s.Digest
	return nil
}

// write hands an entry to the log and holds it. On an error its buffer is released.
func (l *Lane) write(ctx context.Context, s *Stored) error {
	buf := s.buffer
	if err := buf.SetMeta(uint8(s.Entry.Kind), appendMeta(nil, s)); err != nil {
		buf.Release()
		return err
	}
	l.heldMu.Lock()
	l.held[s.Digest] = s
	l.heldMu.Unlock()
	buf.Retain() // one reference for the log, one held for execution
	if err := l.log.Append(ctx, buf, func(pos seglog.Pos, err error) { l.durable(s, pos, err) }); err != nil {
		buf.Release()
		l.Forget(s.Digest)
		return err
	}
	return nil
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
	if s.Pos = pos; failed == nil {
		s.durable = true
		l.reach.note(s)
	}
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

// Fetch returns an entry that is on disk and not forgotten, with its payload, reading it from disk if it is not in memory.
// One that was executed and forgotten lately is returned without.
func (l *Lane) Fetch(_ context.Context, digest chain.Hash) (*Stored, error) {
	return l.fetch(digest)
}

func (l *Lane) fetch(digest chain.Hash) (*Stored, error) {
	l.heldMu.Lock()
	s, ok := l.held[digest]
	ok = ok && s.durable
	inMemory := ok && s.bytes != nil
	if ok {
		s.pinned = true
	}
	executed, before := l.recent.find(digest)
	var coming chan struct{}
	if ok {
		coming = s.coming
	}
	l.heldMu.Unlock()
	switch {
	case coming != nil:
		<-coming
		return l.fetch(digest)
	case inMemory:
		return s, nil
	case !ok && before:
		return executed, nil
	case !ok:
		return nil, fault.New(fault.NotFound, "lane entry %s is not held", digest)
	}
	rec, err := l.log.Read(s.Pos)
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

// Want says that entries will be fetched soon. Whoever is alone has them.
func (l *Lane) Want([]chain.Hash) {}

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
	if s != nil && s.ahead {
		l.aheadBytes -= int64(s.Entry.Bytes)
	}
	l.heldMu.Unlock()
	if s != nil && s.buffer != nil {
		s.buffer.Release()
	}
}

// Pending lists the digests of own entries held, in lane order; after Open these are what ordering has not executed yet.
func (l *Lane) Pending() []chain.Hash {
	l.heldMu.Lock()
	var entries []*Stored
	for _, s := range l.held {
		if s.Entry.Validator == l.cfg.Validator {
			entries = append(entries, s)
		}
	}
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
