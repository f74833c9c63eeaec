// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// First bytes of V10's keys.
const (
	keyName         = 'a'
	keyNumber       = 'n'
	keyHolder       = 'h'
	keyPlace        = 't'
	keyParty        = 'p'
	keyRound        = 'r'
	keyHash         = 'b'
	keyApplied      = 'u'
	keyAppliedParty = 'q'
	keyAppliedBlock = 'v'
	keyUsed         = 'k'
	keyAge          = 'e'
)

// batchRows is how many rows go from a reader to the comparer at once; a batch of V10's ends with a round.
const batchRows = 512

// txBatch is rows in order.
type txBatch struct {
	rows []Tx
	bad  []uint64 // rounds in it whose hash is not that of their rows
}

// batches carries batches one way and empty ones the other.
type batches struct {
	full, empty chan *txBatch
}

func newBatches() batches {
	b := batches{make(chan *txBatch, 2), make(chan *txBatch, 4)}
	for range cap(b.empty) {
		b.empty <- &txBatch{rows: make([]Tx, 0, batchRows)}
	}
	return b
}

func (b *batches) get(ctx context.Context) (*txBatch, error) {
	select {
	case batch := <-b.empty:
		batch.rows, batch.bad = batch.rows[:0], batch.bad[:0]
		return batch, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *batches) put(ctx context.Context, batch *txBatch) error {
	select {
	case b.full <- batch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// roundsReader reads V10's own transactions, round by round, and checks each round.
type roundsReader struct {
	kv    KV
	names names
	finds *Findings
	out   batches
	from  uint64 // round to begin with

	previous [32]byte
	known    bool // what previous is
	batch    *txBatch
	txs      Walk
	more     bool // txs stands at a row
	hash     hash.Hash
	last     []byte // row before, in its round
	dense    bool   // places count up from where V10's begin, so far
	unread   bool   // the round has a row, which cannot be read
	scratch  []byte
	rounds   uint64
}

func roundKey(kind byte, round uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, round)
}

// run reads all of it and then closes the channel.
func (r *roundsReader) run(ctx context.Context) (err error) {
	defer close(r.out.full)
	r.hash = sha256.New()
	if r.batch, err = r.out.get(ctx); err != nil {
		return err
	}
	rounds, err := r.kv.Iter(Consensus, roundKey(keyRound, r.from), []byte{keyRound + 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rounds.Close()) }()
	if r.txs, err = r.kv.Iter(Transactions, roundKey(keyPlace, r.from), []byte{keyPlace + 1}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.txs.Close()) }()
	if err := r.begin(); err != nil {
		return err
	}
	expected := r.from
	for rounds.Next() {
		number, ok := numberKey(rounds.Key())
		if !ok {
			r.finds.Add(Finding{Class: classUnreadable, Side: SideV10, Table: TableRounds, Key: fmt.Sprintf("%x", rounds.Key())})
			continue
		}
		for ; expected < number; expected++ { // bounded by what lies between two rows that are there
			if expected-r.from > 0 && number-expected > KeptPerKindMax {
				expected = number - KeptPerKindMax
			}
			r.finds.Add(Finding{Class: classMissing, Side: SideV10, Table: TableRounds, Key: strconv.FormatUint(expected, 10)})
			if err := r.headless(ctx, expected); err != nil {
				return err
			}
		}
		if err := r.round(ctx, number, rounds.Value()); err != nil {
			return err
		}
		expected = number + 1
	}
	if err := rounds.Err(); err != nil {
		return err
	}
	return r.rest(ctx)
}

// begin stands at the first transaction, and learns the hash of the round before.
func (r *roundsReader) begin() error {
	r.next()
	if r.from == 0 {
		r.known = true
		return nil
	}
	row, err := r.kv.Get(Consensus, roundKey(keyRound, r.from-1))
	if err != nil {
		return ignoreMissing(err)
	}
	var before RoundRow
	if r.known = scanRound(row, &before); r.known {
		r.previous = before.Hash
	}
	return nil
}

func ignoreMissing(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

func (r *roundsReader) next() { r.more = r.txs.Next() }

func numberKey(key []byte) (uint64, bool) {
	if len(key) != 9 {
		return 0, false
	}
	return be64(key[1:]), true
}

// placeKey reads the end of a key: round and place.
func placeKey(key []byte) (round uint64, place uint32, ok bool) {
	if len(key) < 13 {
		return 0, 0, false
	}
	end := key[len(key)-12:]
	return be64(end), be32(end[8:]), true
}

// round reads a round's row, its transactions, and checks the one by the others.
func (r *roundsReader) round(ctx context.Context, number uint64, row []byte) error {
	r.rounds++
	var head RoundRow
	if !scanRound(row, &head) {
		r.finds.Add(Finding{Class: whyUnread(row), Side: SideV10, Table: TableRounds, Key: strconv.FormatUint(number, 10)})
		return r.headless(ctx, number)
	}
	head.Number = number
	if r.known && head.Previous != r.previous {
		r.finds.Add(Finding{Class: classPrevious, Side: SideV10, Table: TableRounds, Key: strconv.FormatUint(number, 10), Expected: hex32(r.previous), Found: hex32(head.Previous)})
	}
	r.previous, r.known = head.Hash, true
	return r.rows(ctx, number, &head)
}

// headless reads the transactions of a round whose row is gone or cannot be read: nobody can say whether they are all.
func (r *roundsReader) headless(ctx context.Context, number uint64) error {
	r.known, r.unread = false, true
	err := r.rows(ctx, number, nil)
	r.unread = false
	return err
}

func hex32(h [32]byte) string { return fmt.Sprintf("%x", h[:]) }

// rows reads the transactions of a round; those of earlier ones that are still there belong to none.
func (r *roundsReader) rows(ctx context.Context, number uint64, head *RoundRow) error {
	from := len(r.batch.rows)
	if head != nil {
		r.beginHash(head)
	}
	r.last, r.dense = r.last[:0], true
	for r.more {
		round, place, ok := placeKey(r.txs.Key())
		if !ok || len(r.txs.Key()) != 13 {
			r.finds.Add(Finding{Class: classUnreadable, Side: SideV10, Table: TableTransactions, Key: fmt.Sprintf("%x", r.txs.Key())})
			r.next()
			continue
		}
		if round > number {
			break
		}
		r.row(round, place, head, uint64(len(r.batch.rows)-from))
		r.next()
	}
	if err := r.txs.Err(); err != nil {
		return err
	}
	if head != nil && !r.sound(head, len(r.batch.rows)-from) {
		r.batch.bad = append(r.batch.bad, number)
		for i := range r.batch.rows[from:] {
			r.batch.rows[from+i].Sound = false
		}
	}
	if len(r.batch.rows) < batchRows {
		return nil
	}
	return r.send(ctx)
}

func (r *roundsReader) send(ctx context.Context) (err error) {
	if err := r.out.put(ctx, r.batch); err != nil {
		return err
	}
	r.batch, err = r.out.get(ctx)
	return err
}

// row reads one transaction.
func (r *roundsReader) row(round uint64, place uint32, head *RoundRow, count uint64) {
	row := r.txs.Value()
	if head != nil {
		r.scratch = binary.BigEndian.AppendUint32(r.scratch[:0], uint32(len(row)))
		r.hash.Write(r.scratch)
		r.hash.Write(row)
	}
	r.batch.rows = append(r.batch.rows, Tx{Round: round, Place: place, Sound: head != nil || r.unread, Stray: head == nil && !r.unread})
	t := &r.batch.rows[len(r.batch.rows)-1]
	r.dense = r.dense && uint64(place) == v10.LegacyPlaceMin+count
	t.Dup = head != nil && count >= uint64(head.Transactions) && string(row) == string(r.last)
	r.names.read(t, row, r.finds, TableTransactions)
	if t.Stray {
		r.finds.Add(Finding{Class: classOrphan, Side: SideV10, Table: TableTransactions, Key: t.key()})
	}
	if count+1 >= uint64(headCount(head)) {
		r.last = append(r.last[:0], row...)
	}
}

func headCount(head *RoundRow) uint32 {
	if head == nil {
		return 0
	}
	return head.Transactions
}

// read reads a row into t, and tells what is wrong with its spelling.
func (n *names) read(t *Tx, row []byte, finds *Findings, table string) {
	var w v10Transaction
	if scanTransaction(row, &w) {
		n.fill(t, &w)
		return
	}
	t.Unread = !looseTransaction(row, &w)
	if !t.Unread {
		n.fill(t, &w)
	}
	finds.Add(Finding{Class: whyUnread(row), Side: SideV10, Table: table, Key: t.key()})
}

func (r *roundsReader) beginHash(head *RoundRow) {
	r.hash.Reset()
	b := append(r.scratch[:0], "aurigraph/v10-reference/round"...)
	b = binary.BigEndian.AppendUint64(b, head.Number)
	b = binary.BigEndian.AppendUint64(b, head.Ms)
	b = append(b, head.Previous[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(head.Leader)))
	b = append(b, head.Leader...)
	r.hash.Write(b)
	r.scratch = b
}

// sound reports whether a round's hash and count are those of its rows.
func (r *roundsReader) sound(head *RoundRow, rows int) bool {
	key := strconv.FormatUint(head.Number, 10)
	var sum [32]byte
	r.hash.Sum(sum[:0])
	if rows != int(head.Transactions) {
		r.finds.Add(Finding{Class: classCount, Side: SideV10, Table: TableRounds, Key: key, Expected: strconv.Itoa(rows), Found: strconv.FormatUint(uint64(head.Transactions), 10)})
	}
	if sum == head.Hash {
		return r.dense
	}
	r.finds.Add(Finding{Class: classHash, Side: SideV10, Table: TableRounds, Key: key, Expected: hex32(sum), Found: hex32(head.Hash)})
	return false
}

// rest are transactions behind the last round.
func (r *roundsReader) rest(ctx context.Context) error {
	if err := r.rows(ctx, 1<<64-1, nil); err != nil {
		return err
	}
	return r.out.put(ctx, r.batch)
}

// appliedReader reads V11's transactions as V10 has them.
type appliedReader struct {
	kv    KV
	names names
	finds *Findings
	out   batches
	from  []byte // key to begin with
}

func (r *appliedReader) run(ctx context.Context) (err error) {
	defer close(r.out.full)
	low := r.from
	if low == nil {
		low = []byte{keyApplied}
	}
	rows, err := r.kv.Iter(Transactions, low, []byte{keyApplied + 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	batch, err := r.out.get(ctx)
	if err != nil {
		return err
	}
	for rows.Next() {
		key := rows.Key()
		if len(key) != 21 {
			r.finds.Add(Finding{Class: classUnreadable, Side: SideV10, Table: TableApplied, Key: fmt.Sprintf("%x", key)})
			continue
		}
		t := Tx{Ms: be64(key[1:]), Round: be64(key[9:]), Place: be32(key[17:])}
		r.names.read(&t, rows.Value(), r.finds, TableApplied)
		if t.Ms != be64(key[1:]) && !t.Unread {
			r.finds.Add(Finding{Class: classTime, Side: SideV10, Table: TableApplied, Key: t.key(), Expected: strconv.FormatUint(be64(key[1:]), 10), Found: strconv.FormatUint(t.Ms, 10)})
		}
		t.Ms = be64(key[1:])
		if batch.rows = append(batch.rows, t); len(batch.rows) >= batchRows {
			if err := r.out.put(ctx, batch); err != nil {
				return err
			}
			if batch, err = r.out.get(ctx); err != nil {
				return err
			}
		}
	}
	return errors.Join(rows.Err(), r.out.put(ctx, batch))
}

// appliedKey is where V10 keeps a transaction of V11's.
func appliedKey(t *Tx) []byte {
	k := binary.BigEndian.AppendUint64([]byte{keyApplied}, t.Ms)
	k = binary.BigEndian.AppendUint64(k, t.Round)
	return binary.BigEndian.AppendUint32(k, t.Place)
}

func ownKey(t *Tx) []byte {
	return binary.BigEndian.AppendUint32(roundKey(keyPlace, t.Round), t.Place)
}

// v11ID is the id under which V10 knows what lies at a place of V11's chain.
func v11ID(timeUs, height uint64, batch, item uint32) (ms, round uint64, place uint32) {
	id := v10.TxID{Ms: timeUs / 1000, Height: chain.Height(height), Batch: batch, Item: item}
	return id.Ms, height, id.Place()
}
