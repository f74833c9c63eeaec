// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
)

// tally counts by reason. It is safe for concurrent use.
type tally struct {
	mu sync.Mutex // guards n
	n  map[string]int
}

func (t *tally) note(err error) {
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int{}
	}
	t.n[fault.ReasonOf(err)]++
}

func (t *tally) counts() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

// times collects durations. It is safe for concurrent use.
type times struct {
	mu  sync.Mutex // guards all
	all []time.Duration
}

func (t *times) note(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d)
}

func (t *times) sorted() []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(slices.Values(t.all))
}

// paceStart is when the first request is due, so that all loads of a phase have begun.
const paceStart = 20 * time.Millisecond

// paced calls send whenever it is due, in a goroutine of its own, whatever became of those before, and waits for all. More than most under
// way is TryLater: the ledger does not take the rate.
func paced(ctx context.Context, due []time.Duration, most int, send func(i int, dueAt time.Time)) error {
	var all sync.WaitGroup
	defer all.Wait()
	room := make(chan struct{}, most)
	begin := time.Now().Add(paceStart)
	return loadgen.EachDue(ctx, begin, due, func(i int) error {
		select {
		case room <- struct{}{}:
		default:
			return fault.Reasoned(fault.TryLater, reasonFull, "%d requests have no answer yet: the rate is more than the ledger takes here", most)
		}
		all.Go(func() {
			send(i, begin.Add(due[i]))
			<-room
		})
		return nil
	})
}

// reasonFull is that of a load with too many requests under way.
const reasonFull = "requests_under_way"
