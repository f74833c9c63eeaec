// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// stateRoot is the state after a height at which a root was due: frozen, then hashed, then certified. Its snapshot is
// shared: whoever holds a reference may read it. A brief one is let go before the executor writes again, so nothing is copied.
type stateRoot struct {
	at   chain.Height
	lane lane.Position
	root chain.Hash

	snapshot *pages.Snapshot
	refs     atomic.Int32
}

func newStateRoot(at chain.Height, pos lane.Position, sn *pages.Snapshot) *stateRoot {
	r := &stateRoot{at: at, lane: pos, snapshot: sn}
	r.refs.Store(1)
	return r
}

func (r *stateRoot) retain() { r.refs.Add(1) }

func (r *stateRoot) release() {
	if r.refs.Add(-1) == 0 {
		r.snapshot.Release()
	}
}

// wantsState reports whether somebody waits for a state to read: a checkpoint, or a proof.
func (l *Loop) wantsState() bool { return l.checkpointDue.Load() || l.proofsWaiting.Load() > 0 }

// certifiedRoot is a root that stands in a certified header.
type certifiedRoot struct {
	at          chain.Height
	root        chain.Hash
	headerBytes []byte
	certBytes   []byte
}

// rootBoard is where the rooter, the persister and the checkpointer meet.
type rootBoard struct {
	mu        sync.Mutex
	waiting   []*stateRoot    // hashed, their header not certified yet; the board holds a reference of each
	certified []certifiedRoot // the newest last, at most chain.RootDelay: a reader may come a block or two late
	changed   chan struct{}   // closed and replaced when certified changes
	leaves    leafBoard       // it has a lock of its own
}

// newest is the newest certified root, at height 0 if there is none. The caller holds mu.
func (b *rootBoard) newest() certifiedRoot {
	if len(b.certified) == 0 {
		return certifiedRoot{}
	}
	return b.certified[len(b.certified)-1]
}

// find returns the certified root of a height. The caller holds mu.
func (b *rootBoard) find(at chain.Height) (certifiedRoot, bool) {
	for _, c := range b.certified {
		if c.at == at {
			return c, true
		}
	}
	return certifiedRoot{}, false
}

// proofRequest is a reader waiting for the rooter.
type proofRequest struct {
	read  func(*pages.Snapshot, *pages.Tree) error
	reply chan proofReply
}

type proofReply struct {
	at  chain.Height
	err error
}

// rooter is the state of runRooter. It owns the tree.
type rooter struct {
	*Loop
	newest  *stateRoot     // whose snapshot the tree is of; nil: it was let go, or there is none
	waiting []proofRequest // for the next state that is kept
}

