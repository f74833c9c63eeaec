// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"io"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// answer is what became of one unit of load: a batch, or a message of single transactions.
type answer struct {
	legs     int // sent
	ok       int // with outcome ok, certified and verified
	refusals map[string]int
}

// pipe carries units of load over one stream. One goroutine sends while another receives.
type pipe interface {
	// send sends unit i of those prepared. It may block while too much is on its way.
	send(i int) error
	// recv waits for the next answer, in order of sending; io.EOF after closeSend and the last one.
	recv() (answer, error)
	closeSend() error
	close()
	// units is how many are prepared.
	units() int
}

// result is what a run of load came to.
type result struct {
	inTime    int64 // legs ok whose receipt came within the duration
	committed int64 // legs ok in all
	samples   []sample
	refusals  map[string]int
	halves    [2][]sample // of those answered in the first and second half
	dry       bool        // the prepared units ran out before the time did
}

// drainMax is how long the answers may take after the last unit was sent.
const drainMax = 30 * time.Second

// drive sends units over all pipes for a duration, one every interval in turn; interval 0 sends as fast as the network
// takes them. Latency counts from when a unit was due.
func drive(ctx context.Context, pipes []pipe, interval, duration time.Duration) (*result, error) {
	r := &result{refusals: map[string]int{}}
	var mu sync.Mutex // guards r
	start := time.Now().Add(10 * time.Millisecond)
	group, ctx := errgroup.WithContext(ctx)
	for n, p := range pipes {
		due := make(chan time.Time, p.units()+1)
		group.Go(func() error {
			defer close(due)
			dry, err := sendAll(ctx, p, due, start.Add(time.Duration(n)*interval), interval*time.Duration(len(pipes)), start.Add(duration))
			mu.Lock()
			r.dry = r.dry || dry
			mu.Unlock()
			return err
		})
		group.Go(func() error { return recvAll(ctx, p, due, start, duration, r, &mu) })
	}
	err := group.Wait()
	return r, err
}

func sendAll(ctx context.Context, p pipe, due chan<- time.Time, first time.Time, step time.Duration, end time.Time) (dry bool, err error) {
	at := first
	for i := range p.units() {
		if step == 0 {
			at = time.Now()
		}
		if !at.Before(end) {
			return false, p.closeSend()
		}
		if wait := time.Until(at); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
		due <- at
		if err := p.send(i); err != nil {
			if errors.Is(err, io.EOF) {
				return false, nil // the reason comes from recv
			}
			return false, err
		}
		at = at.Add(step)
	}
	return true, p.closeSend()
}

func recvAll(ctx context.Context, p pipe, due <-chan time.Time, start time.Time, duration time.Duration, r *result, mu *sync.Mutex) error {
	stop := time.AfterFunc(duration+drainMax, p.close)
	defer stop.Stop()
	for {
		a, err := p.recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var at time.Time
		select {
		case at = <-due:
		case <-ctx.Done():
			return ctx.Err()
		}
		if at.IsZero() {
			return fault.New(fault.Internal, "an answer came to nothing that was sent")
		}
		now := time.Now()
		mu.Lock()
		r.add(a, at, now, start, duration)
		mu.Unlock()
	}
}

func (r *result) add(a answer, due, now, start time.Time, duration time.Duration) {
	maps.Copy(r.refusals, sum(r.refusals, a.refusals))
	r.committed += int64(a.ok)
	s := sample{latency: now.Sub(due), legs: a.legs}
	r.samples = append(r.samples, s)
	if now.Sub(start) > duration {
		return
	}
	r.inTime += int64(a.ok)
	half := 0
	if now.Sub(start) > duration/2 {
		half = 1
	}
	r.halves[half] = append(r.halves[half], s)
}

// sum adds counts of b to those of a, for the keys of b.
func sum(a, b map[string]int) map[string]int {
	out := make(map[string]int, len(b))
	for k, v := range b {
		out[k] = a[k] + v
	}
	return out
}

// grew reports whether queues grew: the second half waited clearly longer than the first.
func (r *result) grew() bool {
	first, second := percentiles(r.halves[0]), percentiles(r.halves[1])
	return second.P50 > 2*first.P50+10
}
