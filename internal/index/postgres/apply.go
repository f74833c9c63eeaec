// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// AttemptsMax is how often a group is tried before the follower is told to come again. The pauses between double up to pauseMax.
const (
	AttemptsMax = 6
	pauseMin    = 20 * time.Millisecond
	pauseMax    = time.Second
)

// Apply writes a group as one transaction.
func (db *DB) Apply(g *index.Group) error {
	if g.From != db.meta.next || g.Next.Less(g.From) {
		return fault.New(fault.Conflict, "the index stands at %v, the group goes from %v to %v", db.meta.next, g.From, g.Next)
	}
	for attempt := 1; ; attempt++ {
		done, err := db.attempt(g)
		if done {
			return nil
		}
		reason, again := passing(err)
		if db.ctx.Err() != nil || !again || attempt == AttemptsMax {
			return translate(db.ctx, err, "write the index")
		}
		db.config.OnRetry(reason, err)
		if err := db.wait(db.ctx, pauseBefore(attempt)); err != nil {
			return translate(db.ctx, err, "write the index")
		}
	}
}

// pauseBefore is the pause behind an attempt, of which a random half is left out, so that two who met do not meet again.
func pauseBefore(attempt int) time.Duration {
	d := min(pauseMin<<(attempt-1), pauseMax)
	return d/2 + rand.N(d/2)
}

// attempt tries once, and says whether the group is in the index now.
func (db *DB) attempt(g *index.Group) (done bool, err error) {
	ctx, cancel := context.WithTimeout(db.ctx, applyMax)
	defer cancel()
	if db.conn == nil {
		if done, err := db.again(ctx, g); done || err != nil {
			return done, err
		}
	}
	next := db.meta.after(g)
	if err = db.makeAhead(ctx, next.seq); err == nil {
		err = db.write(ctx, g, next)
	}
	if err == nil {
		db.meta = next
		db.afterwards(ctx)
		return true, nil
	}
	if broken(db.conn, err) {
		db.disconnect()
	}
	return false, err
}

// again opens the session anew. What the index says then tells whether a commit of this group without an answer was one.
func (db *DB) again(ctx context.Context, g *index.Group) (done bool, err error) {
	before := db.meta
	if err := db.connect(ctx); err != nil {
		return false, err
	}
	switch db.meta.next {
	case before.next:
		return false, nil
	case g.Next:
		if db.meta.seq == before.after(g).seq {
			return true, nil
		}
	}
	return false, db.moved()
}

// moved is the error of who finds the index elsewhere than he left it. The session is over: the next one begins where the index is.
func (db *DB) moved() error {
	db.disconnect()
	return fault.Reasoned(fault.Conflict, ReasonMoved, "another process has written to this index meanwhile")
}

// after is what the index says of itself behind a group.
func (m meta) after(g *index.Group) meta {
	next := m
	next.next, next.seq = g.Next, m.seq+int64(len(g.Rows))
	if g.Next.Height != m.next.Height {
		next.wholeSeq = next.seq - int64(rowsOf(g, g.Next.Height))
	}
	return next
}

// rowsOf is how many of a group's rows are of a height, which is its last.
func rowsOf(g *index.Group, h chain.Height) (n int) {
	for n < len(g.Rows) && g.Rows[len(g.Rows)-1-n].Height == h {
		n++
	}
	return n
}

// write is the transaction. The compare-and-set comes first: who is second waits at its row, and then finds it changed.
func (db *DB) write(ctx context.Context, g *index.Group, next meta) error {
	tx, err := db.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // after a commit it does nothing
	steps := []struct {
		name string
		run  func() error
	}{
		{"begin", func() error { return db.compareAndSet(ctx, tx, next) }},
		{"position", func() error { return db.writeBlocks(ctx, tx, g) }},
		{"blocks", func() error { return db.writeTransfers(ctx, tx, g) }},
		{"transfers", func() error { return tx.Commit(ctx) }},
		{"commit", func() error { return nil }},
	}
	for _, s := range steps {
		if err := db.step(s.name); err != nil {
			return err
		}
		if err := s.run(); err != nil {
			return err
		}
	}
	return nil
}

