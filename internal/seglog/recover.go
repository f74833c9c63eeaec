// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"path/filepath"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// inventory is what lies in a log's folder, by name only.
type inventory struct {
	segs   []uint64
	spares []disk.Entry
	dirty  []disk.Entry
	other  []disk.Entry
	bytes  map[uint64]int64 // file size by segment number
	lastNo uint64           // highest number of a spare or dirty file
}

func takeInventory(fs disk.FS, dir string) (inventory, error) {
	entries, err := fs.ReadDir(dir)
	if err != nil {
		return inventory{}, fault.Wrap(fault.Unavailable, err, "the log's folder cannot be listed")
	}
	inv := inventory{bytes: map[uint64]int64{}}
	for _, e := range entries {
		if n, ok := parseName(segPrefix, e.Name); ok {
			inv.segs = append(inv.segs, n)
			inv.bytes[n] = e.Bytes
		} else if n, ok := parseName(sparePrefix, e.Name); ok {
			inv.spares = append(inv.spares, e)
			inv.lastNo = max(inv.lastNo, n)
		} else if n, ok := parseName(dirtyPrefix, e.Name); ok {
			inv.dirty = append(inv.dirty, e)
			inv.lastNo = max(inv.lastNo, n)
		} else {
			inv.other = append(inv.other, e)
		}
	}
	slices.Sort(inv.segs)
	return inv, nil
}

// loaded is a log's folder with its segments open.
type loaded struct {
	segs []*segment
	// bare is the file named as the next segment, whose header was never durable: all zero but for a torn header.
	bare *segment
}

// newestPath is the newest segment's, or that of the first one that would be.
func (ld loaded) newestPath(dir string) string {
	if len(ld.segs) == 0 {
		return filepath.Join(dir, fileName(segPrefix, 1))
	}
	return ld.segs[len(ld.segs)-1].path
}

func (ld loaded) close() {
	for _, s := range ld.segs {
		_ = s.retire() // already failing; nothing was written through these
	}
	if ld.bare != nil {
		_ = ld.bare.file.Close()
	}
}

// open opens all segments and checks headers, sizes and numbering. A nil identity takes any, but the same in all.
func (inv inventory) open(fs disk.FS, dir string, mode disk.Mode, identity *Identity) (ld loaded, err error) {
	defer func() {
		if err != nil {
			ld.close()
		}
	}()
	for i, number := range inv.segs {
		s, err := openSegment(fs, filepath.Join(dir, fileName(segPrefix, number)), mode, inv.bytes[number])
		if s != nil && s.header.number == 0 {
			ld.bare = s
		} else if s != nil {
			ld.segs = append(ld.segs, s)
		}
		if err != nil {
			return ld, err
		}
		if i > 0 && number != inv.segs[i-1]+1 {
			return ld, corrupt(s.path, 0, "segment %d is missing before it", number-1)
		}
		if ld.bare != nil && i < len(inv.segs)-1 {
			return ld, corrupt(s.path, 0, "no intact segment header, but later segments follow")
		}
		if err := ld.checkHeader(number, &identity); err != nil {
			return ld, err
		}
	}
	if ld.bare != nil && len(ld.segs) == 0 && inv.segs[0] != 1 {
		return ld, corrupt(ld.bare.path, 0, "no intact segment header, and the segments before it are missing")
	}
	return ld, nil
}

// checkHeader checks the header read last.
func (ld loaded) checkHeader(number uint64, identity **Identity) error {
	if ld.bare != nil {
		return nil
	}
	s := ld.segs[len(ld.segs)-1]
	if *identity == nil {
		*identity = &s.header.identity
	}
	if s.header.identity != **identity {
		return fault.Reasoned(fault.Conflict, "log_identity", "%s belongs to another log (%x, not %x): this folder is not this chain's", s.path, s.header.identity, **identity)
	}
	if s.header.number != number {
		return corrupt(s.path, 0, "the header says segment %d: the file was renamed", s.header.number)
	}
	if len(ld.segs) > 1 {
		before := ld.segs[len(ld.segs)-2].header
		if s.header.firstSeq <= before.firstSeq || s.header.firstGroup <= before.firstGroup {
			return corrupt(s.path, 0, "it begins with record %d, its predecessor with %d", s.header.firstSeq, before.firstSeq)
		}
	}
	return nil
}

