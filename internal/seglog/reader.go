// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

const scanWindowBytes = 128 << 10

// Record is one record read back, its checksums checked. Meta and Payload are not to be written to.
type Record struct {
	Seq     uint64
	Group   uint64 // records of one group were flushed together
	Kind    uint8
	Meta    []byte
	Payload []byte
	// Buffer is the memory of a record from Scan, gone when the callback returns unless it calls Retain (and later
	// Release). It is nil for a record from Read, which the garbage collector owns.
	Buffer *Buffer
}

// SegmentInfo describes one segment that holds records.
type SegmentInfo struct {
	Number   uint64
	FirstSeq uint64
	Bytes    int64 // size of the file
	Path     string
}

// Reader reads a log's durable records, also while its Log appends. All methods are safe for concurrent use.
type Reader struct {
	dir     string
	pool    *Pool
	nextSeq atomic.Uint64 // sequence of the next record to become durable

	mu   sync.RWMutex
	segs []*segment // guarded by mu; ascending, no gaps; the last is the one written to
}

// OpenReader opens a folder that nobody writes to, for offline reading. A torn tail is left where it is and not read.
func OpenReader(fs disk.FS, dir string) (*Reader, error) {
	if fs == nil {
		fs = disk.OS()
	}
	inv, err := takeInventory(fs, dir)
	if err != nil {
		return nil, err
	}
	loaded, err := inv.open(fs, dir, disk.ReadOnly, nil)
	if err != nil {
		return nil, err
	}
	r := &Reader{dir: dir, pool: NewPool(4*(PayloadBytesMax+PageBytes), PayloadBytesMax), segs: loaded.segs}
	tail, err := loaded.check(1)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.nextSeq.Store(tail.chain.nextSeq)
	if loaded.bare != nil {
		err = loaded.bare.file.Close()
	}
	return r, err
}

// Close closes the files. Reads under way are waited for; later ones get Pruned.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range r.segs {
		errs = append(errs, s.retire())
	}
	r.segs = nil
	return errors.Join(errs...)
}

// NextSeq is the sequence that the next durable record will have; all below it are durable.
func (r *Reader) NextSeq() uint64 { return r.nextSeq.Load() }

// Segments lists the segments that hold records, oldest first.
func (r *Reader) Segments() []SegmentInfo {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]SegmentInfo, len(r.segs))
	for i, s := range r.segs {
		list[i] = SegmentInfo{Number: s.header.number, FirstSeq: s.header.firstSeq, Bytes: s.size(), Path: s.path}
	}
	return list
}

// RetainedBytes is the size of all segments that hold records; spares are not counted.
func (r *Reader) RetainedBytes() int64 {
	var sum int64
	for _, s := range r.Segments() {
		sum += s.Bytes
	}
	return sum
}

// Read reads one record. A recycled position is Pruned, one never written NotFound, a damaged record Corrupt.
func (r *Reader) Read(pos Pos) (Record, error) {
	s, err := r.at(pos)
	if err != nil {
		return Record{}, err
	}
	mem := disk.Aligned(int(pos.Bytes))
	if err := s.readAt(mem, int64(pos.Offset)); err != nil {
		return Record{}, err
	}
	h, err := headAt(s, pos, mem)
	if err != nil {
		return Record{}, err
	}
	if !h.bodyOK(mem[PageBytes:]) {
		return Record{}, corrupt(s.path, int64(pos.Offset), "record %d fails its checksum", h.seq)
	}
	return makeRecord(h, mem), nil
}

// ReadRange reads n bytes of a record's payload from offset off, without the rest. The head is checked, the bytes are
// not: the caller proves them, as by a hash slice.
func (r *Reader) ReadRange(pos Pos, off, n int) ([]byte, error) {
	s, err := r.at(pos)
	if err != nil {
		return nil, err
	}
	page := disk.Aligned(PageBytes)
	if err := s.readAt(page, int64(pos.Offset)); err != nil {
		return nil, err
	}
	h, err := headAt(s, pos, page)
	if err != nil {
		return nil, err
	}
	if off < 0 || n < 0 || off > int(h.payloadBytes) || n > int(h.payloadBytes)-off {
		return nil, fault.New(fault.Invalid, "bytes %d+%d lie outside the payload of %d bytes", off, n, h.payloadBytes)
	}
	skip := off % PageBytes
	mem := disk.Aligned(disk.RoundUp(skip + n))
	if err := s.readAt(mem, int64(pos.Offset)+PageBytes+int64(off-skip)); err != nil {
		return nil, err
	}
	return mem[skip : skip+n : skip+n], nil
}

// at finds the segment of a position and checks that a durable record may lie there.
func (r *Reader) at(pos Pos) (*segment, error) {
	if pos.Offset < PageBytes || pos.Offset%PageBytes != 0 || pos.Bytes < PageBytes || pos.Bytes%PageBytes != 0 ||
		int(pos.Bytes) > PayloadBytesMax+PageBytes {
		return nil, fault.New(fault.Invalid, "%+v is not a position of a record", pos)
	}
	s, err := r.find(pos.Segment)
	if err != nil {
		return nil, err
	}
	end := s.end.Load()
	if end == endUnknown {
		end = s.size()
	}
	if int64(pos.Offset)+int64(pos.Bytes) > end {
		return nil, fault.New(fault.NotFound, "segment %d has no record at offset %d", pos.Segment, pos.Offset)
	}
	return s, nil
}

