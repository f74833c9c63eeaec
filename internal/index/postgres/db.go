// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// Bounds of the work on one index.
const (
	GroupRows    = 16_384                // transfers in a transaction
	GroupBlocks  = 1_024                 // blocks that end in it
	GroupsApart  = 50 * time.Millisecond // between the beginnings of groups that are not full
	lockOfWriter = 0x6175726967726170    // "aurigrap": the session lock of who writes to this database's index
)

// DB is an open index. Position, Newest, Last and Apply belong to one goroutine, Transfers to all.
type DB struct {
	ctx     context.Context // ends all work; Writer's methods take none
	config  Config
	id      chain.ChainID
	genesis chain.Hash

	conn    *pgx.Conn // of the writer; nil: it was lost
	readers *Reader
	meta    meta
	made    int64 // partitions below this number are there
	wait    func(context.Context, time.Duration) error
	encoder encoder
	hooks   hooks
}

// hooks let tests stand between the steps of a group.
type hooks struct {
	step   func(step string) error
	tracer pgx.QueryTracer
}

// meta is what the index says of itself.
type meta struct {
	writer   int64
	next     index.Position
	seq      int64 // of the next transfer
	wholeSeq int64 // of the first transfer of next's block
	bits     int
}

var (
	_ index.Writer = (*DB)(nil)
	_ index.Reader = (*DB)(nil)
)

// Open opens the index in a database, or makes it. The index of another chain, or of a newer program, is a Conflict; a database
// that cannot be reached, or to which another process writes (ReasonTaken), is Unavailable: try again later. All work ends with ctx.
func Open(ctx context.Context, c Config, id chain.ChainID, genesis chain.Hash) (*DB, error) {
	return open(ctx, c, id, genesis, hooks{})
}

func open(ctx context.Context, c Config, id chain.ChainID, genesis chain.Hash, h hooks) (*DB, error) {
	if c.PartitionBits == 0 {
		c.PartitionBits = PartitionBitsDefault
	}
	if c.PartitionBits < partitionBitsMin || c.PartitionBits > partitionBitsMax {
		return nil, fault.New(fault.Invalid, "partitions of 1<<%d transfers: must be 1<<%d to 1<<%d", c.PartitionBits, partitionBitsMin, partitionBitsMax)
	}
	if c.OnRetry == nil {
		c.OnRetry = func(string, error) {}
	}
	db := &DB{ctx: ctx, config: c, id: id, genesis: genesis, wait: pause, hooks: h}
	if err := db.connect(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	var err error
	if db.readers, err = openReader(ctx, c); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Pace is how the follower feeds this engine: the server's work is not this process's, so it is bounded by its rate alone.
func (db *DB) Pace() index.Pace {
	return index.Pace{GroupItems: GroupRows, GroupBlocks: GroupBlocks, Apart: GroupsApart}
}

// connect opens the writer's session: its lock, the tables, and what the index says of itself.
func (db *DB) connect(ctx context.Context) error {
	cc, err := db.config.writer()
	if err != nil {
		return err
	}
	if db.hooks.tracer != nil {
		cc.Tracer = db.hooks.tracer
	}
	c, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return translateConnect(ctx, err)
	}
	db.conn = c
	if err := db.begin(ctx, cc); err != nil {
		db.disconnect()
		return translate(ctx, err, "open the index")
	}
	return nil
}

func (db *DB) begin(ctx context.Context, cc *pgx.ConnConfig) error {
	if err := db.lock(ctx); err != nil {
		return err
	}
	if _, err := checkChain(ctx, db.conn, db.id, db.genesis); err != nil {
		return err
	}
	done, err := current(ctx, db.conn)
	if err == nil && !done {
		err = migrate(ctx, cc)
	}
	if err != nil {
		return err
	}
	if err := db.takeOver(ctx); err != nil {
		return err
	}
	if err := db.finishBare(ctx); err != nil {
		return err
	}
	return db.makeAhead(ctx, db.meta.seq)
}

// lock takes the lock of the writer, which the server lets go with the session. A database that has no such locks, as some
// distributed ones, does with the writer's number alone.
func (db *DB) lock(ctx context.Context) error {
	got := false
	err := db.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(lockOfWriter)).Scan(&got)
	if isCode(err, codeUnsupported, codeNoFunction) {
		return nil
	}
	if err == nil && !got {
		err = fault.Reasoned(fault.Unavailable, ReasonTaken, "another process writes to this index: this one waits until that one ends")
	}
	return err
}

// unlock lets the lock go now: the server notices the end of a session a moment later.
func (db *DB) unlock() {
	if db.conn == nil || db.conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(db.ctx), connectMax)
	defer cancel()
	_, _ = db.conn.Exec(ctx, `SELECT pg_advisory_unlock_all()`) // the end of the session does it too
}

