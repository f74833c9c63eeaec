// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

type metrics struct {
	seconds prometheus.Histogram
	orders  prometheus.Histogram
	shed    prometheus.Counter
	refused *prometheus.CounterVec
	applied prometheus.Counter
	doubled prometheus.Counter
	skipped prometheus.Counter
	held    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aurigraph_v10_round_seconds", Help: "Time to execute, write and sync a round.", Buckets: obs.LatencyBuckets(),
		}),
		orders: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aurigraph_v10_round_transactions", Help: "Transactions of a round.", Buckets: obs.CountBuckets(),
		}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_v10_shed_total", Help: "Requests that were refused because the queue was full.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_v10_refused_total", Help: "Orders that were refused without a trace in the ledger.",
		}, []string{obs.KeyReason}),
		applied: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_v10_applied_total", Help: "Records of the other ledger that were applied.",
		}),
		doubled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_v10_apply_doubled_total", Help: "Records of the other ledger that had been applied, were found to be the same, and left.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aurigraph_v10_apply_skipped_total", Help: "Records of the other ledger that a person passed over.",
		}),
		held: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aurigraph_v10_apply_refused_total", Help: "Calls with records of the other ledger that were refused, and wrote nothing.",
		}, []string{obs.KeyReason}),
	}
	if r == nil {
		return m, nil
	}
	err := errors.Join(r.Register(m.seconds), r.Register(m.orders), r.Register(m.shed), r.Register(m.refused), r.Register(m.applied),
		r.Register(m.doubled), r.Register(m.skipped), r.Register(m.held))
	return m, fault.Wrap(fault.Internal, err, "register the ledger's metrics")
}

func (m *metrics) observe(took time.Duration, transactions uint64) {
	m.seconds.Observe(took.Seconds())
	m.orders.Observe(float64(transactions))
}

// rateSeconds is the window of PerSecond.
const rateSeconds = 10

// rate counts by second. It is safe for concurrent use.
type rate struct {
	mu      sync.Mutex
	second  [rateSeconds + 1]int64 // unix time of each slot
	counted [rateSeconds + 1]uint64
}

func (r *rate) add(now time.Time, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := now.Unix()
	i := s % int64(len(r.second))
	if r.second[i] != s {
		r.second[i], r.counted[i] = s, 0
	}
	r.counted[i] += n
}

// perSecond is over the last whole seconds.
func (r *rate) perSecond(now time.Time) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum, s := uint64(0), now.Unix()
	for i, at := range r.second {
		if at < s && at >= s-rateSeconds {
			sum += r.counted[i]
		}
	}
	return float64(sum) / rateSeconds
}

// PerSecond is how many transactions were committed a second in the last ten seconds.
func (l *Ledger) PerSecond() float64 { return l.recent.perSecond(l.cfg.Now()) }
