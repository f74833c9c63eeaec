// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// logIdentity names a log of this chain.
func (n *Node) logIdentity(name string) (id seglog.Identity) {
	binary.LittleEndian.PutUint64(id[:], uint64(n.genesis.Chain))
	copy(id[8:], name)
	return id
}

// posOf is where a payload lies.
func posOf(l chain.Location) seglog.Pos {
	return seglog.Pos{Segment: l.Segment, Offset: l.Offset, Bytes: l.Bytes, Seq: l.Seq}
}

// executedAt tells where the entry of a header's line lies.
func (n *Node) executedAt(h chain.Height, index uint32) (seglog.Pos, bool) {
	raw, err := store.ReadPlace(n.store, h, index)
	if err != nil {
		return seglog.Pos{}, false
	}
	l, err := codec.DecodeLocation(raw)
	return posOf(l), err == nil
}

// eachLine calls fn for every line of the headers from one height on. Heights that are not here, because a peer's state stands
// for them, are left out.
func (n *Node) eachLine(from chain.Height, fn func(chain.BatchResult, lane.Named)) error {
	head, _, err := store.LastHeader(n.store)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for h := max(from, 1); h <= head; h++ {
		header, err := readHeader(n.store, h)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for i := range header.Batches {
			line := header.Batches[i]
			at, _ := n.executedAt(h, uint32(i))
			fn(line, lane.Named{Pos: at, Digest: line.Entry, Height: h, Index: uint32(i)})
		}
	}
	return nil
}

// executedIn lists what the chain says to lie in some segments of the lane.
func (n *Node) executedIn(segments map[uint64]bool) (list []lane.Named, err error) {
	from, err := store.ReadBatchesFrom(n.store)
	if err != nil {
		return nil, err
	}
	err = n.eachLine(from, func(_ chain.BatchResult, at lane.Named) {
		if segments[at.Pos.Segment] {
			list = append(list, at)
		}
	})
	return list, err
}

// linesOf finds the lines of entries that were executed.
func (n *Node) linesOf(digests map[chain.Hash]bool) (map[chain.Hash]lane.Named, error) {
	found := map[chain.Hash]lane.Named{}
	from, err := store.ReadBatchesFrom(n.store)
	if err != nil {
		return nil, err
	}
	err = n.eachLine(from, func(line chain.BatchResult, at lane.Named) {
		if digests[line.Entry] {
			found[line.Entry] = lane.Named{Digest: at.Digest, Height: at.Height, Index: at.Index}
		}
	})
	return found, err
}

// knownLane is what the chain and the checkpoints know of the lane's log.
func (n *Node) knownLane() (seglog.Known, error) {
	known := seglog.Known{Identity: n.logIdentity("lane"), SegmentBytes: n.cfg.Commit.SegmentBytes}
	last := map[uint64]uint64{}
	known.LastSeq = func(segment uint64) uint64 { return last[segment] }
	from, err := store.ReadBatchesFrom(n.store)
	if err == nil {
		err = n.eachLine(from, func(_ chain.BatchResult, at lane.Named) {
			last[at.Pos.Segment] = max(last[at.Pos.Segment], at.Pos.Seq)
			known.Newest = max(known.Newest, at.Pos.Segment)
		})
	}
	if err != nil {
		return known, err
	}
	known.Oldest, err = n.oldestRetained()
	return known, err
}

// oldestRetained is the oldest segment that must be there; 0 if no checkpoint tells.
func (n *Node) oldestRetained() (uint64, error) {
	checkpoints, err := checkpoint.Open(n.cfg.Data("checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: n.genesis.Chain, NewSpace: newSpace})
	if err != nil {
		return 0, err
	}
	found, _ := checkpoints.Candidates() // a damaged one is reported by and by
	var floor commit.Floor
	for _, c := range found {
		if f, err := commit.ParseFloor(c.Meta.Blob); err == nil && f.Height >= floor.Height {
			floor = f
		}
	}
	if len(found) == 0 {
		return 0, nil
	}
	return max(floor.Segment, 1), nil
}

// writtenHeightsMax bounds how far back the newest executed entries are looked for; more empty blocks do not follow each other.
const writtenHeightsMax = 64

// writtenSeq is the highest sequence of a log that is known to have been durable; 0: nobody knows.
func (n *Node) writtenSeq(log string) (seq uint64) {
	if log != "lane" {
		return 0
	}
	head, _, err := store.LastHeader(n.store)
	if err != nil {
		return 0
	}
	_ = n.eachLine(head-min(head, writtenHeightsMax), func(_ chain.BatchResult, at lane.Named) { seq = max(seq, at.Pos.Seq) })
	return seq
}
