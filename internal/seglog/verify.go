// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// problemsMax bounds the problems in a Report; one more says that there are more.
const problemsMax = 1000

// Report is what Verify found.
type Report struct {
	Files    []FileReport
	Problems []Problem
	Records  uint64
	FirstSeq uint64 // of the oldest record; NextSeq if there is none
	NextSeq  uint64
}

// FileReport describes one file of the folder.
type FileReport struct {
	Path  string
	Bytes int64
	Used  int64 // what holds records, the segment's header included; 0 for spares
}

// Problem is a place where bytes are not what they must be.
type Problem struct {
	Path   string
	Offset int64
	Text   string
	// Torn marks what a crash may leave behind: Open cuts it off, and no record in it was ever acknowledged.
	Torn bool
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// Verify reads every byte of a folder that nobody writes to: headers, records, padding, and that all else is zero. It
// goes on behind damage. progress, if not nil, is told bytes done and in all. The error is about reading, not about
// what was read: that is in the report. fs nil is disk.OS().
func Verify(ctx context.Context, fs disk.FS, dir string, progress func(done, total int64)) (Report, error) {
	if fs == nil {
		fs = disk.OS()
	}
	inv, err := takeInventory(fs, dir)
	if err != nil {
		return Report{}, err
	}
	v := &verifier{ctx: ctx, fs: fs, dir: dir, progress: progress}
	for _, n := range inv.bytes {
		v.total += n
	}
	for _, e := range inv.spares {
		v.total += e.Bytes
	}
	for i, number := range inv.segs {
		if i > 0 && number != inv.segs[i-1]+1 {
			v.problem(filepath.Join(dir, fileName(segPrefix, number)), 0, "the segment before it is missing")
		}
		if err := v.segment(number, inv.bytes[number], i == len(inv.segs)-1); err != nil {
			return v.report, err
		}
	}
	if err := v.judgeTail(); err != nil {
		return v.report, err
	}
	for _, e := range inv.spares {
		if err := v.spare(e); err != nil {
			return v.report, err
		}
	}
	if v.identity == nil && len(inv.segs) > 0 && inv.segs[0] != 1 {
		v.problem(filepath.Join(dir, fileName(segPrefix, inv.segs[0])), 0, "no intact segment header, and the segments before it are missing")
	}
	v.rest(inv)
	v.finish()
	return v.report, nil
}

type verifier struct {
	ctx         context.Context
	fs          disk.FS
	dir         string
	progress    func(done, total int64)
	done, total int64
	report      Report
	chain       chain
	identity    *Identity
	newest      newestSegment
}

// newestSegment is the last one with a header, the only one that may have a torn tail, and its problems.
type newestSegment struct {
	path     string
	header   segmentHeader
	from, to int
}

func (v *verifier) problem(path string, off int64, text string) {
	switch n := len(v.report.Problems); {
	case n < problemsMax:
		v.report.Problems = append(v.report.Problems, Problem{Path: path, Offset: off, Text: text})
	case n == problemsMax:
		v.report.Problems = append(v.report.Problems, Problem{Path: v.dir, Text: "there are more problems"})
	}
}

func (v *verifier) advance(n int64) {
	v.done += n
	if v.progress != nil {
		v.progress(v.done, v.total)
	}
}

func (v *verifier) file(path string, bytes, used int64) {
	v.report.Files = append(v.report.Files, FileReport{Path: path, Bytes: bytes, Used: used})
}

func (v *verifier) segment(number uint64, size int64, last bool) error {
	path := filepath.Join(v.dir, fileName(segPrefix, number))
	f, err := v.fs.OpenFile(path, disk.ReadOnly, true)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "a segment cannot be opened")
	}
	defer f.Close()
	if size < PageBytes {
		v.problem(path, size, "the file was cut")
		v.file(path, size, 0)
		return nil
	}
	page := disk.Aligned(PageBytes)
	if err := readFull(f, path, page, 0); err != nil {
		return err
	}
	v.advance(PageBytes)
	h, err := decodeSegmentHeader(page)
	if err != nil {
		return v.bare(f, path, size, page, err, last)
	}
	s := &segment{header: h, path: path, file: f}
	v.header(s, number, size)
	if int64(h.bytes) > size {
		v.file(path, size, size)
		return nil
	}
	return v.records(s, size)
}

