// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/rawhttp"
)

// Batches of the bench's own, before anything is measured.
const (
	fundBatch    = 1024 // accounts opened by one request
	fundMax      = 30 * time.Second
	warmDuration = time.Second
	warmDivisor  = 4 // of the rate, while it warms up
)

// fund pays accounts that are opened by it.
func (g *gatewayRun) fund(ctx context.Context, funder string, accounts []string) error {
	body := []byte(`{"transactions":[`)
	for i, to := range accounts {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendPayment(body, funder, to, fundedText)
	}
	request := rawhttp.AppendPost(nil, g.target.REST[0], batchPath, append(body, "]}"...))
	c, err := rawhttp.Dial(g.target.REST[0])
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.Do(time.Now().Add(fundMax), request)
	if err != nil {
		return err
	}
	if _, err := allPaid(&r, len(accounts)); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// acquaint lets every validator's desk look every account up, so that none does it while it is measured.
func (g *gatewayRun) acquaint() error {
	var all errgroup.Group
	for n, address := range g.target.REST {
		all.Go(func() error {
			c, err := rawhttp.Dial(address)
			if err != nil {
				return err
			}
			defer c.Close()
			for from := 0; from < len(g.accounts); from += fundBatch {
				if err := g.paidOnce(c, address, from, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

func (g *gatewayRun) paidOnce(c *rawhttp.Conn, address string, from, shift int) error {
	to := payees(g.cfg.Seed+uint64(shift), len(g.accounts))
	r, err := c.Do(time.Now().Add(fundMax), rawhttp.AppendPost(nil, address, batchPath, g.appendBatch(nil, from, fundBatch, to)))
	if err != nil {
		return err
	}
	_, err = allPaid(&r, fundBatch)
	return err
}

// appendBatch appends a body of payments by accounts that follow each other.
func (g *gatewayRun) appendBatch(dst []byte, first, n int, to []int) []byte {
	dst = append(dst, `{"transactions":[`...)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		from := (first + i) % len(g.accounts)
		dst = appendPayment(dst, g.accounts[from], g.accounts[to[from]], paidText)
	}
	return append(dst, "]}"...)
}

// allPaid counts the payments that an answer to a batch of n says are made. Fewer than n is an error.
func allPaid(r *rawhttp.Response, n int) (int, error) {
	if !r.OK() {
		return 0, fault.Reasoned(fault.Refused, "http_"+strconv.Itoa(r.Status), "the answer to a batch was %d: %.200s", r.Status, r.Body)
	}
	paid := bytes.Count(r.Body, []byte(`{"transaction_id":"tx_`))
	if tail := fmt.Sprintf(`"accepted":%d,"refused":0,"total":%d}`, n, n); paid == n && bytes.HasSuffix(r.Body, []byte(tail)) {
		return n, nil
	}
	_, why, _ := bytes.Cut(r.Body, []byte(`"error":`))
	return paid, fault.Reasoned(fault.Refused, "items_refused", "%d payments of %d were made; one that was not: %.200s", paid, n, why)
}

// batcher sends bodies that are made ahead, to the validators in turn.
type batcher struct {
	payments int
	bodies   [][]byte // whole requests; request i is to validator i mod len(pools)
	pools    []*rawhttp.Pool
}

// newBatcher makes bodies of all accounts in turn, so that those under way at one validator have different payers.
func (g *gatewayRun) newBatcher() *batcher {
	b := &batcher{payments: g.cfg.BatchPayments}
	for _, address := range g.target.REST {
		b.pools = append(b.pools, rawhttp.NewPool(address, restConnections))
	}
	blocks := max(1, len(g.accounts)/b.payments)
	for i := range blocks * len(b.pools) {
		n, turn := i%len(b.pools), i/len(b.pools)
		block := (turn + n*blocks/len(b.pools)) % blocks
		body := g.appendBatch(nil, block*b.payments, b.payments, payees(g.cfg.Seed+uint64(i), len(g.accounts)))
		b.bodies = append(b.bodies, rawhttp.AppendPost(nil, g.target.REST[n], batchPath, body))
	}
	return b
}

func (b *batcher) send(i int) (paid int, err error) {
	failed := b.pools[i%len(b.pools)].Do(time.Now().Add(answerMax), b.bodies[i%len(b.bodies)], func(r *rawhttp.Response) { paid, err = allPaid(r, b.payments) })
	if failed != nil {
		return 0, failed
	}
	return paid, err
}

func (b *batcher) close() {
	for _, p := range b.pools {
		p.Close()
	}
}

// batches measures batches of payments at all validators, at a rate that is held.
func (g *gatewayRun) batches(ctx context.Context) error {
	b := g.newBatcher()
	defer b.close()
	d, perS := g.scale.batch, float64(g.cfg.BatchRate)/float64(b.payments)
	g.say("paying %d a second in batches of %d, for %.0f s", g.cfg.BatchRate, b.payments, d.Seconds())
	warm, err := pace(ctx, steps(perS/warmDivisor, warmDuration), b.send, func(int) {})
	if err != nil {
		return err
	}
	g.note(warm)
	counted, err := g.counted(ctx)
	if err != nil {
		return err
	}
	cpu, err := cpuOfAll(g.pids())
	if err != nil {
		return err
	}
	own := ownCPU()
	due := steps(perS, d)
	load, err := pace(ctx, due, b.send, g.shown("batches", 0, len(due)))
	if err != nil {
		return err
	}
	own = ownCPU() - own
	cpuAfter, err := cpuOfAll(g.pids())
	if err != nil {
		return err
	}
	after, err := g.counted(ctx)
	if err != nil {
		return err
	}
	g.report.Paid += int64(load.paid)
	g.report.Batch = batchReport(load, b.payments, float64(g.cfg.BatchRate), after-counted, cpuAfter-cpu, own)
	g.say("committed %.0f a second, p99 of a request %.1f ms, %d refused", g.report.Batch.CommittedPerS, g.report.Batch.P99Ms, g.report.Batch.Refused)
	return nil
}

func batchReport(load *paced, payments int, offered float64, counted uint64, cpu, own time.Duration) *BatchReport {
	ms := latencies(load)
	r := &BatchReport{
		OfferedPerS: offered, CommittedPerS: float64(counted) / load.elapsed.Seconds(), P50Ms: ms.P50, P99Ms: ms.P99, P999Ms: ms.P999,
		DurationS: load.elapsed.Seconds(), Requests: load.requests(), Payments: payments, Refused: load.requests()*payments - load.paid, Refusals: load.lost,
	}
	if load.paid > 0 {
		r.CPUUs, r.LoadCPUUs = microseconds(cpu)/float64(load.paid), microseconds(own)/float64(load.paid)
	}
	return r
}
