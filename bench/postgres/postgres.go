// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/bench/peer"
	"github.com/aurigraph/aurigraph/bench/process"
)

const accounts = 1_000_000

// Variant is how PostgreSQL is run and loaded.
type Variant struct {
	Settings []string
	Function string // of schema.sql
	Clients  int
	Batch    int // transfers in one call
	Standbys int // one of them must have flushed what is confirmed
}

// tuned keeps every promise of durability (fsync, full_page_writes and synchronous_commit stay on) and gives memory and
// room for the log between checkpoints, as PostgreSQL's documentation on bulk loads and WAL tuning advises.
var tuned = []string{
	"shared_buffers=2GB", "max_wal_size=16GB", "min_wal_size=4GB", "checkpoint_timeout=30min", "wal_buffers=64MB", "wal_compression=lz4",
	"jit=off", "autovacuum_naptime=10min", "effective_io_concurrency=200",
}

// Variants that are measured.
var (
	Default     = Variant{Function: "post_rows", Clients: 1, Batch: 8192}
	Tuned       = Variant{Function: "post_set", Clients: 1, Batch: 8192, Settings: tuned}
	TunedMany   = Variant{Function: "post_set", Clients: 4, Batch: 8192, Settings: tuned}
	Synchronous = Variant{Function: "post_set", Clients: 4, Batch: 8192, Settings: tuned, Standbys: 2}
)

// Peer is a PostgreSQL with the ledger in it.
type Peer struct {
	variant  Variant
	template *Template
	cluster  cluster
	conns    []*pgx.Conn
}

// New prepares one from a template.
func New(t *Template, v Variant) *Peer { return &Peer{variant: v, template: t} }

// Start makes the database and connects the clients.
func (p *Peer) Start(ctx context.Context, dir string) error {
	if err := p.template.build(ctx); err != nil {
		return err
	}
	p.cluster = p.template.cluster()
	if err := p.cluster.start(ctx, dir, p.variant); err != nil {
		return err
	}
	for range p.variant.Clients {
		conn, err := pgx.Connect(ctx, p.cluster.url(p.cluster.port))
		if err != nil {
			return err
		}
		p.conns = append(p.conns, conn)
	}
	return nil
}

// Load keeps one call of each client under way.
func (p *Peer) Load(ctx context.Context, tally *peer.Tally) error {
	var g errgroup.Group
	for i, conn := range p.conns {
		random := rand.New(rand.NewPCG(uint64(i), accounts))
		g.Go(func() error { return p.post(ctx, conn, random, tally) })
	}
	return g.Wait()
}

func (p *Peer) post(ctx context.Context, conn *pgx.Conn, random *rand.Rand, tally *peer.Tally) error {
	call := fmt.Sprintf("SELECT %s($1, $2, $3)", p.variant.Function)
	b := newBatch(p.variant.Batch)
	for ctx.Err() == nil {
		b.fill(random)
		asked := time.Now()
		var posted int
		err := conn.QueryRow(ctx, call, b.payers, b.payees, b.amounts).Scan(&posted)
		var refused *pgconn.PgError
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			tally.Done(posted, asked)
		case errors.As(err, &refused):
			tally.Refused(p.variant.Batch, refused.Code+" "+refused.Message)
		default:
			return err
		}
	}
	return nil
}

// batch is the arguments of one call.
type batch struct {
	payers, payees []int32
	amounts        []int64
}

func newBatch(n int) batch {
	return batch{payers: make([]int32, n), payees: make([]int32, n), amounts: make([]int64, n)}
}

func (b batch) fill(random *rand.Rand) {
	for i := range b.payers {
		b.payers[i], b.payees[i] = random.Int32N(accounts), random.Int32N(accounts)
		b.amounts[i] = 1 + random.Int64N(100)
	}
}

// PIDs of the servers; their processes for clients are below them.
func (p *Peer) PIDs() []int {
	var pids []int
	for _, s := range p.cluster.processes {
		pids = append(pids, s.PID())
	}
	return pids
}

// Commands that made and started the servers.
func (p *Peer) Commands() []string { return p.cluster.commands }

// Stop closes the connections and stops the servers.
func (p *Peer) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, c := range p.conns {
		c.Close(ctx) // the server is about to end: an error of the connection says nothing
	}
	return process.StopAll(p.cluster.processes)
}
