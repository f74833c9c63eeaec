// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// settle awaits a chunk's answer and finishes it, or puts it back in line.
func (r *runner) settle(ctx context.Context, s *signing, j *job) error {
	if j.chunk.batch != nil {
		return r.settleBatch(ctx, s, j)
	}
	return r.settleTxs(ctx, s, j)
}

func (r *runner) settleBatch(ctx context.Context, s *signing, j *job) error {
	f, err := j.wait()
	switch {
	case err == nil && len(f.Outcomes) != len(j.chunk.lines):
		return fault.New(fault.Corrupt, "the answer has %d outcomes for %d payments", len(f.Outcomes), len(j.chunk.lines))
	case err == nil && !voided(f.Outcomes[0]):
		j.done.take(f)
		return r.finish(j)
	case err == nil, lapsed(err):
		return r.lostBatch(ctx, s, j)
	case fault.Is(err, fault.TryLater):
		r.retry(j)
		return r.backOff(ctx, err)
	}
	return err
}

// lapsed reports a refusal at the door that may be final: it is looked into.
func lapsed(err error) bool {
	return fault.Is(err, fault.Refused) && (fault.ReasonOf(err) == "stale" || fault.ReasonOf(err) == "expired")
}

// lostBatch looks whether a batch that is said to be stale or expired was executed before. If not, it is signed again, but
// only when the executed state itself rules it out: a refusal at the door may come from a batch that only waits, with an
// older copy of this one still on its way.
func (r *runner) lostBatch(ctx context.Context, s *signing, j *job) error {
	h := batchHeader(j.chunk)
	passed := func() (bool, error) {
		last, err := r.sender.Sequence(ctx, h.Institution, h.Channel)
		if err != nil || last >= h.Sequence {
			return err == nil, err
		}
		return r.heightAbove(ctx, h.ValidUntil)
	}
	if err := r.until(ctx, passed, "the batch is refused, but may still execute"); err != nil {
		return err
	}
	f, err := r.sender.FindBatch(ctx, j.chunk.batch.ID)
	if err == nil && len(f.Outcomes) != len(j.chunk.lines) {
		return fault.New(fault.Corrupt, "the batch has %d outcomes for %d payments", len(f.Outcomes), len(j.chunk.lines))
	}
	if err == nil && !voided(f.Outcomes[0]) {
		j.done.take(f)
		return r.finish(j)
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err := s.batchAgain(ctx, j); err != nil {
		return err
	}
	r.retry(j)
	return nil
}

func (r *runner) heightAbove(ctx context.Context, h chain.Height) (bool, error) {
	now, err := r.sender.Height(ctx)
	return err == nil && now > h, err
}

// until asks again and again, with waits between, until ok.
func (r *runner) until(ctx context.Context, ok func() (bool, error), what string) error {
	for {
		yes, err := ok()
		if err != nil || yes {
			return err
		}
		if err := r.backOff(ctx, fault.New(fault.Unavailable, "%s", what)); err != nil {
			return err
		}
	}
}

func (d *done) take(f BatchFate) {
	d.heights, d.outcomes = []chain.Height{f.Height}, f.Outcomes
}

func (r *runner) settleTxs(ctx context.Context, s *signing, j *job) error {
	fates, err := j.waitTxs()
	if fault.Is(err, fault.TryLater) {
		r.retry(j)
		return r.backOff(ctx, err)
	}
	if err != nil {
		return err
	}
	if len(fates) != len(j.pending) {
		return fault.New(fault.Corrupt, "the answer has %d fates for %d payments", len(fates), len(j.pending))
	}
	if j.done.outcomes == nil {
		j.done.outcomes, j.done.heights = make([]chain.Outcome, len(j.chunk.lines)), make([]chain.Height, len(j.chunk.lines))
	}
	var dead, later []int
	var busy, stop error
	for i, at := range j.pending {
		f := fates[i]
		switch {
		case f.Refused == nil && !voided(f.Outcome):
			j.done.outcomes[at], j.done.heights[at] = f.Outcome, f.Height
		case f.Refused == nil, lapsed(f.Refused):
			gone, err := r.lostTx(ctx, j, at, f)
			if err != nil {
				return err
			}
			if gone {
				dead = append(dead, at)
			}
		case fault.Is(f.Refused, fault.TryLater):
			later, busy = append(later, at), f.Refused
		case stop == nil:
			stop = f.Refused
		}
	}
	if stop != nil {
		return stop
	}
	return r.nextTxs(ctx, s, j, dead, later, busy)
}

// nextTxs signs the dead again and sends them with those that were told to come later, or finishes the chunk.
func (r *runner) nextTxs(ctx context.Context, s *signing, j *job, dead, later []int, busy error) error {
	j.pending = append(later, dead...)
	if len(j.pending) == 0 {
		return r.finish(j)
	}
	if len(dead) > 0 {
		if err := s.txsAgain(ctx, j, dead); err != nil {
			return err
		}
	}
	r.retry(j)
	if busy != nil {
		return r.backOff(ctx, busy)
	}
	return nil
}

// lostTx reports whether a transaction can never execute and did not. A certified outcome says the first at once, a
// refusal at the door only when the executed height agrees.
func (r *runner) lostTx(ctx context.Context, j *job, at int, f TxFate) (bool, error) {
	raw := j.chunk.txs[at]
	if f.Refused != nil {
		expired := func() (bool, error) { return r.heightAbove(ctx, decodeTx(raw).ValidUntil) }
		if err := r.until(ctx, expired, "the transaction is refused, but may still execute"); err != nil {
			return false, err
		}
	}
	found, err := r.sender.FindTx(ctx, txID(raw))
	if err == nil && found.Refused == nil && !voided(found.Outcome) {
		j.done.outcomes[at], j.done.heights[at] = found.Outcome, found.Height
		return false, nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return false, err
	}
	return true, nil
}
