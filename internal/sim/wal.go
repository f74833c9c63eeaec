// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"hash/crc32"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// recordsPerSegment makes segments of the ordering log short, so that cutting it happens.
const recordsPerSegment = 8

// record is one record of a log, and its checksum as it was written.
type record struct {
	at      seglog.Pos
	key     chain.Hash // of a payload: its entry
	kind    uint8
	meta    []byte
	payload []byte
	sum     uint32
}

func (r *record) checksum() uint32 {
	return crc32.Update(crc32.ChecksumIEEE(r.meta), crc32.IEEETable, r.payload)
}

// wal is a log on a replica's disk: records, of which the last ones are lost in a crash until a sync covers them. One
// sync serves all that gathered during the one before.
type wal struct {
	n       *replica
	records []record
	durable int    // of records
	next    uint64 // number of the next record, from 1

	keys map[chain.Hash]bool // of the durable records

	syncing bool
	waiting []func(seglog.Pos) // one for each record that is not durable
}

func newWal(n *replica) *wal { return &wal{n: n, next: 1, keys: map[chain.Hash]bool{}} }

// append writes a record and calls done once it is durable, in order. A replica that loses its power in this very record
// does nothing any more.
func (l *wal) append(r record, done func(seglog.Pos)) {
	if !l.n.up {
		return
	}
	r.at = seglog.Pos{Segment: 1 + l.next/recordsPerSegment, Offset: seglog.PageBytes, Bytes: seglog.PageBytes, Seq: l.next}
	r.sum = r.checksum()
	l.next++
	l.records = append(l.records, r)
	l.waiting = append(l.waiting, done)
	l.sync()
	l.n.wrote()
}

func (l *wal) sync() {
	if l.syncing || len(l.waiting) == 0 {
		return
	}
	l.syncing = true
	count := len(l.waiting)
	l.n.after(l.n.syncMicros(), func() {
		l.syncing = false
		done := l.waiting[:count]
		l.waiting = l.waiting[count:]
		at := make([]seglog.Pos, count)
		for i := range at {
			at[i] = l.records[l.durable+i].at
			l.keys[l.records[l.durable+i].key] = true
		}
		l.durable += count
		for i := range done {
			if l.n.up && done[i] != nil {
				done[i](at[i])
			}
		}
		l.sync()
	})
}

// crash leaves, of the records that no sync covered, any number of the first ones, and perhaps a part of the next.
func (l *wal) crash() {
	w := l.n.w
	if lost := len(l.records) - l.durable; lost > 0 {
		keep := w.diskRand.IntN(lost + 1)
		if keep < lost {
			w.count(faultLostWrite, lost-keep)
		}
		l.records = l.records[:l.durable+keep]
		if keep < lost && w.diskRand.IntN(2) == 0 {
			l.tear(l.records[:l.durable+keep+1])
		}
	}
	l.syncing, l.waiting = false, nil
}

// tear keeps the last record with its end missing, or overwritten by what lay there before.
func (l *wal) tear(records []record) {
	r := &records[len(records)-1]
	r.meta, r.payload = torn(l.n.w, r.meta), torn(l.n.w, r.payload)
	if r.checksum() != r.sum {
		l.records = records
		l.n.w.count(faultTornTail, 1)
	}
}

func torn(w *world, b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	at := w.diskRand.IntN(len(b))
	if w.diskRand.IntN(2) == 0 {
		return b[:at]
	}
	b = append([]byte(nil), b...)
	for i := at; i < len(b); i++ {
		b[i] = 0xA5
	}
	return b
}

// scan reads the log back at a start: what is behind the first record that is not whole is void. All that it gives is
// durable from here on.
func (l *wal) scan() []record {
	for i := range l.records {
		if l.records[i].checksum() != l.records[i].sum && l.n.bug() != bugTornTailTaken {
			l.records = l.records[:i]
			break
		}
	}
	l.durable = len(l.records)
	l.index()
	if n := len(l.records); n > 0 {
		l.next = l.records[n-1].at.Seq + 1
	}
	return l.records
}

// keep lets go of the durable records that are not wanted any more.
func (l *wal) keep(wanted func(*record) bool) {
	kept := make([]record, 0, len(l.records))
	for i := range l.records {
		if i >= l.durable || wanted(&l.records[i]) {
			kept = append(kept, l.records[i])
		}
	}
	l.durable -= len(l.records) - len(kept)
	l.records = kept
	l.index()
}

func (l *wal) index() {
	clear(l.keys)
	for i := range l.records[:l.durable] {
		l.keys[l.records[i].key] = true
	}
}
