// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Metrics counts what the writer does.
type Metrics struct {
	stages       *obs.StageTimer
	height       prometheus.Gauge
	blocks       prometheus.Counter
	legs         *prometheus.CounterVec
	legsOK       prometheus.Counter
	viewsRefused prometheus.Counter
	passedOver   prometheus.Counter
	certified    prometheus.Histogram
	durable      prometheus.Histogram
	checkpoints  prometheus.Histogram
	checkpointAt prometheus.Gauge
	checkpointed prometheus.Counter
}

// NewMetrics registers the writer's metrics.
func NewMetrics(r prometheus.Registerer, stages *obs.StageTimer) *Metrics {
	m := &Metrics{
		stages:       stages,
		height:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "aurigraph_commit_published_height", Help: "Newest certified, durable height."}),
		blocks:       prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_commit_blocks_total", Help: "Blocks published."}),
		legs:         prometheus.NewCounterVec(prometheus.CounterOpts{Name: "aurigraph_commit_outcomes_total", Help: "Legs and single transactions executed, by outcome other than ok."}, []string{"outcome"}),
		legsOK:       prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_commit_transfers_ok_total", Help: "Transfers executed with outcome ok."}),
		viewsRefused: prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_commit_views_refused_total", Help: "Readers told to try later."}),
		passedOver:   prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_commit_passed_over_total", Help: "Ordered entries that did not follow in their lane and were not executed."}),
		certified:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "aurigraph_commit_certificate_seconds", Help: "From the proposer's cut of a block until this node published it, by both clocks.", Buckets: obs.FineLatencyBuckets()}),
		durable:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "aurigraph_commit_checkpointed_seconds", Help: "From the proposer's cut of a block until a checkpoint of this node contains it, by both clocks.", Buckets: obs.FineLatencyBuckets()}),
		checkpoints:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "aurigraph_commit_checkpoint_seconds", Help: "Time to write a checkpoint.", Buckets: obs.LatencyBuckets()}),
		checkpointAt: prometheus.NewGauge(prometheus.GaugeOpts{Name: "aurigraph_commit_checkpoint_height", Help: "Height of the newest durable checkpoint."}),
		checkpointed: prometheus.NewCounter(prometheus.CounterOpts{Name: "aurigraph_commit_checkpoint_bytes_total", Help: "Bytes written to checkpoints."}),
	}
	r.MustRegister(m.height, m.blocks, m.legs, m.legsOK, m.viewsRefused, m.passedOver, m.certified, m.durable, m.checkpoints, m.checkpointAt, m.checkpointed)
	return m
}

func (m *Metrics) block(p *Published) {
	m.height.Set(float64(p.Header.Height))
	m.blocks.Inc()
	m.legsOK.Add(float64(p.Executed.LegsOK))
	m.certified.Observe(since(p.Header.TimeUs))
	for i := range p.Executed.Batches {
		if b := &p.Executed.Batches[i]; int(b.LegsOK) < len(b.Outcomes.Codes) {
			m.refusals(b.Outcomes.Codes)
		}
	}
}

// since is the time since a proposer's clock showed timeUs, in seconds.
func since(timeUs uint64) float64 {
	return max(0, float64(time.Now().UnixMicro()-int64(timeUs))/1e6)
}

func (m *Metrics) refusals(codes []chain.Outcome) {
	var counts [256]int
	for _, c := range codes {
		counts[c]++
	}
	for _, o := range chain.Outcomes()[1:] {
		if counts[o] > 0 {
			m.legs.WithLabelValues(o.String()).Add(float64(counts[o]))
		}
	}
}

// checkpoint counts one; cut are the proposers' times of the blocks that it is the first to contain.
func (m *Metrics) checkpoint(at chain.Height, w checkpoint.Written, took time.Duration, cut []uint64) {
	m.checkpoints.Observe(took.Seconds())
	for _, timeUs := range cut {
		m.durable.Observe(since(timeUs))
	}
	m.checkpointAt.Set(float64(at))
	m.checkpointed.Add(float64(w.Bytes))
}
