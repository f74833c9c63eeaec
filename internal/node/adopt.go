// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"os"

	"github.com/aurigraph/aurigraph/internal/catchup"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/store"
)

// A state that was taken from a peer lies whole in a folder of its own until the node is opened. Then, before anything else
// reads the state:
//
//	1 the pages become an anchor, and are proved once more     | a crash: the old state; all of it is done again
//	2 one durable write to the block store                     | from here on it is the new state
//	3 the state is loaded and becomes a checkpoint, too; holdings get their versions; older anchors go; the folder goes
//
// Until the folder is gone, 3 is done again at each start.

// adopt does 1 and 2.
func (n *Node) adopt(ctx context.Context) error {
	if !n.several() {
		return nil
	}
	if err := n.readAdopted(); err != nil {
		return err
	}
	rules := n.rules()
	taken, err := catchup.Open(n.catchUpDir(), checkpoint.OS{}, &rules)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil && n.adopted < taken.Height {
		err = n.takeOver(ctx, taken)
	}
	if fault.Is(err, fault.Corrupt) || fault.Is(err, fault.Conflict) {
		n.log.Error("a state that was taken from a peer cannot be used, and is dropped", obs.Err(err))
		return catchup.Discard(n.catchUpDir(), checkpoint.OS{})
	}
	if err != nil {
		return err
	}
	n.taken = taken
	return n.readAdopted()
}

// readAdopted reads the height of the newest state that was taken from a peer.
func (n *Node) readAdopted() error {
	a, err := store.ReadAdopted(n.store)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	n.adopted = a.Height
	return err
}

// takeOver makes a state the one that the node starts from. Conflict: the node got further by itself.
func (n *Node) takeOver(ctx context.Context, taken *catchup.Taken) error {
	var changes store.Changes
	err := store.Adopt(n.store, &changes, taken.Height, taken.Headers[0], taken.Certificate, taken.Proposal, taken.Ahead())
	if err == nil {
		err = commit.AdoptLegs(n.store, &changes, taken.Height)
	}
	if err != nil {
		return err
	}
	if err := n.takeHeaders(&changes, taken); err != nil {
		return err
	}
	blob, err := n.adoptedBlob(taken)
	if err != nil {
		return err
	}
	err = taken.WriteAnchor(ctx, n.checkpoints, n.genesis.Chain, blob)
	if fault.Is(err, fault.Conflict) { // of a start that ended in between
		err = nil
	}
	if err != nil {
		return err
	}
	return n.store.Apply(&changes, true)
}

// takeHeaders keeps the headers below a state, as many as one is taken with. Halted: they do not lead to what was published here.
func (n *Node) takeHeaders(changes *store.Changes, taken *catchup.Taken) error {
	head, own, err := store.LastHeader(n.store)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	above, at := taken.Headers[0], taken.Height
	for _, raw := range taken.Below {
		if at--; at > head {
			store.WriteGapHeader(changes, at, raw)
			above = raw
		}
	}
	store.DropGapHeaders(changes, taken.Height-min(taken.Height, catchup.HeadersMax))
	if head == 0 || taken.Height-chain.Height(len(taken.Below)) > head+1 {
		return nil // it begins above: nothing says what lies between
	}
	lowest, err := codec.DecodeHeader(above)
	if err == nil && lowest.Previous != codec.Sum(own) {
		err = fault.New(fault.Halted, "height %d was published here as %s, a peer's certified state stands on %s: the block store is damaged, or two histories were certified; run verify", head, codec.Sum(own), lowest.Previous)
	}
	return err
}

// adoptedBlob says how far the own lane is in a state, and that everything is retained from there: the log from where the
// newest own checkpoint knows all to be executed.
func (n *Node) adoptedBlob(taken *catchup.Taken) ([]byte, error) {
	space := pages.NewSpace()
	if err := taken.Load(space, ledger.LaneSections()); err != nil {
		return nil, err
	}
	_, sequence, tip := newLedger(space).Lane(n.self)
	at := lane.Position{Sequence: sequence, Tip: tip}
	if own, ok, _ := n.checkpoints.Newest(func(m checkpoint.Meta) bool { return m.Height < taken.Height && certifiedRoot(n.store, m) }); ok {
		p, err := commit.ParsePosition(own.Meta.Blob)
		if err != nil {
			return nil, err
		}
		at.Pos = p.Pos
	}
	return commit.AppendBlob(nil, at, commit.Floor{Height: taken.Height, Segment: at.Pos.Segment}), nil
}

