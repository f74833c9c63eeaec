// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/lane"
)

// headersSearchedMax bounds how far back an entry is looked for that was decided again, as it does for a node.
const headersSearchedMax = chain.ValidityBlocksMax

// take finds the entries that p names. Those that the header does not name were passed over, because they did not follow in
// their lane: of one whose place was executed before there may be no payload. An entry that is nowhere stops the execution.
func (r *replayer) take(p *chain.Proposal, header *chain.ExecutedHeader) ([]*entry, error) {
	entries := make([]*entry, 0, len(p.Entries))
	ran := 0
	for i, digest := range p.Entries {
		var e *entry
		var err error
		if ran < len(header.Batches) && header.Batches[ran].Entry == digest {
			ran++
			e, err = r.await(digest, false)
		} else {
			e, err = r.passedOver(digest, p.Height)
		}
		if err == nil && e == nil {
			r.stop(p.Height, "entry %d of the block, %s, is not on the lane", i, digest)
			return nil, nil
		}
		if err == nil {
			err = r.load(e)
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// passedOver finds an entry that did not follow in its lane.
func (r *replayer) passedOver(digest chain.Hash, h chain.Height) (*entry, error) {
	if r.hold.byDigest[digest] == nil && r.executedBefore(digest, h) {
		return past(digest), nil
	}
	return r.await(digest, true)
}

// past is an entry whose place was executed: nothing more of it is needed.
func past(digest chain.Hash) *entry {
	return &entry{Stored: &lane.Stored{Digest: digest, Executed: true}}
}

// executedBefore reports whether an entry was executed before a height.
func (r *replayer) executedBefore(digest chain.Hash, h chain.Height) bool {
	if r.recent.has(digest) {
		return true
	}
	for n := chain.Height(1); n < h && n <= headersSearchedMax; n++ {
		header, err := r.gapHeader(h - n)
		if err != nil && r.adopted.missing(h-n) {
			continue
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

// recentMax is how many entries are remembered whose place is executed.
const recentMax = 1 << 16

// recent remembers such entries, the newest.
type recent struct {
	digests map[chain.Hash]bool
	ring    []chain.Hash
	next    int
}

func newRecent() recent { return recent{digests: map[chain.Hash]bool{}} }

func (r *recent) has(digest chain.Hash) bool { return r.digests[digest] }

func (r *recent) add(digest chain.Hash) {
	if r.digests[digest] {
		return
	}
	if len(r.ring) < recentMax {
		r.ring = append(r.ring, digest)
	} else {
		delete(r.digests, r.ring[r.next])
		r.ring[r.next] = digest
		r.next = (r.next + 1) % recentMax
	}
	r.digests[digest] = true
}

// await reads on until an entry is held; nil if the log ends before. With orPast, one whose place is executed will do.
func (r *replayer) await(digest chain.Hash, orPast bool) (*entry, error) {
	for {
		if e := r.hold.byDigest[digest]; e != nil {
			return e, nil
		}
		if orPast && r.recent.has(digest) {
			return past(digest), nil
		}
		if len(r.hold.byDigest) > heldEntriesMax {
			r.problem(r.cfg.Data("lane"), "", "more than %d entries were not executed: no node holds as many", heldEntriesMax)
			return nil, nil
		}
		e, err := r.next()
		if e == nil {
			return nil, err
		}
		r.admit(e, e.Digest == digest)
	}
}

// next is the next entry of the log, checked for itself; nil at the end.
func (r *replayer) next() (*entry, error) {
	select {
	case e, ok := <-r.entries:
		if !ok {
			return nil, nil
		}
		r.see(e)
		return e, nil
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
}

// see checks an entry for itself and, in the own lane, against the one before.
func (r *replayer) see(e *entry) {
	<-e.hashed
	if e.badHash != "" {
		r.problemAt(e, "%s", e.badHash)
	}
	r.seen = e.Pos.Seq
	if int(e.Entry.Validator) >= r.lanes {
		r.problemAt(e, "it is of validator %d, whom nobody knows", e.Entry.Validator)
		return
	}
	if e.Entry.Validator == r.self {
		if text := r.link.follow(e); text != "" {
			r.problemAt(e, "%s", text)
		}
	}
	if text := r.reach.note(e); text != "" {
		r.problemAt(e, "%s", text)
	}
}

// admit holds an entry, unless its place in its lane is executed, or it is here: it was fetched again.
func (r *replayer) admit(e *entry, wanted bool) {
	switch {
	case int(e.Entry.Validator) >= r.lanes:
		e.release()
	case r.executed(&e.Entry):
		r.recent.add(e.Digest)
		r.sign(e, r.signedAt(e))
		e.release()
	case r.hold.byDigest[e.Digest] != nil:
		r.sign(e, r.head+1)
		e.release()
	default:
		r.hold.add(e, wanted)
	}
}

// executed reports whether an entry's place in its lane is executed. One of an earlier epoch of its owner never will be, nor one
// whose owner left.
func (r *replayer) executed(e *chain.LaneEntry) bool {
	if int(e.Validator) >= r.lanes {
		return false
	}
	epoch, sequence, _ := r.state.Ledger.Lane(e.Validator)
	if epoch == 0 {
		return e.JoinEpoch <= r.epoch
	}
	return e.JoinEpoch < epoch || e.JoinEpoch == epoch && e.Sequence <= sequence
}

// signedAt is the height before which the key of an entry existed whose place is executed. What lies before the start of
// re-execution was; a copy, or the branch of a lane that forked, may have come at any time.
func (r *replayer) signedAt(e *entry) chain.Height {
	if e.Pos.Seq <= r.link.anchor.Pos.Seq {
		return r.base + 1
	}
	return r.head + 1
}

// drop lets go of a held entry.
func (r *replayer) drop(e *entry) {
	r.hold.remove(e)
	e.release()
}

// advance lets go of what was executed, and of other entries at its place.
func (r *replayer) advance(followed []*entry) {
	for _, e := range followed {
		for _, at := range append([]*entry(nil), r.hold.byPlace[e.place()]...) {
			if at != e {
				r.signHeld(at)
			}
			r.recent.add(at.Digest)
			r.drop(at)
		}
	}
	r.reach.advance()
}

// passVoid lets go of what an epoch's end made void: entries of lanes that begin anew, and of validators that left.
func (r *replayer) passVoid() {
	for _, e := range r.hold.byDigest {
		if r.executed(&e.Entry) {
			r.signHeld(e)
			r.recent.add(e.Digest)
			r.drop(e)
		}
	}
	r.reach.advance()
}

// load reads the payload of a held entry again that was let go.
func (r *replayer) load(e *entry) error {
	if e.buffer != nil || e.Executed || e.Payload() != nil {
		return nil
	}
	s, err := r.read(e.Pos)
	if err == nil {
		e.Stored = s
	}
	return err
}

// placed is where the node says that it took an executed entry from: of several copies in the log it may be any.
func (r *replayer) placed(e *entry, h chain.Height, index int) *lane.Stored {
	if r.decidesOnce() {
		return e.Stored
	}
	raw, err := r.store.Get(placeKey(tablePlace, h, uint32(index)))
	if err != nil {
		return e.Stored
	}
	l, err := codec.DecodeLocation(raw)
	if err != nil || posOf(l) == e.Pos {
		return e.Stored
	}
	copied, err := r.read(posOf(l))
	if err != nil || copied.Digest != e.Digest {
		return e.Stored // the row is not what execution leaves behind
	}
	return copied
}

func (a *audit) problemAt(e *entry, format string, args ...any) {
	where := fmt.Sprintf("segment %d, byte %d (entry %d)", e.Pos.Segment, e.Pos.Offset, e.Entry.Sequence)
	if a.several() {
		where = fmt.Sprintf("segment %d, byte %d (validator %d, entry %d)", e.Pos.Segment, e.Pos.Offset, e.Entry.Validator, e.Entry.Sequence)
	}
	a.problem(a.cfg.Data("lane"), where, format, args...)
}

// sign lets a worker check the signatures of an entry that executes at height h.
func (r *replayer) sign(e *entry, h chain.Height) {
	if e.badHash != "" {
		return
	}
	s := *e // the worker's: what e holds may change
	s.retain()
	r.jobs <- func(w *worker) {
		defer s.release()
		if text := w.signatures.check(r.keys, &s, h, h > r.head); text != "" {
			r.problemAt(&s, "height %d: %s", h, text)
		}
	}
}

// signHeld lets a worker check the signatures of a held entry that was never executed.
func (r *replayer) signHeld(e *entry) {
	if err := r.load(e); err != nil {
		r.problemAt(e, "%v", err)
		return
	}
	r.sign(e, r.head+1)
}
