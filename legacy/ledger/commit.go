// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// gather takes what waits behind the first, up to the bound of a round. What has a batch of its own ends it.
func (l *Ledger) gather(first *submission) []*submission {
	group, orders, bytes := []*submission{first}, len(first.orders), first.bytesMax()
	for orders < roundOrdersMax && bytes < roundBytesMax && !group[len(group)-1].alone() {
		select {
		case s := <-l.queue:
			group, orders, bytes = append(group, s), orders+len(s.orders), bytes+s.bytesMax()
		default:
			return group
		}
	}
	return group
}

// commit executes a group as one round, and its last apart if that has a batch of its own, and answers it. Its error is the store's.
func (l *Ledger) commit(group []*submission) error {
	last := group[len(group)-1]
	if last.alone() && len(group) > 1 {
		if err := l.commitRound(group[:len(group)-1], nil); err != nil {
			last.finish(nil, err)
			return err
		}
		group = group[len(group)-1:]
	}
	if last.write != nil {
		return l.commitWrite(last)
	}
	return l.commitRound(group, last.note)
}

func (l *Ledger) commitRound(group []*submission, note *Note) (err error) {
	began := time.Now()
	defer func() {
		for _, s := range group {
			s.finish(s.results, errors.Join(s.err, err))
		}
	}()
	defer fault.Recover(&err)
	totals, err := l.writeRound(group, note)
	if fault.Is(err, fault.Invalid) { // the store did not take the batch, and changed nothing
		for _, s := range group {
			s.err = err
		}
		return nil
	}
	if err != nil {
		return err
	}
	done := totals.Transactions - l.Totals().Transactions
	l.metrics.observe(time.Since(began), done)
	l.recent.add(l.cfg.Now(), done)
	l.totals.Store(&totals)
	return nil
}

func (l *Ledger) writeRound(group []*submission, note *Note) (Totals, error) {
	r := l.newRounding(l.Totals())
	for _, s := range group {
		s.results = make([]Result, len(s.orders))
		for i := range s.orders {
			result, err := r.add(&s.orders[i])
			if err != nil {
				return Totals{}, err
			}
			s.results[i] = result
			if result.Err != nil {
				l.metrics.refused.WithLabelValues(fault.ReasonOf(result.Err)).Inc()
			}
		}
	}
	if _, _, err := r.seal(); err != nil {
		return Totals{}, err
	}
	var b store.Batch
	r.fill(&b)
	if note != nil {
		b.Mark(note.Origin)
		if note.Cursor != "" {
			b.Put(store.Meta, named(byCursor, note.Cursor), append([]byte{}, note.Value...))
		}
	}
	if len(b.Ops()) == 0 {
		return r.totals, nil
	}
	if _, err := l.store.Apply(&b); err != nil {
		return Totals{}, err
	}
	l.rows.wrote(r.order)
	return r.totals, nil
}

// bytesMax bounds the rows of all orders.
func (s *submission) bytesMax() int {
	sum := 0
	for i := range s.orders {
		sum += s.orders[i].bytesMax()
	}
	return sum
}

func (s *submission) finish(results []Result, err error) {
	if err != nil {
		results = nil
	}
	s.results, s.err = results, err
	close(s.done)
}
