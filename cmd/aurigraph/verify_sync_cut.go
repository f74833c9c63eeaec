// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/footprint"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/verifier"
	"github.com/aurigraph/aurigraph/internal/verifier/v11rows"
	"github.com/aurigraph/aurigraph/internal/verifier/v11state"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/store"
)

const (
	cutPoll          = 50 * time.Millisecond
	v10CacheBytes    = 1 << 20 // of V10's blocks
	checkpointFolder = "v10"
)

// networkCuts makes the cuts of a network.
type networkCuts struct {
	network *network.Network
	client  *client.Client
	port    *verifier.Port
	wait    time.Duration
	dir     string // of the run
	genesis []verifier.StateBalance
}

func newNetworkCuts(ctx context.Context, n *network.Network, wait time.Duration) (*networkCuts, error) {
	c := &networkCuts{network: n, port: verifier.NewPort(n.Sync.ChangesURL()), wait: wait}
	var err error
	if c.dir, err = filepath.Abs(n.Path(filepath.Join(verifyFolder, "run"))); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the run's folder")
	}
	if err := os.MkdirAll(c.dir, 0o750); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the run's folder")
	}
	if c.genesis, err = genesisBalances(n.GenesisPath()); err != nil {
		return nil, err
	}
	trust, err := n.Trust()
	if err != nil {
		return nil, err
	}
	c.client, err = client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: trust})
	return c, err
}

// genesisBalances are what the genesis gave whom.
func genesisBalances(path string) ([]verifier.StateBalance, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the genesis")
	}
	var g chain.Genesis
	if err := json.Unmarshal(text, &g); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "read the genesis")
	}
	all := make([]verifier.StateBalance, len(g.Holdings))
	for i, h := range g.Holdings {
		a, err := chain.ParseAmount(h.Amount, 0)
		if err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "a holding of the genesis")
		}
		all[i] = verifier.StateBalance{Account: h.Account, Asset: h.Asset, Amount: a}
	}
	return all, nil
}

// close closes what is open, and removes the checkpoint of a run that is done, or of which there is nothing to go on with.
func (c *networkCuts) close(done bool) error {
	c.port.Close()
	err := c.client.Close()
	if _, errStat := os.Stat(filepath.Join(c.dir, "progress")); !done && errStat == nil {
		return err
	}
	return errors.Join(err, fault.Wrap(fault.Unavailable, os.RemoveAll(c.dir), "remove the run's folder"))
}

