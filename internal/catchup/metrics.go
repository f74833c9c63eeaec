// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/obs"
)

func name(word string) string { return "aurigraph_catchup_" + word }

func counter(word, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name(word), Help: help})
}

func gauge(word, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name(word), Help: help})
}

func reasons(word, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name(word), Help: help}, []string{"reason"})
}

// serverMetrics count what is given.
type serverMetrics struct {
	offers     prometheus.Counter
	pages      prometheus.Counter
	compared   prometheus.Counter
	headers    prometheus.Counter
	refused    *prometheus.CounterVec
	unregister func()
}

func newServerMetrics(r prometheus.Registerer) (*serverMetrics, error) {
	m := &serverMetrics{
		offers:   counter("offers_total", "Checkpoints that other validators began to take."),
		pages:    counter("served_pages_total", "Pages given to other validators."),
		compared: counter("served_comparisons_total", "Headers and leaves of states given to validators that computed something else."),
		headers:  counter("served_headers_total", "Executed headers below a state given to validators that take one."),
		refused:  reasons("refused_asks_total", "Asks of other validators that were not answered with what they asked for, by reason."),
	}
	var err error
	m.unregister, err = obs.Register(r, "the catch-up server", m.offers, m.pages, m.compared, m.headers, m.refused)
	return m, err
}

// clientMetrics count what is taken.
type clientMetrics struct {
	active     prometheus.Gauge
	done       prometheus.Gauge
	total      prometheus.Gauge
	fetched    prometheus.Counter
	found      prometheus.Counter
	headers    prometheus.Counter
	dropped    *prometheus.CounterVec
	refused    *prometheus.CounterVec
	unregister func()
}

func newClientMetrics(r prometheus.Registerer) (*clientMetrics, error) {
	m := &clientMetrics{
		active:  gauge("active", "1 while a state is taken from another validator."),
		done:    gauge("pages_done", "Pages of the state being taken that are here."),
		total:   gauge("pages_total", "Pages of the state being taken."),
		fetched: counter("fetched_pages_total", "Pages taken from other validators."),
		found:   counter("found_pages_total", "Pages that were here already, from an earlier attempt or an own checkpoint."),
		headers: counter("fetched_headers_total", "Executed headers taken with states from other validators."),
		dropped: reasons("dropped_peers_total", "Times that another validator was dropped as giver of a state, by reason."),
		refused: reasons("refused_answers_total", "Answers of other validators that were of no use, by reason."),
	}
	var err error
	m.unregister, err = obs.Register(r, "the catch-up client", m.active, m.done, m.total, m.fetched, m.found, m.headers, m.dropped, m.refused)
	return m, err
}
