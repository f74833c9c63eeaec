// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
)

// sliceSettle is the pause between two slices: what one left behind does not run into the next.
const sliceSettle = 30 * time.Millisecond

// slice is one arm's part of a pair.
type slice struct {
	load      *paced
	cpu, edge time.Duration
	blocks    chain.Height
}

// pairs measures single payments: slices of all arms alternate, each with the same arrivals.
func (g *gatewayRun) pairs(ctx context.Context) error {
	arms, err := g.arms(ctx)
	if err != nil {
		return err
	}
	for _, a := range arms {
		defer a.close()
	}
	pairs, length := g.scale.pairs, g.scale.slice
	g.report.Pairs, g.report.SliceS = pairs, length.Seconds()
	g.say("paying %d a second, %d times %.2f s in each of %d ways", g.cfg.Rate, pairs, length.Seconds(), len(arms))
	var numbers counter
	measured := make([][]slice, len(arms)) // by arm, then by pair
	for pair, order := range append([][]int{warmUp(len(arms))}, orders(g.cfg.Seed, pairs, len(arms))...) {
		due := arrivals(g.cfg.Seed+uint64(pair), float64(g.cfg.Rate), length)
		for _, n := range order {
			s, err := g.slice(ctx, arms[n], due, numbers.requests(arms[n]))
			if err != nil {
				return err
			}
			if pair > 0 { // the first only warms up
				measured[n] = append(measured[n], s)
			}
		}
		g.progress.Show("pairs", int64(pair), int64(pairs))
	}
	g.compare(measured)
	return nil
}

func warmUp(arms int) (order []int) {
	for n := range arms {
		order = append(order, n)
	}
	return order
}

// slice carries one slice, and measures what it costs.
func (g *gatewayRun) slice(ctx context.Context, a *arm, due []time.Duration, send request) (s slice, err error) {
	if err := pause(ctx, sliceSettle); err != nil {
		return s, err
	}
	before, err := g.spent(ctx, a)
	if err != nil {
		return s, err
	}
	if s.load, err = pace(ctx, due, send, func(int) {}); err != nil {
		return s, err
	}
	g.note(s.load)
	after, err := g.spent(ctx, a)
	s.cpu, s.edge, s.blocks = after.cpu-before.cpu, after.edge-before.edge, after.height-before.height
	return s, err
}

// spent is what an arm's processes have used so far, and the newest block.
type spent struct {
	cpu, edge time.Duration
	height    chain.Height
}

func (g *gatewayRun) spent(ctx context.Context, a *arm) (u spent, err error) {
	s, err := client.StatusOf(ctx, client.Config{CAFile: g.target.CAFile, Trust: g.target.Trust}, g.target.Endpoints[0])
	if err != nil {
		return u, err
	}
	u.height = s.Height
	if u.edge, err = cpuOf(a.edge); err != nil {
		return u, err
	}
	u.cpu, err = cpuOfAll(a.pids)
	return u, err
}

// compare makes the report of all slices. Arms are in the order of arms().
func (g *gatewayRun) compare(measured [][]slice) {
	r := g.report
	r.Direct, r.InNode = armReport(measured[0]), armReport(measured[1])
	r.RatioP50, r.RatioP99 = ratios(measured[1], measured[0], 0.5), ratios(measured[1], measured[0], 0.99)
	if len(measured) > 2 {
		p50, p99 := ratios(measured[2], measured[0], 0.5), ratios(measured[2], measured[0], 0.99)
		r.Gateway, r.GatewayRatioP50, r.GatewayRatioP99 = armReport(measured[2]), &p50, &p99
	}
}

// armReport adds the slices of an arm up.
func armReport(list []slice) *ArmReport {
	var all paced
	var cpu, edge time.Duration
	var blocks chain.Height
	for _, s := range list {
		all.add(s.load)
		cpu, edge, blocks = cpu+s.cpu, edge+s.edge, blocks+s.blocks
	}
	sorted := all.sorted()
	r := &ArmReport{Requests: all.requests(), P50Us: microseconds(quantile(sorted, 0.5)), P99Us: microseconds(quantile(sorted, 0.99))}
	if r.Requests > 0 {
		r.CPUUs, r.EdgeCPUUs = microseconds(cpu)/float64(r.Requests), microseconds(edge)/float64(r.Requests)
		r.Blocks = float64(blocks) / float64(r.Requests)
	}
	return r
}

// ratios compares a quantile of two arms, pair by pair.
func ratios(of, by []slice, share float64) Interval {
	var all []float64
	for i := range of {
		if below := quantile(by[i].load.sorted(), share); below > 0 {
			all = append(all, float64(quantile(of[i].load.sorted(), share))/float64(below))
		}
	}
	return medianOf(all)
}
