// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Kinds of frames by which a validator that diverged learns what the others computed. No session is needed: each ask stands
// alone, and every answer is proved by what a quorum signed.
const (
	KindAskTable      uint8 = 9
	KindTable         uint8 = 10
	KindAskRootLeaves uint8 = 11
	KindRootLeaves    uint8 = 12
	KindAskHeader     uint8 = 13
	KindHeader        uint8 = 14
	KindUnheld        uint8 = 15
)

type (
	// AskTable asks for the table that the state root of a height hashes.
	AskTable struct{ At chain.Height }
	// Table answers AskTable.
	Table struct {
		At   chain.Height
		Rows []pages.SectionRoot // ascending by section
	}
	// AskRootLeaves asks for leaves of the state of a height.
	AskRootLeaves struct {
		At                    chain.Height
		Section, First, Count uint32
	}
	// RootLeaves answers AskRootLeaves.
	RootLeaves struct {
		At             chain.Height
		Section, First uint32
		Hashes         []chain.Hash
	}
	// AskHeader asks for the certified header of a height.
	AskHeader struct{ Height chain.Height }
	// HeaderOf answers AskHeader.
	HeaderOf struct {
		Height              chain.Height
		Header, Certificate []byte
	}
	// Unheld answers an ask for what is not here: not yet, or not any more.
	Unheld struct {
		Asked uint8 // kind of the ask
		At    chain.Height
	}
)

// Kind implements Message.
func (AskTable) Kind() uint8 { return KindAskTable }

// Kind implements Message.
func (Table) Kind() uint8 { return KindTable }

// Kind implements Message.
func (AskRootLeaves) Kind() uint8 { return KindAskRootLeaves }

// Kind implements Message.
func (RootLeaves) Kind() uint8 { return KindRootLeaves }

// Kind implements Message.
func (AskHeader) Kind() uint8 { return KindAskHeader }

// Kind implements Message.
func (HeaderOf) Kind() uint8 { return KindHeader }

// Kind implements Message.
func (Unheld) Kind() uint8 { return KindUnheld }

// Append implements Message.
func (m AskTable) Append(dst []byte) []byte { return le.AppendUint64(dst, uint64(m.At)) }

// Append implements Message.
func (m Table) Append(dst []byte) []byte {
	dst = le.AppendUint16(le.AppendUint64(dst, uint64(m.At)), uint16(len(m.Rows)))
	for i := range m.Rows {
		r := &m.Rows[i]
		dst = le.AppendUint32(le.AppendUint32(dst, r.Section), r.RecordBytes)
		dst = append(le.AppendUint32(dst, uint32(r.Pages)), r.Root[:]...)
	}
	return dst
}

// Append implements Message.
func (m AskRootLeaves) Append(dst []byte) []byte {
	return AskLeaves{uint64(m.At), m.Section, m.First, m.Count}.Append(dst)
}

// Append implements Message.
func (m RootLeaves) Append(dst []byte) []byte {
	return LeavesOf{uint64(m.At), m.Section, m.First, m.Hashes}.Append(dst)
}

// Append implements Message.
func (m AskHeader) Append(dst []byte) []byte { return le.AppendUint64(dst, uint64(m.Height)) }

// Append implements Message.
func (m HeaderOf) Append(dst []byte) []byte {
	dst = le.AppendUint64(dst, uint64(m.Height))
	return appendPart(appendPart(dst, m.Header), m.Certificate)
}

// Append implements Message.
func (m Unheld) Append(dst []byte) []byte { return le.AppendUint64(append(dst, m.Asked), uint64(m.At)) }

// compared reads a frame of one of the kinds above; nil for another kind.
func (r *reader) compared(kind uint8) Message {
	switch kind {
	case KindAskTable:
		return AskTable{chain.Height(r.u64())}
	case KindTable:
		return r.table()
	case KindAskRootLeaves:
		a := r.askLeaves()
		return AskRootLeaves{chain.Height(a.Session), a.Section, a.First, a.Count}
	case KindRootLeaves:
		m := r.leaves()
		return RootLeaves{chain.Height(m.Session), m.Section, m.First, m.Hashes}
	case KindAskHeader:
		return AskHeader{chain.Height(r.u64())}
	case KindHeader:
		return HeaderOf{chain.Height(r.u64()), r.part(), r.part()}
	case KindUnheld:
		m := Unheld{Asked: r.raw(1)[0], At: chain.Height(r.u64())}
		r.bad = r.bad || m.Asked != KindAskTable && m.Asked != KindAskRootLeaves && m.Asked != KindAskHeader
		return m
	}
	return nil
}

func (r *reader) table() Table {
	m := Table{At: chain.Height(r.u64())}
	n := r.u16()
	r.bad = r.bad || n > pages.SectionsMax
	for ; n > 0 && !r.bad; n-- {
		row := pages.SectionRoot{Section: r.u32(), RecordBytes: r.u32(), Pages: uint64(r.u32())}
		copy(row.Root[:], r.raw(len(row.Root)))
		ascends := len(m.Rows) == 0 || m.Rows[len(m.Rows)-1].Section < row.Section
		sized := row.RecordBytes > 0 && row.RecordBytes <= pages.PageBytes && row.Pages > 0 && row.Pages <= pages.PagesMax
		r.bad = r.bad || !ascends || !sized
		m.Rows = append(m.Rows, row)
	}
	return m
}
