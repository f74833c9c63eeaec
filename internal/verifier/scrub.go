// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// AgainMin is the least time between finding something and looking again.
const AgainMin = 2 * time.Second

// ReasonNotInStep is that of a run which found no common moment: V11 is too far behind. It says nothing of what the ledgers hold.
const ReasonNotInStep = "not_in_step"

// Cutter makes cuts.
type Cutter interface {
	// Cut makes a cut as of now. Its error has ReasonNotInStep if V11 did not come up with V10 in time.
	Cut(ctx context.Context) (*Cut, error)
	// Again opens the cut of a run that was interrupted, as far as it is still there.
	Again(ctx context.Context) (*Cut, error)
}

// Scrub compares both ledgers, and looks again at what it found: only what is there both times, so far apart that everything that was
// on its way has arrived, is confirmed.
func Scrub(ctx context.Context, cfg Config, cuts Cutter) (*Report, error) {
	begin := time.Now()
	first, lag, err := scrubOnce(ctx, cfg, cuts)
	if err != nil {
		return nil, err
	}
	report := newReport(first, begin)
	if first.Findings.Total() > 0 || first.Unsure {
		if err := rest(ctx, max(AgainMin, 2*lag)); err != nil {
			return nil, err
		}
		if err := report.again(ctx, cfg, cuts, first); err != nil {
			return nil, err
		}
	}
	report.end(time.Now())
	return report, RemoveProgress(cfg.Dir)
}

// again looks a second time. A first pass that was cut in two may not know what its sums were of; then the second is a first one.
func (r *Report) again(ctx context.Context, cfg Config, cuts Cutter, first *Result) error {
	cfg.From = nil
	second, lag, err := scrubOnce(ctx, cfg, cuts)
	if err != nil {
		return err
	}
	if first.Unsure && second.Findings.Total() > 0 {
		if err := rest(ctx, max(AgainMin, 2*lag)); err != nil {
			return err
		}
		first = second
		if second, _, err = scrubOnce(ctx, cfg, cuts); err != nil {
			return err
		}
	}
	r.take(first, second)
	return nil
}

func scrubOnce(ctx context.Context, cfg Config, cuts Cutter) (result *Result, lag time.Duration, err error) {
	open := cuts.Cut
	if cfg.From != nil {
		open = cuts.Again
	}
	cut, err := open(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, cut.Close()) }()
	result, err = Pass(ctx, cfg, cut)
	if err == nil && cut.InboxSkipped > 0 {
		result.Notes = append(result.Notes, fmt.Sprintf("V11 passed over %d of V10's changes, because a person said so: what they left out is found above", cut.InboxSkipped))
	}
	return result, cut.Lag, err
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "wait to look again")
	}
}