// step tells a test where the transaction is.
func (db *DB) step(name string) error {
	if db.hooks.step == nil {
		return nil
	}
	return db.hooks.step(name)
}

func (db *DB) compareAndSet(ctx context.Context, tx pgx.Tx, next meta) error {
	m := db.meta
	tag, err := tx.Exec(ctx, `UPDATE aurigraph.meta SET height = $1, batch = $2, seq = $3, whole_seq = $4
		WHERE id = 1 AND writer = $5 AND height = $6 AND batch = $7 AND seq = $8`,
		int64(next.next.Height), int32(next.next.Batch), next.seq, next.wholeSeq, m.writer, int64(m.next.Height), int32(m.next.Batch), m.seq)
	if err == nil && tag.RowsAffected() != 1 {
		err = db.moved()
	}
	return err
}

func (db *DB) writeBlocks(ctx context.Context, tx pgx.Tx, g *index.Group) error {
	if len(g.Blocks) > 0 {
		if err := db.copy(ctx, tx, copyBlocks, len(g.Blocks), func(e *encoder, i int) { e.block(&g.Blocks[i]) }); err != nil {
			return err
		}
	}
	for _, gap := range g.Gaps {
		_, err := tx.Exec(ctx, `INSERT INTO aurigraph.gaps (from_height, from_batch, to_height) VALUES ($1, $2, $3)`,
			int64(gap.From.Height), int32(gap.From.Batch), int64(gap.To))
		if err != nil {
			return err
		}
	}
	return nil
}

// writeTransfers copies the rows, those of each partition straight into it.
func (db *DB) writeTransfers(ctx context.Context, tx pgx.Tx, g *index.Group) error {
	for rows, seq := g.Rows, db.meta.seq; len(rows) > 0; {
		part := db.meta.part(seq)
		n := min(len(rows), int(db.meta.first(part+1)-seq))
		if err := db.copyPart(ctx, tx, part, seq, rows[:n]); err != nil {
			return err
		}
		if seq == max(db.meta.first(part), 1) {
			if _, err := tx.Exec(ctx, `UPDATE aurigraph.partitions SET first_height = $1 WHERE no = $2`, int64(rows[0].Height), part); err != nil {
				return err
			}
		}
		rows, seq = rows[n:], seq+int64(n)
	}
	return nil
}

// copyPart copies rows of one partition, and notes which of V10's rounds they are of.
func (db *DB) copyPart(ctx context.Context, tx pgx.Tx, part, seq int64, rows []history.Transfer) error {
	if !anyOrigin(rows) {
		return db.copy(ctx, tx, copyTransfers(part, false), len(rows), func(e *encoder, i int) {
			e.transfer(seq+int64(i), db.meta.chunk(seq+int64(i)), &rows[i])
		})
	}
	err := db.copy(ctx, tx, copyTransfers(part, true), len(rows), func(e *encoder, i int) {
		e.transferFrom(seq+int64(i), db.meta.chunk(seq+int64(i)), &rows[i])
	})
	if first, last := roundsOf(rows); err == nil && first != 0 {
		_, err = tx.Exec(ctx, `UPDATE aurigraph.partitions SET v10_first = least(v10_first, $1), v10_last = greatest(v10_last, $2) WHERE no = $3`,
			int64(first), int64(last), part)
	}
	return err
}

// afterwards indexes the partitions that were loaded bare and are full now. The group is in the index already, so what goes wrong is left
// for the next group or start.
func (db *DB) afterwards(ctx context.Context) {
	if !db.config.Bare {
		return
	}
	err := db.finishBare(ctx)
	if err == nil {
		return
	}
	if broken(db.conn, err) {
		db.disconnect()
	}
	reason, _ := passing(err)
	db.config.OnRetry(reason, err)
}
