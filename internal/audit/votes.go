// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// votesPerChunk is how many votes are verified together; a chunk per core is under way at a time.
const votesPerChunk = 256

func parseVote(rec seglog.Record) (*certify.Vote, error) {
	if len(rec.Payload) > 0 {
		return nil, fault.New(fault.Corrupt, "the record of kind %d, with %d bytes behind it, is no vote", rec.Kind, len(rec.Payload))
	}
	return certify.ParseRecord(rec.Kind, rec.Meta)
}

// voteWalk compares what this node signed with what was certified.
type voteWalk struct {
	*audit
	base  chain.Height // votes on later heights are all there
	last  *certify.Vote
	void  heightRange // of votes on other headers than those that a seal stands for
	other heightRange // of votes on other headers than those that a peer's state stands on
	chunk []signedVote
	group errgroup.Group
}

type signedVote struct {
	vote  *certify.Vote
	set   *epoch.Set // of its epoch
	where string
}

// checkVotes proves the vote log: one vote on each height of an epoch, signed by this node, over the header that was certified. A vote
// on another header would be the second one of a height, or the first of two.
func (a *audit) checkVotes(ctx context.Context, sound soundness, base chain.Height) error {
	if !a.several() {
		return nil
	}
	if !sound.votes {
		a.note("what the node signed was not compared with the chain, because the vote log is damaged")
		return nil
	}
	log, err := seglog.OpenReader(nil, a.cfg.Data("votes"))
	if err != nil {
		return err
	}
	w := &voteWalk{audit: a, base: base}
	w.group.SetLimit(runtime.GOMAXPROCS(0))
	err = log.Scan(ctx, seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		w.vote(fmt.Sprintf("segment %d, byte %d", pos.Segment, pos.Offset), rec)
		return nil
	})
	w.flush()
	err = errors.Join(a.corruptIsProblem(err, "votes"), w.group.Wait(), log.Close())
	if err == nil {
		w.end()
	}
	if n := w.void; n.count > 0 {
		a.note("this node signed %d other headers, of heights %d to %d, than those that a seal stands for: its state differed then, and none of them was certified", n.count, n.from, n.to)
	}
	if n := w.other; n.count > 0 {
		a.note("this node signed %d other headers, of heights %d to %d, than those that a peer's state stands on: it was told another order then, or its state differed, and none of them was certified", n.count, n.from, n.to)
	}
	return err
}

func (w *voteWalk) wrong(where, format string, args ...any) {
	w.problem(w.cfg.Data("votes"), where, format, args...)
}

func (w *voteWalk) vote(where string, rec seglog.Record) {
	v, err := parseVote(rec)
	if err != nil {
		w.wrong(where, "%v", err)
		return
	}
	if w.self != nobody && v.Validator != w.self {
		w.wrong(where, "the vote on height %d is of validator %d, the folder of validator %d", v.Height, v.Validator, w.self)
		return
	}
	set := w.epochs.At(v.Epoch)
	if set == nil || set.HeaderKey(v.Validator) == nil {
		w.wrong(where, "the vote on height %d is of validator %d, who was no member in epoch %d", v.Height, v.Validator, v.Epoch)
		return
	}
	w.follows(where, v)
	w.last = v
	if v.Height <= min(w.head, w.endOf(v.Epoch)) {
		w.compare(where, v)
	}
	w.chunk = append(w.chunk, signedVote{v, set, where})
	if len(w.chunk) == votesPerChunk {
		w.flush()
	}
}

// endOf is the last height of an epoch. What was signed above it before a seal ended the epoch is void.
func (w *voteWalk) endOf(e chain.Epoch) chain.Height {
	if end, ok := w.epochs.End(e); ok {
		return end.Height
	}
	return math.MaxUint64
}

// through is how far there are votes when the newest one of an epoch was followed by one of a later epoch: what a seal stands for
// needed none.
func (w *voteWalk) through(from, to chain.Epoch, height chain.Height) chain.Height {
	for e := from; e < to; e++ {
		if height = min(height, w.endOf(e)); height >= w.lastCertified(e) {
			height = w.endOf(e)
		}
	}
	return height
}

