// SPDX-License-Identifier: Apache-2.0

package v11rows

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pgdb"
	"github.com/aurigraph/aurigraph/internal/verifier"
)

// statementMax bounds one statement; longer ones are a server in trouble.
const statementMax = 60 * time.Second

const closeMax = 5 * time.Second

// Postgres is the tables of one database. It is a verifier.Rows.
type Postgres struct {
	mu       sync.Mutex // one read at a time
	conn     *pgx.Conn
	prepared map[string]string // names of statements
	imported bool
	life     context.Context // without an end, for the last words
}

// OpenPostgres opens the database of a query index.
func OpenPostgres(ctx context.Context, url string) (*Postgres, error) {
	cc, err := pgdb.Connection(url, "aurigraph-verifier")
	if err != nil {
		return nil, err
	}
	pgdb.SetDefault(cc, "default_transaction_read_only", "on")
	pgdb.SetDefault(cc, "statement_timeout", pgdb.Milliseconds(statementMax))
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, pgdb.WrapConnect(ctx, err, "open the index")
	}
	p := &Postgres{conn: conn, prepared: map[string]string{}, life: context.WithoutCancel(ctx)}
	err = p.read(ctx, `SELECT count(*) FROM information_schema.tables WHERE table_schema = 'aurigraph_imported' AND table_name = 'meta'`, nil, func(v *values) {
		p.imported = v.int64(0) == 1
	})
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close closes the connection.
func (p *Postgres) Close() error {
	ctx, cancel := context.WithTimeout(p.life, closeMax)
	defer cancel()
	return fault.Wrap(fault.Unavailable, p.conn.Close(ctx), "close the index")
}

// Meta reads what the tables say of themselves.
func (p *Postgres) Meta(ctx context.Context) (m verifier.RowsMeta, err error) {
	found := false
	err = p.read(ctx, `SELECT height, seq, (SELECT count(*) FROM aurigraph.gaps), coalesce((SELECT min(seq) FROM aurigraph.transfers), 1) FROM aurigraph.meta WHERE id = 1`, nil,
		func(v *values) {
			found = true
			m.Height, m.Seq, m.Gaps, m.First = chain.Height(v.int64(0)-1), uint64(v.int64(1)), uint64(v.int64(2)), uint64(v.int64(3))
		})
	switch {
	case err == nil && !found:
		err = fault.New(fault.NotFound, "there is no index in this database")
	case err == nil && m.First > 1:
		m.Gaps++ // its oldest partitions were dropped
	}
	if err != nil || !p.imported {
		return m, err
	}
	version := uint64(0)
	err = p.read(ctx, `SELECT version::bigint, sequence, rows, rounds, finished::int::bigint, coalesce((SELECT max(number) FROM aurigraph_imported.rounds), 0)
		FROM aurigraph_imported.meta WHERE id = 1`, nil, func(v *values) {
		version = uint64(v.int64(0))
		m.Copied, m.Sequence, m.CopiedRows, m.Rounds = true, uint64(v.int64(1)), uint64(v.int64(2)), uint64(v.int64(3))
		m.Finished, m.LastRound = v.int64(4) == 1, uint64(v.int64(5))
	})
	if err == nil && m.Copied && version != importedVersion {
		err = fault.Reasoned(fault.Refused, "imported_version", "the copied history has version %d, and this program reads %d: use the program that wrote it", version, importedVersion)
	}
	return m, err
}

const (
	transfersPG = `SELECT seq, height, time_us, batch, item, payer, payee, asset, kind, outcome, amount, reference, v10_round, v10_ms, v10_place
		FROM aurigraph.transfers WHERE seq > $1 ORDER BY seq LIMIT $2`
	blocksPG   = `SELECT height, time_us, items, hash FROM aurigraph.blocks WHERE height > $1 ORDER BY height LIMIT $2`
	importedPG = `SELECT seq, ms, round, place, kind, payer, payee, asset, amount, outcome FROM aurigraph_imported.rows WHERE seq > $1 ORDER BY seq LIMIT $2`
	roundsPG   = `SELECT number, ms, leader, votes, hash, previous, transactions FROM aurigraph_imported.rounds WHERE number >= $1 ORDER BY number LIMIT $2`
)

func pieceOf(after uint64, n int) []string {
	return []string{strconv.FormatUint(after, 10), strconv.Itoa(n)}
}

// Transfers reads rows of the index.
func (p *Postgres) Transfers(ctx context.Context, after uint64, into []verifier.TransferRow) (n int, err error) {
	err = p.read(ctx, transfersPG, pieceOf(after, len(into)), func(v *values) {
		t := &into[n]
		*t = verifier.TransferRow{
			Seq: uint64(v.int64(0)), Height: uint64(v.int64(1)), TimeUs: uint64(v.int64(2)), Batch: v.int32(3), Item: v.int32(4), Payer: v.int32(5), Payee: v.int32(6),
			Asset: v.int32(7), Kind: v.byte(8), Outcome: v.byte(9), Amount: v.numeric(10),
		}
		v.blob(11, t.Reference[:], true)
		if t.FromV10 = v.row[12] != nil; t.FromV10 {
			t.Round, t.Ms, t.Place = uint64(v.int64(12)), uint64(v.int64(13)), v.int32(14)
		}
		t.Damaged = v.damaged
		n++
	})
	return n, err
}

// Blocks reads blocks of the index.
func (p *Postgres) Blocks(ctx context.Context, after uint64, into []verifier.BlockRow) (n int, err error) {
	err = p.read(ctx, blocksPG, pieceOf(after, len(into)), func(v *values) {
		into[n] = verifier.BlockRow{Height: uint64(v.int64(0)), TimeUs: uint64(v.int64(1)), Items: uint64(v.int64(2))}
		v.blob(3, into[n].Hash[:], false)
		n++
	})
	return n, err
}

