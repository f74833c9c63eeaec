// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// Config sets a Sealer up. Epoch, Self, Key and Host are needed.
type Config struct {
	Epoch   *Epoch
	Self    chain.ValidatorNo
	Key     keys.Signer // Ed25519
	Host    Host
	Metrics prometheus.Registerer // nil means none
}

// Sealer answers a coordinator in one validator's name. It is safe for concurrent use.
type Sealer struct {
	cfg     Config
	file    recordFile
	refused *prometheus.CounterVec
	busy    chan struct{} // holds one: Prepare is under way

	mu     sync.Mutex // guards kept and the file, and covers what is signed from them
	kept   *record    // of this epoch; nil: nothing is refused and nothing signed
	failed error      // the file may differ from kept
}

// Open reads the record at path, which is missing at first. Corrupt: it is damaged. Conflict: it is another validator's, or
// of a later epoch than the node's.
func Open(fs disk.FS, path string, cfg Config) (*Sealer, error) {
	s := &Sealer{cfg: cfg, file: recordFile{fs, path}, busy: make(chan struct{}, 1), refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aurigraph_seal_refused_total", Help: "Requests to end the epoch that this validator refused, by step and reason.",
	}, []string{"step", "reason"})}
	key := cfg.Epoch.HeaderKey(cfg.Self)
	if key == nil || key.Public() != cfg.Key.Public() {
		return nil, fault.New(fault.Invalid, "seal: the key of validator %d is not that of its membership: check the key files", cfg.Self)
	}
	x, err := s.file.load()
	if err != nil {
		return nil, err
	}
	if err := s.adopt(x); err != nil {
		return nil, err
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(s.refused); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "register metrics")
		}
	}
	return s, nil
}

// adopt takes a record over, unless it is of an epoch that ended.
func (s *Sealer) adopt(x *record) error {
	switch {
	case x == nil || x.chain == s.cfg.Epoch.Chain() && x.epoch < s.cfg.Epoch.Epoch():
		return nil
	case x.chain != s.cfg.Epoch.Chain() || x.epoch != s.cfg.Epoch.Epoch() || x.validator != s.cfg.Self:
		return fault.New(fault.Conflict, "%s is of validator %d in epoch %d of chain %d, this is validator %d in epoch %d of chain %d: another folder's file was put here, or the data is older than the file", s.file.path, x.validator, x.epoch, x.chain, s.cfg.Self, s.cfg.Epoch.Epoch(), s.cfg.Epoch.Chain())
	}
	s.kept = x
	return nil
}

// Refused reports whether the validator must sign no header of this epoch any more. Who starts its certifier asks before.
func (s *Sealer) Refused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept != nil || s.failed != nil
}

// Where tells the validator's place.
func (s *Sealer) Where(context.Context) (*Where, error) {
	e := s.cfg.Epoch
	return &Where{Chain: e.Chain(), Validator: s.cfg.Self, Membership: e.Membership(), Base: e.Base, Refused: s.Refused()}, nil
}

// Reveal refuses to sign headers of the epoch from now on, durably, and says what was certified and signed. Conflict: the
// epoch is another one, and nothing was refused.
func (s *Sealer) Reveal(ctx context.Context, id chain.ChainID, epoch chain.Epoch) (r *Reveal, err error) {
	defer func() { s.count("reveal", err) }()
	if id != s.cfg.Epoch.Chain() || epoch != s.cfg.Epoch.Epoch() {
		return nil, s.otherEpoch(id, epoch)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refuse(ctx); err != nil {
		return nil, err
	}
	r, err = s.known(ctx)
	if err != nil {
		return nil, err
	}
	if h := s.kept.handover; h != nil {
		r.Signed, r.Next = statementOf(h), &h.Next
	}
	if err := r.Sign(s.cfg.Key); err != nil {
		return nil, err
	}
	if err := s.cfg.Epoch.CheckReveal(r); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "what this node says of itself does not hold together: run verify")
	}
	return r, nil
}

