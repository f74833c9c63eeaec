// SPDX-License-Identifier: Apache-2.0

package tablefile

// ColumnsMax is how many columns of a row are read.
const ColumnsMax = 24

// Record is a row's columns.
type Record struct {
	columns int
	kinds   [ColumnsMax]uint64
	places  [ColumnsMax]int
	body    []byte
}

// Kinds of columns. Of 1 to 6 are numbers in sizes bytes, from 12 on text and bytes, all of it behind the kinds.
const (
	kindNull  = 0
	kindFloat = 7
	kindZero  = 8
	kindOne   = 9
	kindText  = 12
)

var sizes = [kindText]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, kindFloat: 8}

// parse finds the columns of a row.
func (r *Record) parse(payload []byte) bool {
	head, at := varint(payload)
	if at == 0 || head > uint64(len(payload)) {
		return false
	}
	kinds, body := payload[at:max(at, int(head))], payload[head:]
	r.columns, r.body = 0, body
	place := 0
	for len(kinds) > 0 {
		kind, n := varint(kinds)
		if n == 0 || kind == 10 || kind == 11 || r.columns == ColumnsMax {
			return false
		}
		kinds = kinds[n:]
		r.kinds[r.columns], r.places[r.columns] = kind, place
		r.columns++
		size := (kind - kindText) / 2
		if kind < kindText {
			size = uint64(sizes[kind])
		}
		if size > uint64(len(body)-place) {
			return false
		}
		place += int(size)
	}
	return true
}

// Integer is a column's number; false: it is none.
func (r *Record) Integer(column int) (int64, bool) {
	if column >= r.columns {
		return 0, false // the row was written before there was such a column
	}
	kind := r.kinds[column]
	switch kind {
	case kindZero, kindOne:
		return int64(kind - kindZero), true
	case 1, 2, 3, 4, 5, 6:
	default:
		return 0, false
	}
	b := r.body[r.places[column]:][:sizes[kind]]
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		v = v<<8 | int64(c)
	}
	return v, true
}
