// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64 || loong64 || ppc64le || riscv64

package pages

import (
	"reflect"
	"unsafe"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// All use of package unsafe is in this file, and the build constraint above names the 64-bit little-endian machines only:
// elsewhere the package does not compile, because a page's bytes in memory are its bytes in roots and files.
//
// Why each use is sound:
//
//   - A record pointer is a page's address plus index*size, with index < PageBytes/size, so it never leaves its page.
//     A page is an array of 64-bit words, and the alignment of any accepted record divides 8 and its own size.
//   - Accepted records hold fixed-width integers only, so any page bytes are a valid record (checkRecord).
//   - current and writable point at the first elements of slices that the same column keeps alive; limit is at most
//     their length in pages times the records of a page, and all three change together in column.resize.

// Column is the records of one section: T by index, up to recordsMax. It is used by the writer's goroutine only; other
// goroutines read a Snapshot.
type Column[T any] struct{ column }

// hot is what Ref and Mut need, in one cache line.
type hot struct {
	limit    uint64         // indexes below it have a page slot and are below recordsMax
	current  unsafe.Pointer // *Page by page number: what reads see; the zero page where absent
	writable unsafe.Pointer // *Page by page number: nil where a write must copy first
}

const pointerBytes = unsafe.Sizeof(uintptr(0))

// NewColumn registers the column of a section, and adopts the section's pages if they were loaded before. It breaks an
// invariant if T is no plain record (see the package comment), if the section has a column already, if recordsMax needs
// 0 or more than PagesMax pages, or if loaded pages have another record size or exceed recordsMax.
func NewColumn[T any](s *Space, section uint32, recordsMax uint64) *Column[T] {
	t := reflect.TypeFor[T]()
	fault.Invariant(t.Size() > 0 && t.Size() <= PageBytes, "section %d: a record of %v has %d bytes", section, t, t.Size())
	reason := checkRecord(t)
	fault.Invariant(reason == "", "section %d: %v is no plain record: %s", section, t, reason)
	c := &Column[T]{column: column{section: section, recordBytes: uint32(t.Size()), recordsMax: recordsMax, space: s}}
	s.adopt(&c.column)
	return c
}

// Ref returns record i for reading, valid until the next Mut of the same page or the next Snapshot. Writing through it
// would change other records and snapshots unnoticed.
func (c *Column[T]) Ref(i uint64) *T {
	if record := c.Peek(i); record != nil {
		return record
	}
	return (*T)(unsafe.Pointer(c.absent(i)))
}

// Peek returns what Ref does if record i has a page slot, else nil. Unlike Ref it is inlined: a loop that counts nanoseconds
// calls it first, and Ref if it gets nil.
func (c *Column[T]) Peek(i uint64) *T {
	var t T
	if i >= c.hot.limit {
		return nil
	}
	page := *(*unsafe.Pointer)(unsafe.Add(c.hot.current, i/uint64(PageBytes/unsafe.Sizeof(t))*uint64(pointerBytes)))
	return (*T)(unsafe.Add(page, i%uint64(PageBytes/unsafe.Sizeof(t))*uint64(unsafe.Sizeof(t))))
}

// Mut returns record i for writing, valid until the next Snapshot.
func (c *Column[T]) Mut(i uint64) *T {
	if record := c.Owned(i); record != nil {
		return record
	}
	var t T
	return (*T)(unsafe.Add(unsafe.Pointer(c.own(i)), i%uint64(PageBytes/unsafe.Sizeof(t))*uint64(unsafe.Sizeof(t))))
}

// Owned returns record i for writing if a Mut since the last Snapshot made its page writable, else nil. Unlike Mut it is
// inlined: a loop that counts nanoseconds calls it first, and Mut if it gets nil.
func (c *Column[T]) Owned(i uint64) *T {
	var t T
	if i >= c.hot.limit {
		return nil
	}
	page := *(*unsafe.Pointer)(unsafe.Add(c.hot.writable, i/uint64(PageBytes/unsafe.Sizeof(t))*uint64(pointerBytes)))
	if page == nil {
		return nil
	}
	return (*T)(unsafe.Add(page, i%uint64(PageBytes/unsafe.Sizeof(t))*uint64(unsafe.Sizeof(t))))
}

// At returns record i of a section in a snapshot, a zero record where it has no page.
func At[T any](sn *Snapshot, section uint32, i uint64) *T {
	page, offset := Locate[T](i)
	v, ok := sn.Section(section)
	if !ok {
		return new(T)
	}
	fault.Invariant(uintptr(v.RecordBytes) == unsafe.Sizeof(*new(T)), "section %d holds records of %d bytes", section, v.RecordBytes)
	p, _ := v.Page(page)
	return (*T)(unsafe.Add(unsafe.Pointer(p), offset))
}

// Locate tells where record i of a section of T lies: its page, and its first byte there.
func Locate[T any](i uint64) (page uint64, offset int) {
	size := uint64(unsafe.Sizeof(*new(T)))
	perPage := PageBytes / size
	return i / perPage, int(i % perPage * size)
}

// Bytes returns the page's bytes, without a copy.
func (p *Page) Bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(p)), PageBytes) }

// InMemory views mem as pages, as many as fit. mem must be aligned to 8 bytes.
func InMemory(mem []byte) []Page {
	fault.Invariant(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))%8 == 0, "memory for pages is not aligned")
	return unsafe.Slice((*Page)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/PageBytes)
}

func (c *column) setHot(limit uint64) {
	c.hot = hot{
		limit:    limit,
		current:  unsafe.Pointer(unsafe.SliceData(c.current)),
		writable: unsafe.Pointer(unsafe.SliceData(c.writable)),
	}
}

// checkRecord says why t may not be a record, or nothing. Every byte must belong to a named field of fixed width: the
// compiler need not copy padding or blank fields, int has no fixed width, a bool has 254 invalid bytes, and floats have
// no place in state.
func checkRecord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return ""
	case reflect.Array:
		return checkRecord(t.Elem())
	case reflect.Struct:
		return checkFields(t)
	}
	return "it has a " + t.Kind().String()
}

func checkFields(t reflect.Type) string {
	end := uintptr(0)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			return "it has a blank field"
		}
		if f.Offset != end {
			return "it has padding before " + f.Name
		}
		if reason := checkRecord(f.Type); reason != "" {
			return reason
		}
		end = f.Offset + f.Type.Size()
	}
	if end != t.Size() {
		return "it has padding at its end"
	}
	return ""
}
