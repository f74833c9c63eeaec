// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/pgdb"
)

// AttemptsMax is how often a chunk is tried. The pauses between double up to pauseMax.
const (
	AttemptsMax = 8
	pauseMin    = 20 * time.Millisecond
	pauseMax    = 2 * time.Second
)

// Bounds of what is asked of a database.
const (
	chunkMax  = 60 * time.Second // for one attempt at a chunk
	indexMax  = 15 * time.Minute // for one index
	idleMax   = 30 * time.Second // after which the server ends a transaction of which nothing is heard
	indexesIn = "256MB"          // memory of the server in which an index is sorted
)

// Config says which database, and who is told how Finish comes on.
type Config struct {
	// URL is a libpq URL, as the query index has it.
	URL string
	// PartitionBits sets how many rows share a partition of a new history, 1<<PartitionBits; 0: PartitionBitsDefault.
	PartitionBits int
	// OnProgress may be nil.
	OnProgress func(imported.Progress)
	// OnRetry is told why something is tried again. It may be nil.
	OnRetry func(reason string, err error)
}

// DB is a history that is loaded. One goroutine uses it.
type DB struct {
	config Config
	id     imported.Identity

	conn    *pgx.Conn // nil: it was lost
	extent  imported.Extent
	bits    int
	made    int64 // partitions below this number are there
	encoder pgdb.Encoder
	step    func(name string) error // lets tests stand between the steps of a chunk; nil: nobody does
}

var _ imported.Writer = (*DB)(nil)

// Open opens a history for loading, or makes it. That of another network or checkpoint is a Conflict, a database that cannot be reached
// is Unavailable.
func Open(ctx context.Context, c Config, id imported.Identity) (*DB, error) {
	return open(ctx, c, id, nil)
}

func open(ctx context.Context, c Config, id imported.Identity, step func(string) error) (*DB, error) {
	if c.PartitionBits == 0 {
		c.PartitionBits = PartitionBitsDefault
	}
	if id.Sequence == 0 || c.PartitionBits < partitionBitsMin || c.PartitionBits > partitionBitsMax {
		return nil, fault.New(fault.Invalid, "a history has the sequence of its checkpoint, and partitions of 1<<%d to 1<<%d rows", partitionBitsMin, partitionBitsMax)
	}
	if c.OnProgress == nil {
		c.OnProgress = func(imported.Progress) {}
	}
	if c.OnRetry == nil {
		c.OnRetry = func(string, error) {}
	}
	db := &DB{config: c, id: id, step: step}
	if err := db.connect(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// connect opens the session, and reads how far the history reaches.
func (db *DB) connect(ctx context.Context) error {
	cc, err := pgdb.Connection(db.config.URL, "aurigraph-imported")
	if err != nil {
		return err
	}
	pgdb.SetDefault(cc, "idle_in_transaction_session_timeout", pgdb.Milliseconds(idleMax))
	pgdb.SetDefault(cc, "lock_timeout", pgdb.Milliseconds(idleMax))
	pgdb.SetDefault(cc, "maintenance_work_mem", indexesIn)
	if db.conn, err = pgx.ConnectConfig(ctx, cc); err != nil {
		return pgdb.WrapConnect(ctx, err, "reach the database of the imported history")
	}
	err = db.refresh(ctx)
	if pgdb.IsCode(err, pgdb.CodeNoTable, pgdb.CodeNoSchema) || errors.Is(err, pgx.ErrNoRows) {
		if err = db.create(ctx); err == nil {
			err = db.refresh(ctx)
		}
	}
	if err != nil {
		db.disconnect()
	}
	return translate(ctx, err, "open the imported history")
}

// create makes the tables.
func (db *DB) create(ctx context.Context) error {
	return pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if _, err := tx.Conn().PgConn().Exec(ctx, schema).ReadAll(); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertMeta, int16(schemaVersion), int64(db.id.Chain), db.id.Genesis[:], int64(db.id.Sequence), int16(db.config.PartitionBits))
		return err
	})
}

