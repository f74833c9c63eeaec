// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"

	dto "github.com/prometheus/client_model/go"

	"github.com/aurigraph/aurigraph/internal/obs"
)

// The nodes' own histograms that a report quotes.
const (
	metricVote        = "aurigraph_order_vote_seconds"
	metricCertificate = "aurigraph_commit_certificate_seconds"
	metricCheckpoint  = "aurigraph_commit_checkpointed_seconds"
)

// histogram is counts by bucket, those of all nodes added up.
type histogram struct {
	bounds []float64 // seconds, upper
	counts []float64 // observations at or below the bound
}

// stageTimes are the quoted histograms by name.
type stageTimes map[string]histogram

// readStages reads the histograms of all nodes.
func (b *bench) readStages(ctx context.Context) (stageTimes, error) {
	all := stageTimes{}
	for _, n := range b.target.Nodes {
		families, err := obs.Scrape(ctx, n.Metrics)
		if err != nil {
			return nil, err
		}
		for _, name := range []string{metricVote, metricCertificate, metricCheckpoint} {
			if f := families[name]; f != nil {
				all.add(name, f)
			}
		}
	}
	return all, nil
}

func (s stageTimes) add(name string, f *dto.MetricFamily) {
	h := s[name]
	for _, m := range f.GetMetric() {
		buckets := m.GetHistogram().GetBucket()
		if h.bounds == nil {
			for _, b := range buckets {
				h.bounds = append(h.bounds, b.GetUpperBound())
			}
			h.counts = make([]float64, len(buckets))
		}
		for i := range min(len(buckets), len(h.counts)) {
			h.counts[i] += float64(buckets[i].GetCumulativeCount())
		}
	}
	s[name] = h
}

// since is what came after an earlier reading.
func (s stageTimes) since(before stageTimes) stageTimes {
	out := stageTimes{}
	for name, h := range s {
		d := histogram{bounds: h.bounds, counts: append([]float64(nil), h.counts...)}
		for i, n := range before[name].counts {
			d.counts[i] -= n
		}
		out[name] = d
	}
	return out
}

// quantile is a percentile in milliseconds, between the bounds of its bucket in proportion.
func (h histogram) quantile(q float64) float64 {
	total := h.counts[len(h.counts)-1]
	below, floor := 0.0, 0.0
	for i, n := range h.counts {
		if n >= q*total && n > below {
			return 1e3 * (floor + (h.bounds[i]-floor)*(q*total-below)/(n-below))
		}
		below, floor = n, h.bounds[i]
	}
	return 1e3 * floor
}

// percentiles of a histogram; nil if nothing was observed.
func (h histogram) percentiles() *Percentiles {
	if len(h.counts) == 0 || h.counts[len(h.counts)-1] == 0 {
		return nil
	}
	return &Percentiles{P50: h.quantile(0.5), P99: h.quantile(0.99), P999: h.quantile(0.999)}
}

func (r *Report) stages(s stageTimes) {
	r.VoteMs, r.CertificateMs, r.CheckpointMs = s[metricVote].percentiles(), s[metricCertificate].percentiles(), s[metricCheckpoint].percentiles()
}
