// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"bytes"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// surveyWalk goes through one segment and collects what is lost in it.
type surveyWalk struct {
	walker
	d     *Damage
	start chain           // before the segment's first record
	chain chain           // after the last one seen
	begun bool            // both are known
	gap   int64           // where the present stretch without an intact record began; -1: nowhere
	dirty int64           // first byte behind the last record that is not zero
	hints map[uint64]hint // by sequence: what damaged heads of the present stretch seem to say
}

func newSurveyWalk(d *Damage, seg *segment, begun bool, at chain) *surveyWalk {
	return &surveyWalk{d: d, walker: walker{cursor: newCursor(seg, seg.size(), walkWindowBytes)}, start: at, chain: at, begun: begun, gap: -1, dirty: -1}
}

// hint is a page that seems to be a record's head, though its checksum fails.
type hint struct {
	off  int64
	kind uint8
	meta []byte
}

// step looks at the page at off and tells how far to go on.
func (w *surveyWalk) step(off int64) (int64, error) {
	page, err := w.page(off)
	if err != nil {
		return 0, err
	}
	h, ok := decodeRecordHead(page, w.cursor.seg.header.salt)
	ok = ok && h.segment == w.d.Segment && off+int64(h.recordBytes()) <= w.cursor.seg.size()
	if !ok {
		w.bad(off, page)
		return PageBytes, nil
	}
	meta := bytes.Clone(page[headFieldBytes : headFieldBytes+int(h.metaBytes)])
	sound, err := w.sound(off, h)
	if err != nil {
		return 0, err
	}
	w.head(off, h)
	n := int64(h.recordBytes())
	if sound {
		w.d.spans = append(w.d.spans, span{off, off + n})
	} else {
		w.d.note(off, "the payload fails its checksum")
		w.d.Lost = append(w.d.Lost, Lost{
			Pos:  Pos{Segment: w.d.Segment, Offset: uint32(off), Bytes: uint32(n), Seq: h.seq},
			Kind: h.kind, Meta: meta, Sure: true, group: h.group, groupFirst: h.groupFirst, bodyCRC: h.bodyCRC, stretch: span{off, off + n},
		})
	}
	return n, nil
}

// sound reports whether the payload behind a head is as it was written.
func (w *surveyWalk) sound(off int64, h recordHead) (bool, error) {
	page, err := w.page(off)
	if err != nil {
		return false, err
	}
	_, ok, err := w.valid(off, page)
	if DamagedFile(err) != "" {
		return false, nil
	}
	return ok, err
}

// page gives the page at off, or one of zeros if the disk lost it: it is read alone where more cannot be read at once.
func (w *surveyWalk) page(off int64) ([]byte, error) {
	page, err := w.cursor.page(off)
	if DamagedFile(err) == "" {
		return page, err
	}
	page = disk.Aligned(PageBytes)
	err = w.cursor.seg.readAt(page, off)
	if DamagedFile(err) == "" {
		return page, err
	}
	w.d.note(off, err.Error())
	return zeroPage[:], nil
}

// bad takes a page that is no head of a record.
func (w *surveyWalk) bad(off int64, page []byte) {
	if w.gap < 0 {
		w.gap, w.dirty, w.hints = off, -1, map[uint64]hint{}
	}
	if i := firstNonZeroFast(page); i >= 0 && w.dirty < 0 {
		w.dirty = off + int64(i)
	}
	le := binary.LittleEndian
	looksLikeHead := string(page[:8]) == recordMagic && le.Uint64(page[16:]) == w.d.Segment
	if !looksLikeHead && off != w.gap {
		return
	}
	seq := le.Uint64(page[24:])
	if off == w.gap {
		seq = w.chain.nextSeq // the first page of the stretch is a head, whatever it says
	}
	n := int(le.Uint16(page[52:]))
	if _, known := w.hints[seq]; known || n > MetaBytesMax || isZero(page) || len(w.hints) >= int(w.cursor.seg.size()/PageBytes) {
		return
	}
	w.hints[seq] = hint{off: off, kind: page[54], meta: bytes.Clone(page[headFieldBytes : headFieldBytes+n])}
}

// head takes an intact head: what is missing before it is lost.
func (w *surveyWalk) head(off int64, h recordHead) {
	if !w.begun {
		w.begun, w.chain = true, chain{nextSeq: h.seq, group: h.group - 1}
		if w.start = w.chain; off != PageBytes {
			w.d.Hopeless = "its header and its first records are lost, and it is the oldest"
		}
	}
	if w.gap >= 0 {
		w.loseBefore(span{w.gap, off}, h)
		w.gap = -1
	}
	if text := w.chain.follow(h); text != "" {
		w.d.note(off, text)
		w.d.Hopeless = text
		w.chain = chain{nextSeq: h.seq + 1, group: h.group, groupFirst: h.groupFirst}
	}
}

// loseBefore settles a stretch before an intact head.
func (w *surveyWalk) loseBefore(s span, h recordHead) {
	switch {
	case h.seq <= w.chain.nextSeq:
		w.d.note(s.from, "bytes that belong to no record")
		w.d.Hopeless = "bytes between two records belong to none"
	case h.groupFirst == h.seq:
		w.lose(s, h.seq, h.group-1)
	case h.groupFirst > w.chain.nextSeq: // its group begins among what is lost
		w.lose(s, h.groupFirst, h.group-1)
		w.lose(s, h.seq, h.group)
	default:
		w.lose(s, h.seq, h.group)
	}
}

// lose says that the records up to end are lost, which lay in a stretch and end in a group. What no intact record proves of
// their groups is chosen: each begins one as long as there are more to come, and the rest join the last.
func (w *surveyWalk) lose(s span, end, group uint64) {
	n, groups := end-w.chain.nextSeq, group-w.chain.group
	w.d.note(s.from, "no intact record")
	if n > uint64((s.to-s.from)/PageBytes) {
		w.d.Hopeless = "more records are missing than fit"
		return
	}
	if group < w.chain.group || groups > n || groups == 0 && w.chain.groupFirst == 0 {
		w.d.Hopeless = "the groups around the missing records do not fit"
		return
	}
	for seq := w.chain.nextSeq; seq < end; seq++ {
		if groups > 0 {
			groups--
			w.chain.group, w.chain.groupFirst = w.chain.group+1, seq
		}
		w.chain.nextSeq = seq + 1
		l := Lost{Pos: Pos{Segment: w.d.Segment, Seq: seq}, group: w.chain.group, groupFirst: w.chain.groupFirst, stretch: s}
		if h, ok := w.hints[seq]; ok {
			l.Pos.Offset, l.Kind, l.Meta = uint32(h.off), h.kind, h.meta
		}
		w.d.Lost = append(w.d.Lost, l)
	}
}
