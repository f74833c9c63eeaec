// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// reveal asks all that go on, until they answer or the answers are enough to choose by.
func (s *sealing) reveal(ctx context.Context) (*Plan, *Decision, error) {
	s.Progress("asking the validators to sign nothing more, and what they signed")
	poll(ctx, s, &question[*Reveal]{
		to: s.rows(func(row *Row) bool { return row.Known && !row.LeftOut }),
		ask: func(ctx context.Context, v Validator) (*Reveal, error) {
			return v.Reveal(ctx, s.epoch.Chain(), s.epoch.Epoch())
		},
		take:   s.takeReveal,
		enough: func() bool { _, _, err := s.plan(); return err == nil },
		grace:  s.Grace,
	})
	plan, d, err := s.plan()
	if err != nil {
		return nil, nil, err
	}
	s.report.Decision, s.report.Next = d, &plan.Next
	return plan, d, nil
}

func (s *sealing) takeReveal(i int, r *Reveal) error {
	row := &s.report.Rows[i]
	if r.Validator != row.Number {
		return fault.New(fault.Conflict, "it answers for validator %d now, and for %d before", r.Validator, row.Number)
	}
	if err := s.epoch.CheckReveal(r); err != nil {
		return err
	}
	row.reveal(r, s.epoch)
	s.reveals[r.Validator] = r
	return nil
}

// plan makes one of the reveals at hand. A handover that must be taken up again brings its own next membership and verdict.
func (s *sealing) plan() (*Plan, *Decision, error) {
	plan := s.planFor(s.epoch.Without(s.without), s.Verdict)
	d, err := s.epoch.decide(plan)
	if reason := fault.ReasonOf(err); reason != "other_membership" && reason != ReasonOtherVerdict {
		return plan, d, err
	}
	taken, err := s.epoch.takeUp(plan.Reveals)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range plan.Reveals {
		if r.Signed != nil && r.Next != nil && r.Signed.Next == taken.Taken.Next {
			plan = s.planFor(r.Next, taken.Taken.Verdict)
			d, err := s.epoch.decide(plan)
			return plan, d, err
		}
	}
	return nil, nil, fault.Reasoned(fault.Conflict, "other_membership", "a handover at height %d was signed before, and nobody shows its next membership: begin again", taken.Height)
}

func (s *sealing) planFor(next *chain.Membership, v chain.Verdict) *Plan {
	plan := &Plan{Next: *next, Verdict: v}
	out := setOf(s.epoch.LeftOut(next))
	for _, no := range slices.Sorted(maps.Keys(s.reveals)) {
		if !out.has(no) {
			plan.Reveals = append(plan.Reveals, s.reveals[no])
		}
	}
	return plan
}

// prepare lets all that revealed reach the chosen height, and takes the handover that their claims agree on. Who cannot reach
// it may sign what f+1 others claim, and takes their state later.
func (s *sealing) prepare(ctx context.Context, plan *Plan, d *Decision) (*chain.Handover, error) {
	s.Progress("bringing the validators to height " + strconv.FormatUint(uint64(d.Height), 10))
	half, cancel := halfOf(ctx)
	defer cancel()
	poll(half, s, &question[*Claim]{
		to:   s.rows(func(row *Row) bool { return row.Revealed }),
		ask:  func(ctx context.Context, v Validator) (*Claim, error) { return v.Prepare(ctx, plan) },
		take: func(i int, c *Claim) error { return s.takeClaim(i, d, c) },
		enough: func() bool {
			h, err := s.epoch.Agree(d, &plan.Next, s.claimList())
			return err == nil && s.claiming(h.Root) >= s.epoch.Quorum()
		},
		grace: s.Grace,
	})
	h, err := s.epoch.Agree(d, &plan.Next, s.claimList())
	switch {
	case err != nil && s.saying(chain.ReasonNoWayBack) > s.epoch.faultyMax():
		return nil, s.because(fault.Reasoned(fault.Conflict, chain.ReasonNoWayBack, "the verdict %s cannot be carried out at height %d", plan.Verdict, d.Height))
	case err != nil:
		return nil, s.because(err)
	}
	s.report.Handover = h
	return h, nil
}

func (s *sealing) takeClaim(i int, d *Decision, c *Claim) error {
	row := &s.report.Rows[i]
	if err := s.epoch.CheckClaim(d, c); err != nil {
		return err
	}
	if c.Validator != row.Number || len(c.Header) == 0 {
		return fault.New(fault.Conflict, "it claims for validator %d, with a header of %d bytes", c.Validator, len(c.Header))
	}
	row.Claimed, row.Root = true, c.Root
	s.claims[c.Validator] = c
	return nil
}

