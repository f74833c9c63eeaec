// SPDX-License-Identifier: Apache-2.0

package indexer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/imported/postgres"
	"github.com/aurigraph/aurigraph/internal/imported/sqlite"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// How often, at most, a history that is not there is looked for, and for how long.
const (
	LookFileEvery     = time.Second
	LookDatabaseEvery = 5 * time.Second
	lookMax           = 3 * time.Second
)

// OpenImported opens V10's imported history for loading: in the database that a query index's URL names, or, where that is a file, in a
// folder (config.ImportedFolder beside the index's). onProgress is told how Finish comes on; it may be nil.
func OpenImported(ctx context.Context, url, dir string, id imported.Identity, onProgress func(imported.Progress)) (imported.Writer, error) {
	if url == config.IndexSQLite {
		db, err := sqlite.Open(ctx, sqlite.Config{Dir: dir, OnProgress: onProgress}, id)
		if err != nil {
			return nil, err
		}
		return db, nil
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: url, OnProgress: onProgress}, id)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// Past is V10's imported history as it is read, if there is one: the copy may come while the process runs. It is safe for concurrent use.
type Past struct {
	url, dir string
	id       imported.Identity
	log      *slog.Logger
	every    time.Duration
	now      func() time.Time

	turn   chan struct{} // one looks, the others wait for what he finds
	mu     sync.Mutex
	reader imported.Reader // nil: none was found yet
	looked time.Time
	err    error // of the last look
}

// NewPast is the history that belongs to an index: in its database, or in a folder. It opens nothing yet.
func NewPast(settings config.Index, dir string, id chain.ChainID, genesis chain.Hash, log *slog.Logger) *Past {
	p := &Past{
		url: settings.URL, dir: dir, id: imported.Identity{Chain: id, Genesis: genesis}, log: log, every: LookDatabaseEvery, now: time.Now,
		turn: make(chan struct{}, 1),
	}
	if p.url == config.IndexSQLite {
		p.every = LookFileEvery
	}
	return p
}

// ByID finds a transaction by V10's id.
func (p *Past) ByID(ctx context.Context, round uint64, place uint32) (imported.Row, error) {
	r, err := p.open(ctx)
	if err != nil {
		return imported.Row{}, err
	}
	return r.ByID(ctx, round, place)
}

// List lists rows, newest first.
func (p *Past) List(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) ([]imported.Row, uint64, error) {
	r, err := p.open(ctx)
	if err != nil {
		return nil, 0, err
	}
	return r.List(ctx, account, asset, before, limit)
}

// Round finds one of V10's rounds.
func (p *Past) Round(ctx context.Context, number uint64) (imported.Round, error) {
	r, err := p.open(ctx)
	if err != nil {
		return imported.Round{}, err
	}
	return r.Round(ctx, number)
}

// open is the reader, which is looked for if it is time to. NotFound: there is none.
func (p *Past) open(ctx context.Context) (imported.Reader, error) {
	if r, known, err := p.known(); known {
		return r, err
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r, known, err := p.known(); known { // who looked meanwhile
		return r, err
	}
	return p.look(ctx)
}

// known is what the last look found, if that was lately.
func (p *Past) known() (r imported.Reader, known bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reader != nil {
		return p.reader, true, nil
	}
	return nil, p.err != nil && p.now().Sub(p.looked) < p.every, p.err
}

// look does not end with the call that it is done for, or others would wait for what nobody does.
func (p *Past) look(ctx context.Context) (imported.Reader, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookMax)
	defer cancel()
	r, err := p.find(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !fault.Is(err, fault.NotFound) && (p.err == nil || p.err.Error() != err.Error()) {
		p.log.Error("V10's imported history cannot be read", obs.Err(err))
	}
	p.looked, p.err = p.now(), err
	if err != nil {
		return nil, err
	}
	p.reader = r
	p.log.Info("V10's imported history is served")
	return r, nil
}

func (p *Past) find(ctx context.Context) (imported.Reader, error) {
	if p.url == config.IndexSQLite {
		r, err := sqlite.OpenReader(ctx, p.dir, p.id)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	r, err := postgres.OpenReader(ctx, p.url, p.id)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Close ends the reading. Nobody may read meanwhile, or later.
func (p *Past) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.reader
	p.reader = nil
	if r == nil {
		return nil
	}
	return r.Close()
}
