// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seal"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/store"
)

// A seal ends an epoch from outside (package seal). What this node does for it takes its state back to a height that the
// coordinator's plan chooses, and that needs the folder opened anew: the plan lies in a file meanwhile, Run ends with
// ErrRestart, and the next Run brings the state there instead of ordering (reach). A handover does the same at each start, until
// a checkpoint of the state that the next epoch begins with is there: by a seal, or by a change whose last block was published.

// target is what a node's state is brought to: the end of its epoch, with the members of the next and what the seal means.
type target struct {
	Epoch   chain.Epoch       `json:"epoch"` // the one that ends
	Last    seal.Point        `json:"last"`
	Through []seal.Point      `json:"through,omitempty"` // what its history must pass
	Next    *chain.Membership `json:"next"`
	Verdict chain.Verdict     `json:"verdict"`

	handover *chain.Handover // it is decided; nil: a plan asks for it
}

func (t *target) same(o *target) bool {
	return t.Epoch == o.Epoch && t.Last == o.Last && t.Verdict == o.Verdict && codec.MembershipHash(t.Next) == codec.MembershipHash(o.Next)
}

// changes reports whether the last block itself ends the epoch, by a change of the membership.
func (t *target) changes() bool {
	return t.handover != nil && t.Verdict == chain.VerdictNone
}

// sealing is the node's part in seals.
type sealing struct {
	node   *Node
	sealer *seal.Sealer
	target *target // nil: the node orders

	// mu guards what follows, which is set before done is closed.
	mu      sync.Mutex
	flushed bool
	reached *seal.Prepared
	failed  error
	done    chan struct{}
}

var _ seal.Host = (*sealing)(nil)

// planName is the file of the target that a plan asks for.
const planName = "seal-plan"

// openSeal finds out whether the epoch is being sealed.
func (n *Node) openSeal(context.Context) error {
	if !n.several() || n.lags {
		return nil
	}
	s := &sealing{node: n, done: make(chan struct{})}
	n.sealing = s
	var err error
	if s.target, err = n.sealTarget(); err != nil {
		return err
	}
	s.sealer, err = seal.Open(disk.OS(), n.cfg.Data(seal.RecordName), seal.Config{
		Epoch: n.sealEpoch(), Self: n.self, Key: n.header, Host: s, Metrics: n.metrics,
	})
	if err == nil && s.sealer.Refused() {
		n.peers.certifier.Refuse()
	}
	return err
}

// sealEpoch is the node's epoch, as a seal ends it.
func (n *Node) sealEpoch() *seal.Epoch {
	e := &seal.Epoch{Set: n.epochs.At(n.epoch)}
	if end, ok := n.epochs.End(n.epoch - 1); ok {
		e.Base = seal.Point{Height: end.Height, Header: end.Header}
	}
	return e
}

// sealTarget is what a handover says, or else a plan.
func (n *Node) sealTarget() (*target, error) {
	if end, ok := n.epochs.End(n.epoch); ok {
		return &target{Epoch: n.epoch, Last: seal.Point{Height: end.Height, Header: end.Header}, Next: &end.Next, Verdict: end.Verdict, handover: &end}, nil
	}
	text, err := os.ReadFile(n.cfg.Data(planName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the plan of a seal")
	}
	t := &target{}
	if json.Unmarshal(text, t) != nil || t.Next == nil || t.Epoch != n.epoch {
		return nil, nil // of an epoch that ended, or half written: the coordinator asks again
	}
	return t, nil
}

// plan makes a target the one that the next start brings the state to.
func (s *sealing) plan(t *target) error {
	text, err := json.Marshal(t)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the plan of a seal")
	}
	if err := replaceFile(s.node.cfg.Data(planName), text); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the plan of a seal")
	}
	s.node.log.Warn("the epoch is being sealed: the node brings its state to the chosen height", obs.KeyEpoch, uint64(t.Epoch), obs.KeyHeight, uint64(t.Last.Height))
	s.node.fail(ErrRestart)
	return nil
}

// Refuse implements seal.Host.
func (s *sealing) Refuse(context.Context) error {
	s.node.peers.certifier.Refuse()
	return s.flush()
}

// metaSealRefused names the epoch in which this node signs no header any more.
const metaSealRefused = "seal_refused"

// flush makes all that is published durable, once: after a power loss nothing would bring it back, for nobody certifies, and
// what was signed above the newest certificate would be more than a reveal takes.
func (s *sealing) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flushed {
		return nil
	}
	var changes store.Changes
	store.WriteMeta(&changes, metaSealRefused, []byte(s.node.epochName()))
	err := s.node.store.Apply(&changes, true)
	s.flushed = err == nil
	return err
}

// Reveal implements seal.Host.
func (s *sealing) Reveal(context.Context) (*seal.Known, error) {
	n := s.node
	known := &seal.Known{}
	// Not the newest header: a handover that was taken before may have stored some that have no certificate.
	certified, raw, err := store.LastCertificate(n.store)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	base := n.sealEpoch().Base.Height
	from := max(certified, base)
	if certified > base {
		if known.Certificate, err = codec.DecodeCertificate(raw); err != nil {
			return nil, err
		}
		if known.Header, err = store.ReadHeader(n.store, certified); err != nil {
			return nil, err
		}
	}
	for _, v := range n.peers.certifier.VotesAbove(from) {
		known.Votes = append(known.Votes, seal.Vote{Point: seal.Point{Height: v.Height, Header: v.Hash}, Signature: v.Signature})
	}
	return known, nil
}

