// SPDX-License-Identifier: Apache-2.0

package tablefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// image writes a file as the engine would, with pages of 512 bytes.
type image struct{ pages [][]byte }

const testPage = 512

func newImage() *image {
	first := make([]byte, testPage)
	copy(first, magic)
	binary.BigEndian.PutUint16(first[atPageBytes:], testPage)
	first[atWriteMode], first[atReadMode] = 1, 1
	return &image{[][]byte{first}}
}

func putVarint(b []byte, v uint64) []byte {
	if v >= 1<<56 {
		var raw [9]byte
		raw[8] = byte(v)
		v >>= 8
		for i := 7; i >= 0; i-- {
			raw[i], v = byte(v&0x7f)|0x80, v>>7
		}
		return append(b, raw[:]...)
	}
	n := 1
	for v>>(7*n) != 0 {
		n++
	}
	for i := n - 1; i > 0; i-- {
		b = append(b, byte(v>>(7*i)&0x7f)|0x80)
	}
	return append(b, byte(v&0x7f))
}

// record encodes numbers, each in the fewest bytes.
func record(values []int64) []byte {
	var kinds, body []byte
	for _, v := range values {
		if v == 0 || v == 1 {
			kinds = append(kinds, kindZero+byte(v))
			continue
		}
		for kind := byte(1); kind <= 6; kind++ {
			n := sizes[kind]
			if low := int64(-1) << (8*n - 1); n == 8 || v >= low && v < -low {
				kinds = append(kinds, kind)
				for i := n - 1; i >= 0; i-- {
					body = append(body, byte(v>>(8*i)))
				}
				break
			}
		}
	}
	return append(append(putVarint(nil, uint64(len(kinds)+1)), kinds...), body...)
}

// page adds a page of cells, and returns its number.
func (m *image) page(kind byte, cells [][]byte, right uint32) uint32 {
	raw := make([]byte, testPage)
	raw[0] = kind
	binary.BigEndian.PutUint16(raw[3:], uint16(len(cells)))
	at, head := testPage, leafHeaderBytes
	if kind == interior {
		binary.BigEndian.PutUint32(raw[leafHeaderBytes:], right)
		head = interiorHeaderBytes
	}
	for i, c := range cells {
		at -= len(c)
		copy(raw[at:], c)
		binary.BigEndian.PutUint16(raw[head+2*i:], uint16(at))
	}
	m.pages = append(m.pages, raw)
	return uint32(len(m.pages))
}

// table adds a table, with so many cells a page, and returns its root.
func (m *image) table(rows map[int64][]int64, numbers []int64, perPage int) uint32 {
	type child struct {
		page uint32
		last int64
	}
	var level []child
	for part := range slices.Chunk(numbers, perPage) {
		var cells [][]byte
		for _, n := range part {
			payload := record(rows[n])
			cells = append(cells, append(putVarint(putVarint(nil, uint64(len(payload))), uint64(n)), payload...))
		}
		level = append(level, child{m.page(leaf, cells, 0), part[len(part)-1]})
	}
	for len(level) > 1 {
		var above []child
		for part := range slices.Chunk(level, perPage) {
			var cells [][]byte
			for _, c := range part[:len(part)-1] {
				cells = append(cells, putVarint(binary.BigEndian.AppendUint32(nil, c.page), uint64(c.last)))
			}
			last := part[len(part)-1]
			above = append(above, child{m.page(interior, cells, last.page), last.last})
		}
		level = above
	}
	return level[0].page
}

func (m *image) open() *File { return &File{file: memory{bytes.NewReader(slices.Concat(m.pages...))}} }

