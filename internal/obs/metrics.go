// SPDX-License-Identifier: Apache-2.0

package obs

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry that already holds the metrics of the process, the Go runtime and broken invariants.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "aurigraph_fault_violations_total",
			Help: "Broken invariants since the process began. More than 0 is a bug: the writer stopped.",
		}, func() float64 { return float64(fault.Violations()) }),
	)
	return r
}

// LatencyBuckets are the bounds, in seconds, for what takes 50 µs to 10 s: 1, 2, 5 steps.
func LatencyBuckets() []float64 {
	return []float64{
		50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3, 500e-3, 1, 2, 5, 10,
	}
}

// FineLatencyBuckets are bounds, in seconds, for latencies whose percentiles are reported: 200 µs to 20 s, a quarter apart.
func FineLatencyBuckets() []float64 { return prometheus.ExponentialBuckets(200e-6, 1.25, 52) }

// SizeBuckets are the bounds, in bytes, from 256 B to 64 MiB in steps of 4.
func SizeBuckets() []float64 { return prometheus.ExponentialBuckets(256, 4, 10) }

// CountBuckets are the bounds for numbers of things a batch or block: 1 to 1,048,576 in steps of 4.
func CountBuckets() []float64 { return prometheus.ExponentialBuckets(1, 4, 11) }

// Stage is a step on a transaction's way through a node; one enum for code, metric label and log key.
type Stage uint8

// The stages, in a transaction's order.
const (
	StageReceive Stage = iota // bytes arrived at a door
	StageVerify               // signature, size, replay window
	StageLane                 // cut into a batch, stored, spread
	StageOrder                // proposed until decided
	StageFetch                // payload of a decided batch at hand
	StageExecute              // outcomes computed
	StagePersist              // executed header durable
	StageCertify              // a quorum signed
	StagePublish              // visible to readers
	stageCount
)

var stageNames = [stageCount]string{
	"receive", "verify", "lane", "order", "fetch", "execute", "persist", "certify", "publish",
}

// String returns the stage's name, used as label and log value; "unknown" for a number that is no stage.
func (s Stage) String() string {
	if s >= stageCount {
		return "unknown"
	}
	return stageNames[s]
}

// Stages lists all stages in order.
func Stages() []Stage {
	all := make([]Stage, stageCount)
	for i := range all {
		all[i] = Stage(i)
	}
	return all
}

// StageTimer measures how long stages take. It is safe for concurrent use and allocates nothing per observation. All
// stages are exported from the start, at zero.
type StageTimer struct {
	observers [stageCount]prometheus.Observer
}

// NewStageTimer registers aurigraph_node_stage_seconds with r.
func NewStageTimer(r prometheus.Registerer) (*StageTimer, error) {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "aurigraph_node_stage_seconds",
		Help:    "Time that a batch or block spends in a stage.",
		Buckets: LatencyBuckets(),
	}, []string{KeyStage})
	if err := r.Register(v); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "register the stage timer")
	}
	t := &StageTimer{}
	for _, s := range Stages() {
		t.observers[s] = v.WithLabelValues(s.String())
	}
	return t, nil
}

// Observe records that stage s took d. A number that is no stage breaks an invariant.
func (t *StageTimer) Observe(s Stage, d time.Duration) {
	fault.Invariant(s < stageCount, "stage %d does not exist", s)
	t.observers[s].Observe(d.Seconds())
}
