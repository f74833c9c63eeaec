// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"math"
	"math/big"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// Bounds of one answer.
const (
	RowsPerAnswerMax = 1000
	// ProbesMax bounds the statements of one answer; then it is short, or empty, and says where to go on.
	ProbesMax = 64
	// listTries is enough to meet all connections of before a server's restart, and a new one.
	listTries = ReadersMax + 1
	// probeRows is how many transfers a statement looks through for those of an asset, which no index knows.
	probeRows = 1 << 16
)

// What a statement asks: $1 limit, $2 and $3 the numbers from and below, $4 asset or 0, and where it is by account $5 chunk and $6 account.
const (
	between      = ` AND seq >= $2 AND seq < $3 AND ($4::int = 0 OR asset = $4) ORDER BY seq DESC LIMIT $1`
	ofChunk      = ` WHERE chunk = $5 AND payer = $6` + between
	ofChunkPayee = ` WHERE chunk = $5 AND payee = $6 AND payer <> $6` + between
)

// Reader lists from an index that another process writes. It is safe for concurrent use.
type Reader struct{ pool *pgxpool.Pool }

var _ index.Reader = (*Reader)(nil)

// OpenReader opens an index that is there, for lists alone. The index of another chain is a Conflict; one that is not made yet, or
// cannot be reached, is Unavailable.
func OpenReader(ctx context.Context, c Config, id chain.ChainID, genesis chain.Hash) (*Reader, error) {
	r, err := openReader(ctx, c)
	if err != nil {
		return nil, err
	}
	made, err := checkChain(ctx, r.pool, id, genesis)
	if err == nil && made {
		made, err = current(ctx, r.pool)
	}
	if err == nil && !made {
		err = fault.New(fault.Unavailable, "there is no index of this program's version in the database yet: who writes to it makes it")
	}
	if err != nil {
		r.Close()
		return nil, translate(ctx, err, "open the index")
	}
	return r, nil
}

func openReader(ctx context.Context, c Config) (*Reader, error) {
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the index's URL cannot be read for the readers: look at its pool_ parameters")
	}
	if pc.ConnConfig, err = c.connection(); err != nil {
		return nil, err
	}
	pc.MaxConns, pc.MinConns = ReadersMax, 0
	setDefault(pc.ConnConfig.RuntimeParams, "statement_timeout", milliseconds(answerMax))
	pc.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		now, err := c.connection()
		if err == nil {
			cc.Password = now.Password
		}
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, translateConnect(ctx, err)
	}
	return &Reader{pool}, nil
}

// Close ends the readers' sessions. It waits for lists under way.
func (r *Reader) Close() {
	if r != nil {
		r.pool.Close()
	}
}

// Height is the newest height that is in the index as a whole.
func (r *Reader) Height(ctx context.Context) (chain.Height, error) {
	m, err := readMeta(r.pool.QueryRow(ctx, selectMeta))
	return m.next.Complete(), translate(ctx, err, "read the index")
}

// Transfers lists transfers, newest first.
func (db *DB) Transfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (chain.Height, []history.Transfer, uint64, error) {
	return db.readers.Transfers(ctx, account, asset, before, limit)
}

// Transfers lists transfers, newest first.
func (r *Reader) Transfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (at chain.Height, rows []history.Transfer, next uint64, err error) {
	if limit < 1 || limit > RowsPerAnswerMax || before > math.MaxInt64 {
		return 0, nil, 0, fault.New(fault.Invalid, "ask for 1 to %d transfers, from a place that an answer gave", RowsPerAnswerMax)
	}
	var l lister
	err = r.snapshot(ctx, func(tx pgx.Tx) error {
		l = lister{tx: tx, account: int32(account), asset: int32(asset), before: int64(before), limit: limit}
		return l.list(ctx)
	})
	if err != nil {
		return 0, nil, 0, err
	}
	return l.at, l.rows, uint64(l.before), nil
}

// snapshot reads one moment of the index. Connections of before a restart of the server are passed over.
func (r *Reader) snapshot(ctx context.Context, read func(pgx.Tx) error) (err error) {
	for range listTries {
		err = pgx.BeginTxFunc(ctx, r.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, read)
		if err == nil || ctx.Err() != nil || !stale(err) {
			break
		}
	}
	if isCode(err, codeCanceled) {
		return fault.Wrap(fault.Timeout, err, "a list took the database too long")
	}
	return translate(ctx, err, "read the index")
}

// lister is one answer.
type lister struct {
	tx      pgx.Tx
	meta    meta
	account int32
	asset   int32
	before  int64 // in the end: where to go on, 0 at the end
	floor   int64 // the oldest transfer that is there
	limit   int
	at      chain.Height
	rows    []history.Transfer
	known   int64   // partition of which it is known which chunks have the account; -1: none
	chunks  []int64 // of them, those that are to come, newest first
}

func (l *lister) list(ctx context.Context) (err error) {
	var oldest int64
	if l.meta, err = readMeta(l.tx.QueryRow(ctx, selectMeta)); err != nil {
		return err
	}
	if err := l.tx.QueryRow(ctx, `SELECT coalesce(min(no), 0) FROM aurigraph.partitions`).Scan(&oldest); err != nil {
		return err
	}
	l.at, l.known, l.floor = l.meta.next.Complete(), -1, max(l.meta.first(oldest), 1)
	if l.before == 0 || l.before > l.meta.wholeSeq {
		l.before = l.meta.wholeSeq
	}
	for n := 0; n < ProbesMax && l.before > l.floor && len(l.rows) < l.limit; n++ {
		if err := l.look(ctx, n); err != nil {
			return err
		}
	}
	if l.before <= l.floor {
		l.before = 0
	}
	return nil
}

