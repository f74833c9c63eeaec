// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"encoding/binary"
	"errors"

	engine "github.com/cockroachdb/pebble/v2"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// keepEighths is how much of the bound stays when an Apply passes it: deleting a little at each would leave a tombstone a
// write.
const keepEighths = 7

func outboxKey(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{outboxPrefix}, sequence)
}

// encodeOutbox writes a batch as an outbox row; FORMAT.md has the layout.
func encodeOutbox(before uint64, b *store.Batch) []byte {
	row := make([]byte, 0, 32+len(b.Origin())+b.Bytes()+12*len(b.Ops()))
	row = binary.BigEndian.AppendUint64(row, before)
	row = binary.AppendUvarint(row, uint64(len(b.Origin())))
	row = append(row, b.Origin()...)
	row = binary.AppendUvarint(row, uint64(len(b.Ops())))
	for _, op := range b.Ops() {
		tag := byte(op.Family) << 1
		if op.Delete {
			tag |= 1
		}
		row = append(row, tag)
		row = binary.AppendUvarint(row, uint64(len(op.Key)))
		row = append(row, op.Key...)
		if !op.Delete {
			row = binary.AppendUvarint(row, uint64(len(op.Value)))
			row = append(row, op.Value...)
		}
	}
	return row
}

// decodeOutbox reads an outbox row. What it returns does not share its bytes.
func decodeOutbox(row []byte) (before uint64, c store.Change, err error) {
	d := decoder{rest: append([]byte(nil), row...)}
	before = binary.BigEndian.Uint64(d.take(8))
	if origin := d.bytes(); len(origin) > 0 {
		c.Origin = origin
	}
	count := d.uvarint()
	for i := uint64(0); i < count && !d.bad; i++ {
		tag := d.take(1)[0]
		op := store.Op{Family: store.Family(tag >> 1), Delete: tag&1 == 1, Key: d.bytes()}
		if !op.Delete {
			op.Value = d.bytes()
		}
		c.Ops = append(c.Ops, op)
	}
	if d.bad || len(d.rest) > 0 || len(c.Ops) == 0 {
		return 0, store.Change{}, fault.New(fault.Corrupt, "an outbox row of %d bytes does not decode", len(row))
	}
	return before, c, nil
}

// decoder takes pieces off a row; once bad, it gives zeros.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return make([]byte, min(n, 8))
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) bytes() []byte { return d.take(d.uvarint()) }

// lastOutboxRow returns the newest sequence, and the bytes of all rows up to it; zeros if there is none.
func (s *Store) lastOutboxRow() (last mark, err error) {
	it, err := s.outbox(0)
	if err != nil {
		return last, err
	}
	if it.Last() {
		before, _, decodeErr := decodeOutbox(it.Value())
		err = decodeErr
		last = mark{binary.BigEndian.Uint64(it.Key()[1:]), before + uint64(len(it.Value()))}
	}
	return last, errors.Join(err, wrap(it.Close(), "read the outbox"))
}

// outbox iterates over the rows above a sequence.
func (s *Store) outbox(above uint64) (*engine.Iterator, error) {
	it, err := s.db.NewIter(&engine.IterOptions{LowerBound: outboxKey(above + 1), UpperBound: []byte{outboxPrefix + 1}})
	return it, wrap(err, "read the outbox")
}

// cutFor returns the floor that makes room for a row of n bytes: the present one while there is room.
func (s *Store) cutFor(n int) (mark, error) {
	if int64(s.total-s.floor.bytes)+int64(n) <= s.logBytes {
		return s.floor, nil
	}
	keep := uint64(s.logBytes) / 8 * keepEighths
	return s.findCut(func(at mark) bool { return s.total-at.bytes <= keep })
}

// findCut walks up from the floor to the first place that will do.
func (s *Store) findCut(enough func(mark) bool) (cut mark, err error) {
	cut = s.floor
	it, err := s.outbox(cut.sequence)
	if err != nil {
		return cut, err
	}
	for ok := it.First(); ok && !enough(cut); ok = it.Next() {
		cut = mark{binary.BigEndian.Uint64(it.Key()[1:]), cut.bytes + uint64(len(it.Value()))}
	}
	return cut, wrap(errors.Join(it.Error(), it.Close()), "read the outbox")
}

// trimTo deletes what lies at or below cut, if that is above the floor, and writes the floor.
func (s *Store) trimTo(w *engine.Batch, cut mark) error {
	if cut.sequence <= s.floor.sequence {
		return nil
	}
	if err := w.DeleteRange(outboxKey(s.floor.sequence), outboxKey(cut.sequence+1), nil); err != nil {
		return err
	}
	floor := binary.BigEndian.AppendUint64(nil, cut.sequence)
	return w.Set([]byte{floorPrefix}, binary.BigEndian.AppendUint64(floor, cut.bytes), nil)
}

// Trim implements store.ChangeLog.
func (s *Store) Trim(p store.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.err(), store.CheckSince(s.Head(), p)); err != nil {
		return err
	}
	cut, err := s.findCut(func(at mark) bool { return at.sequence >= p.Sequence })
	if err != nil || cut == s.floor {
		return err
	}
	if err := s.write(func(w *engine.Batch) error { return s.trimTo(w, cut) }); err != nil {
		s.halt(err)
		return s.err()
	}
	s.floor = cut
	return nil
}

func (s *Store) floorSequence() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.floor.sequence
}