// header checks what a header says against its file and the segment before.
func (v *verifier) header(s *segment, number uint64, size int64) {
	h := s.header
	if v.identity == nil {
		v.identity = &h.identity
		v.report.FirstSeq = h.firstSeq
		v.chain = chainAt(h)
	}
	switch {
	case h.identity != *v.identity:
		v.problem(s.path, 16, "the segment belongs to another log")
	case h.number != number:
		v.problem(s.path, 32, "the header has another number than the name")
	case int64(h.bytes) != size:
		v.problem(s.path, min(size, int64(h.bytes)), "the file's size is not what the header says")
	case chainAt(h).nextSeq != v.chain.nextSeq || chainAt(h).group != v.chain.group:
		v.problem(s.path, 40, "the segment does not begin where the one before ends")
	}
	v.chain = chainAt(h)
}

func (v *verifier) records(s *segment, size int64) error {
	first := len(v.report.Problems)
	used := int64(PageBytes)
	tail, err := walk(s, v.advance, func(off int64, h recordHead, before gap) error {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		text := v.chain.follow(h)
		if !before.empty() {
			v.problem(s.path, before.from, "no intact record, but records follow")
			text = ""
		}
		if text != "" {
			v.problem(s.path, off, text)
		}
		v.chain = chain{nextSeq: h.seq + 1, group: h.group, groupFirst: h.groupFirst}
		v.report.Records++
		used = off + int64(h.recordBytes())
		return nil
	})
	if err != nil {
		return err
	}
	if tail.dirtyAt >= 0 {
		v.problem(s.path, tail.dirtyAt, "the unused part of the file is not zero")
	}
	v.file(s.path, size, used)
	if size > s.size() {
		v.advance(size - s.size())
	}
	v.newest = newestSegment{path: s.path, header: s.header, from: first, to: len(v.report.Problems)}
	return nil
}

// judgeTail marks the newest segment's problems as torn if Open would cut them off.
func (v *verifier) judgeTail() error {
	n := v.newest
	if n.from == n.to {
		return nil
	}
	f, err := v.fs.OpenFile(n.path, disk.ReadOnly, true)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "a segment cannot be opened")
	}
	defer f.Close()
	_, err = checkSegment(&segment{path: n.path, header: n.header, file: f})
	if err == nil {
		v.markTorn(n.from, n.to)
		return nil
	}
	if fault.Is(err, fault.Corrupt) {
		return nil // it is in the report already
	}
	return err
}

func (v *verifier) markTorn(from, to int) {
	for i := from; i < to; i++ {
		v.report.Problems[i].Torn = true
	}
}

// bare checks a segment without an intact header: the last one may be all zero, ready for the writer.
func (v *verifier) bare(f disk.File, path string, size int64, page []byte, cause error, last bool) error {
	first := len(v.report.Problems)
	v.file(path, size, 0)
	s := &segment{path: path, file: f}
	if err := checkBare(s, size, cause); err != nil {
		if !fault.Is(err, fault.Corrupt) {
			return err
		}
		v.problem(path, 0, err.Error())
		return nil
	}
	v.advance(size - PageBytes)
	if i := firstNonZero(page); i >= 0 || !last {
		v.problem(path, int64(max(i, 0)), cause.Error())
		if last {
			v.markTorn(first, len(v.report.Problems))
		}
	}
	return nil
}

func (v *verifier) spare(e disk.Entry) error {
	path := filepath.Join(v.dir, e.Name)
	f, err := v.fs.OpenFile(path, disk.ReadOnly, true)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "a spare cannot be opened")
	}
	defer f.Close()
	v.file(path, e.Bytes, 0)
	if e.Bytes%PageBytes != 0 {
		v.problem(path, e.Bytes, "the file was cut")
	}
	window := disk.Aligned(walkWindowBytes)
	for off := int64(0); off+PageBytes <= e.Bytes; off += walkWindowBytes {
		part := window[:min(walkWindowBytes, (e.Bytes-off)&^(PageBytes-1))]
		if err := readFull(f, path, part, off); err != nil {
			return err
		}
		if !isZero(part) {
			v.problem(path, off+int64(firstNonZero(part)), "a spare is not zero")
		}
		v.advance(int64(len(part)))
	}
	return v.ctx.Err()
}

// rest lists the files that hold nothing: dirty ones, left by a crash, have no content to check.
func (v *verifier) rest(inv inventory) {
	for _, e := range inv.dirty {
		v.file(filepath.Join(v.dir, e.Name), e.Bytes, 0)
	}
	for _, e := range inv.other {
		v.file(filepath.Join(v.dir, e.Name), e.Bytes, 0)
		v.problem(filepath.Join(v.dir, e.Name), 0, "the file is not part of a log")
	}
}

func (v *verifier) finish() {
	if v.chain.nextSeq == 0 {
		v.chain.nextSeq, v.report.FirstSeq = 1, 1
	}
	v.report.NextSeq = v.chain.nextSeq
}
