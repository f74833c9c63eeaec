// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/rawhttp"
)

// Times of restarts. A gateway drains for about two seconds and starts in one.
const (
	restartFirst = 500 * time.Millisecond // after the load began
	restartEvery = 500 * time.Millisecond // from one that serves again to the next one's end
	restartsMin  = 2                      // each gateway once, even if that takes longer than the load's share
	lookAtOnce   = 64
)

// restarts pays through nginx while the gateways behind it are restarted, one after the other, and counts what was lost.
func (g *gatewayRun) restarts(ctx context.Context) error {
	behind, err := g.target.Rolling(ctx)
	if err != nil {
		g.report.Note = err.Error()
		g.say("*** the restart of gateways behind nginx is SKIPPED, and so the bench does not count: %v ***", err)
		return context.Cause(ctx)
	}
	err = g.restartsBehind(ctx, behind)
	return errors.Join(err, behind.Stop())
}

func (g *gatewayRun) restartsBehind(ctx context.Context, behind *Rolling) error {
	d := g.scale.restarts
	g.say("paying %d a second through nginx, for %.0f s, while %d gateways are restarted", g.cfg.RestartRate, d.Seconds(), behind.Count)
	before, err := g.counted(ctx)
	if err != nil {
		return err
	}
	a := g.restArm("nginx", behind.Address, nil, 0)
	defer a.close()
	s := &roll{behind: behind, stop: make(chan struct{})}
	var rolling errgroup.Group
	rolling.Go(func() error { return s.run(ctx) })
	due := steps(float64(g.cfg.RestartRate), d)
	var acked acknowledged
	load, err := pace(ctx, due, acked.requests(a), g.shown("restarts", 0, len(due)))
	close(s.stop)
	if err := errors.Join(err, rolling.Wait()); err != nil {
		return err
	}
	after, err := g.counted(ctx)
	if err != nil {
		return err
	}
	missing, err := g.missing(ctx, acked.ids)
	if err != nil {
		return err
	}
	ms := latencies(load)
	r := &RestartReport{
		Requests: load.requests(), Lost: load.failed() + missing, Restarts: s.done, Doubled: int64(after-before) - int64(len(acked.ids)),
		P50Ms: ms.P50, P99Ms: ms.P99, DurationS: load.elapsed.Seconds(), Reasons: load.lost,
	}
	if missing > 0 {
		r.Reasons["acknowledged_not_there"] = missing
	}
	g.report.Paid += int64(load.paid)
	g.report.Restart = r
	g.say("%d requests, %d restarts, %d lost", r.Requests, r.Restarts, r.Lost)
	return nil
}

// roll restarts gateways in turn.
type roll struct {
	behind *Rolling
	stop   chan struct{} // closed when no further one is to be restarted
	done   int           // after run
}

func (s *roll) run(ctx context.Context) error {
	wait := restartFirst
	for i := 0; ; i++ {
		select {
		case <-time.After(wait):
		case <-s.stop:
			if i >= restartsMin {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := s.behind.Restart(ctx, i%s.behind.Count); err != nil {
			return err
		}
		s.done++
		wait = restartEvery
	}
}

// acknowledged keeps the ids of payments that were acknowledged.
type acknowledged struct {
	numbers counter

	mu  sync.Mutex
	ids []string // guarded by mu
}

func (k *acknowledged) requests(a *arm) request {
	return func(int) (int, error) {
		id, err := a.pay(int(k.numbers.next.Add(1)))
		if err != nil {
			return 0, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.ids = append(k.ids, id)
		return 1, nil
	}
}

// missing asks a validator for each of these transactions, and counts those that it does not know. Two that have one id are one.
func (g *gatewayRun) missing(ctx context.Context, ids []string) (count int, err error) {
	address := g.target.REST[len(g.target.REST)-1]
	pool := rawhttp.NewPool(address, restConnections)
	defer pool.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookAtOnce)
	seen := make(map[string]bool, len(ids))
	var unknown atomic.Int64
	for _, id := range ids {
		if seen[id] {
			count++
			continue
		}
		seen[id] = true
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			there, err := isThere(pool, address, id)
			if err == nil && !there {
				unknown.Add(1)
			}
			return err
		})
	}
	err = group.Wait()
	return count + int(unknown.Load()), err
}

// isThere asks for a transaction.
func isThere(pool *rawhttp.Pool, address, id string) (there bool, err error) {
	failed := pool.Do(time.Now().Add(answerMax), rawhttp.AppendGet(nil, address, payPath+"/"+id), func(r *rawhttp.Response) {
		if there = r.OK(); r.Status >= 500 {
			err = fault.New(fault.Unavailable, "the validator answered %d to the question for a transaction: %.200s", r.Status, r.Body)
		}
	})
	if failed != nil {
		return false, failed
	}
	return there, err
}
