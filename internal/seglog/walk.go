// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

const walkWindowBytes = 1 << 20

// gap is a stretch without a valid record.
type gap struct {
	from, to int64
	dirtyAt  int64 // first byte that is not zero, or -1
	dirtyEnd int64 // end of the last page that is not zero
}

func (g *gap) empty() bool { return g.to <= g.from }

func (g *gap) add(off int64, page []byte) {
	g.to = off + PageBytes
	if i := firstNonZeroFast(page); i >= 0 {
		if g.dirtyAt < 0 {
			g.dirtyAt = off + int64(i)
		}
		g.dirtyEnd = g.to
	}
}

func firstNonZeroFast(page []byte) int {
	if isZero(page) {
		return -1
	}
	return firstNonZero(page)
}

// walk reads every byte behind a segment's header. It calls record for each valid record with the gap before it, and
// gives the gap at the end. A record behind damage is found again because records begin on pages and a head's checksum
// is salted: payload bytes cannot pass for a head.
func walk(s *segment, progress func(int64), record func(off int64, h recordHead, before gap) error) (gap, error) {
	w := walker{cursor: newCursor(s, s.size(), walkWindowBytes)}
	g := gap{from: PageBytes, dirtyAt: -1}
	for off := int64(PageBytes); off < s.size(); {
		page, err := w.cursor.page(off)
		if err != nil {
			return g, err
		}
		step := int64(PageBytes)
		h, ok, err := w.valid(off, page)
		switch {
		case err != nil:
			return g, err
		case ok:
			if err := record(off, h, g); err != nil {
				return g, err
			}
			step = int64(h.recordBytes())
			g = gap{from: off + step, dirtyAt: -1}
		default:
			g.add(off, page)
		}
		off += step
		progress(step)
	}
	return g, nil
}

type walker struct {
	cursor *cursor
	body   []byte
}

// valid reports whether a whole, intact record of this segment begins at off.
func (w *walker) valid(off int64, page []byte) (recordHead, bool, error) {
	s := w.cursor.seg
	h, ok := decodeRecordHead(page, s.header.salt)
	if !ok || h.segment != s.header.number || off+int64(h.recordBytes()) > s.size() {
		return h, false, nil
	}
	n := h.recordBytes() - PageBytes
	if n > len(w.body) {
		w.body = disk.Aligned(n)
	}
	if err := w.cursor.bytes(w.body[:n], off+PageBytes); err != nil {
		return h, false, err
	}
	return h, h.bodyOK(w.body[:n]), nil
}

// checked is what a check of a segment found.
type checked struct {
	end        int64 // behind the last good record
	chain      chain // after it
	cutEnd     int64 // end of what a torn group left behind end; end if nothing
	cutRecords int   // intact records in there
}

// checkSegment reads a segment whole. Damage is torn if all of it can belong to one group that was never flushed: no
// intact record behind it says that an earlier group had been flushed before it. Any other damage is Corrupt.
func checkSegment(s *segment) (checked, error) {
	c := checked{end: PageBytes, chain: chainAt(s.header)}
	torn := false
	tail, err := walk(s, func(int64) {}, func(off int64, h recordHead, before gap) error {
		after := off + int64(h.recordBytes())
		if !torn && before.empty() {
			if text := c.chain.follow(h); text != "" {
				return corrupt(s.path, off, "%s", text)
			}
			c.end = after
			return nil
		}
		torn = true
		if h.groupFirst > c.chain.nextSeq || h.group > c.chain.group+1 || h.seq <= c.chain.nextSeq {
			return corrupt(s.path, c.end, "no intact record, but record %d of a later group follows at %d", h.seq, off)
		}
		c.cutEnd = after
		c.cutRecords++
		return nil
	})
	c.cutEnd = max(c.cutEnd, c.end, tail.dirtyEnd)
	return c, err
}