// finishAdoption does 3.
func (n *Node) finishAdoption(ctx context.Context) error {
	if n.adopted > n.state.Height {
		return fault.New(fault.Corrupt, "the newest checkpoint that can be used is of height %d, below height %d, from which the node went on with a peer's state: restore the folder from a copy, or join again as a new validator", n.state.Height, n.adopted)
	}
	if n.taken == nil {
		return nil
	}
	if err := n.copyAnchor(ctx); err != nil {
		return err
	}
	if err := n.writeVersions(); err != nil {
		return err
	}
	anchors, err := n.checkpoints.Anchors()
	if err != nil {
		return err
	}
	for _, h := range anchors {
		if h < n.adopted {
			if err := n.checkpoints.RemoveAnchor(h); err != nil {
				return err
			}
		}
	}
	if err := catchup.Discard(n.catchUpDir(), checkpoint.OS{}); err != nil {
		return err
	}
	_ = os.Remove(n.catchUpDir()) // an empty folder harms nobody
	n.log.Info("the node goes on from a peer's state", obs.KeyHeight, uint64(n.adopted))
	n.taken = nil
	return nil
}

// copyAnchor makes the state a checkpoint beside the anchor, as the newest anchor always has one.
func (n *Node) copyAnchor(ctx context.Context) error {
	metas, err := n.checkpoints.AnchorMetas()
	if err != nil {
		return err
	}
	found, _ := n.checkpoints.Candidates()
	for _, c := range found {
		if !c.IsAnchor() && c.Meta.Height >= n.adopted {
			return nil
		}
	}
	for _, m := range metas {
		if m.Height != n.adopted || n.state.Height != n.adopted {
			continue
		}
		sn := n.state.Space.Snapshot()
		defer sn.Release()
		_, err := n.checkpoints.WriteIdle(ctx, sn, m)
		return err
	}
	return nil
}

// versionBytesMax bounds the rows that are written at once.
const versionBytesMax = 4 << 20

// writeVersions writes what every account has of versioned assets as of the adopted height: the versions before it are not here. Who
// has nothing gets a row if the genesis gave him something, for that is what no row would say.
func (n *Node) writeVersions() error {
	var changes store.Changes
	flush := func(most int) error {
		if changes.Bytes() <= most {
			return nil
		}
		err := n.store.Apply(&changes, true)
		changes.Reset()
		return err
	}
	l := n.state.Ledger
	counts := l.Counts()
	write := func(asset chain.AssetNo, account chain.AccountNo) error {
		a := l.Balance(account, asset)
		store.WriteHolding(&changes, asset, account, n.adopted, commit.AppendHolding(nil, a))
		return flush(versionBytesMax)
	}
	for asset := chain.AssetNo(1); uint32(asset) <= counts.Assets; asset++ {
		if v, ok := l.Asset(asset); !ok || v.Flags&chain.AssetVersioned == 0 {
			continue
		}
		for account := chain.AccountNo(1); uint32(account) <= counts.Accounts; account++ {
			if !l.Balance(account, asset).IsZero() {
				if err := write(asset, account); err != nil {
					return err
				}
			}
		}
		for _, h := range n.genesis.Holdings {
			if h.Asset == asset {
				if err := write(asset, h.Account); err != nil {
					return err
				}
			}
		}
	}
	return flush(0)
}

// skipInIndex lets an index that ends below the adopted height go on behind it: there is a gap that nothing here can fill.
func (n *Node) skipInIndex(w index.Writer) error {
	from, to := w.Position(), n.adopted+1
	if n.adopted == 0 || from.Height >= to {
		return nil
	}
	return w.Apply(&index.Group{From: from, Next: index.Position{Height: to}, Gaps: []index.Gap{{From: from, To: to}}})
}