// refuse stops the certifier and makes it durable that no header is signed any more. The caller holds mu.
func (s *Sealer) refuse(ctx context.Context) error {
	if s.failed != nil {
		return s.failed
	}
	// First, for it also makes durable what was published: nothing is revealed before both.
	if err := s.cfg.Host.Refuse(ctx); err != nil || s.kept != nil {
		return err
	}
	return s.save(&record{chain: s.cfg.Epoch.Chain(), epoch: s.cfg.Epoch.Epoch(), validator: s.cfg.Self})
}

// save replaces the record. After an error nobody knows what the disk holds, so the sealer gives up until it is read again.
// The caller holds mu.
func (s *Sealer) save(x *record) error {
	if err := s.file.save(x); err != nil {
		s.failed = fault.Halt(err, "seal: restart this node, it reads the record again")
		return s.failed
	}
	s.kept = x
	return nil
}

// known makes a reveal of what the host knows.
func (s *Sealer) known(ctx context.Context) (*Reveal, error) {
	k, err := s.cfg.Host.Reveal(ctx)
	if err != nil {
		return nil, err
	}
	if len(k.Votes) > VotesMax {
		return nil, fault.New(fault.Internal, "seal: this node signed %d headers above its newest certificate, at most %d can be", len(k.Votes), VotesMax)
	}
	r := &Reveal{Chain: s.cfg.Epoch.Chain(), Epoch: s.cfg.Epoch.Epoch(), Validator: s.cfg.Self, Votes: k.Votes}
	if k.Certificate == nil || k.Certificate.Epoch != r.Epoch {
		return r, nil
	}
	bare := *k.Certificate
	bare.Signatures = append([]chain.ValidatorSignature(nil), bare.Signatures...)
	for i := range bare.Signatures {
		bare.Signatures[i].Root = nil
	}
	r.Certificate, r.Header = &bare, k.Header
	return r, nil
}

// Prepare brings the node's state to the height that a plan chooses and claims its root. Errors are as of Epoch.Check and
// Host.Prepare; TryLater: another one is under way.
func (s *Sealer) Prepare(ctx context.Context, p *Plan) (claim *Claim, err error) {
	defer func() { s.count("prepare", err) }()
	d, err := s.decide(ctx, p)
	if err != nil {
		return nil, err
	}
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	default:
		return nil, fault.Reasoned(fault.TryLater, "busy", "validator %d prepares already", s.cfg.Self)
	}
	x, err := s.cfg.Host.Prepare(ctx, d.Choice, &p.Next, p.Verdict)
	if err != nil {
		return nil, err
	}
	if err := checkLast(x.Header, d); err != nil {
		return nil, err
	}
	claim = &Claim{
		Chain: s.cfg.Epoch.Chain(), Epoch: s.cfg.Epoch.Epoch(), Validator: s.cfg.Self, Choice: d.Digest, Next: d.Next, Root: x.Root, HomeVersion: x.HomeVersion, Header: x.Header,
	}
	return claim, claim.Sign(s.cfg.Key)
}

// checkLast checks that a header is the chosen one and can end its epoch by a seal.
func checkLast(header []byte, d *Decision) error {
	if codec.Sum(header) != d.Header {
		return fault.New(fault.Internal, "seal: this node has another header at height %d than it was asked for: run verify", d.Height)
	}
	h, err := codec.DecodeHeader(header)
	if err != nil {
		return err
	}
	if !h.Next.IsZero() {
		return fault.Reasoned(fault.Conflict, "epoch_ended", "header %d ends the epoch itself, by a change of the membership: it needs its certificate and no seal; a person must decide", d.Height)
	}
	return nil
}

// decide checks a plan, and refuses as Reveal does: who claims or signs without that could certify above the handover.
func (s *Sealer) decide(ctx context.Context, p *Plan) (*Decision, error) {
	if next := p.Next.Epoch; next != s.cfg.Epoch.Epoch()+1 {
		return nil, s.otherEpoch(s.cfg.Epoch.Chain(), next-1)
	}
	d, err := s.cfg.Epoch.Check(p)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return d, s.refuse(ctx)
}

