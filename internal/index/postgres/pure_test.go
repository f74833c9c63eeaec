// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/index"
)

// FuzzNumeric wants an amount to come back from the bytes that COPY sends, as the driver reads them.
func FuzzNumeric(f *testing.F) {
	for _, v := range []uint64{0, 1, 9_999, 10_000, 99_999_999, 100_000_000, ^uint64(0)} {
		f.Add(uint64(0), v)
		f.Add(v, uint64(0))
		f.Add(v, v)
	}
	types := pgtype.NewMap()
	f.Fuzz(func(t *testing.T, hi, lo uint64) {
		want := chain.Amount{Hi: hi, Lo: lo}
		var e encoder
		e.numeric(want)
		if n := binary.BigEndian.Uint32(e.b); int(n) != len(e.b)-4 {
			t.Fatalf("the length is %d, there are %d bytes", n, len(e.b)-4)
		}
		var n pgtype.Numeric
		must(t, types.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, e.b[4:], &n))
		have, err := amountOf(n)
		if err != nil || have != want {
			t.Errorf("%v came back as %v, %v", want, have, err)
		}
	})
}

// TestNoAmount reads numerics that no amount was made from.
func TestNoAmount(t *testing.T) {
	tooLarge := new(big.Int).Lsh(big.NewInt(1), 128)
	for _, n := range []pgtype.Numeric{
		{}, {Valid: true, NaN: true}, {Valid: true, Int: big.NewInt(-1)}, {Valid: true, Int: big.NewInt(15), Exp: -1}, {Valid: true, Int: tooLarge},
		{Valid: true, Int: big.NewInt(1), Exp: 39}, {Valid: true, Int: big.NewInt(1), Exp: 1 << 30}, {Valid: true, Int: big.NewInt(1), InfinityModifier: pgtype.Infinity},
	} {
		if a, err := amountOf(n); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%+v: %v, %v", n, a, err)
		}
	}
}

// TestErrors gives each kind of error what it must lead to.
func TestErrors(t *testing.T) {
	code := func(c string) error { return fmt.Errorf("driver: %w", &pgconn.PgError{Code: c}) }
	for _, c := range []struct {
		err    error
		again  bool
		reason string
		kind   fault.Kind
	}{
		{code("40001"), true, reasonConflict, fault.Unavailable},
		{code("40P01"), true, reasonConflict, fault.Unavailable},
		{code("55P03"), true, reasonConflict, fault.Unavailable},
		{code("08006"), true, reasonConnection, fault.Unavailable},
		{code("57P01"), true, reasonServer, fault.Unavailable},
		{code("57P03"), true, reasonServer, fault.Unavailable},
		{code("57014"), true, reasonServer, fault.Unavailable},
		{code("53100"), true, reasonServer, fault.Unavailable},
		{code("25006"), true, reasonServer, fault.Unavailable},
		{code("28P01"), true, reasonServer, fault.Unavailable},
		{code("42501"), true, reasonServer, fault.Unavailable},
		{code("23505"), false, "statement", fault.Corrupt},
		{code("42P01"), false, "statement", fault.Corrupt},
		{code(""), false, "statement", fault.Corrupt},
		{io.ErrUnexpectedEOF, true, reasonConnection, fault.Unavailable},
		{context.DeadlineExceeded, true, reasonConnection, fault.Unavailable}, // of one attempt
		{fault.Reasoned(fault.Unavailable, ReasonTaken, "taken"), true, ReasonTaken, fault.Unavailable},
		{fault.Reasoned(fault.Conflict, ReasonMoved, "moved"), false, ReasonMoved, fault.Conflict},
	} {
		reason, again := passing(c.err)
		if kind := fault.KindOf(translate(t.Context(), c.err, "x")); again != c.again || reason != c.reason || kind != c.kind {
			t.Errorf("%v: again %v, %s, %s", c.err, again, reason, kind)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := translate(ended, io.ErrUnexpectedEOF, "x"); !fault.Is(err, fault.Timeout) {
		t.Error(err)
	}
}

// TestStale tells what a list meets once from what it would meet again.
func TestStale(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{io.ErrUnexpectedEOF, true}, {&pgconn.PgError{Code: "57P01"}, true}, {&pgconn.PgError{Code: "42P01"}, true}, {&pgconn.PgError{Code: "08006"}, true},
		{&pgconn.PgError{Code: "57014"}, false}, {&pgconn.PgError{Code: "42703"}, false}, {&pgconn.ConnectError{}, false}, {fault.New(fault.Corrupt, "x"), false},
	} {
		if stale(c.err) != c.want {
			t.Errorf("%T %+v", c.err, c.err)
		}
	}
}

// TestPauses grow, to a bound.
func TestPauses(t *testing.T) {
	for attempt := 1; attempt < 20; attempt++ {
		if d := pauseBefore(attempt); d < pauseMin/2 || d > pauseMax || attempt > 7 && d < pauseMax/2 {
			t.Errorf("attempt %d: %v", attempt, d)
		}
	}
}

// TestFeedEnds wants a COPY that is over not to be read from any more, whatever the driver's goroutine does.
func TestFeedEnds(t *testing.T) {
	db := &DB{encoder: encoder{rows: 1, row: func(*encoder, int) { t.Error("a row was read") }}}
	f := &feed{db: db}
	f.end()
	if _, err := f.Read(make([]byte, 100)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// TestEncoder reads a COPY in pieces of all sizes: the bytes are the same.
func TestEncoder(t *testing.T) {
	rows := block(index.Start(), 30).Rows
	text := func(piece int) (all []byte) {
		e := encoder{b: append([]byte(nil), copyBegin...), rows: len(rows), row: func(e *encoder, i int) { e.transfer(int64(i), 0, &rows[i]) }}
		for p := make([]byte, piece); ; {
			n, err := e.Read(p)
			all = append(all, p[:n]...)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				return all
			}
		}
	}
	want := text(1 << 20)
	for _, piece := range []int{1, 7, 4096} {
		if have := text(piece); string(have) != string(want) {
			t.Errorf("pieces of %d: %d bytes, want %d", piece, len(have), len(want))
		}
	}
}