// halfOf leaves as much time again for what comes after.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}

func (s *sealing) claimList() (list []*Claim) {
	for _, no := range slices.Sorted(maps.Keys(s.claims)) {
		list = append(list, s.claims[no])
	}
	return list
}

func (s *sealing) claiming(root chain.Hash) (n int) {
	for _, c := range s.claims {
		if c.Root == root {
			n++
		}
	}
	return n
}

// sign gathers a quorum's signatures over a handover.
func (s *sealing) sign(ctx context.Context, plan *Plan, h *chain.Handover) (*chain.ProvedHandover, error) {
	s.Progress("gathering signatures")
	claims := s.claimList()
	message := keys.SealMessage(h.Chain, codec.HandoverHash(h))
	approvals := map[chain.ValidatorNo]chain.Approval{}
	poll(ctx, s, &question[*chain.Approval]{
		to:  s.rows(func(row *Row) bool { return row.Revealed }),
		ask: func(ctx context.Context, v Validator) (*chain.Approval, error) { return v.Sign(ctx, plan, claims) },
		take: func(i int, a *chain.Approval) error {
			if a.Validator != s.report.Rows[i].Number || !s.epoch.HeaderKey(a.Validator).Verify(message, a.Signature) {
				return fault.New(fault.Conflict, "its signature is not over the handover that was agreed")
			}
			s.report.Rows[i].Approved = true
			approvals[a.Validator] = *a
			return nil
		},
		enough: func() bool { return len(approvals) >= s.epoch.Quorum() },
	})
	if n := len(approvals); n < s.epoch.Quorum() {
		return nil, s.because(fault.Reasoned(fault.Unavailable, "no_quorum", "%d validators sign the handover at height %d, a quorum is %d", n, h.Height, s.epoch.Quorum()))
	}
	proved := &chain.ProvedHandover{Handover: *h, HeaderBytes: claims[0].Header}
	for _, no := range slices.Sorted(maps.Keys(approvals)) {
		proved.Seal = append(proved.Seal, approvals[no])
	}
	if err := s.epoch.VerifyHandover(proved); err != nil {
		return nil, err
	}
	s.report.Sealed = true
	return proved, nil
}

// finish gives the handover to everybody, until all have gone on. Who is left out learns that it is.
func (s *sealing) finish(ctx context.Context, proved *chain.ProvedHandover) error {
	s.Progress("starting epoch " + strconv.FormatUint(uint64(proved.Next.Epoch), 10))
	poll(ctx, s, &question[*Where]{
		to: s.everyone(),
		ask: func(ctx context.Context, v Validator) (*Where, error) {
			w, err := v.Where(ctx)
			if err == nil && w.Membership.Epoch >= proved.Next.Epoch {
				return w, nil
			}
			if err := v.Finish(ctx, proved); err != nil {
				return nil, err
			}
			return nil, fault.New(fault.TryLater, "it took the handover, and is not in epoch %d yet", proved.Next.Epoch)
		},
		take: func(i int, w *Where) error {
			s.report.Rows[i].Running = proved.Next.Find(w.Validator) != nil
			return nil
		},
		enough: func() bool { return s.report.running() >= proved.Next.Quorum() },
		grace:  s.Grace,
	})
	if n := s.report.running(); n < proved.Next.Quorum() {
		return fault.New(fault.Timeout, "the handover to epoch %d is signed by a quorum and stands, but only %d of its %d validators are in it, a quorum is %d: see what they say, start them, and run the same command again", proved.Next.Epoch, n, len(proved.Next.Members), proved.Next.Quorum())
	}
	return nil
}

// because adds to an error what the validators said.
func (s *sealing) because(err error) error {
	for i := range s.report.Rows {
		if row := &s.report.Rows[i]; row.Err != nil && !row.LeftOut {
			err = fault.Reasoned(fault.KindOf(err), fault.ReasonOf(err), "%v; %s: %v", err, row.Name, row.Err)
		}
	}
	return err
}

func (s *sealing) everyone() []int { return s.rows(func(*Row) bool { return true }) }

// rows lists the places of the voters that a question goes to.
func (s *sealing) rows(which func(*Row) bool) (list []int) {
	for i := range s.report.Rows {
		if which(&s.report.Rows[i]) {
			list = append(list, i)
		}
	}
	return list
}
