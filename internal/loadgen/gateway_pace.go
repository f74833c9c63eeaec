// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// arrivals draws when requests are due within a duration, as independent clients send them: the gaps are exponential. The same seed
// draws the same.
func arrivals(seed uint64, perS float64, d time.Duration) (due []time.Duration) {
	r := rand.New(rand.NewPCG(seed, seed))
	for at := 0.0; ; {
		at += r.ExpFloat64() / perS
		if at >= d.Seconds() {
			return due
		}
		due = append(due, time.Duration(at*float64(time.Second)))
	}
}

// steps are arrivals with equal gaps.
func steps(perS float64, d time.Duration) (due []time.Duration) {
	for i := 0; ; i++ {
		at := time.Duration(float64(i) / perS * float64(time.Second))
		if at >= d {
			return due
		}
		due = append(due, at)
	}
}

// Bounds of a paced load.
const (
	pacedInFlightMax = 16_384           // requests without an answer; more means that the server does not keep up
	answerMax        = 20 * time.Second // for one answer
	paceStart        = 5 * time.Millisecond
)

// request carries payment i of a paced load, or all payments of its body i, and returns how many were certified. An error is a
// request without an answer that says so.
type request func(i int) (paid int, err error)

// paced is what a paced load came to.
type paced struct {
	took    []time.Duration // of requests that succeeded, from when they were due
	paid    int
	lost    map[string]int // requests that did not succeed, by reason
	elapsed time.Duration  // from the first due time to the last answer
}

func (p *paced) requests() int {
	n := len(p.took)
	for _, k := range p.lost {
		n += k
	}
	return n
}

func (p *paced) failed() int { return p.requests() - len(p.took) }

// add puts the figures of another load to these.
func (p *paced) add(q *paced) {
	p.took = append(p.took, q.took...)
	p.paid += q.paid
	if p.lost == nil {
		p.lost = map[string]int{}
	}
	maps.Copy(p.lost, sum(p.lost, q.lost))
}

// sorted are the latencies in order.
func (p *paced) sorted() []time.Duration { return slices.Sorted(slices.Values(p.took)) }

// pace sends a request whenever one is due, whatever became of those before, and waits for all answers. Each runs in a goroutine of
// its own. tick hears how many were sent.
func pace(ctx context.Context, due []time.Duration, send request, tick func(sent int)) (*paced, error) {
	p := &paced{took: make([]time.Duration, 0, len(due)), lost: map[string]int{}}
	var mu sync.Mutex // guards p
	var all sync.WaitGroup
	room := make(chan struct{}, pacedInFlightMax)
	begin := time.Now().Add(paceStart)
	err := eachDue(ctx, begin, due, func(i int) error {
		select {
		case room <- struct{}{}:
		default:
			return fault.New(fault.TryLater, "%d requests have no answer yet: the rate is more than is kept here, ask for less", pacedInFlightMax)
		}
		tick(i)
		all.Go(func() {
			paid, err := send(i)
			took := time.Since(begin.Add(due[i]))
			<-room
			mu.Lock()
			defer mu.Unlock()
			p.paid += paid
			if err != nil {
				p.lost[fault.ReasonOf(err)]++
				return
			}
			p.took = append(p.took, took)
		})
		return nil
	})
	all.Wait()
	p.elapsed = time.Since(begin)
	return p, err
}

// eachDue calls each when it is due. It waits on a thread of its own in the kernel: the runtime's timers round up to a millisecond,
// which is not small beside what is measured.
func eachDue(ctx context.Context, begin time.Time, due []time.Duration, each func(i int) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i, at := range due {
		for wait := time.Until(begin.Add(at)); wait > 0; wait = time.Until(begin.Add(at)) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			ts := unix.NsecToTimespec(min(wait, 100*time.Millisecond).Nanoseconds())
			_ = unix.Nanosleep(&ts, nil) // a signal ends it early: then the rest is waited for
		}
		if err := each(i); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// cpuOf is the CPU time that a process has used, to the nanosecond. /proc counts hundredths of a second, which is too coarse for a
// slice.
func cpuOf(pid int) (time.Duration, error) {
	const schedClock = 2 // the third of a process's CPU clocks: all of its time, as the scheduler counts it
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "read the CPU time of process %d", pid)
	}
	return time.Duration(ts.Nano()), nil
}

// cpuOfAll adds up the CPU time of processes.
func cpuOfAll(pids []int) (total time.Duration, err error) {
	for _, pid := range pids {
		d, err := cpuOf(pid)
		if err != nil {
			return 0, err
		}
		total += d
	}
	return total, nil
}
