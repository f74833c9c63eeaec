// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// reach follows up to which record of the log all is executed, or lies once more behind it. With one lane that is the newest
// executed entry; several lie mixed in the log, and are executed each in its own order, and what waits for longer than the
// retention is carried on: written again at the log's end.
type reach struct {
	executed func(*chain.LaneEntry) bool // its place in its lane is
	start    seglog.Pos                  // of the state that execution begins with
	at       seglog.Pos
	behind   []record                // read, and not passed: 200 bytes each
	digests  map[chain.Hash]int      // of them, how many have it
	owed     map[chain.Hash][]*entry // not executed up to start: each must lie once more behind it
}

type record struct {
	pos    seglog.Pos
	entry  chain.LaneEntry
	digest chain.Hash
}

func newReach(start seglog.Pos, executed func(*chain.LaneEntry) bool) reach {
	return reach{executed: executed, start: start, at: start, digests: map[chain.Hash]int{}, owed: map[chain.Hash][]*entry{}}
}

// note takes the next record, and says what is wrong with its place, or nothing.
func (r *reach) note(e *entry) string {
	switch {
	case e.Pos.Seq > r.start.Seq:
		delete(r.owed, e.Digest)
		r.passCopied(e.Digest)
		r.behind = append(r.behind, record{e.Pos, e.Entry, e.Digest})
		r.digests[e.Digest]++
		r.advance()
	case !r.executed(&e.Entry):
		r.owed[e.Digest] = append(r.owed[e.Digest], &entry{Stored: bare(e.Stored)})
	case e.Pos.Seq == r.start.Seq && e.Pos != r.start:
		return fmt.Sprintf("the state that execution begins with names segment %d, byte %d", r.start.Segment, r.start.Offset)
	}
	return ""
}

// passCopied passes over the records of an entry that lies once more behind them.
func (r *reach) passCopied(digest chain.Hash) {
	if r.digests[digest] == 0 {
		return
	}
	delete(r.digests, digest)
	r.behind = slices.DeleteFunc(r.behind, func(b record) bool { return b.digest == digest })
}

// advance moves over records whose place in their lane is executed.
func (r *reach) advance() {
	done := 0
	for done < len(r.behind) && r.executed(&r.behind[done].entry) {
		r.at = r.behind[done].pos
		if d := r.behind[done].digest; r.digests[d] > 1 {
			r.digests[d]--
		} else {
			delete(r.digests, d)
		}
		done++
	}
	r.behind = r.behind[done:]
}

// waits reports whether a record up to pos is neither executed nor seen once more: what is not read yet may tell.
func (r *reach) waits(pos seglog.Pos) bool {
	return len(r.behind) > 0 && r.behind[0].pos.Seq <= pos.Seq
}

// unpaid lists, in the log's order, what lies before the start of execution, is not executed and lies nowhere else.
func (r *reach) unpaid() (list []*entry) {
	for _, entries := range r.owed {
		list = append(list, entries...)
	}
	slices.SortFunc(list, func(a, b *entry) int { return cmp.Compare(a.Pos.Seq, b.Pos.Seq) })
	return list
}

// passCheckpoints compares the checkpoints of a height with the state there.
func (r *replayer) passCheckpoints(h chain.Height, root chain.Hash) error {
	for _, c := range r.due[h] {
		if c.meta.Root != root {
			r.problem(c.path, at(h), "its root is %s, executed again the state has %s", c.meta.Root, root)
		}
		if text := r.wrongLane(c, r.state.Ledger); text != "" {
			r.problem(c.path, at(h), "%s", text)
		}
		text, err := r.wrongPosition(c.lane.Pos)
		if err != nil {
			return err
		}
		if text != "" {
			r.problem(c.path, at(h), "%s", text)
		}
	}
	delete(r.due, h)
	return nil
}

// wrongPosition says why not all up to a record is executed, or all up to a later one was when the state was written.
func (r *replayer) wrongPosition(pos seglog.Pos) (string, error) {
	for (r.seen < pos.Seq || r.reach.waits(pos)) && len(r.hold.byDigest) <= heldEntriesMax {
		e, err := r.next()
		if err != nil {
			return "", err
		}
		if e == nil {
			break
		}
		r.admit(e, false)
	}
	here := r.reach.at
	if pos == here {
		return "", nil
	}
	text := fmt.Sprintf("it says that all is executed up to record %d at segment %d, byte %d, executed is all up to record %d at segment %d, byte %d",
		pos.Seq, pos.Segment, pos.Offset, here.Seq, here.Segment, here.Offset)
	if r.decidesOnce() || pos.Seq >= here.Seq {
		return text, nil
	}
	// A record behind it that is executed came later: it is a copy, or of another branch of its lane. One that is not executed
	// may have been carried on later.
	next, err := r.behind(pos)
	if err != nil || r.executed(&next.Entry) && r.tookFrom(next) {
		return text, r.ctx.Err()
	}
	return "", nil
}

// behind is the record behind a position.
func (r *replayer) behind(pos seglog.Pos) (next *lane.Stored, err error) {
	from := seglog.Pos{}
	if pos.Seq > 0 {
		if _, err := r.read(pos); err != nil {
			return nil, err
		}
		from = seglog.Pos{Segment: pos.Segment, Offset: pos.Offset + pos.Bytes, Seq: pos.Seq + 1}
	}
	stop := errors.New("seen")
	err = r.log.Scan(r.ctx, from, func(pos seglog.Pos, rec seglog.Record) error {
		s, err := lane.ParseRecord(pos, rec)
		if err != nil {
			return err
		}
		next = bare(s)
		return stop
	})
	if errors.Is(err, stop) {
		err = nil
	} else if err == nil {
		err = stop
	}
	return next, err
}

// tookFrom reports whether the block store says that an entry was executed from this record.
func (r *replayer) tookFrom(s *lane.Stored) bool {
	raw, err := store.ReadBatch(r.store, s.Entry.Payload)
	if err != nil {
		return false
	}
	l, err := codec.DecodeLocation(raw)
	return err == nil && posOf(l) == s.Pos
}
