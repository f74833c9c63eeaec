// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"cmp"
	"context"
	"encoding/binary"
	"path/filepath"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// Known is what others than the log know of it.
type Known struct {
	Identity     Identity
	SegmentBytes int64 // size of a segment whose file is gone
	// Oldest and Newest are segments that must be there; 0: nobody knows of one.
	Oldest, Newest uint64
	// LastSeq is the highest sequence that is known to lie in a segment; 0: none. The end of the newest segment is damaged, and
	// not torn, as far as this goes.
	LastSeq func(segment uint64) uint64
}

// Damage is a segment that is not as it was written, and what is missing in it.
type Damage struct {
	Segment uint64
	Path    string
	Offset  int64  // of the first byte that is wrong, as far as is known
	Text    string // what is wrong there
	Lost    []Lost // records to be written anew, ascending by sequence
	// Hopeless says why even with all records the segment cannot be made whole; empty if it can.
	Hopeless string

	header segmentHeader
	file   bool // the file is there, and what spans name is as written
	newest bool
	spans  []span // intact records, ascending
	next   chain  // after the last record; of the newest segment nobody knows
}

// span is a stretch of a file.
type span struct{ from, to int64 }

// Lost is a record that cannot be read. Its bytes are proved by who fetches them.
type Lost struct {
	Pos  Pos // Offset and Bytes are 0 while they are not known
	Kind uint8
	Meta []byte
	// Sure says that the head is intact, so Kind, Meta and Pos are as they were written. Otherwise they are what the damaged
	// head seems to say, and may be empty.
	Sure bool

	group, groupFirst uint64
	bodyCRC           uint32 // of a sure one
	stretch           span   // no intact record lies in here
}

// Survey reads a log's folder whole, which nobody writes to, and tells of each damaged segment what is missing in it. A torn
// tail is not damage. progress, if not nil, is told how many bytes more were read.
func Survey(ctx context.Context, fs disk.FS, dir string, known Known, progress func(bytes int64)) ([]*Damage, error) {
	inv, err := takeInventory(fs, dir)
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(int64) {}
	}
	if known.LastSeq == nil {
		known.LastSeq = func(uint64) uint64 { return 0 }
	}
	s := &surveyor{ctx: ctx, fs: fs, dir: dir, known: known, inv: inv, progress: progress}
	if err := s.leaveBare(); err != nil {
		return nil, err
	}
	first, last := known.Oldest, known.Newest
	if n := len(s.inv.segs); n > 0 {
		last = max(last, s.inv.segs[n-1])
		if first == 0 || s.inv.segs[0] < first {
			first = s.inv.segs[0]
		}
	}
	s.last = last
	for number := max(first, 1); number <= last; number++ {
		if err := s.segment(number); err != nil {
			return nil, err
		}
	}
	return s.found, nil
}

type surveyor struct {
	ctx      context.Context
	fs       disk.FS
	dir      string
	known    Known
	inv      inventory
	progress func(int64)
	last     uint64 // the newest segment
	begun    bool   // chain is known
	chain    chain  // after what was read
	found    []*Damage
}

// segment surveys one segment, with its file or without.
func (s *surveyor) segment(number uint64) error {
	d := &Damage{Segment: number, Path: filepath.Join(s.dir, fileName(segPrefix, number)), Offset: -1}
	size, present := s.inv.bytes[number]
	if !present {
		d.header = segmentHeader{identity: s.known.Identity, number: number, bytes: uint32(s.known.SegmentBytes)}
		d.note(0, "the file is missing")
		return s.lose(d)
	}
	f, err := s.fs.OpenFile(d.Path, disk.ReadOnly, true)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "a segment cannot be opened")
	}
	defer f.Close()
	if size < 2*PageBytes || size%PageBytes != 0 {
		d.header = segmentHeader{identity: s.known.Identity, number: number, bytes: uint32(s.known.SegmentBytes)}
		d.note(size, "the file was cut")
		return s.lose(d)
	}
	seg := &segment{path: d.Path, file: f}
	if err := s.header(d, seg, size); err != nil {
		return err
	}
	return s.records(d, seg)
}

