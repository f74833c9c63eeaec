// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// diskState is what a stopped node's newest checkpoint says.
type diskState struct {
	height    chain.Height
	rootEqual bool // the pages' root, computed anew, is that of the header which the node's store holds for it
	conserved bool // holdings add up to supply, and supply to what the bench issued
}

// issues is what the bench issued of each asset, and a height at which all of it had been.
type issues struct {
	units map[chain.AssetNo]uint64
	by    chain.Height
}

// sameHeaders compares what stopped nodes have as the newest height that all of them have.
func sameHeaders(nodes []TargetNode) (same bool, err error) {
	var lowest chain.Height
	for i, n := range nodes {
		h, _, err := headerOf(n.Dir, 0)
		if err != nil {
			return false, err
		}
		if i == 0 || h < lowest {
			lowest = h
		}
	}
	var first []byte
	for i, n := range nodes {
		_, raw, err := headerOf(n.Dir, lowest)
		if err != nil {
			return false, err
		}
		if i == 0 {
			first = raw
		}
		if !bytes.Equal(first, raw) {
			return false, nil
		}
	}
	return true, nil
}

// headerOf reads a header of a stopped node; height 0 is its newest.
func headerOf(dir string, height chain.Height) (at chain.Height, raw []byte, err error) {
	err = withStore(dir, func(s store.Store) (err error) {
		if at = height; at == 0 {
			at, raw, err = store.LastHeader(s)
			return err
		}
		raw, err = store.ReadHeader(s, at)
		return err
	})
	return at, raw, err
}

// withStore reads a stopped node's block store.
func withStore(dir string, read func(store.Store) error) (err error) {
	cfg, err := config.Load(dir)
	if err != nil {
		return err
	}
	s, err := pebblestore.Open(cfg.Data("blocks"), pebblestore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return read(s)
}

// readBack loads a stopped node's newest checkpoint, computes its root anew and counts its money.
func readBack(dir string, issued issues) (d diskState, err error) {
	cfg, err := config.Load(dir)
	if err != nil {
		return d, err
	}
	g, err := node.ReadGenesis(cfg.Path(cfg.Genesis))
	if err != nil {
		return d, err
	}
	s, err := pebblestore.Open(cfg.Data("blocks"), pebblestore.Options{})
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	checkpoints, err := checkpoint.Open(cfg.Data("checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: g.Chain})
	if err != nil {
		return d, err
	}
	loaded, _, err := checkpoints.LoadVerified(func(checkpoint.Meta) bool { return true })
	if err != nil {
		return d, err
	}
	d.height = loaded.Meta.Height
	if d.rootEqual, err = certifies(s, d.height, loaded.Meta.Root); err != nil {
		return d, err
	}
	state, err := node.StateAt(g, s, loaded)
	if err != nil {
		return d, err
	}
	d.conserved = state.Ledger.Recount() == nil
	for asset, units := range issued.units {
		if d.height < issued.by {
			break // an early checkpoint of a short run: money adds up, but not all of it was there yet
		}
		a, ok := state.Ledger.Asset(asset)
		d.conserved = d.conserved && ok && a.Supply == chain.Units(units)
	}
	return d, nil
}

// certifies reports whether the header that owes a height's root carries root.
func certifies(s store.Reader, at chain.Height, root chain.Hash) (bool, error) {
	raw, err := store.ReadHeader(s, at+chain.RootDelay)
	if err != nil {
		return false, err
	}
	h, err := codec.DecodeHeader(raw)
	return err == nil && h.RootAt == at && h.StateRoot == root, err
}