// Cut implements verifier.Cutter.
func (c *networkCuts) Cut(ctx context.Context) (*verifier.Cut, error) {
	begin := time.Now()
	generation, err := c.port.Barrier(ctx)
	if err != nil {
		return nil, err
	}
	cut := &verifier.Cut{Genesis: c.genesis}
	in, err := c.reach(ctx, generation)
	if err != nil {
		return nil, err
	}
	cut.Lag, cut.InboxSkipped = time.Since(begin), in.Skipped
	if cut.State, err = c.state(ctx, generation); err == nil {
		if cut.Rows, cut.Meta, err = c.rows(ctx, cut.State.Height()); err == nil {
			cut.V10, err = c.checkpoint(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(err, cut.Close())
	}
	footprint.Release() // of what it took to connect
	return cut, nil
}

// Again implements verifier.Cutter.
func (c *networkCuts) Again(ctx context.Context) (*verifier.Cut, error) {
	cut := &verifier.Cut{Genesis: c.genesis}
	var err error
	if cut.V10, err = c.openV10(); err == nil {
		cut.Rows, cut.Meta, err = c.rows(ctx, 0)
	}
	if err != nil {
		return nil, errors.Join(err, cut.Close())
	}
	return cut, nil
}

// reach waits until V11 has V10's barrier.
func (c *networkCuts) reach(ctx context.Context, generation uint64) (in *client.Inbox, err error) {
	for end := time.Now().Add(c.wait); ; await(ctx, cutPoll) {
		if in, err = c.client.Inbox(ctx); err != nil {
			return nil, err
		}
		switch {
		case in.Life == 0:
			return nil, fault.New(fault.Refused, "V10's changes are not let in: `aurigraph sync start`")
		case in.Barrier >= generation:
			return in, nil
		case ctx.Err() != nil:
			return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "wait for V10's barrier")
		case time.Now().After(end):
			return nil, fault.Reasoned(fault.Unavailable, verifier.ReasonNotInStep,
				"V11 has barrier %d of V10's, and %d is not there after %s: see `aurigraph sync status`; nothing is said of what they hold", in.Barrier, generation, c.wait)
		}
	}
}

// statePoll is between two looks for a newer state. A validator writes one every few seconds, and one when it comes to rest.
const statePoll = 250 * time.Millisecond

// stateNudge is how long a validator may keep its newest state to itself. One at rest may do so until there is another block, which another
// barrier of V10's brings about.
const stateNudge = 4 * time.Second

// state opens the certified state of one of the validators whose folders are here, as soon as one has V10's barrier. The height of an answer
// would not do: a network at rest ends with blocks of which nobody keeps a state.
func (c *networkCuts) state(ctx context.Context, barrier uint64) (verifier.State, error) {
	nudge := time.Now().Add(stateNudge)
	newer := make([]chain.Height, len(c.network.Nodes)) // than what was opened and lacked the barrier: to open one is to copy it
	for end := time.Now().Add(c.wait); ; await(ctx, statePoll) {
		var errs []error
		if time.Now().After(nudge) {
			if _, err := c.port.Barrier(ctx); err != nil {
				return nil, err
			}
			nudge = time.Now().Add(stateNudge)
		}
		for i := range c.network.Nodes {
			if c.network.Nodes[i].Left() {
				continue
			}
			s, err := c.stateOf(ctx, &c.network.Nodes[i], newer[i])
			if err == nil && s.Inbox().Barrier >= barrier {
				return s, nil
			}
			if err == nil {
				newer[i] = s.Height() + 1
				err = errors.Join(fault.Reasoned(fault.Unavailable, verifier.ReasonNotInStep, "the newest state of %s on disk, of height %d, is from before V10's barrier %d",
					c.network.Nodes[i].ID, s.Height(), barrier), s.Close())
			}
			errs = append(errs, err)
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return nil, errors.Join(errs...)
		}
	}
}

// stateOf opens the newest state in a validator's folder, of a height or above.
func (c *networkCuts) stateOf(ctx context.Context, n *network.Node, atLeast chain.Height) (*v11state.State, error) {
	cfg, err := config.Load(c.network.Path(n.Dir))
	if err != nil {
		return nil, err
	}
	return v11state.Open(ctx, v11state.Config{
		Dir: cfg.Data("checkpoints"), Work: c.dir, Chain: c.network.Chain, AtLeast: atLeast, Certified: c.certified,
	})
}

// certified says why a root is not that of a block, or nil. Blocks that carry none are proved by their successors' hashes alone.
func (c *networkCuts) certified(ctx context.Context, h chain.Height, root chain.Hash) error {
	b, err := c.client.Block(ctx, h)
	switch {
	case err != nil:
		return err
	case !b.Verified:
		return fault.New(fault.Corrupt, "block %d is not verified", h)
	case b.Header.RootAt == h && b.Header.StateRoot != root:
		return fault.New(fault.Corrupt, "the state on disk has another root than validators certified for height %d", h)
	}
	return nil
}

// rows opens V11's tables once they have a height.
func (c *networkCuts) rows(ctx context.Context, height chain.Height) (verifier.Rows, verifier.RowsMeta, error) {
	url, index, imported, err := indexPlace(c.network)
	if err != nil {
		return nil, verifier.RowsMeta{}, err
	}
	var rows verifier.Rows
	if url == config.IndexSQLite {
		rows, err = v11rows.OpenSQLite(index, imported)
	} else {
		rows, err = v11rows.OpenPostgres(ctx, url)
	}
	if err != nil {
		return nil, verifier.RowsMeta{}, err
	}
	for end := time.Now().Add(c.wait); ; await(ctx, cutPoll) {
		m, err := rows.Meta(ctx)
		switch {
		case err == nil && m.Height >= height:
			return rows, m, nil
		case err == nil && ctx.Err() != nil:
			err = fault.Wrap(fault.Unavailable, ctx.Err(), "wait for the index")
		case err == nil && time.Now().After(end):
			err = fault.Reasoned(fault.Unavailable, verifier.ReasonNotInStep, "the index is at height %d, and %d is not there after %s: nothing is said of what they hold", m.Height, height, c.wait)
		}
		if err != nil {
			return nil, m, errors.Join(err, rows.Close())
		}
	}
}

// checkpoint has V10 write a checkpoint in the run's folder, and opens it.
func (c *networkCuts) checkpoint(ctx context.Context) (verifier.KV, error) {
	dir := filepath.Join(c.dir, checkpointFolder)
	if err := os.RemoveAll(dir); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "remove an old checkpoint")
	}
	if _, err := c.port.Checkpoint(ctx, dir); err != nil {
		return nil, err
	}
	return c.openV10()
}

func (c *networkCuts) openV10() (verifier.KV, error) {
	dir := filepath.Join(c.dir, checkpointFolder)
	if _, err := os.Stat(dir); err != nil {
		return nil, fault.New(fault.NotFound, "V10's checkpoint is not in %s: run without --resume", c.dir)
	}
	r, closing, err := legacy.OpenReader(c.network.Sync.Store, dir, v10CacheBytes)
	if err != nil {
		return nil, err
	}
	return &v10Rows{r, closing}, nil
}

// v10Rows is V10's rows as the verifier takes them: keys and values.
type v10Rows struct {
	store.Reader
	closing func() error
}

// Get implements verifier.KV.
func (r *v10Rows) Get(f verifier.Family, key []byte) ([]byte, error) {
	return r.Reader.Get(store.Family(f), key)
}

// Iter implements verifier.KV.
func (r *v10Rows) Iter(f verifier.Family, low, high []byte) (verifier.Walk, error) {
	return r.Reader.Iter(store.Family(f), store.Range{Low: low, High: high})
}

// Close implements verifier.KV.
func (r *v10Rows) Close() error { return r.closing() }
