// SPDX-License-Identifier: Apache-2.0

package seglog

import "github.com/aurigraph/aurigraph/internal/seglog/disk"

// scrubWindowBytes is the memory of a scrub, beside that of the largest record.
const scrubWindowBytes = 128 << 10

// Scrub reads a segment from the disk and checks every byte in it that is durable, also while the log appends. pace is
// called with the bytes of each step and may wait; its error ends the scrub. The first damage is Corrupt; a segment that is
// recycled meanwhile is Pruned.
func (r *Reader) Scrub(number uint64, pace func(bytes int64) error) error {
	s, err := r.find(number)
	if err != nil {
		return err
	}
	limit, whole := s.size(), s != r.newest()
	if !whole {
		limit = s.end.Load()
	}
	page := disk.Aligned(PageBytes)
	if err := s.readAt(page, 0); err != nil {
		return err
	}
	if h, err := decodeSegmentHeader(page); err != nil || h != s.header {
		return corrupt(s.path, 0, "the segment header is not as it was written")
	}
	c := scrub{walker: walker{cursor: newCursor(s, limit, scrubWindowBytes)}, chain: chainAt(s.header), limit: limit, pace: pace}
	if err := c.records(); err != nil || !whole {
		return err
	}
	if next, err := r.find(number + 1); err == nil && chainAt(next.header) != (chain{nextSeq: c.chain.nextSeq, group: c.chain.group}) {
		return corrupt(s.path, c.end, "its last record is %d, but the next segment begins with %d", c.chain.nextSeq-1, next.header.firstSeq)
	}
	return nil
}

// scrub is one Scrub under way.
type scrub struct {
	walker
	chain chain
	end   int64 // behind the last record
	limit int64
	pace  func(bytes int64) error
}

// records goes over the records and what is unused behind them.
func (c *scrub) records() error {
	s := c.cursor.seg
	c.end = PageBytes
	for off := int64(PageBytes); off < c.limit; {
		page, err := c.cursor.page(off)
		if err != nil {
			return err
		}
		step := int64(PageBytes)
		if !isZero(page) {
			h, ok, err := c.valid(off, page)
			if err != nil {
				return err
			}
			if !ok || off != c.end {
				return corrupt(s.path, off, "no intact record")
			}
			if text := c.chain.follow(h); text != "" {
				return corrupt(s.path, off, "%s", text)
			}
			step = int64(h.recordBytes())
			c.end = off + step
		}
		off += step
		if err := c.pace(step); err != nil {
			return err
		}
	}
	return nil
}