// leaveBare leaves the file out that waits to be the next segment and never had a header.
func (s *surveyor) leaveBare() error {
	n := len(s.inv.segs)
	if n == 0 || s.inv.segs[n-1] <= s.known.Newest {
		return nil
	}
	number := s.inv.segs[n-1]
	seg, err := openSegment(s.fs, filepath.Join(s.dir, fileName(segPrefix, number)), disk.ReadOnly, s.inv.bytes[number])
	if seg != nil {
		defer seg.file.Close()
	}
	if DamagedFile(err) != "" {
		return nil // what is wrong is found by and by
	}
	if err == nil && seg.header.number == 0 {
		s.inv.segs = s.inv.segs[:n-1]
		delete(s.inv.bytes, number)
	}
	return err
}

// header finds out what the header is or must be.
func (s *surveyor) header(d *Damage, seg *segment, size int64) error {
	page := disk.Aligned(PageBytes)
	var h segmentHeader
	err := readFull(seg.file, seg.path, page, 0)
	if err == nil {
		h, err = decodeSegmentHeader(page)
	}
	if err == nil && h.identity != s.known.Identity {
		return fault.Reasoned(fault.Conflict, "log_identity", "%s belongs to another log (%x, not %x): this folder is not this chain's", d.Path, h.identity, s.known.Identity)
	}
	if err == nil && (h.number != d.Segment || int64(h.bytes) != size) {
		err = fault.New(fault.Corrupt, "the header is not this segment's")
	}
	if err == nil && s.begun && chainAt(h).nextSeq != s.chain.nextSeq {
		err = fault.New(fault.Corrupt, "the segment does not begin where the one before ends")
	}
	switch {
	case err == nil:
		d.header = h
		if !s.begun {
			s.begun, s.chain = true, chainAt(h)
		}
	case !fault.Is(err, fault.Corrupt) && DamagedFile(err) == "":
		return err
	default:
		d.note(0, err.Error())
		// The salt is tried as it stands: without it no record proves itself.
		d.header = segmentHeader{identity: s.known.Identity, number: d.Segment, bytes: uint32(size), salt: binary.LittleEndian.Uint32(page[60:])}
	}
	seg.header = d.header
	return nil
}

// records walks through a file's records.
func (s *surveyor) records(d *Damage, seg *segment) error {
	if d.Segment == s.last {
		if torn, err := s.torn(d, seg); torn || err != nil {
			return err
		}
	}
	w := newSurveyWalk(d, seg, s.begun, s.chain)
	for off := int64(PageBytes); off < seg.size(); {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		step, err := w.step(off)
		if err != nil {
			return err
		}
		off += step
		s.progress(step)
	}
	if d.header.firstSeq == 0 && len(d.spans) == 0 { // the salt was wrong as well: nothing proves itself
		d.Lost = nil
		return s.lose(d)
	}
	if !w.begun {
		d.Hopeless = "its header and its records are lost, and it is the oldest"
	}
	s.begun, d.file = true, true
	return s.close(d, w)
}

// torn reports whether a segment's end is as a crash may leave it, and nobody knows of a record there.
func (s *surveyor) torn(d *Damage, seg *segment) (bool, error) {
	if d.Offset >= 0 {
		return false, nil
	}
	c, err := checkSegment(seg)
	if DamagedFile(err) != "" || err == nil && s.known.LastSeq(d.Segment) >= c.chain.nextSeq {
		return false, nil
	}
	return true, err
}

// lose is for a segment of which nothing is left.
func (s *surveyor) lose(d *Damage) error {
	if !s.begun && d.Segment != 1 {
		d.Hopeless = "it is the oldest, so nothing says with which record it begins"
		s.found = append(s.found, d)
		return nil
	}
	if !s.begun {
		s.begun, s.chain = true, chain{nextSeq: 1}
	}
	w := newSurveyWalk(d, &segment{header: d.header}, true, s.chain)
	w.gap = PageBytes
	return s.close(d, w)
}

