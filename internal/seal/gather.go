// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"context"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// question is what voters are asked.
type question[T any] struct {
	to  []int // places of voters
	ask func(context.Context, Validator) (T, error)
	// take gets each answer, on the goroutine of poll. Its error refuses the answer for good.
	take func(i int, value T) error
	// enough reports whether the answers will do; those that come within the grace are taken too.
	enough func() bool
	grace  time.Duration
}

type answer[T any] struct {
	from  int
	value T
	err   error
	again bool // it is asked once more
}

// poll asks voters at once, and again those that cannot answer now, until all have answered, ctx ends, or there is enough and
// the grace has passed. All that it started has ended when it returns.
func poll[T any](ctx context.Context, s *sealing, q *question[T]) {
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer[T])
	var asking sync.WaitGroup
	for _, i := range q.to {
		asking.Go(func() { q.keepAsking(ctx, s.Voters[i], i, s.Retry, answers) })
	}
	q.collect(ctx, s.report, answers)
	cancel()
	asking.Wait()
}

// keepAsking asks a voter until it answers or ctx ends.
func (q *question[T]) keepAsking(ctx context.Context, v Voter, place int, pause time.Duration, answers chan<- answer[T]) {
	for {
		call, cancel := context.WithTimeout(ctx, callMax)
		a := answer[T]{from: place}
		a.value, a.err = q.ask(call, v)
		cancel()
		a.again = mayAgain(a.err)
		select {
		case answers <- a:
		case <-ctx.Done():
			return
		}
		if !a.again {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func mayAgain(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout) || fault.Is(err, fault.TryLater)
}

func (q *question[T]) collect(ctx context.Context, r *Report, answers <-chan answer[T]) {
	var grace <-chan time.Time
	for waiting := len(q.to); waiting > 0; {
		select {
		case <-ctx.Done():
			return
		case <-grace:
			return
		case a := <-answers:
			row := &r.Rows[a.from]
			if row.Err = a.err; a.err == nil {
				row.Err = q.take(a.from, a.value)
			}
			if a.again {
				continue
			}
			waiting--
			if grace == nil && q.enough() {
				grace = time.After(q.grace)
			}
		}
	}
}
