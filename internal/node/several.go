// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/catchup"
	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/store"
)

// voteSegmentBytes holds some 4,000 votes.
const voteSegmentBytes = 16 << 20

// offersMax is how many entries of all lanes may wait to be ordered: what the engine takes.
const offersMax = 4096

func (n *Node) openRaft(ctx context.Context) (engine, error) {
	base, err := n.orderBase()
	if err != nil {
		return nil, err
	}
	cfg := raft.Config{
		Self: n.self, Genesis: base,
		WindowMax: n.cfg.Order.WindowMax, PendingMax: offersMax, OfferedEverywhere: true, IntervalMin: n.cfg.Order.IntervalMin,
		OnUnordered: func(digest chain.Hash, since time.Duration) {
			n.log.Warn("an entry that a quorum holds stays unordered", "entry", digest.String(), obs.KeySeconds, since.Seconds())
		},
		Fetched: n.adopted, SnapshotRef: n.snapshotRef, FetchSnapshot: n.fetchSnapshot,
		Metrics: n.metrics, Logger: n.log,
	}
	if n.peers != nil {
		n.peers.orders = &orders{n.peers.links, n.epoch}
		cfg.Peers = n.peers.orders
	}
	e, err := raft.Open(ctx, n.orderLog, n.state.Height, cfg)
	if err != nil {
		return nil, err
	}
	if n.peers != nil {
		n.peers.raft = e
	}
	return e, nil
}

// openRelay opens the lane among several.
func (n *Node) openRelay(ctx context.Context) (err error) {
	lanes := make([]lane.Place, n.tableSize())
	for v := range lanes {
		epoch, sequence, tip := n.state.Ledger.Lane(chain.ValidatorNo(v))
		if epoch == 0 {
			epoch = n.epoch // vacant: nothing of who left is waited for
		}
		lanes[v] = lane.Place{Epoch: epoch, Sequence: sequence, Tip: tip}
	}
	bounds := spread.DefaultBounds()
	bounds.WindowBytes = 4 << 20
	bounds.LaneEntriesMax = uint64(offersMax / len(lanes))
	bytes := n.cfg.Memory.PayloadBytes / 2
	decided := n.engine.Replayed()
	n.peers.relay, err = lane.OpenRelay(ctx, n.laneLog, lane.RelayConfig{
		Self: n.self, Quorum: n.members().Quorum(), Bounds: bounds, Peers: laneLinks{n.peers.links}, Pool: seglog.NewPool(bytes, bytes/2),
		Check: func(head *spread.EntryHead, payload []byte) error {
			return n.intake.CheckEntry(&head.Entry, head.Key, head.Signature, payload)
		},
		Offer: func(digest chain.Hash) {
			if !decided[digest] {
				n.offer(digest)
			}
		},
		Executed:   n.executedBefore,
		ExecutedAt: n.executedAt,
		OnDamaged:  n.damagedForPeer,
		OnEvidence: n.evidenceBook.foundLane,
		Missed:     n.missed,
		OnFailed:   n.fail,
		Metrics:    n.metrics, Logger: n.log,
	}, lanes[n.self].Epoch, lanes, n.state.Lane)
	if err != nil {
		return err
	}
	n.lane = n.peers.relay
	n.noteOffered()
	n.peers.relay.Offer()
	return nil
}

// headersLookedAt bounds how far back an entry is looked for that ordering decided again: as far as headers go with a state.
const headersLookedAt = catchup.HeadersMax

// executedBefore looks in the headers for an entry that was executed.
func (n *Node) executedBefore(digest chain.Hash) bool {
	at := n.loop.ExecutedHeight()
	for h := at; h > 0 && at-h < headersLookedAt; h-- {
		raw, err := store.ReadAnyHeader(n.store, h)
		if fault.Is(err, fault.NotFound) {
			continue // executed and not stored yet, or further below a peer's state than its headers go
		}
		if err != nil {
			return false
		}
		header, err := codec.DecodeHeader(raw)
		if err != nil {
			return false
		}
		for i := range header.Batches {
			if header.Batches[i].Entry == digest {
				return true
			}
		}
	}
	return false
}

// notSigned is a height up to which the node may have published what it did not sign in this epoch: a peer's state stands for
// it, the epoch before, or a seal that ends this one.
func (n *Node) notSigned() chain.Height {
	at := n.adopted
	if before, ok := n.epochs.End(n.epoch - 1); ok {
		at = max(at, before.Height)
	}
	if end, ok := n.epochs.End(n.epoch); ok && end.Verdict != chain.VerdictNone {
		at = max(at, end.Height)
	}
	return at
}

// openCertifier makes the part that signs and gathers signatures.
func (n *Node) openCertifier(ctx context.Context) (err error) {
	if !n.several() {
		n.certifier = &commit.Self{Validator: n.self, Header: n.header, Root: n.root}
		return nil
	}
	if n.lags {
		return nil // nothing is executed before a peer's state is taken
	}
	log, err := n.openLog("votes", voteSegmentBytes, 1, true)
	if err != nil {
		return err
	}
	n.onClose(log.Close)
	published, _, err := store.LastHeader(n.store)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	n.peers.certifier, err = certify.Open(ctx, log, published, certify.Config{
		Self: n.self, Members: certify.Of(n.epochs.At(n.epoch)), Header: n.header, Root: n.root, Peers: words{n.peers.links, frameVote},
		Fetched: n.notSigned(), Stored: n.storedCertificate,
		OnEvidence: n.evidenceBook.foundHeaders,
		OnDiverged: func(d certify.Diverged) {
			n.divergence.note(d)
			n.diverged.Store(true)
			n.log.Error("a quorum certified another header than this node's", obs.KeyHeight, uint64(d.Own.Height), "own", d.Own.Hash.String(), "certified", d.Other.Header.String())
		},
		OnContradicted: func(x certify.Contradicted) {
			n.divergence.noteContradicted(x)
			n.diverged.Store(true)
			n.log.Error("this node computes another header than it signed before", obs.KeyHeight, uint64(x.Own.Height), "signed", x.Own.Hash.String(), "computed", x.Hash.String())
		},
		Metrics: n.metrics, Logger: n.log,
	})
	n.certifier = remembering{n.peers.certifier, &n.divergence}
	return err
}

func (n *Node) storedCertificate(h chain.Height) (*chain.Certificate, error) {
	raw, err := store.ReadCertificate(n.store, h)
	if err != nil {
		return nil, err
	}
	return codec.DecodeCertificate(raw)
}