// follows wants votes in order of height within an epoch, and behind the start of re-execution on each height.
func (w *voteWalk) follows(where string, v *certify.Vote) {
	before := w.base
	if w.last != nil {
		before = w.last.Height
		if v.Epoch < w.last.Epoch || v.Epoch == w.last.Epoch && v.Height <= before {
			w.wrong(where, "height %d of epoch %d was signed after height %d of epoch %d", v.Height, v.Epoch, before, w.last.Epoch)
			return
		}
		before = w.through(w.last.Epoch, v.Epoch, before)
	}
	if before = max(before, w.base); v.Height > before+1 && before < w.head {
		w.wrong(where, "height %d was published, and there is no vote of this node on it", before+1)
	}
}

// heightRange counts heights, and says between which they lie.
type heightRange struct {
	count    int
	from, to chain.Height
}

func (r *heightRange) add(h chain.Height) {
	if r.count++; r.count == 1 {
		r.from = h
	}
	r.to = h
}

// compare wants the vote to be on the header that was certified, and on its state root. Where nothing was certified, validators
// may have signed different headers: that is what a seal is for.
func (w *voteWalk) compare(where string, v *certify.Vote) {
	raw, err := store.ReadAnyHeader(w.store, v.Height)
	if err != nil {
		return // the chain walk says so
	}
	hash := codec.Sum(raw)
	if v.Hash != hash && w.adopted.missing(v.Height) {
		w.other.add(v.Height)
		return
	}
	if v.Hash != hash && w.sealedTail(v.Height) {
		w.void.add(v.Height)
		return
	}
	if v.Hash != hash {
		w.wrong(where, "this node signed header %s for height %d, certified is %s", v.Hash, v.Height, hash)
		return
	}
	h, err := codec.DecodeHeader(raw)
	if err == nil && !v.Decided.IsZero() && v.Decided != h.Proposal {
		w.wrong(where, "the vote says that proposal %s was decided, header %d names %s", v.Decided, v.Height, h.Proposal)
	}
	if err == nil && (v.Epoch != h.Epoch || v.RootAt != h.RootAt || v.StateRoot != h.StateRoot) {
		w.wrong(where, "the vote is on state root %s of height %d in epoch %d, header %d has %s of height %d in epoch %d",
			v.StateRoot, v.RootAt, v.Epoch, v.Height, h.StateRoot, h.RootAt, h.Epoch)
	}
}

func (w *voteWalk) flush() {
	chunk := w.chunk
	w.chunk = nil
	w.group.Go(func() error {
		w.check(chunk)
		return nil
	})
}

// check verifies the signatures of a chunk, those of headers in one batch.
func (w *voteWalk) check(chunk []signedVote) {
	batch := keys.NewBatch()
	var of []*signedVote // who an entry of the batch belongs to
	for i := range chunk {
		v, set := chunk[i].vote, chunk[i].set
		batch.Add(set.HeaderKey(v.Validator), keys.HeaderMessage(w.genesis.Chain, v.Hash), v.Signature)
		of = append(of, &chunk[i])
		if v.RootAt != 0 && !set.RootKey(v.Validator).Verify(keys.RootMessage(w.genesis.Chain, v.Epoch, v.RootAt, v.StateRoot), v.RootSig) {
			w.wrong(chunk[i].where, "the signature for the state root of height %d is not valid", v.RootAt)
		}
	}
	for i, valid := range batch.Verify() {
		if !valid {
			w.wrong(of[i].where, "the signature of the vote on height %d is not valid", of[i].vote.Height)
		}
	}
}

// end wants a vote on the newest published height: none is published before the own vote on it is on the disk, but by a state
// of a peer.
func (w *voteWalk) end() {
	last := chain.Height(0)
	if w.last != nil {
		last = w.through(w.last.Epoch, w.epochs.EpochOf(w.head+1), w.last.Height)
	}
	if last < w.head && w.head > w.adopted.height {
		w.problem(w.cfg.Data("votes"), at(last), "the votes end here, but height %d was published", w.head)
	}
}
