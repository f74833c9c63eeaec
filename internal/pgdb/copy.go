// SPDX-License-Identifier: Apache-2.0

package pgdb

import (
	"context"
	"encoding/binary"
	"io"
	"math/big"
	"math/bits"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// The parts of COPY's binary form. PostgreSQL's documentation, COPY, "Binary Format".
var (
	copyBegin = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...) // no flags, no extension
	copyEnd   = []byte{0xff, 0xff}
)

// copyChunkBytes is about what is encoded before it is sent.
const copyChunkBytes = 64 << 10

// Encoder writes the fields of rows, made as they are read.
type Encoder struct {
	b    []byte // encoded and not read
	off  int    // of b, read already
	at   int    // rows encoded
	rows int
	row  func(*Encoder, int)
	done bool
}

// Copy streams n rows into a table. The memory of e is used again by the next one.
func (e *Encoder) Copy(ctx context.Context, c *pgx.Conn, statement string, n int, row func(*Encoder, int)) error {
	*e = Encoder{b: append(e.b[:0], copyBegin...), rows: n, row: row}
	f := &feed{encoder: e}
	defer f.end()
	_, err := c.PgConn().CopyFrom(ctx, f, statement)
	return err
}

// feed is the encoder as the driver reads it. When a connection is lost the driver goes on reading, in a goroutine of its own, for a
// moment after it has told so: by then the rows may be others.
type feed struct {
	mu      sync.Mutex
	encoder *Encoder
	ended   bool
}

func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
}

func (f *feed) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return 0, io.ErrClosedPipe
	}
	return f.encoder.read(p)
}

func (e *Encoder) read(p []byte) (int, error) {
	if e.off == len(e.b) {
		if e.done {
			return 0, io.EOF
		}
		e.b, e.off = e.b[:0], 0
	}
	for !e.done && len(e.b) < copyChunkBytes {
		if e.at == e.rows {
			e.b, e.done = append(e.b, copyEnd...), true
			break
		}
		e.row(e, e.at)
		e.at++
	}
	n := copy(p, e.b[e.off:])
	e.off += n
	return n, nil
}

// Fields begins a row of n fields.
func (e *Encoder) Fields(n uint16) { e.b = binary.BigEndian.AppendUint16(e.b, n) }

// Int64 is a bigint.
func (e *Encoder) Int64(v int64) {
	e.b = binary.BigEndian.AppendUint64(append(e.b, 0, 0, 0, 8), uint64(v))
}

// Int32 is an integer; what is beyond it is two's complement.
func (e *Encoder) Int32(v uint32) { e.b = binary.BigEndian.AppendUint32(append(e.b, 0, 0, 0, 4), v) }

// Int16 is a smallint.
func (e *Encoder) Int16(v uint16) { e.b = binary.BigEndian.AppendUint16(append(e.b, 0, 0, 0, 2), v) }

// Bytes is a bytea.
func (e *Encoder) Bytes(v []byte) {
	e.b = append(binary.BigEndian.AppendUint32(e.b, uint32(len(v))), v...)
}

// Text is a text.
func (e *Encoder) Text(v string) {
	e.b = append(binary.BigEndian.AppendUint32(e.b, uint32(len(v))), v...)
}

// A numeric is digits to the base of 10,000, the most significant first.
const (
	digitBase   = 10_000
	digitsMax   = 10 // of 128 bits
	numericHead = 8  // number of digits, weight of the first, sign, digits behind the point
)

// Numeric is an amount.
func (e *Encoder) Numeric(a chain.Amount) {
	var digits [digitsMax]uint16
	first := digitsMax
	for hi, lo := a.Hi, a.Lo; hi != 0 || lo != 0; {
		var r uint64
		hi, r = hi/digitBase, hi%digitBase
		lo, r = bits.Div64(r, lo, digitBase)
		first--
		digits[first] = uint16(r)
	}
	n := digitsMax - first
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(numericHead+2*n))
	e.b = binary.BigEndian.AppendUint16(e.b, uint16(n))
	e.b = binary.BigEndian.AppendUint16(e.b, uint16(max(n-1, 0)))
	e.b = append(e.b, 0, 0, 0, 0)
	for _, d := range digits[first:] {
		e.b = binary.BigEndian.AppendUint16(e.b, d)
	}
}

// Amount is the amount that a numeric was made from; ifCorrupt is what to do if it is none.
func Amount(n pgtype.Numeric, ifCorrupt string) (a chain.Amount, err error) {
	bad := fault.New(fault.Corrupt, "an amount in the database is none (%s)", ifCorrupt)
	if !n.Valid || n.NaN || n.InfinityModifier != pgtype.Finite || n.Exp < 0 || n.Exp > digitsMax*4 || n.Int.Sign() < 0 {
		return a, bad
	}
	v := n.Int
	if n.Exp > 0 {
		v = new(big.Int).Mul(v, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.Exp)), nil))
	}
	if v.BitLen() > 128 {
		return a, bad
	}
	low := new(big.Int).And(v, new(big.Int).SetUint64(1<<64-1))
	return chain.Amount{Lo: low.Uint64(), Hi: new(big.Int).Rsh(v, 64).Uint64()}, nil
}