// Prepare implements seal.Host. The first call for a choice makes the node open its folder again; later ones wait for what is
// reached then.
func (s *sealing) Prepare(ctx context.Context, choice *seal.Choice, next *chain.Membership, v chain.Verdict) (*seal.Prepared, error) {
	t := &target{Epoch: s.node.epoch, Last: choice.Point, Through: choice.Through, Next: next, Verdict: v}
	if s.target == nil || !s.target.same(t) {
		if err := s.plan(t); err != nil {
			return nil, err
		}
		return nil, fault.Reasoned(fault.TryLater, "restart", "the node opens its folder again to bring its state to height %d: ask again", choice.Height)
	}
	select {
	case <-s.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.reached, s.failed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Finish implements seal.Host.
func (s *sealing) Finish(_ context.Context, p *chain.ProvedHandover) error {
	if s.target != nil && s.target.handover != nil {
		return nil // it is being done: to open the folder again would begin anew
	}
	if _, refused, err := s.node.peers.handovers.keep([][]byte{codec.AppendProvedHandover(nil, p)}); err != nil || refused != nil {
		return cmp.Or(err, refused)
	}
	s.node.log.Warn("the epoch is sealed", obs.KeyEpoch, uint64(s.node.epoch), obs.KeyHeight, uint64(p.Height))
	s.node.fail(ErrRestart)
	return nil
}

// reach brings the state to the target, instead of ordering. What a plan asked for is kept for Prepare; a handover's is made the
// checkpoint that the next epoch begins with.
func (s *sealing) reach(ctx context.Context) error {
	if s.target.changes() {
		s.node.health.NotReady(componentState, "the membership changed: executing again to the end of the epoch")
	}
	r, err := s.node.replay(ctx, s.target)
	if ctx.Err() != nil {
		if err == nil {
			r.state.Release()
		}
		return nil
	}
	if s.target.handover != nil {
		return s.endEpoch(ctx, r, err)
	}
	s.mu.Lock()
	if s.failed = err; err == nil {
		s.reached = &seal.Prepared{Header: r.header, Root: r.root, HomeVersion: s.node.state.Ledger.SealedVersion(s.target.Verdict)}
		r.state.Release()
	} else {
		s.node.log.Warn("the state cannot be brought to where the epoch is to end", obs.KeyHeight, uint64(s.target.Last.Height), obs.Err(err))
	}
	s.mu.Unlock()
	close(s.done)
	<-ctx.Done()
	return nil
}

// endEpoch makes what a replay reached the checkpoint that the next epoch begins with, if a handover says the same of it.
func (s *sealing) endEpoch(ctx context.Context, r *replayed, err error) error {
	end := s.target.handover
	if err == nil {
		defer r.state.Release()
		switch version := s.node.state.Ledger.SealedVersion(end.Verdict); {
		case r.root != end.Root:
			err = fault.New(fault.Corrupt, "the state of height %d has root %s here, the handover says %s", end.Height, r.root, end.Root)
		case version != end.HomeVersion:
			err = fault.New(fault.Corrupt, "the seal makes version %d of the home table here, the handover says %d", version, end.HomeVersion)
		}
	}
	switch {
	case err == nil:
		err = s.node.loop.RecordSealed(ctx, r.blocks, r.state, end.Height, r.root, r.at)
		return cmp.Or(err, ErrRestart)
	case s.target.changes():
		return s.node.missesChange(ctx, err)
	}
	return s.node.missesSeal(err)
}

// missesChange takes a peer's state in place of the own one. Nothing remembers that: until there is one, each start tries again.
func (n *Node) missesChange(ctx context.Context, why error) error {
	n.log.Error("this node published the last block of its epoch and does not get there again; it takes a peer's state", obs.KeyEpoch, uint64(n.epoch), obs.Err(why))
	if err := n.peers.handovers.takeState(ctx); err != nil {
		return err
	}
	<-ctx.Done() // once the state is here, the node opens its folder again
	return nil
}

// metaSealMissed names the epoch whose seal this node's own history does not lead to: it takes a peer's state.
const metaSealMissed = "seal_missed"

// missesSeal remembers that the node cannot get to the end of its epoch by itself.
func (n *Node) missesSeal(why error) error {
	n.log.Warn("this node's history does not lead to where its epoch was sealed; it takes a peer's state", obs.KeyEpoch, uint64(n.epoch), obs.Err(why))
	var changes store.Changes
	store.WriteMeta(&changes, metaSealMissed, []byte(n.epochName()))
	if err := n.store.Apply(&changes, true); err != nil {
		return err
	}
	return ErrRestart
}

func (n *Node) missedSeal() bool {
	e, err := store.ReadMeta(n.store, metaSealMissed)
	return err == nil && string(e) == n.epochName()
}
