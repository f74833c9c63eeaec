// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// reloadEvery is how often it is looked whether the settings have changed.
const reloadEvery = time.Second

// watchSettings follows the list of validators in the settings' file until ctx ends: a membership changes while all goes on.
func (g *Gateway) watchSettings(ctx context.Context) {
	path := filepath.Join(g.cfg.Dir, config.GatewayFileName)
	list, last := g.cfg.Validators, fileStamp{} // it may have changed since it was loaded
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := stamp(path)
		if now == last {
			continue
		}
		last = now
		cfg, err := config.LoadGateway(g.cfg.Dir)
		if err == nil && !slices.Equal(cfg.Validators, list) {
			if err = g.pool.Follow(cfg.Validators); err == nil {
				g.forget(list, cfg.Validators)
				g.log.Info("the validators have changed", obs.KeyFrom, list, obs.KeyTo, cfg.Validators)
				list = cfg.Validators
			}
		}
		if err != nil {
			g.log.Warn("the gateway goes on with the validators that it knows", obs.Err(err))
		}
	}
}

// forget lets the series of validators go that are not on the list any more.
func (g *Gateway) forget(before, now []string) {
	for _, address := range before {
		if !slices.Contains(now, address) {
			g.metrics.forget(address)
		}
	}
}

// fileStamp tells one content of a file from another.
type fileStamp struct {
	modified time.Time
	bytes    int64
}

func stamp(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.ModTime(), info.Size()}
}

// noting is a validator as the chain is read from it, whose failures count like those of other calls.
type noting struct {
	ledgerv1.LedgerClient
	pool *upstream.Pool
	conn *upstream.Conn
}

// ReadBlocks asks the validator.
func (n noting) ReadBlocks(ctx context.Context, q *ledgerv1.ReadBlocksRequest, opts ...grpc.CallOption) (*ledgerv1.ReadBlocksResponse, error) {
	began := time.Now()
	a, err := n.LedgerClient.ReadBlocks(ctx, q, opts...)
	n.pool.Note(ctx, n.conn, upstream.GroupChain, time.Since(began), err)
	return a, err
}