// memory is a file in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// Rows of trees of any shape come in order and whole, from any number on.
func TestRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, perPage := range []int{2, 3, 9} {
		m, rows := newImage(), map[int64][]int64{}
		var numbers []int64
		for n := int64(random.IntN(3)) - 1; len(numbers) < 300; n += 1 + int64(random.IntN(3))*int64(random.IntN(200)) {
			numbers = append(numbers, n)
			rows[n] = []int64{random.Int64() >> random.IntN(64), -random.Int64() >> random.IntN(64), int64(random.IntN(3)), math.MinInt64}
		}
		root := m.table(rows, numbers, perPage)
		f := m.open()
		for range 50 {
			after := numbers[random.IntN(len(numbers))] + int64(random.IntN(3)) - 1
			from, there := slices.BinarySearch(numbers, after)
			if there {
				from++
			}
			want := numbers[from:]
			err := f.Rows(root, after, func(n int64, r *Record) bool {
				if len(want) == 0 || n != want[0] {
					t.Fatalf("above %d: %d is not next of %v", after, n, want)
				}
				for i, v := range rows[n] {
					if got, ok := r.Integer(i); !ok || got != v {
						t.Fatalf("column %d of %d: %d, %v, not %d", i, n, got, ok, v)
					}
				}
				if _, ok := r.Integer(len(rows[n])); ok {
					t.Fatal("a column that is not there is a number")
				}
				want = want[1:]
				return true
			})
			if err != nil || len(want) > 0 {
				t.Fatalf("above %d: %v, and %d rows are left", after, err, len(want))
			}
		}
	}
}

// What is not plain is left to the engine.
func TestNotPlain(t *testing.T) {
	rows := map[int64][]int64{1: {1}, 2: {2}, 3: {3}, 4: {4}, 5: {5}}
	for name, damage := range map[string]func(m *image, root uint32) uint32{
		"write-ahead log": func(m *image, root uint32) uint32 { m.pages[0][atReadMode] = 2; return root },
		"no database":     func(m *image, root uint32) uint32 { m.pages[0][0] = 'X'; return root },
		"no such page":    func(m *image, _ uint32) uint32 { return uint32(len(m.pages) + 1) },
		"page 0":          func(*image, uint32) uint32 { return 0 },
		"another kind":    func(m *image, root uint32) uint32 { m.pages[root-1][0] = 0x02; return root },
		"many cells":      func(m *image, root uint32) uint32 { m.pages[root-1][3] = 0xff; return root },
		"a cell outside":  func(m *image, _ uint32) uint32 { m.pages[1][leafHeaderBytes] = 0xff; return 2 },
		"a page of its own": func(m *image, root uint32) uint32 {
			binary.BigEndian.PutUint32(m.pages[root-1][leafHeaderBytes:], root)
			return root
		},
		"a leaf twice": func(m *image, root uint32) uint32 {
			binary.BigEndian.PutUint32(m.pages[root-1][leafHeaderBytes:], 2)
			return root
		},
		"an empty leaf": func(m *image, root uint32) uint32 { m.pages[1][4] = 0; return root },
		"a row in more pages": func(m *image, _ uint32) uint32 {
			return m.page(leaf, [][]byte{append(putVarint(putVarint(nil, testPage-34), 1), make([]byte, 100)...)}, 0)
		},
		"a kind of column that nobody knows": func(m *image, _ uint32) uint32 { return m.page(leaf, [][]byte{{2, 1, 2, 10}}, 0) },
		"a column that is cut off":           func(m *image, _ uint32) uint32 { return m.page(leaf, [][]byte{{3, 1, 2, 6, 0}}, 0) },
	} {
		m := newImage()
		root := damage(m, m.table(rows, []int64{1, 2, 3, 4, 5}, 2))
		if err := m.open().Rows(root, -1, func(int64, *Record) bool { return true }); !errors.Is(err, ErrNotPlain) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is in a file, rows ascend, and reading ends.
func FuzzRows(f *testing.F) {
	rows := map[int64][]int64{1: {1}, 2: {-2}, 3: {300}, 400: {1 << 40}, 5000: {math.MaxInt64}}
	m := newImage()
	root := m.table(rows, []int64{1, 2, 3, 400, 5000}, 2)
	f.Add(slices.Concat(m.pages...), root, int64(0))
	f.Add(slices.Concat(m.pages...), uint32(1), int64(3))
	f.Fuzz(func(t *testing.T, raw []byte, root uint32, after int64) {
		file := (&image{[][]byte{raw}}).open()
		last := after
		err := file.Rows(root, after, func(n int64, r *Record) bool {
			if n <= last {
				t.Fatalf("%d behind %d", n, last)
			}
			last = n
			for i := range ColumnsMax + 1 {
				r.Integer(i)
			}
			return true
		})
		if err != nil && !errors.Is(err, ErrNotPlain) {
			t.Fatal(err)
		}
	})
}
