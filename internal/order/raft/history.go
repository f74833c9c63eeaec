// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// History is the proposals that a log holds, as Open would find them, for offline verification. What a later record
// overwrote is not among them; the newest ones may not be decided. It keeps the place of each entry in memory, and the
// proposals above the published height.
type History struct {
	log   scannable
	found *Recovered
}

// scannable is a segment log that is read from its beginning.
type scannable interface {
	Scan(ctx context.Context, from seglog.Pos, fn func(seglog.Pos, seglog.Record) error) error
}

var _ scannable = (*seglog.Reader)(nil)

// ReadHistory reads the log of a node that is stopped. start is as for Recover, with the newest height that the node
// published; it needs no Load.
func ReadHistory(ctx context.Context, log scannable, g Genesis, start Start) (*History, error) {
	start.Load = func(seglog.Pos) ([]pb.Entry, error) {
		return nil, fault.New(fault.Internal, "an entry is read back for verification")
	}
	var scanErr error
	found, err := Recover(g, start, func(yield func(seglog.Pos, Record) bool) {
		scanErr = log.Scan(ctx, seglog.Pos{}, func(at seglog.Pos, rec seglog.Record) error {
			if !yield(at, Record{Kind: rec.Kind, Meta: rec.Meta, Payload: rec.Payload}) {
				return errStopped
			}
			return nil
		})
	})
	if scanErr != nil && scanErr != errStopped {
		return nil, scanErr
	}
	if err != nil {
		return nil, err
	}
	return &History{log, found}, nil
}

// After is the height behind which the log holds all proposals.
func (h *History) After() chain.Height { return h.found.storage.base.height }

// Each calls fn for each proposal, in order of height, with the place of its record. An error of fn ends it and is
// returned.
func (h *History) Each(ctx context.Context, fn func(seglog.Pos, *chain.Proposal) error) error {
	return h.log.Scan(ctx, seglog.Pos{}, func(at seglog.Pos, rec seglog.Record) error {
		l, err := decodeRecord(rec.Kind, rec.Meta, rec.Payload)
		for i := 0; err == nil && i < len(l.entries); i++ {
			if !h.stands(at, l.entries[i:]) {
				continue
			}
			var p *chain.Proposal
			if p, err = codec.DecodeProposal(l.entries[i].Data); err == nil {
				err = fn(at, p)
			}
		}
		return err
	})
}

// stands reports whether the first of a record's entries has a proposal, and nothing overwrote it or let it go: neither
// another record nor what follows it in its own.
func (h *History) stands(at seglog.Pos, entries []pb.Entry) bool {
	e, s := &entries[0], h.found.storage
	if len(e.Data) == 0 || e.Index <= s.base.index || e.Index > s.last() || s.slots[e.Index-s.base.index-1].at != at {
		return false
	}
	for i := range entries[1:] {
		if entries[1+i].Index <= e.Index {
			return false
		}
	}
	return true
}