// look makes the nth statement of an answer, and moves before to where to go on.
func (l *lister) look(ctx context.Context, n int) error {
	part := l.meta.part(l.before - 1)
	from := max(l.meta.first(part), l.floor)
	if l.account == 0 {
		if l.asset != 0 {
			from = max(from, l.before-probeRows)
		}
		return l.probe(ctx, from, `SELECT `+transferColumns+` FROM `+partitionTable(part)+` WHERE true`+between)
	}
	chunk := l.meta.chunk(l.before - 1)
	if n > 0 { // the newest chunk is looked into at once: who asks for an account is mostly active
		if l.known != part {
			return l.findChunks(ctx, part, from)
		}
		if len(l.chunks) == 0 {
			l.before = from
			return nil
		}
		chunk, l.chunks = l.chunks[0], l.chunks[1:]
		l.before = min(l.before, l.meta.firstOfChunk(chunk+1))
	}
	s := `SELECT ` + transferColumns + ` FROM ` + partitionTable(part)
	return l.probe(ctx, max(from, l.meta.firstOfChunk(chunk)), `(`+s+ofChunk+`) UNION ALL (`+s+ofChunkPayee+`) ORDER BY seq DESC LIMIT $1`, chunk, l.account)
}

// findChunks finds which chunks of a partition have the account, by one look into each index a chunk.
func (l *lister) findChunks(ctx context.Context, part, from int64) error {
	t := partitionTable(part)
	q, err := l.tx.Query(ctx, `SELECT c FROM generate_series($1::bigint, $2::bigint) c
		WHERE EXISTS (SELECT FROM `+t+` WHERE chunk = c::int AND payer = $3) OR EXISTS (SELECT FROM `+t+` WHERE chunk = c::int AND payee = $3)
		ORDER BY c DESC`, l.meta.chunk(from), l.meta.chunk(l.before-1), l.account)
	if err != nil {
		return err
	}
	l.known = part
	l.chunks, err = pgx.CollectRows(q, pgx.RowTo[int64])
	return err
}

// probe reads from one partition, asked for by name, so that nothing is planned or locked but it.
func (l *lister) probe(ctx context.Context, from int64, statement string, args ...any) error {
	q, err := l.tx.Query(ctx, statement, append([]any{l.limit - len(l.rows), from, l.before, l.asset}, args...)...)
	if err != nil {
		return err
	}
	defer q.Close()
	for q.Next() {
		t, seq, err := scanTransfer(q)
		if err != nil {
			return err
		}
		l.rows, l.before = append(l.rows, t), seq
	}
	if len(l.rows) < l.limit {
		l.before = from
	}
	return q.Err()
}

func scanTransfer(row pgx.Row) (t history.Transfer, seq int64, err error) {
	var height, timeUs int64
	var chunk, from, to, asset, batch, item int32
	var kind, outcome int16
	var amount pgtype.Numeric
	var id, reference []byte
	var ms, round *int64
	var place *int32
	err = row.Scan(&seq, &height, &timeUs, &chunk, &from, &to, &asset, &batch, &item, &kind, &outcome, &amount, &id, &reference, &ms, &round, &place)
	if err != nil {
		return t, 0, err
	}
	t = history.Transfer{
		Height: chain.Height(height), Index: uint32(batch), Item: uint32(item), From: chain.AccountNo(from), To: chain.AccountNo(to),
		Asset: chain.AssetNo(asset), Kind: history.KindUnknown, Outcome: chain.Outcome(outcome), TimeUs: uint64(timeUs),
	}
	if kind >= 0 && int(kind) < len(kinds) {
		t.Kind = kinds[kind]
	}
	if ms != nil && round != nil && place != nil {
		t.Origin = history.Origin{Ms: uint64(*ms), Round: uint64(*round), Place: uint32(*place)}
	}
	copy(t.ID[:], id)
	copy(t.Reference[:], reference)
	t.Amount, err = amountOf(amount)
	return t, seq, err
}

// amountOf is the amount that a numeric was made from.
func amountOf(n pgtype.Numeric) (a chain.Amount, err error) {
	bad := fault.New(fault.Corrupt, "an amount in the index is none: drop the schema aurigraph and start again")
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
	a.Lo, a.Hi = new(big.Int).And(v, new(big.Int).SetUint64(math.MaxUint64)).Uint64(), new(big.Int).Rsh(v, 64).Uint64()
	return a, nil
}

func scanBlock(row pgx.Row) (b index.Block, err error) {
	var height, timeUs, items int64
	var hash []byte
	if err := row.Scan(&height, &hash, &timeUs, &items); err != nil {
		return b, err
	}
	if len(hash) != len(b.Hash) {
		return b, errors.New("a block's hash has another length")
	}
	b = index.Block{Height: chain.Height(height), TimeUs: uint64(timeUs), Items: uint64(items)}
	copy(b.Hash[:], hash)
	return b, nil
}
