// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// kinds are the words of a transfer's kind, by their number in the table. Append only.
var kinds = [...]string{
	history.KindTransfer, history.KindHold, history.KindPost, history.KindVoid, history.KindIssue, history.KindRedeem, history.KindUnknown,
}

const (
	ownColumns      = `seq, height, time_us, chunk, payer, payee, asset, batch, item, kind, outcome, amount, id, reference`
	originColumns   = `v10_ms, v10_round, v10_place`
	transferColumns = ownColumns + `, ` + originColumns
	copyBlocks      = `COPY aurigraph.blocks (height, hash, time_us, items) FROM STDIN (FORMAT binary)`
)

// copyTransfers copies rows of which some, or none, came from V10: where none did their columns are left out.
func copyTransfers(part int64, origins bool) string {
	columns := ownColumns
	if origins {
		columns = transferColumns
	}
	return `COPY ` + partitionTable(part) + ` (` + columns + `) FROM STDIN (FORMAT binary)`
}

// The parts of COPY's binary form. PostgreSQL's documentation, COPY, "Binary Format".
var (
	copyBegin = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...) // no flags, no extension
	copyEnd   = []byte{0xff, 0xff}
)

// copyChunkBytes is about what is encoded before it is sent.
const copyChunkBytes = 64 << 10

// copy streams n rows into a table.
func (db *DB) copy(ctx context.Context, tx pgx.Tx, statement string, n int, row func(*encoder, int)) error {
	e := &db.encoder
	*e = encoder{b: append(e.b[:0], copyBegin...), rows: n, row: row}
	f := &feed{db: db}
	defer f.end()
	_, err := tx.Conn().PgConn().CopyFrom(ctx, f, statement)
	return err
}

// feed is the encoder as the driver reads it. When a connection is lost the driver goes on reading, in a goroutine of its own, for a
// moment after it has told so: by then the rows may be another group's.
type feed struct {
	mu    sync.Mutex
	db    *DB
	ended bool
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
	if err := f.db.step("copy"); err != nil {
		return 0, err
	}
	return f.db.encoder.Read(p)
}

// encoder is the text of one COPY, made as it is read.
type encoder struct {
	b    []byte // encoded and not read
	off  int    // of b, read already
	at   int    // rows encoded
	rows int
	row  func(*encoder, int)
	done bool
}

func (e *encoder) Read(p []byte) (int, error) {
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

func (e *encoder) fields(n uint16) { e.b = binary.BigEndian.AppendUint16(e.b, n) }

func (e *encoder) int64(v int64) {
	e.b = binary.BigEndian.AppendUint64(append(e.b, 0, 0, 0, 8), uint64(v))
}

func (e *encoder) int32(v uint32) { e.b = binary.BigEndian.AppendUint32(append(e.b, 0, 0, 0, 4), v) }

func (e *encoder) int16(v uint16) { e.b = binary.BigEndian.AppendUint16(append(e.b, 0, 0, 0, 2), v) }

func (e *encoder) bytes(v []byte) {
	e.b = append(binary.BigEndian.AppendUint32(e.b, uint32(len(v))), v...)
}

func (e *encoder) null() { e.b = append(e.b, 0xff, 0xff, 0xff, 0xff) }

func (e *encoder) block(b *index.Block) {
	e.fields(4)
	e.int64(int64(b.Height))
	e.bytes(b.Hash[:])
	e.int64(int64(b.TimeUs))
	e.int64(int64(b.Items))
}

// The fields of a transfer, and those of its origin.
const (
	ownFields    = 14
	originFields = 3
)

func (e *encoder) transferFrom(seq, chunk int64, t *history.Transfer) {
	e.fields(ownFields + originFields)
	e.own(seq, chunk, t)
	if t.Origin == (history.Origin{}) {
		for range originFields {
			e.null()
		}
		return
	}
	e.int64(int64(t.Origin.Ms))
	e.int64(int64(t.Origin.Round))
	e.int32(t.Origin.Place)
}

func (e *encoder) transfer(seq, chunk int64, t *history.Transfer) {
	e.fields(ownFields)
	e.own(seq, chunk, t)
}

func (e *encoder) own(seq, chunk int64, t *history.Transfer) {
	e.int64(seq)
	e.int64(int64(t.Height))
	e.int64(int64(t.TimeUs))
	e.int32(uint32(chunk))
	e.int32(uint32(t.From))
	e.int32(uint32(t.To))
	e.int32(uint32(t.Asset))
	e.int32(t.Index)
	e.int32(t.Item)
	e.int16(uint16(slices.Index(kinds[:], t.Kind)))
	e.int16(uint16(t.Outcome))
	e.numeric(t.Amount)
	e.bytes(t.ID[:])
	if t.Reference == ([32]byte{}) {
		e.bytes(nil)
		return
	}
	e.bytes(t.Reference[:])
}

// A numeric is digits to the base of 10,000, the most significant first.
const (
	digitBase   = 10_000
	digitsMax   = 10 // of 128 bits
	numericHead = 8  // number of digits, weight of the first, sign, digits behind the point
)

func (e *encoder) numeric(a chain.Amount) {
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