// rowQuerier is a session or a pool of them.
type rowQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// checkChain refuses the index of another chain before anything is written, and says whether there is one at all.
func checkChain(ctx context.Context, c rowQuerier, id chain.ChainID, genesis chain.Hash) (made bool, err error) {
	var haveID int64
	var haveGenesis []byte
	err = c.QueryRow(ctx, `SELECT chain, genesis FROM aurigraph.meta WHERE id = 1`).Scan(&haveID, &haveGenesis)
	switch {
	case isCode(err, codeNoTable, codeNoSchema), errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case chain.ChainID(haveID) != id || !bytes.Equal(haveGenesis, genesis[:]):
		return false, fault.New(fault.Conflict, "the index in this database is of another chain: name another database, or drop its schema aurigraph")
	}
	return true, nil
}

// takeOver makes the row of a new index, takes the next writer's number, and reads how far the index is.
func (db *DB) takeOver(ctx context.Context) error {
	_, err := db.conn.Exec(ctx, `INSERT INTO aurigraph.meta (id, chain, genesis, writer, height, batch, seq, whole_seq, partition_bits)
		VALUES (1, $1, $2, 0, 1, 0, 1, 1, $3) ON CONFLICT (id) DO NOTHING`, int64(db.id), db.genesis[:], int16(db.config.PartitionBits))
	if err != nil {
		return err
	}
	m, err := readMeta(db.conn.QueryRow(ctx, `UPDATE aurigraph.meta SET writer = writer + 1 WHERE id = 1 RETURNING `+metaColumns))
	if err != nil {
		return err
	}
	db.meta, db.made = m, 0
	return nil
}

const (
	metaColumns = `writer, height, batch, seq, whole_seq, partition_bits`
	selectMeta  = `SELECT ` + metaColumns + ` FROM aurigraph.meta WHERE id = 1`
)

func readMeta(row pgx.Row) (m meta, err error) {
	var height int64
	var batch int32
	var bits int16
	if err := row.Scan(&m.writer, &height, &batch, &m.seq, &m.wholeSeq, &bits); err != nil {
		return m, err
	}
	m.next, m.bits = index.Position{Height: chain.Height(height), Batch: uint32(batch)}, int(bits)
	if height < 1 || m.seq < 1 || m.wholeSeq < 1 || m.wholeSeq > m.seq || m.bits < partitionBitsMin || m.bits > partitionBitsMax {
		return m, fault.New(fault.Corrupt, "the index does not say how far it is: drop the schema aurigraph and start again")
	}
	return m, nil
}

// Position is what has been applied.
func (db *DB) Position() index.Position { return db.meta.next }

// Newest is the newest block that was applied as a whole.
func (db *DB) Newest() (b index.Block, err error) {
	err = db.query(func(ctx context.Context) error {
		b, err = scanBlock(db.conn.QueryRow(ctx, `SELECT height, hash, time_us, items FROM aurigraph.blocks ORDER BY height DESC LIMIT 1`))
		if errors.Is(err, pgx.ErrNoRows) {
			b, err = index.Block{}, nil
		}
		return err
	})
	return b, err
}

// Last is the newest transfer that was applied.
func (db *DB) Last() (last *history.Transfer, err error) {
	if db.meta.seq == 1 {
		return nil, nil
	}
	err = db.query(func(ctx context.Context) error {
		at := db.meta.seq - 1
		t, _, err := scanTransfer(db.conn.QueryRow(ctx, `SELECT `+transferColumns+` FROM `+partitionTable(db.meta.part(at))+` WHERE seq = $1`, at))
		if err == nil {
			last = &t
		}
		return err
	})
	return last, err
}

// query reads by the writer's session, which is opened anew if it was lost.
func (db *DB) query(read func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(db.ctx, answerMax)
	defer cancel()
	if before := db.meta.next; db.conn == nil {
		if err := db.connect(ctx); err != nil {
			return err
		}
		if db.meta.next != before {
			return db.moved()
		}
	}
	err := read(ctx)
	if err != nil && broken(db.conn, err) {
		db.disconnect()
	}
	return translate(db.ctx, err, "read the index")
}

// disconnect ends the writer's session, and with it its transaction and its lock.
func (db *DB) disconnect() {
	if db.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(db.ctx), connectMax)
	defer cancel()
	_ = db.conn.Close(ctx) // the server finds out by itself
	db.conn = nil
}

// Close ends all sessions. Nobody may use db meanwhile.
func (db *DB) Close() error {
	db.readers.Close()
	db.readers = nil
	db.unlock()
	db.disconnect()
	return nil
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