// close settles what is lost behind the last intact record.
func (s *surveyor) close(d *Damage, w *surveyWalk) error {
	tail := span{w.gap, int64(d.header.bytes)}
	if w.gap < 0 {
		tail.from = tail.to
	}
	end, err := s.end(d.Segment, w.chain)
	if err != nil {
		return err
	}
	switch {
	case end.nextSeq > w.chain.nextSeq:
		w.lose(tail, end.nextSeq, end.group)
	case s.known.LastSeq(d.Segment) >= end.nextSeq && end.nextSeq != 0, end.nextSeq != 0 && end.nextSeq < w.chain.nextSeq:
		d.note(tail.from, "the segment does not end where the next one begins")
		d.Hopeless = "it holds records that the next segment has, too"
	case w.gap >= 0 && w.dirty >= 0 && d.Segment != s.last:
		d.note(w.dirty, "the unused part of the file is not zero")
	}
	d.header.firstSeq, d.header.firstGroup = w.start.nextSeq, w.start.group+1
	s.chain = chain{nextSeq: w.chain.nextSeq, group: w.chain.group}
	d.next = s.chain
	if d.newest = d.Segment == s.last; d.newest {
		d.forgetTorn(s.known.LastSeq(d.Segment))
	}
	if d.Offset >= 0 || d.Hopeless != "" {
		slices.SortFunc(d.Lost, func(a, b Lost) int { return cmp.Compare(a.Pos.Seq, b.Pos.Seq) })
		s.found = append(s.found, d)
	}
	return nil
}

// forgetTorn drops what a crash may have torn off the end: records behind the last intact one that nobody knows.
func (d *Damage) forgetTorn(known uint64) {
	last := int64(0)
	if n := len(d.spans); n > 0 {
		last = d.spans[n-1].to
	}
	d.Lost = slices.DeleteFunc(d.Lost, func(l Lost) bool { return l.Pos.Seq > known && l.stretch.from >= last })
}

// end tells the sequence behind a segment's last record and that record's group: as the next segment says, else as far as
// anybody knows, with as many groups as leave one for each segment that is lost, too. Sequence 0: nobody does.
func (s *surveyor) end(number uint64, c chain) (chain, error) {
	next, err := s.headerFrom(number + 1)
	if err != nil || next.number == number+1 {
		return chainAt(next), err
	}
	last := s.known.LastSeq(number)
	if last < c.nextSeq {
		return chain{}, nil
	}
	groups := uint64(1)
	if next.number != 0 {
		left := next.firstGroup - 1 - c.group
		left -= min(left, next.number-number-1)
		groups = max(1, min(left, last+1-c.nextSeq))
	}
	return chain{nextSeq: last + 1, group: c.group + groups}, nil
}

// headerFrom finds the first intact header from a segment on; number 0: there is none.
func (s *surveyor) headerFrom(number uint64) (segmentHeader, error) {
	for ; number <= s.last; number++ {
		if s.inv.bytes[number] < PageBytes {
			continue
		}
		path := filepath.Join(s.dir, fileName(segPrefix, number))
		f, err := s.fs.OpenFile(path, disk.ReadOnly, true)
		if err != nil {
			return segmentHeader{}, fault.Wrap(fault.Unavailable, err, "a segment cannot be opened")
		}
		page := disk.Aligned(PageBytes)
		err = readFull(f, path, page, 0)
		_ = f.Close() // it was only read
		if err != nil && DamagedFile(err) == "" {
			return segmentHeader{}, err
		}
		if h, bad := decodeSegmentHeader(page); err == nil && bad == nil && h.number == number {
			return h, nil
		}
	}
	return segmentHeader{}, nil
}

// note keeps what is wrong first.
func (d *Damage) note(off int64, text string) {
	if d.Offset < 0 || off < d.Offset {
		d.Offset, d.Text = off, text
	}
}
