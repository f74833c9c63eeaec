// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"encoding/binary"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// Kinds of records in the ordering log. FORMAT.md draws them.
const (
	recordEntries     uint8 = 1 // hard state, entries in the meta
	recordEntriesLong uint8 = 2 // hard state, entries in the payload
	recordBase        uint8 = 3 // hard state, and what stands for the entries that were let go
	recordInstall     uint8 = 4 // the same, taken from a peer: the log before it is void
)

// recordBytesMax bounds the entries of one record, unless one entry alone is larger.
const recordBytesMax = 32 << 10

// entryHeadBytes is an entry's encoding without its data: type, term, index, length.
const entryHeadBytes = 1 + 8 + 8 + 4

// hardStateBytes is the encoding of a hard state: term, vote, commit.
const hardStateBytes = 3 * 8

// RefBytesMax bounds the host's part of a snapshot reference.
const RefBytesMax = 1024

// A base stands for all entries up to an index: those that the log let go, and at first those before the first.
type base struct {
	index  uint64
	term   uint64
	height chain.Height // of the last proposal at or below index
	timeUs uint64       // of that proposal
	conf   pb.ConfState
	ref    []byte // the host's, at most RefBytesMax
}

// A Record is one record of the ordering log, as it is written.
type Record struct {
	Kind    uint8
	Meta    []byte
	Payload []byte
}

func appendHardState(dst []byte, h pb.HardState) []byte {
	for _, v := range []uint64{h.Term, h.Vote, h.Commit} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

func appendEntry(dst []byte, e *pb.Entry) []byte {
	dst = append(dst, uint8(e.Type))
	dst = binary.LittleEndian.AppendUint64(dst, e.Term)
	dst = binary.LittleEndian.AppendUint64(dst, e.Index)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.Data)))
	return append(dst, e.Data...)
}

// encodeEntries makes the record of a hard state and entries, which may be none. Short ones share the record's head page.
func encodeEntries(h pb.HardState, entries []pb.Entry) Record {
	size := entriesBytes(entries)
	meta := appendHardState(make([]byte, 0, hardStateBytes+min(size, seglog.MetaBytesMax)), h)
	var body []byte
	for i := range entries {
		body = appendEntry(body, &entries[i])
	}
	if hardStateBytes+size <= seglog.MetaBytesMax {
		return Record{Kind: recordEntries, Meta: append(meta, body...)}
	}
	return Record{Kind: recordEntriesLong, Meta: meta, Payload: body}
}

func entriesBytes(entries []pb.Entry) int {
	n := 0
	for i := range entries {
		n += entryHeadBytes + len(entries[i].Data)
	}
	return n
}

// encodeBase makes the record of a base; kind is recordBase or recordInstall.
func encodeBase(kind uint8, h pb.HardState, b *base) Record {
	meta := appendHardState(nil, h)
	meta = binary.LittleEndian.AppendUint64(meta, b.index)
	meta = binary.LittleEndian.AppendUint64(meta, b.term)
	conf, err := b.conf.Marshal()
	fault.Invariant(err == nil && len(conf) <= 2048, "a membership has no encoding: %v", err)
	meta = binary.LittleEndian.AppendUint16(meta, uint16(len(conf)))
	return Record{Kind: kind, Meta: append(append(meta, conf...), encodeRef(b)...)}
}

// encodeRef is the data of a snapshot: where the state is that stands for the entries, never the state itself.
func encodeRef(b *base) []byte {
	fault.Invariant(len(b.ref) <= RefBytesMax, "a snapshot reference has %d bytes", len(b.ref))
	dst := binary.LittleEndian.AppendUint64(nil, uint64(b.height))
	dst = binary.LittleEndian.AppendUint64(dst, b.timeUs)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(b.ref)))
	return append(dst, b.ref...)
}

// snapshot is b as the library knows it.
func (b *base) snapshot() pb.Snapshot {
	return pb.Snapshot{Data: encodeRef(b), Metadata: pb.SnapshotMetadata{Index: b.index, Term: b.term, ConfState: b.conf}}
}

// baseOf reads a snapshot of a peer. It looks at the form only.
func baseOf(s *pb.Snapshot) (base, error) {
	r := fields{b: s.Data}
	b := base{index: s.Metadata.Index, term: s.Metadata.Term, conf: s.Metadata.ConfState}
	b.height, b.timeUs, b.ref = chain.Height(r.u64()), r.u64(), r.bytes()
	if r.short || len(r.b) > 0 || len(b.ref) > RefBytesMax {
		return base{}, malformed("a snapshot reference of %d bytes", len(s.Data))
	}
	return b, nil
}

// logged is a record read back.
type logged struct {
	kind    uint8
	hard    pb.HardState
	entries []pb.Entry
	base    base
}

// decodeRecord reads a record; what it keeps is copied. Every error is Corrupt.
func decodeRecord(kind uint8, meta, payload []byte) (logged, error) {
	r := fields{b: meta}
	l := logged{kind: kind, hard: pb.HardState{Term: r.u64(), Vote: r.u64(), Commit: r.u64()}}
	var err error
	switch kind {
	case recordEntries:
		l.entries, err = decodeEntries(r.b)
	case recordEntriesLong:
		l.entries, err = decodeEntries(payload)
	case recordBase, recordInstall:
		l.base, err = decodeBase(&r)
	default:
		return l, corruptRecord("its kind is %d", kind)
	}
	if err == nil && r.short {
		err = corruptRecord("it ends too early")
	}
	return l, err
}

func corruptRecord(format string, args ...any) error {
	return fault.New(fault.Corrupt, "record of the ordering log: "+format, args...)
}

func decodeEntries(b []byte) ([]pb.Entry, error) {
	b = append([]byte(nil), b...) // one copy for all data
	r := fields{b: b}
	var entries []pb.Entry
	for len(r.b) > 0 {
		e := pb.Entry{Type: pb.EntryType(r.u8()), Term: r.u64(), Index: r.u64()}
		n := r.u32()
		if uint64(n) > uint64(len(r.b)) {
			return nil, corruptRecord("an entry of %d bytes in %d", n, len(r.b))
		}
		if n > 0 {
			e.Data = r.take(int(n))
		}
		if r.short || e.Type != pb.EntryNormal || e.Index == 0 || e.Term == 0 {
			return nil, corruptRecord("entry %d of term %d, type %d", e.Index, e.Term, e.Type)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func decodeBase(r *fields) (base, error) {
	index, term, conf := r.u64(), r.u64(), r.bytes()
	b, err := baseOf(&pb.Snapshot{Data: r.b, Metadata: pb.SnapshotMetadata{Index: index, Term: term}})
	if err != nil {
		return base{}, corruptRecord("%v", err)
	}
	if err := b.conf.Unmarshal(conf); err != nil {
		return base{}, corruptRecord("its membership: %v", err)
	}
	return b, nil
}
