// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// Mender writes a damaged segment anew beside the old file, which is replaced by Finish alone:
//
//	build beside, flush | a crash: a dirty file that the log uses again
//	rename              | either file has the name
//	flush the folder    | from here on it is the healed one
//
// A mender is for one goroutine. After an error only Abort helps.
type Mender struct {
	fs     disk.FS
	dir    string
	damage *Damage
	old    disk.File // nil: nothing is left of it
	file   disk.File
	path   string
	buf    []byte
}

// Mend begins to mend a damaged segment: what is intact is copied. The log is not open.
func Mend(fs disk.FS, dir string, d *Damage) (*Mender, error) {
	if d.Hopeless != "" {
		return nil, corrupt(d.Path, max(d.Offset, 0), "%s", d.Hopeless)
	}
	inv, err := takeInventory(fs, dir)
	if err != nil {
		return nil, err
	}
	m := &Mender{fs: fs, dir: dir, damage: d, path: filepath.Join(dir, fileName(dirtyPrefix, inv.lastNo+1)), buf: disk.Aligned(walkWindowBytes)}
	if err := m.begin(); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "a healed copy of %s cannot be begun: is the disk full?", d.Path), m.Abort())
	}
	return m, nil
}

func (m *Mender) begin() (err error) {
	d := m.damage
	if m.file, err = m.fs.OpenFile(m.path, disk.Create, true); err != nil {
		return err
	}
	if err := m.blank(int64(d.header.bytes)); err != nil {
		return err
	}
	if d.file {
		if m.old, err = m.fs.OpenFile(d.Path, disk.ReadOnly, true); err != nil {
			return err
		}
	} else {
		var salt [4]byte
		if _, err := io.ReadFull(rand.Reader, salt[:]); err != nil {
			return err
		}
		d.header.salt = binary.LittleEndian.Uint32(salt[:])
	}
	page := m.buf[:PageBytes]
	d.header.encode(page)
	if err := m.file.WriteVec([][]byte{page}, 0); err != nil {
		return err
	}
	for _, s := range d.spans {
		if err := m.copy(s); err != nil {
			return err
		}
	}
	return nil
}

// blank makes the file all zero.
func (m *Mender) blank(size int64) error {
	err := m.file.Zero(size)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if err := m.file.WriteVec([][]byte{zeros[:min(int64(len(zeros)), size-off)]}, off); err != nil {
			return err
		}
	}
	return nil
}

func (m *Mender) copy(s span) error {
	for off := s.from; off < s.to; {
		part := m.buf[:min(int64(len(m.buf)), s.to-off)]
		if err := readFull(m.old, m.damage.Path, part, off); err != nil {
			return err
		}
		if err := m.file.WriteVec([][]byte{part}, off); err != nil {
			return err
		}
		off += int64(len(part))
	}
	return nil
}

// Put writes a lost record at its place, which l.Pos tells. A payload or meta that is not what an intact head tells is
// Conflict, and so is a record that does not fit where nothing intact lies.
func (m *Mender) Put(l *Lost, kind uint8, meta, payload []byte) error {
	n := recordBytes(len(payload))
	from, to := int64(l.Pos.Offset), int64(l.Pos.Offset)+int64(n)
	if len(payload) > PayloadBytesMax || len(meta) > MetaBytesMax || n != int(l.Pos.Bytes) || from < l.stretch.from || to > l.stretch.to {
		return fault.New(fault.Conflict, "record %d of %d bytes does not fit at %d: %d to %d are free", l.Pos.Seq, n, from, l.stretch.from, l.stretch.to)
	}
	b := &Buffer{mem: disk.Aligned(n), payload: len(payload)}
	copy(b.Payload(), payload)
	if err := b.SetMeta(kind, meta); err != nil {
		return err
	}
	b.Seal()
	if l.Sure && (kind != l.Kind || string(meta) != string(l.Meta) || b.bodyCRC != l.bodyCRC) {
		return fault.New(fault.Conflict, "record %d is not the one that its head tells of", l.Pos.Seq)
	}
	raw := b.frame(recordHead{segment: l.Pos.Segment, seq: l.Pos.Seq, group: l.group, groupFirst: l.groupFirst}, m.damage.header.salt)
	return fault.Wrap(fault.Unavailable, m.file.WriteVec([][]byte{raw}, from), "a record cannot be written to %s", m.path)
}

// Finish checks the healed segment whole and puts it in the damaged one's place. Done again, after a crash, it does no harm.
func (m *Mender) Finish() error {
	if err := m.check(); err != nil {
		return errors.Join(err, m.Abort())
	}
	err := m.file.Datasync()
	if err == nil {
		err = m.fs.Rename(m.path, m.damage.Path)
	}
	if err == nil {
		m.path = "" // it has another name
		err = m.fs.SyncDir(m.dir)
	}
	return errors.Join(fault.Halt(err, "the healed segment %s is not durable", m.damage.Path), m.Abort())
}

// check reads the new file as opening a log does, and further: nothing may be missing between its records.
func (m *Mender) check() error {
	d := m.damage
	c, err := checkSegment(&segment{header: d.header, path: m.path, file: m.file})
	if err != nil {
		return err
	}
	if c.cutEnd != c.end || !d.newest && (c.chain.nextSeq != d.next.nextSeq || c.chain.group != d.next.group) {
		return corrupt(d.Path, c.end, "the segment is not whole with what was found: record %d is its last", c.chain.nextSeq-1)
	}
	return nil
}

// Abort gives the files up. An unfinished copy is removed; one that a crash leaves is a dirty file of the log.
func (m *Mender) Abort() error {
	var errs []error
	for _, f := range []*disk.File{&m.old, &m.file} {
		if *f != nil {
			errs = append(errs, (*f).Close())
			*f = nil
		}
	}
	if m.path != "" {
		_ = m.fs.Remove(m.path) // what is left is used again
		m.path = ""
	}
	return errors.Join(errs...)
}

// Settle gives each lost record the place that follows from those beside it, as far as that is known: the first of a stretch
// begins where it does, each next one where the one before ends, and the last ends where the stretch ends, unless that is the
// segment's end. Those whose place is told by others have it already. It is called again when another place became known.
func (d *Damage) Settle() {
	for i := range d.Lost {
		l := &d.Lost[i]
		if i == 0 || d.Lost[i-1].stretch != l.stretch {
			l.Pos.Offset = uint32(l.stretch.from)
		} else if before := d.Lost[i-1].Pos; before.Offset != 0 && before.Bytes != 0 {
			l.Pos.Offset = before.Offset + before.Bytes
		}
	}
	for i := range slices.Backward(d.Lost) {
		l := &d.Lost[i]
		end := uint32(l.stretch.to)
		if i+1 < len(d.Lost) && d.Lost[i+1].stretch == l.stretch {
			end = d.Lost[i+1].Pos.Offset
		} else if l.stretch.to == int64(d.header.bytes) {
			end = 0 // how much behind the last record is not used is not known
		}
		if l.Pos.Offset != 0 && end > l.Pos.Offset {
			l.Pos.Bytes = cmp.Or(l.Pos.Bytes, end-l.Pos.Offset)
		}
	}
}

// Tell gives a lost record the place and size that others know. It reports whether the record is one of these.
func (d *Damage) Tell(at Pos) bool {
	i, ok := slices.BinarySearchFunc(d.Lost, at.Seq, func(l Lost, seq uint64) int { return cmp.Compare(l.Pos.Seq, seq) })
	if ok && !d.Lost[i].Sure {
		d.Lost[i].Pos.Offset, d.Lost[i].Pos.Bytes = at.Offset, at.Bytes
	}
	return ok
}