// refresh reads how far the history reaches.
func (db *DB) refresh(ctx context.Context) error {
	e, bits, err := readExtent(ctx, db.conn, db.id)
	if err == nil {
		db.extent, db.bits, db.made = e, bits, 0
	}
	return err
}

// querier is a session or a pool of them.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// readExtent reads how far a history reaches, and refuses another network's.
func readExtent(ctx context.Context, c querier, id imported.Identity) (e imported.Extent, bits int, err error) {
	var version, partition int16
	var network, sequence, rows, rounds, lastRound int64
	var lastPlace int32
	var genesis []byte
	err = c.QueryRow(ctx, selectMeta).Scan(&version, &network, &genesis, &sequence, &rows, &rounds, &e.Finished, &lastRound, &lastPlace, &partition)
	switch {
	case err != nil:
		return e, 0, err
	case version != schemaVersion:
		return e, 0, fault.New(fault.Conflict, "the imported history has version %d, this program writes %d: run the program that made it", version, schemaVersion)
	case chain.ChainID(network) != id.Chain || !bytes.Equal(genesis, id.Genesis[:]):
		return e, 0, fault.New(fault.Conflict, "the imported history in this database is of another network: name another database")
	case id.Sequence != 0 && uint64(sequence) != id.Sequence:
		return e, 0, fault.New(fault.Conflict, "the imported history in this database ends at sequence %d of V10, not %d: it is of another copy", sequence, id.Sequence)
	case rows < 0 || rounds < 0 || partition < partitionBitsMin || partition > partitionBitsMax:
		return e, 0, fault.New(fault.Corrupt, "the imported history does not say how far it reaches: %s", ifCorrupt)
	}
	e.Rows, e.Rounds, e.Round, e.Place = uint64(rows), uint64(rounds), uint64(lastRound), uint32(lastPlace)
	if e.Rounds > 0 {
		err = c.QueryRow(ctx, selectNewest).Scan(&e.Newest)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.New(fault.Corrupt, "the imported history has not what it says: %s", ifCorrupt)
	}
	return e, int(partition), err
}

// ifCorrupt is what to do about a damaged history.
const ifCorrupt = "V11 cannot make it again: restore the schema aurigraph_imported, or copy V10 anew"

func translate(ctx context.Context, err error, what string) error {
	return pgdb.Wrap(ctx, err, what, ifCorrupt)
}

// Next is where to go on.
func (db *DB) Next(context.Context) (seq, round uint64, err error) {
	return db.extent.Rows + 1, db.extent.NextRound(), nil
}

// retry tries something until it is done, cannot pass, or was tried often enough. The session is opened anew in between if it was lost.
func (db *DB) retry(ctx context.Context, most time.Duration, what string, do func(ctx context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := db.attempt(ctx, most, do)
		if err == nil {
			return nil
		}
		reason, again := pgdb.Passing(err)
		if ctx.Err() != nil || !again || attempt == AttemptsMax {
			return translate(ctx, err, what)
		}
		db.config.OnRetry(reason, err)
		if err := pause(ctx, pauseBefore(attempt)); err != nil {
			return translate(ctx, err, what)
		}
	}
}

func (db *DB) attempt(ctx context.Context, most time.Duration, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if db.conn == nil {
		if err := db.connect(ctx); err != nil {
			return err
		}
	}
	err := do(ctx)
	if err != nil && pgdb.Broken(db.conn, err) {
		db.disconnect()
	}
	return err
}

// pauseBefore is the pause behind an attempt, of which a random half is left out, so that two who met do not meet again.
func pauseBefore(attempt int) time.Duration {
	d := min(pauseMin<<(attempt-1), pauseMax)
	return d/2 + rand.N(d/2)
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

// disconnect ends the session, and with it its transaction.
func (db *DB) disconnect() {
	if db.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) //lint:context it says good-bye, whoever waits
	defer cancel()
	_ = db.conn.Close(ctx) // the server finds out by itself
	db.conn = nil
}

// Close ends the session. What was written stays.
func (db *DB) Close() error {
	db.disconnect()
	return nil
}
