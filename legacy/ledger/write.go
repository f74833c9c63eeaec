// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// write is a submission that is no round: one batch of its own, in the same order as the rounds.
type write struct {
	// into executes it over the view of r, and changes r.totals. An error writes nothing.
	into func(r *rounding) error
	// origin returns the batch's mark, nil for none; it is called after into.
	origin func() []byte
	at     store.Position
}

// alone reports whether a submission has a batch of its own.
func (s *submission) alone() bool { return s.note != nil || s.write != nil }

// exclusively has w executed and synced. Its errors are those of Submit, and w's own.
func (l *Ledger) exclusively(ctx context.Context, w *write) error {
	_, err := l.wait(ctx, &submission{write: w, done: make(chan struct{})})
	return err
}

// commitWrite executes a write. Its error is the store's, as that of commitRound.
func (l *Ledger) commitWrite(s *submission) (err error) {
	defer func() { s.finish(nil, errors.Join(s.err, err)) }()
	defer fault.Recover(&err)
	r := l.newRounding(l.Totals())
	if s.err = s.write.into(r); s.err != nil {
		return nil
	}
	if len(r.order) == 0 {
		s.write.at = l.store.Head()
		return nil
	}
	r.totals.Ms = l.Totals().Ms // it is that of the last round
	r.put(store.Meta, []byte(totalsKey), encodeRow(r.totals))
	var b store.Batch
	r.fill(&b)
	if s.write.origin != nil {
		b.Mark(s.write.origin())
	}
	at, err := l.store.Apply(&b)
	if fault.Is(err, fault.Invalid) { // the store did not take the batch, and changed nothing
		s.err = err
		return nil
	}
	if err != nil {
		return err
	}
	l.rows.wrote(r.order)
	s.write.at = at
	l.totals.Store(&r.totals)
	return nil
}