// Sign signs the handover that a plan and claims come to, once an epoch: asked again it answers the same. Conflict: it signed
// another one, or the handover lies below a certificate of this node.
func (s *Sealer) Sign(ctx context.Context, p *Plan, claims []*Claim) (a *chain.Approval, err error) {
	defer func() { s.count("sign", err) }()
	d, err := s.decide(ctx, p)
	if err != nil {
		return nil, err
	}
	h, err := s.cfg.Epoch.Agree(d, &p.Next, claims)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, s.failed
	}
	if s.kept.handover == nil {
		if err := s.sign(ctx, h); err != nil {
			return nil, err
		}
	}
	if signed := s.kept.handover; codec.HandoverHash(signed) != codec.HandoverHash(h) {
		return nil, fault.Reasoned(fault.Conflict, "signed_other", "validator %d signed a handover at height %d to %d validators before, with the verdict %s, and signs no other: ask for that one again", s.cfg.Self, signed.Height, len(signed.Next.Members), signed.Verdict)
	}
	return &chain.Approval{Validator: s.cfg.Self, Signature: bytes.Clone(s.kept.signature)}, nil
}

// sign signs a handover and makes it durable. The caller holds mu.
func (s *Sealer) sign(ctx context.Context, h *chain.Handover) error {
	if err := s.notBelow(ctx, h); err != nil {
		return err
	}
	signature, err := s.cfg.Key.Sign(keys.SealMessage(h.Chain, codec.HandoverHash(h)))
	if err != nil {
		return err
	}
	x := *s.kept
	x.handover, x.signature = h, signature
	return s.save(&x)
}

// reasonBelow is why a handover is refused that ends the epoch below a certificate.
const reasonBelow = "below_certificate"

// notBelow refuses a handover that would undo what this node knows to be certified.
func (s *Sealer) notBelow(ctx context.Context, h *chain.Handover) error {
	k, err := s.cfg.Host.Reveal(ctx)
	if err != nil {
		return err
	}
	c := k.Certificate
	if c == nil || c.Epoch != s.cfg.Epoch.Epoch() || c.Height < h.Height || c.Height == h.Height && c.Header == h.Header {
		return nil
	}
	return fault.Reasoned(fault.Conflict, reasonBelow, "validator %d has a certificate of height %d, the handover ends the epoch with header %s of height %d: begin again, it reveals that certificate", s.cfg.Self, c.Height, h.Header, h.Height)
}

// Finish takes a handover with its proof. One into the present epoch was taken before. Errors are as of
// epoch.Set.VerifyHandover and Host.Finish.
func (s *Sealer) Finish(ctx context.Context, p *chain.ProvedHandover) (err error) {
	defer func() { s.count("finish", err) }()
	e := s.cfg.Epoch
	if p.Chain == e.Chain() && p.Next.Epoch == e.Epoch() && codec.MembershipHash(&p.Next) == codec.MembershipHash(e.Membership()) && e.Base == (Point{p.Height, p.Header}) {
		return nil
	}
	if err := e.VerifyHandover(p); err != nil {
		return err
	}
	if err := s.notBelow(ctx, &p.Handover); fault.ReasonOf(err) == reasonBelow {
		return fault.Halt(err, "a quorum sealed below what a quorum certified: more validators lie than may; a person must decide")
	} else if err != nil {
		return err
	}
	return s.cfg.Host.Finish(ctx, p)
}

func (s *Sealer) otherEpoch(id chain.ChainID, epoch chain.Epoch) error {
	return fault.Reasoned(fault.Conflict, "other_epoch", "validator %d is in epoch %d of chain %d, asked was epoch %d of chain %d", s.cfg.Self, s.cfg.Epoch.Epoch(), s.cfg.Epoch.Chain(), epoch, id)
}

func (s *Sealer) count(step string, err error) {
	if err != nil {
		s.refused.WithLabelValues(step, fault.ReasonOf(err)).Inc()
	}
}
