// SPDX-License-Identifier: Apache-2.0

package upstream

import "github.com/prometheus/client_golang/prometheus"

// Results of attempts, as they are counted.
var resultNames = [...]string{neutral: "left", well: "answered", faulty: "fault"}

// Why a call that could have been sent again was not.
const (
	notRetriedBudget   = "budget"
	notRetriedDeadline = "deadline"
)

type metrics struct {
	attempts   map[Group][len(resultNames)]prometheus.Counter
	retries    *prometheus.CounterVec
	notRetried *prometheus.CounterVec
	refused    *prometheus.CounterVec
	leftOut    *prometheus.CounterVec
	opened     *prometheus.CounterVec
}

// newMetrics registers, if the parts say where. Groups, results and reasons are of fixed sets; validators are those on the list.
func newMetrics(p *Pool) *metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	attempts := vec("aurigraph_upstream_attempts_total", "Calls that were sent to a validator and ended, retries included, by group and result.", "group", "result")
	m := &metrics{
		attempts:   map[Group][len(resultNames)]prometheus.Counter{},
		retries:    vec("aurigraph_upstream_retries_total", "Calls that were sent again, by group.", "group"),
		notRetried: vec("aurigraph_upstream_not_retried_total", "Calls that could have been sent again and were not, by group and reason.", "group", "reason"),
		refused:    vec("aurigraph_upstream_refused_total", "Calls that were not sent at all, by group and reason.", "group", "reason"),
		leftOut:    vec("aurigraph_upstream_left_out_total", "Times that a validator was left out for a while after failed calls, by group.", "group", "validator"),
		opened:     vec("aurigraph_upstream_breaker_opened_total", "Times that calls of a group began to be refused because they failed at all validators.", "group"),
	}
	for _, g := range Groups() {
		var by [len(resultNames)]prometheus.Counter
		for o, name := range resultNames {
			by[o] = attempts.WithLabelValues(string(g), name)
		}
		m.attempts[g] = by
	}
	if r := p.parts.Metrics; r != nil {
		r.MustRegister(attempts, m.retries, m.notRetried, m.refused, m.leftOut, m.opened)
		for _, g := range Groups() {
			m.watch(r, p.lanes[g])
		}
	}
	return m
}

// watch registers what is read from a group.
func (m *metrics) watch(r prometheus.Registerer, l *lane) {
	by := prometheus.Labels{"group": string(l.name)}
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "aurigraph_upstream_in_flight", Help: "Calls under way, by group. Streams are not among them.", ConstLabels: by,
	}, func() float64 { return float64(len(l.places)) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "aurigraph_upstream_breaker_open", Help: "1: calls of the group are refused because they fail at all validators; 0.5: a few are let through to see.", ConstLabels: by,
	}, func() float64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return [...]float64{closed: 0, open: 1, halfOpen: 0.5}[l.group.breaker.state]
	}))
}

func (m *metrics) ended(g Group, o outcome) {
	by := m.attempts[g]
	by[o].Inc()
}

// forget lets the series of a validator go that left the list.
func (m *metrics) forget(address string) {
	m.leftOut.DeletePartialMatch(prometheus.Labels{"validator": address})
}