// openSegment opens a file and reads its header. A file whose header was never durable has number 0.
func openSegment(fs disk.FS, path string, mode disk.Mode, size int64) (*segment, error) {
	f, err := fs.OpenFile(path, mode, true)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "a segment cannot be opened")
	}
	s := &segment{path: path, file: f}
	s.end.Store(endUnknown)
	page := disk.Aligned(PageBytes)
	if err := readFull(f, path, page, 0); err != nil {
		return s, err
	}
	h, err := decodeSegmentHeader(page)
	switch {
	case err == nil && int64(h.bytes) != size:
		return s, corrupt(path, size, "the file has %d bytes, its header says %d", size, h.bytes)
	case err == nil:
		s.header = h
		return s, nil
	case fault.Is(err, fault.Corrupt):
		return s, checkBare(s, size, err)
	default:
		return s, err
	}
}

// checkBare proves that a file without an intact header never held a record: records are written only after the header
// was flushed, so all behind it must be zero. Otherwise the header is damaged, and cause stands.
func checkBare(s *segment, size int64, cause error) error {
	if size%PageBytes != 0 {
		return corrupt(s.path, size, "the file was cut")
	}
	window := disk.Aligned(walkWindowBytes)
	for off := int64(PageBytes); off < size; off += walkWindowBytes {
		part := window[:min(walkWindowBytes, size-off)]
		if err := readFull(s.file, s.path, part, off); err != nil {
			return err
		}
		if !isZero(part) {
			return corrupt(s.path, 0, "%v, but records follow", cause)
		}
	}
	return nil
}

// check reads the newest n segments whole, and at least the newest one, whose end it stores and returns.
func (ld loaded) check(n int) (checked, error) {
	tail := checked{chain: chain{nextSeq: 1}}
	if len(ld.segs) == 0 {
		return tail, nil
	}
	for i := max(0, len(ld.segs)-max(n, 1)); i < len(ld.segs); i++ {
		s := ld.segs[i]
		c, err := checkSegment(s)
		if err != nil {
			return c, err
		}
		if i < len(ld.segs)-1 {
			if err := checkJoint(s, c, ld.segs[i+1]); err != nil {
				return c, err
			}
		}
		s.end.Store(c.end)
		tail = c
	}
	return tail, nil
}

// checkJoint checks that a segment ends where the next one begins, with nothing behind its end.
func checkJoint(s *segment, c checked, next *segment) error {
	if c.cutEnd > c.end {
		return corrupt(s.path, c.end, "no intact record, but the file is not zero behind")
	}
	if want := chainAt(next.header); c.chain.nextSeq != want.nextSeq || c.chain.group != want.group {
		return corrupt(s.path, c.end, "its last record is %d, but the next segment begins with %d", c.chain.nextSeq-1, want.nextSeq)
	}
	return nil
}

// cut zeroes what a torn group left in the newest segment and makes the rest durable: an intact record of that group
// may not have been flushed yet.
func cut(s *segment, c checked) error {
	for off := c.end; off < c.cutEnd; {
		n := min(int64(len(zeros)), c.cutEnd-off)
		if err := s.file.WriteVec([][]byte{zeros[:n]}, off); err != nil {
			return fault.Halt(err, "the torn tail of %s cannot be cut", s.path)
		}
		off += n
	}
	return fault.Halt(s.file.Datasync(), "%s cannot be flushed", s.path)
}

// Recovery says what Open had to repair.
type Recovery struct {
	CutBytes   int64 // of the newest segment, zeroed: a group that was never flushed
	CutRecords int   // intact records among them; none was ever acknowledged
}
