// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// syncBytesMax bounds what is written between two syncs, so that no sync, ours or that of a log on the same disk, waits
// for more.
const syncBytesMax = 2 << 20

// paceBurst is how far the writer may run ahead of its rate before it sleeps.
const paceBurst = 2 * time.Millisecond

// Written tells what a Write did.
type Written struct {
	Pages int   // written; those left out were on disk already
	Bytes int64 // written, header and tables included
	Full  bool  // the file's former content was not known or not usable
}

// content is what a file is known to hold: the pages of a space, by slot.
type content struct {
	space *pages.Space
	epoch uint64
	slots []slot
	born  []uint64 // by slot
	at    map[pageID]uint32
}

type pageID struct {
	section uint32
	page    uint64
}

func newContent(space *pages.Space) *content {
	return &content{space: space, at: map[pageID]uint32{}}
}

// extends reports whether a file with this content can be brought to sn by writing changed pages alone: pages never go
// from a later snapshot.
func (c *content) extends(sn *pages.Snapshot) bool {
	return c != nil && c.space == sn.Space() && c.epoch <= sn.Epoch()
}

// slotOf returns the slot of a page, a new one at the end if it has none.
func (c *content) slotOf(id pageID) (at uint32, isNew bool) {
	at, ok := c.at[id]
	if !ok {
		at = uint32(len(c.slots))
		c.at[id] = at
		c.slots = append(c.slots, slot{section: id.section, page: uint32(id.page)})
		c.born = append(c.born, 0)
	}
	return at, !ok
}

// writer fills one file.
type writer struct {
	ctx      context.Context
	file     File
	pace     pace
	written  Written
	unsynced int64
}

// fill brings a file with content c to sn: changed pages, then the tables, then, when all that is durable, the header.
// The header must be invalid before. c is updated as pages are written, so it is void after an error.
func (w *writer) fill(c *content, sn *pages.Snapshot, meta Meta) error {
	t := tail{blob: meta.Blob}
	for _, v := range sn.Sections() {
		t.sections = append(t.sections, section{v.Section, v.RecordBytes})
		if err := w.fillSection(c, v); err != nil {
			return err
		}
	}
	c.epoch = sn.Epoch()
	t.slots = c.slots
	return w.finish(&t, meta)
}

// finish writes the tables behind the pages and then, when all that is durable, the header.
func (w *writer) finish(t *tail, meta Meta) error {
	encoded := t.encode()
	h := header{meta: meta, slots: uint32(len(t.slots)), tailBytes: uint64(len(encoded)), tailSum: castagnoli(encoded)}
	if err := w.write(encoded, h.tailOffset()); err != nil {
		return err
	}
	// A file whose blob shrank would end in old bytes, and every byte is checked.
	if err := w.file.Truncate(h.fileBytes()); err != nil {
		return fault.Halt(err, "truncate a checkpoint")
	}
	if err := w.sync(); err != nil {
		return err
	}
	if err := w.write(h.encode(), 0); err != nil {
		return err
	}
	return w.sync()
}

func (w *writer) fillSection(c *content, v pages.View) error {
	for p := range v.Pages() {
		page, born := v.Page(p)
		if born == 0 {
			continue
		}
		at, isNew := c.slotOf(pageID{v.Section, p})
		if !isNew && c.born[at] == born {
			continue
		}
		c.born[at], c.slots[at].sum = born, castagnoli(page.Bytes())
		if err := w.write(page.Bytes(), (1+int64(at))*pages.PageBytes); err != nil {
			return err
		}
		w.written.Pages++
	}
	return nil
}

// invalidate makes the header zero, durably, before anything behind it changes.
func (w *writer) invalidate() error {
	if err := w.write(make([]byte, pages.PageBytes), 0); err != nil {
		return err
	}
	return w.sync()
}

func (w *writer) write(b []byte, offset int64) error {
	if err := w.pace.wait(w.ctx, len(b)); err != nil {
		return fault.Wrap(fault.Timeout, err, "checkpoint given up")
	}
	if _, err := w.file.WriteAt(b, offset); err != nil {
		return fault.Halt(err, "write a checkpoint")
	}
	w.written.Bytes += int64(len(b))
	if w.unsynced += int64(len(b)); w.unsynced >= syncBytesMax {
		return w.sync()
	}
	return nil
}

func (w *writer) sync() error {
	w.unsynced = 0
	return fault.Halt(w.file.Sync(), "sync a checkpoint")
}

// pace holds a writer to a rate.
type pace struct {
	bytesPerSecond int64
	start          time.Time
	sent           int64
}

// wait counts n bytes and blocks while they are ahead of the rate, or until ctx ends.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.sent == 0 {
		p.start = time.Now()
	}
	p.sent += int64(n)
	due := time.Duration(float64(p.sent) / float64(p.bytesPerSecond) * float64(time.Second))
	ahead := due - time.Since(p.start)
	if ahead < paceBurst {
		return ctx.Err()
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