// Listed reads nothing: the database keeps its own indexes.
func (p *Postgres) Listed(context.Context, verifier.ListedRow, []verifier.ListedRow) (int, error) {
	return 0, nil
}

// Imported reads rows of the copied history.
func (p *Postgres) Imported(ctx context.Context, after uint64, into []verifier.ImportedRow) (n int, err error) {
	if !p.imported {
		return 0, nil
	}
	err = p.read(ctx, importedPG, pieceOf(after, len(into)), func(v *values) {
		into[n] = verifier.ImportedRow{
			Seq: uint64(v.int64(0)), Ms: uint64(v.int64(1)), Round: uint64(v.int64(2)), Place: v.int32(3), Kind: v.byte(4), Payer: v.int32(5), Payee: v.int32(6),
			Asset: v.int32(7), Amount: v.numeric(8), Outcome: v.byte(9),
		}
		into[n].Damaged = v.damaged
		n++
	})
	return n, err
}

// ImportedRounds reads copied rounds.
func (p *Postgres) ImportedRounds(ctx context.Context, from uint64, into []verifier.RoundRow) (n int, err error) {
	if !p.imported {
		return 0, nil
	}
	err = p.read(ctx, roundsPG, pieceOf(from, len(into)), func(v *values) {
		t := &into[n]
		*t = verifier.RoundRow{Number: uint64(v.int64(0)), Ms: uint64(v.int64(1)), Leader: string(v.row[2]), Transactions: uint32(v.int64(6))}
		if json.Unmarshal(v.row[3], &t.Votes) != nil {
			v.damaged = "votes that are no list"
		}
		v.blob(4, t.Hash[:], false)
		v.blob(5, t.Previous[:], false)
		t.Damaged = v.damaged
		n++
	})
	return n, err
}

// read runs one statement, whose answers come in the database's binary form.
func (p *Postgres) read(ctx context.Context, statement string, args []string, each func(*values)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	raw := make([][]byte, len(args))
	for i, a := range args {
		raw[i] = []byte(a)
	}
	name, known := p.prepared[statement]
	if !known {
		name = fmt.Sprintf("verifier%d", len(p.prepared))
		if _, err := p.conn.PgConn().Prepare(ctx, name, statement, nil); err != nil {
			return wrap(ctx, err)
		}
		p.prepared[statement] = name
	}
	rows := p.conn.PgConn().ExecPrepared(ctx, name, raw, nil, []int16{pgx.BinaryFormatCode})
	var v values
	for rows.NextRow() {
		v = values{row: rows.Values(), fields: rows.FieldDescriptions()}
		each(&v)
	}
	_, err := rows.Close()
	return wrap(ctx, err)
}

func wrap(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return pgdb.Wrap(ctx, err, "read the index", "it is built anew from the chain: DROP SCHEMA aurigraph CASCADE")
}

// values reads the columns of one row.
type values struct {
	row     [][]byte
	fields  []pgconn.FieldDescription
	damaged string
}

func (v *values) bad(column int, why string) {
	v.damaged = "column " + v.fields[column].Name + " " + why
}

func (v *values) int64(column int) int64 {
	if len(v.row[column]) != 8 {
		v.bad(column, "is no number")
		return 0
	}
	n := int64(binary.BigEndian.Uint64(v.row[column]))
	if n < 0 {
		v.bad(column, "is below zero")
		return 0
	}
	return n
}

// int32 reads a number of 32 bits as it is stored: in two's complement.
func (v *values) int32(column int) uint32 {
	if len(v.row[column]) != 4 {
		v.bad(column, "is no number")
		return 0
	}
	return binary.BigEndian.Uint32(v.row[column])
}

func (v *values) byte(column int) uint8 {
	if len(v.row[column]) != 2 {
		v.bad(column, "is no number")
		return 0
	}
	n := binary.BigEndian.Uint16(v.row[column])
	if n > 0xff {
		v.bad(column, "is out of range")
	}
	return uint8(n)
}

func (v *values) blob(column int, dst []byte, orEmpty bool) {
	switch b := v.row[column]; {
	case len(b) == 0 && orEmpty:
	case len(b) != len(dst):
		v.bad(column, "has another size")
	default:
		copy(dst, b)
	}
}

// numeric reads an amount: groups of four decimal digits. PostgreSQL's sources, numeric_send.
func (v *values) numeric(column int) (a chain.Amount) {
	b := v.row[column]
	if len(b) < 8 {
		v.bad(column, "is no number")
		return a
	}
	groups, weight, sign := int(binary.BigEndian.Uint16(b)), int(int16(binary.BigEndian.Uint16(b[2:]))), binary.BigEndian.Uint16(b[4:])
	if sign != 0 || len(b) != 8+2*groups || groups > 0 && (weight < groups-1 || weight > 9) {
		v.bad(column, "is below zero, no whole number or out of range")
		return a
	}
	for i := 0; groups > 0 && i <= weight; i++ {
		digit := uint64(0)
		if i < groups {
			digit = uint64(binary.BigEndian.Uint16(b[8+2*i:]))
		}
		over, lo := bits.Mul64(a.Lo, 10_000)
		top, hi := bits.Mul64(a.Hi, 10_000)
		lo, carry := bits.Add64(lo, digit, 0)
		hi, carry = bits.Add64(hi, over, carry)
		if top+carry != 0 {
			v.bad(column, "is out of range")
			return chain.Amount{}
		}
		a = chain.Amount{Lo: lo, Hi: hi}
	}
	return a
}

var _ verifier.Rows = (*Postgres)(nil)