// runRooter hashes frozen states and answers proof requests from the newest one.
func (l *Loop) runRooter(ctx context.Context) error {
	r := &rooter{Loop: l, newest: l.start} // so that proofs can be made before the next root is due
	defer r.end()
	for {
		select {
		case job := <-l.rootJobs:
			r.hash(job)
			select {
			case l.rooted <- job:
			case <-ctx.Done():
				return nil
			}
		case job := <-l.drops:
			if r.newest == job {
				r.drop()
			}
		case q := <-l.proofs:
			r.prove(q)
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *rooter) hash(job *stateRoot) {
	job.root = r.Tree.Update(job.snapshot)
	if r.cfg.KeepLeaves {
		r.board.leaves.keep(job.at, r.Tree)
	}
	r.drop()
	r.newest = job
	job.retain()
	r.board.add(job)
	waiting := r.waiting
	r.waiting = nil
	for _, q := range waiting {
		r.prove(q)
	}
}

func (r *rooter) drop() {
	if r.newest != nil {
		r.newest.release()
		r.newest = nil
	}
}

// prove answers from the newest state, or else from the next one: that comes soon, since states are let go under load only.
// Before the first root there is nothing to prove by.
func (r *rooter) prove(q proofRequest) {
	switch {
	case r.newest != nil:
		q.reply <- proofReply{at: r.newest.at, err: q.read(r.newest.snapshot, r.Tree)}
	case r.Tree.Rows() == nil:
		q.reply <- proofReply{err: fault.New(fault.Unavailable, "no state root since the start yet: try again after the next block")}
	default:
		r.waiting = append(r.waiting, q) // at most as many as callers of Prove
	}
}

func (r *rooter) end() {
	r.drop()
	for _, q := range r.waiting {
		q.reply <- proofReply{err: errEnded()}
	}
}

// Prove runs read on the newest hashed state, and returns once a certified header carries its root: that header, its
// certificate, and the height of the state.
func (l *Loop) Prove(ctx context.Context, read func(*pages.Snapshot, *pages.Tree) error) (at chain.Height, headerBytes, certBytes []byte, err error) {
	q := proofRequest{read: read, reply: make(chan proofReply, 1)}
	l.proofsWaiting.Add(1)
	defer l.proofsWaiting.Add(-1)
	select {
	case l.proofs <- q:
	case <-l.ended:
		return 0, nil, nil, errEnded()
	case <-ctx.Done():
		return 0, nil, nil, ctx.Err()
	}
	var reply proofReply
	select {
	case reply = <-q.reply:
	case <-ctx.Done():
		return 0, nil, nil, ctx.Err()
	}
	if reply.err != nil {
		return 0, nil, nil, reply.err
	}
	return l.board.await(ctx, l.ended, reply.at)
}

// Root is the newest certified state root and the height of its state; 0 before the first.
func (l *Loop) Root() (chain.Height, chain.Hash) {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	newest := l.board.newest()
	return newest.at, newest.root
}

func (b *rootBoard) add(r *stateRoot) {
	b.mu.Lock()
	b.waiting = append(b.waiting, r)
	b.mu.Unlock()
}

// drop takes a state off the board that nobody shall read any more, with the board's reference.
func (b *rootBoard) drop(job *stateRoot) {
	b.mu.Lock()
	at := slices.Index(b.waiting, job)
	if at >= 0 {
		b.waiting = slices.Delete(b.waiting, at, at+1)
	}
	b.mu.Unlock()
	if at >= 0 {
		job.release()
	}
}

// keeps reports whether the hashed state of a height is on the board: it can become a checkpoint.
func (b *rootBoard) keeps(at chain.Height) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.waiting, func(r *stateRoot) bool { return r.at == at })
}

// settle takes the hashed state whose root a certified header carries off the board, with its reference.
func (b *rootBoard) settle(h *chain.ExecutedHeader, headerBytes, certBytes []byte) *stateRoot {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.certified) == chain.RootDelay {
		b.certified = append(b.certified[:0], b.certified[1:]...)
	}
	b.certified = append(b.certified, certifiedRoot{h.RootAt, h.StateRoot, headerBytes, certBytes})
	close(b.changed)
	b.changed = make(chan struct{})
	for i, r := range b.waiting {
		if r.at == h.RootAt {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			return r
		}
	}
	return nil // due before a restart, or let go
}

func (b *rootBoard) await(ctx context.Context, ended <-chan struct{}, at chain.Height) (chain.Height, []byte, []byte, error) {
	for {
		b.mu.Lock()
		c, certified := b.find(at)
		newest, changed := b.newest().at, b.changed
		b.mu.Unlock()
		switch {
		case certified:
			return at, c.headerBytes, c.certBytes, nil
		case newest > at:
			return 0, nil, nil, fault.New(fault.TryLater, "the state moved on while the proof of height %d was made: ask again", at)
		}
		select {
		case <-changed:
		case <-ended:
			return 0, nil, nil, errEnded()
		case <-ctx.Done():
			return 0, nil, nil, ctx.Err()
		}
	}
}

// rootCertified is told of every published header, by the persister. A state whose root became certified goes to the
// checkpointer if that one is free and the store is flushed up to the header, else it is let go.
func (l *Loop) rootCertified(h *chain.ExecutedHeader, headerBytes, certBytes []byte, flushed bool) {
	if h.RootAt == 0 {
		return
	}
	r := l.board.settle(h, headerBytes, certBytes)
	if r == nil {
		return
	}
	if !flushed {
		r.release()
		return
	}
	select {
	case l.durable <- r:
	default:
		r.release()
	}
}
