// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"maps"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

const (
	// wantedPerTickMax bounds the requests of one peer that are answered in a tick.
	wantedPerTickMax = 64
	// resentPerTickMax bounds the heights that are sent again in a tick.
	resentPerTickMax = 64
)

// CoreConfig sets a core up. All fields are needed.
type CoreConfig struct {
	Self        chain.ValidatorNo
	Epoch       chain.Epoch
	Validators  int                 // length of a table by validator number
	Vacant      []chain.ValidatorNo // numbers below Validators that no member has
	Published   chain.Height        // the host's newest published height
	WindowMax   chain.Height        // votes so far ahead of the published height are kept
	TailMax     chain.Height        // votes so far behind it are kept, so that a late second one is noticed
	LeadMin     chain.Height        // a peer that voted so far above a height has a certificate of it
	RetryTicks  uint64              // after so long without a certificate a vote is sent again
	EvidenceMax int                 // kept on each validator
}

// Core decides. It is a step function: no clock, no I/O, no goroutine, no keys. It is not safe for concurrent use.
type Core struct {
	cfg       CoreConfig
	members   []chain.ValidatorNo // ascending
	quorum    int
	faulty    int    // f: so many may lie
	now       uint64 // ticks
	published chain.Height
	floor     chain.Height // at and below it everything is forgotten
	executed  chain.Height // newest height executed in this life
	recovered Recovered
	slots     map[chain.Height]*slot
	open      []chain.Height // executed and not certified, ascending
	seen      []chain.Height // newest height that each validator claims to have executed
	asked     []int          // requests of each validator in this tick
	turn      int            // whom to ask next
	evidence  []Evidence
	proved    []int // evidence on each validator
	broken    error
}

// NewCore makes a core over what Recover found.
func NewCore(cfg CoreConfig, r *Recovered) *Core {
	members := cfg.members()
	c := &Core{
		cfg: cfg, members: members, quorum: chain.Quorum(len(members)), faulty: (len(members) - 1) / 3, recovered: *r, slots: map[chain.Height]*slot{},
		seen: make([]chain.Height, cfg.Validators), asked: make([]int, cfg.Validators), proved: make([]int, cfg.Validators),
	}
	c.publish(cfg.Published)
	return c
}

func (c *CoreConfig) members() (list []chain.ValidatorNo) {
	for i := range c.Validators {
		if v := chain.ValidatorNo(i); !slices.Contains(c.Vacant, v) {
			list = append(list, v)
		}
	}
	return list
}

func (c *Core) member(v chain.ValidatorNo) bool {
	_, ok := slices.BinarySearch(c.members, v)
	return ok
}

// Step takes what happened and says what to do. After an error, which is Halted, the core is dead: what the last output
// says besides Diverged is not to be done.
func (c *Core) Step(inputs ...Input) (Output, error) {
	var out Output
	for _, in := range inputs {
		if c.broken != nil {
			break
		}
		in.apply(c, &out)
	}
	if c.broken != nil {
		return Output{Diverged: out.Diverged}, c.broken
	}
	return out, nil
}

func (c *Core) halt(format string, args ...any) {
	if c.broken == nil {
		c.broken = fault.New(fault.Halted, "certify: "+format, args...)
	}
}

// Own is what this node signed for a height, in this life or an earlier one; nil if nothing is known.
func (c *Core) Own(h chain.Height) *Vote {
	if s := c.slots[h]; s != nil && s.own != nil {
		return s.own
	}
	return c.recovered.votes[h]
}

