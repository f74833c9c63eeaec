// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
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
	voters := make([]chain.ValidatorNo, len(n.genesis.Validators))
	for i := range voters {
		voters[i] = chain.ValidatorNo(i)
	}
	cfg := raft.Config{
		Self: n.self, Genesis: raft.Genesis{Voters: voters, TimeUs: n.genesis.TimeUs},
		WindowMax: n.cfg.Order.WindowMax, PendingMax: offersMax, OfferedEverywhere: true, IntervalMin: n.cfg.Order.IntervalMin,
		OnUnordered: func(digest chain.Hash, since time.Duration) {
			n.log.Warn("an entry that a quorum holds stays unordered", "entry", digest.String(), obs.KeySeconds, since.Seconds())
		},
		Fetched: n.adopted, SnapshotRef: n.snapshotRef, FetchSnapshot: n.fetchSnapshot,
		Metrics: n.metrics, Logger: n.log,
	}
	if n.peers != nil {
		cfg.Peers = words{n.peers.links, frameOrder}
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
	lanes := make([]lane.Place, len(n.genesis.Validators))
	for v := range lanes {
		epoch, sequence, tip := n.state.Ledger.Lane(chain.ValidatorNo(v))
		lanes[v] = lane.Place{Epoch: epoch, Sequence: sequence, Tip: tip}
	}
	bounds := spread.DefaultBounds()
	bounds.WindowBytes = 4 << 20
	bounds.LaneEntriesMax = uint64(offersMax / len(lanes))
	bytes := n.cfg.Memory.PayloadBytes / 2
	decided := n.engine.Replayed()
	n.peers.relay, err = lane.OpenRelay(ctx, n.laneLog, lane.RelayConfig{
		Self: n.self, Bounds: bounds, Peers: laneLinks{n.peers.links}, Pool: seglog.NewPool(bytes, bytes/2),
		Check: func(head *spread.EntryHead, payload []byte) error {
			return n.intake.CheckEntry(&head.Entry, head.Key, head.Signature, payload)
		},
		Offer: func(digest chain.Hash) {
			if !decided[digest] {
				n.offer(digest)
			}
		},
		Executed: n.executedBefore,
		Missed:   n.missed,
		OnFailed: n.fail,
		Metrics:  n.metrics, Logger: n.log,
	}, lanes[n.self].Epoch, lanes, n.state.Lane)
	if err != nil {
		return err
	}
	n.lane = n.peers.relay
	n.noteOffered()
	n.peers.relay.Offer()
	return nil
}

// headersLookedAt bounds how far back an entry is looked for that ordering decided again.
const headersLookedAt = 50_000

// executedBefore looks in the headers for an entry that was executed.
func (n *Node) executedBefore(digest chain.Hash) bool {
	at := n.loop.ExecutedHeight()
	for h := at; h > 0 && at-h < headersLookedAt; h-- {
		header, err := readHeader(n.store, h)
		if fault.Is(err, fault.NotFound) {
			continue // executed and not stored yet, or before a state that a peer gave
		}
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

// openCertifier makes the part that signs and gathers signatures.
func (n *Node) openCertifier(ctx context.Context) (err error) {
	if !n.several() {
		n.certifier = &commit.Self{Header: n.header, Root: n.root}
		return nil
	}
	membership, err := n.membership()
	if err != nil {
		return err
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
		Self: n.self, Members: membership, Header: n.header, Root: n.root, Peers: words{n.peers.links, frameVote},
		Fetched: n.adopted, Stored: n.storedCertificate,
		OnDiverged: func(d certify.Diverged) {
			n.diverged.Store(true)
			n.log.Error("a quorum certified another header than this node's", obs.KeyHeight, uint64(d.Own.Height), "own", d.Own.Hash.String(), "certified", d.Other.Header.String())
		},
		Metrics: n.metrics, Logger: n.log,
	})
	n.certifier = n.peers.certifier
	return err
}

// membership is the validators' keys.
func (n *Node) membership() (*certify.Membership, error) {
	members := make([]certify.Member, len(n.genesis.Validators))
	for i, v := range n.genesis.Validators {
		var err error
		if members[i].Header, err = publicKey(keys.Ed25519, v.Ed25519); err != nil {
			return nil, err
		}
		if members[i].Root, err = publicKey(keys.MLDSA65, v.MLDSA65); err != nil {
			return nil, err
		}
	}
	return certify.NewMembership(n.genesis.Chain, 1, members)
}

// publicKey is a key as the genesis names it.
func publicKey(scheme keys.Scheme, key chain.HexBytes) (keys.Public, error) {
	return keys.ParsePublic(append([]byte{byte(scheme)}, key...))
}

func (n *Node) storedCertificate(h chain.Height) (*chain.Certificate, error) {
	raw, err := store.ReadCertificate(n.store, h)
	if err != nil {
		return nil, err
	}
	return codec.DecodeCertificate(raw)
}