func headAt(s *segment, pos Pos, page []byte) (recordHead, error) {
	h, ok := decodeRecordHead(page, s.header.salt)
	if !ok || h.segment != pos.Segment {
		return h, corrupt(s.path, int64(pos.Offset), "no intact record head")
	}
	if h.recordBytes() != int(pos.Bytes) || (pos.Seq != 0 && h.seq != pos.Seq) {
		return h, fault.New(fault.NotFound, "record %d of %d bytes lies there, not record %d of %d", h.seq, h.recordBytes(), pos.Seq, pos.Bytes)
	}
	return h, nil
}

func makeRecord(h recordHead, mem []byte) Record {
	end := PageBytes + int(h.payloadBytes)
	return Record{
		Seq: h.seq, Group: h.group, Kind: h.kind,
		Meta: mem[headFieldBytes : headFieldBytes+int(h.metaBytes)], Payload: mem[PageBytes:end:end],
	}
}

func (r *Reader) find(number uint64) (*segment, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.segs) > 0 {
		oldest := r.segs[0].header.number
		if number < oldest {
			return nil, pruned(number)
		}
		if i := number - oldest; i < uint64(len(r.segs)) {
			return r.segs[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "segment %d was not written yet", number)
}

func (r *Reader) oldest() *segment {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.segs) == 0 {
		return nil
	}
	return r.segs[0]
}

func (r *Reader) newest() *segment {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.segs) == 0 {
		return nil
	}
	return r.segs[len(r.segs)-1]
}

// Scan calls fn for each record from a position on, in order, up to what was durable when Scan was called. The zero Pos
// is the oldest record; a Pos with Offset 0 is the first one of its segment; Offset+Bytes of one is the next one's Offset. An error of fn ends the scan and is
// returned. Each record has pool memory of its own, so a callback that retains many is slowed down by the pool's bound.
func (r *Reader) Scan(ctx context.Context, from Pos, fn func(Pos, Record) error) error {
	last := r.newest()
	if last == nil {
		return nil
	}
	sc := scan{reader: r, fn: fn, last: last, limit: last.end.Load()}
	s := r.oldest()
	if from.Segment != 0 {
		var err error
		if s, err = r.find(from.Segment); err != nil {
			return err
		}
	}
	if from.Offset%PageBytes != 0 || int64(from.Offset) > s.size() {
		return fault.New(fault.Invalid, "%+v is not a position of a record", from)
	}
	sc.chain = chainAt(s.header)
	off := int64(max(from.Offset, PageBytes))
	if off > PageBytes {
		sc.learn, sc.chain.nextSeq = true, from.Seq
	}
	return sc.run(ctx, s, off)
}

// scan is one Scan under way.
type scan struct {
	reader *Reader
	fn     func(Pos, Record) error
	last   *segment
	limit  int64 // where reading ends in last
	chain  chain
	learn  bool // the scan begins inside a segment: the first record tells the group, and the sequence if from.Seq is 0
}

func (sc *scan) run(ctx context.Context, s *segment, off int64) error {
	for {
		if err := sc.segment(ctx, s, off); err != nil || s == sc.last {
			return err
		}
		next, err := sc.reader.find(s.header.number + 1)
		if err != nil {
			return err
		}
		if sc.learn { // it began behind the segment's last record
			sc.learn, sc.chain = false, chainAt(next.header)
		}
		if want := chainAt(next.header); want.nextSeq != sc.chain.nextSeq || want.group != sc.chain.group {
			return corrupt(s.path, s.size(), "its last record is %d, but the next segment begins with %d", sc.chain.nextSeq-1, want.nextSeq)
		}
		s, off = next, PageBytes
	}
}

func (sc *scan) segment(ctx context.Context, s *segment, off int64) error {
	end := s.end.Load()
	if s == sc.last {
		end = sc.limit
	}
	limit := end
	if end == endUnknown {
		limit = s.size()
	}
	c := newCursor(s, limit, scanWindowBytes)
	for off < limit {
		page, err := c.page(off)
		if err != nil {
			return err
		}
		if end == endUnknown && isZero(page) {
			return nil
		}
		n, err := sc.record(ctx, c, off, page)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

func (sc *scan) record(ctx context.Context, c *cursor, off int64, page []byte) (int, error) {
	s := c.seg
	h, ok := decodeRecordHead(page, s.header.salt)
	if !ok || h.segment != s.header.number || off+int64(h.recordBytes()) > c.limit {
		return 0, corrupt(s.path, off, "no intact record head")
	}
	if sc.learn {
		sc.learn = false
		sc.chain.group, sc.chain.groupFirst = h.group, h.groupFirst
		if sc.chain.nextSeq == 0 {
			sc.chain.nextSeq = h.seq
		}
	}
	if text := sc.chain.follow(h); text != "" {
		return 0, corrupt(s.path, off, "%s", text)
	}
	b, err := sc.reader.pool.Get(ctx, int(h.payloadBytes))
	if err != nil {
		return 0, err
	}
	defer b.Release()
	n := h.recordBytes()
	if err := c.bytes(b.mem[:n], off); err != nil {
		return 0, err
	}
	if !h.bodyOK(b.mem[PageBytes:n]) {
		return 0, corrupt(s.path, off, "record %d fails its checksum", h.seq)
	}
	b.meta, b.kind, b.bodyCRC, b.sealed = int(h.metaBytes), h.kind, h.bodyCRC, true
	rec := makeRecord(h, b.mem)
	rec.Buffer = b
	return n, sc.fn(Pos{Segment: s.header.number, Offset: uint32(off), Bytes: uint32(n), Seq: h.seq}, rec)
}