// MaySign says why a header must not be signed: Halted; TryLater if it lies beyond the window.
func (c *Core) MaySign(epoch chain.Epoch, h chain.Height, hash chain.Hash) error {
	own := c.Own(h)
	switch {
	case c.broken != nil:
		return c.broken
	case epoch != c.cfg.Epoch:
		return fault.New(fault.Halted, "certify: a header of epoch %d in epoch %d", epoch, c.cfg.Epoch)
	case own != nil && own.Hash != hash:
		return fault.New(fault.Halted, "certify: this node signed header %s for height %d and now computes %s: its state or its disk is damaged; run verify", own.Hash, h, hash)
	case own != nil:
		return nil
	case h < c.recovered.floor:
		return fault.New(fault.Halted, "certify: what this node signed for height %d is not in its vote log any more, which begins at height %d: it may have signed another header", h, c.recovered.floor)
	case h <= c.executed || h <= c.published || h <= c.recovered.last:
		return fault.New(fault.Halted, "certify: height %d comes after height %d", h, max(c.executed, c.published, c.recovered.last))
	case h > c.published+c.cfg.WindowMax:
		return fault.Reasoned(fault.TryLater, "ahead", "height %d is more than %d ahead of the published height %d", h, c.cfg.WindowMax, c.published)
	}
	return nil
}

// Admit says by a word why a vote is not taken; "" means that its signatures are worth verifying. It takes note of how
// far the peer says it is.
func (c *Core) Admit(from chain.ValidatorNo, v *Vote) string {
	if word := c.admitSender(from, v.Epoch); word != "" {
		return word
	}
	if v.Validator != from {
		return "wrong_sender"
	}
	c.seen[from] = max(c.seen[from], v.Height)
	switch {
	case v.Height <= c.floor:
		return "published"
	case v.Height > c.published+c.cfg.WindowMax:
		return "ahead"
	}
	return c.slots[v.Height].admit(v)
}

func (c *Core) admitSender(from chain.ValidatorNo, epoch chain.Epoch) string {
	switch {
	case !c.member(from):
		return "unknown_sender"
	case from == c.cfg.Self:
		return "own_sender"
	case epoch != c.cfg.Epoch:
		return "wrong_epoch"
	}
	return ""
}

// AdmitCertificate is Admit for a certificate. Signers must ascend, so each of them is there once.
func (c *Core) AdmitCertificate(from chain.ValidatorNo, x *chain.Certificate) string {
	if word := c.admitSender(from, x.Epoch); word != "" {
		return word
	}
	s := c.slots[x.Height]
	switch {
	case x.Height <= c.floor:
		return "published"
	case s == nil || s.own == nil:
		return "not_executed"
	case s.certificate != nil, s.claimed(from):
		return "known"
	case len(x.Signatures) < c.quorum || len(x.Signatures) > len(c.members):
		return "no_quorum"
	}
	for i, sig := range x.Signatures {
		if !c.member(sig.Validator) || (i > 0 && sig.Validator <= x.Signatures[i-1].Validator) {
			return "wrong_signers"
		}
	}
	return ""
}

// Certificate is the certificate of a height, once Certified told of it and until it is forgotten.
func (c *Core) Certificate(h chain.Height) *chain.Certificate {
	if s := c.slots[h]; s != nil && s.certified {
		return s.certificate
	}
	return nil
}

// Evidence lists what is kept, oldest first.
func (c *Core) Evidence() []Evidence { return slices.Clone(c.evidence) }

// slot gives the slot of a height inside the window.
func (c *Core) slot(h chain.Height) *slot {
	s := c.slots[h]
	if s == nil {
		s = &slot{votes: make([]*Vote, c.cfg.Validators)}
		c.slots[h] = s
	}
	return s
}

// publish forgets what lies more than the tail below a published height.
func (c *Core) publish(h chain.Height) {
	if h <= c.published {
		return
	}
	c.published = h
	floor := h - min(h, c.cfg.TailMax)
	if floor-c.floor > c.cfg.WindowMax+c.cfg.TailMax {
		maps.DeleteFunc(c.slots, func(at chain.Height, _ *slot) bool { return at <= floor })
		maps.DeleteFunc(c.recovered.votes, func(at chain.Height, _ *Vote) bool { return at <= floor })
		c.floor = floor
	}
	for c.floor < floor {
		c.floor++
		delete(c.slots, c.floor)
		delete(c.recovered.votes, c.floor)
	}
	n, _ := slices.BinarySearch(c.open, h+1)
	c.open = slices.Delete(c.open, 0, n)
}
