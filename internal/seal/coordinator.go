// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Validator is a validator's Sealer, here or behind a connection. Unavailable, Timeout and TryLater are asked again; every
// other error is its answer.
type Validator interface {
	Where(ctx context.Context) (*Where, error)
	Reveal(ctx context.Context, id chain.ChainID, epoch chain.Epoch) (*Reveal, error)
	Prepare(ctx context.Context, p *Plan) (*Claim, error)
	Sign(ctx context.Context, p *Plan, claims []*Claim) (*chain.Approval, error)
	Finish(ctx context.Context, p *chain.ProvedHandover) error
}

// Voter is a validator that is asked, and what the coordinator calls it until it says its name.
type Voter struct {
	Name string
	Validator
}

// Coordinator carries a seal out for a person. It holds no state that a second one would need, and is not trusted: the
// validators check all that it shows them.
type Coordinator struct {
	Voters []Voter
	// Without are the members that do not go on, by name or number: those that the person holds for faulty.
	Without []string
	// Verdict is what the seal means. Default chain.VerdictUnchanged. A handover that must be taken up again keeps its own; then the epoch is
	// ended by that one, and Run says so.
	Verdict chain.Verdict
	// Epoch is the one to seal; 0: whichever it is.
	Epoch chain.Epoch
	// Grace is how long more answers are waited for once there are enough. Default 3 s.
	Grace time.Duration
	// Retry is the pause before a validator is asked again. Default 200 ms.
	Retry time.Duration
	// Progress is told what is done now; nil: nobody is.
	Progress func(stage string)
}

// callMax bounds one question to a validator: a connection that hangs is given up and made anew.
const callMax = 25 * time.Second

// sealing is one run of a coordinator.
type sealing struct {
	*Coordinator
	epoch   *Epoch
	without []chain.ValidatorNo
	reveals map[chain.ValidatorNo]*Reveal
	claims  map[chain.ValidatorNo]*Claim
	report  *Report
}

// Run ends the epoch, or says why it cannot be ended, until ctx ends. The report tells how far it came, also with an error.
// Errors are as of Epoch.Choose and Epoch.Agree; Unavailable: too few validators answer. Timeout: the handover is signed by a
// quorum, and too few validators are in the new epoch yet: the same command again goes on. Conflict of ReasonOtherVerdict: the next epoch
// runs, by another verdict than was asked for.
func (c *Coordinator) Run(ctx context.Context) (*Report, error) {
	c.Grace, c.Retry, c.Verdict = cmp.Or(c.Grace, 3*time.Second), cmp.Or(c.Retry, 200*time.Millisecond), cmp.Or(c.Verdict, chain.VerdictUnchanged)
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	s := &sealing{Coordinator: c, reveals: map[chain.ValidatorNo]*Reveal{}, claims: map[chain.ValidatorNo]*Claim{}, report: newReport(c.Voters)}
	return s.report, s.run(ctx)
}

func (s *sealing) run(ctx context.Context) error {
	if err := s.locate(ctx); err != nil {
		return err
	}
	plan, decision, err := s.reveal(ctx)
	if err != nil {
		return s.overtaken(err)
	}
	handover, err := s.prepare(ctx, plan, decision)
	if err != nil {
		return s.overtaken(err)
	}
	proved, err := s.sign(ctx, plan, handover)
	if err != nil {
		return s.overtaken(err)
	}
	if err := s.finish(ctx, proved); err != nil || proved.Verdict == s.Verdict {
		return err
	}
	return fault.Reasoned(fault.Conflict, ReasonOtherVerdict, "epoch %d is ended, by a handover of an earlier run with the verdict %s; asked was %s: to end epoch %d by that, run the same command again",
		s.epoch.Epoch(), proved.Verdict, s.Verdict, proved.Next.Epoch)
}

// saying counts the validators whose last answer was an error of a reason.
func (s *sealing) saying(reason string) (n int) {
	for i := range s.report.Rows {
		if row := &s.report.Rows[i]; row.Known && !row.LeftOut && fault.ReasonOf(row.Err) == reason {
			n++
		}
	}
	return n
}

// overtaken says instead of an error that another coordinator ended the epoch meanwhile, if so many validators say so that one
// of them is honest.
func (s *sealing) overtaken(err error) error {
	if s.saying("other_epoch") <= s.epoch.faultyMax() {
		return err
	}
	return fault.Reasoned(fault.Conflict, "other_epoch", "another run has ended epoch %d meanwhile: see `aurigraph status`", s.epoch.Epoch())
}

// locate finds the epoch that most of the validators are in.
func (s *sealing) locate(ctx context.Context) error {
	s.Progress("looking for the validators")
	poll(ctx, s, &question[*Where]{
		to:     s.everyone(),
		ask:    func(ctx context.Context, v Validator) (*Where, error) { return v.Where(ctx) },
		take:   func(i int, w *Where) error { s.report.Rows[i].where = w; return nil },
		enough: func() bool { return s.most() != nil },
		grace:  s.Grace,
	})
	w := s.most()
	if w == nil {
		return fault.Reasoned(fault.Unavailable, "no_quorum", "%d of %d validators answer, and no quorum of them is in one epoch: start them, or look at what they say", s.report.answered(), len(s.Voters))
	}
	set, err := epoch.NewSet(w.Chain, w.Membership)
	if err != nil {
		return err
	}
	s.epoch = &Epoch{Set: set, Base: w.Base}
	s.report.locate(s.epoch, w)
	if s.Epoch != 0 && s.Epoch != set.Epoch() {
		return fault.Reasoned(fault.Conflict, "other_epoch", "the network is in epoch %d, asked was to seal epoch %d", set.Epoch(), s.Epoch)
	}
	for _, word := range s.Without {
		no, err := s.member(word)
		if err != nil {
			return err
		}
		s.without = append(s.without, no)
	}
	slices.Sort(s.without)
	s.without = slices.Compact(s.without)
	s.report.leaveOut(s.without)
	return s.epoch.checkNext(s.epoch.Without(s.without))
}

// most is the place that the most validators name, if those are a quorum of it; the newest of several.
func (s *sealing) most() (best *Where) {
	count, votes := map[chain.Hash]int{}, 0
	for i := range s.report.Rows {
		w := s.report.Rows[i].where
		if w == nil || w.Membership.Validate() != nil {
			continue
		}
		place := *w
		place.Validator, place.Refused = 0, false
		key := codec.Sum(AppendWhere(nil, &place))
		count[key]++
		if n := count[key]; n >= w.Membership.Quorum() && (n > votes || n == votes && w.Membership.Epoch > best.Membership.Epoch) {
			best, votes = w, n
		}
	}
	return best
}

// member finds a member by name or number.
func (s *sealing) member(word string) (chain.ValidatorNo, error) {
	for i := range s.epoch.Membership().Members {
		if x := &s.epoch.Membership().Members[i]; x.Name == word || strconv.Itoa(int(x.No)) == word {
			return x.No, nil
		}
	}
	return 0, fault.New(fault.Invalid, "epoch %d has no validator %q: see `aurigraph validators`", s.epoch.Epoch(), word)
}
