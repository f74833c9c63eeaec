// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// typeGauge is the type of the server's own metrics, and of what clients record without one.
const typeGauge = "gauge"

// vizor keeps the metrics behind Vizor's dashboards, in memory: the server's own samples and what clients record. It is safe for
// concurrent use.
type vizor struct {
	mu      sync.Mutex                 // guards all below
	series  map[string][]v10.MetricRow // by name, oldest first
	clients int                        // names that clients made
	history []v10.VizorNow             // oldest first
}

// ownMetrics are the server's; they have room beside what clients make.
var ownMetrics = []string{v10.MetricTPS, v10.MetricLatency, v10.MetricRounds, v10.MetricValidators, v10.MetricBlockHeight, v10.MetricChannelTxs}

func newVizor() *vizor { return &vizor{series: map[string][]v10.MetricRow{}} }

// record keeps a sample; the oldest of its name goes first. A new name beyond the bound is TryLater.
func (z *vizor) record(row v10.MetricRow) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	kept, known := z.series[row.Name]
	if !known && !slices.Contains(ownMetrics, row.Name) {
		if z.clients >= v10.VizorNamesMax-len(ownMetrics) {
			return fault.Reasoned(fault.TryLater, "vizor_names", "%d metrics are kept already, and none is let go", v10.VizorNamesMax)
		}
		z.clients++
	}
	z.series[row.Name] = lastOf(append(kept, row))
	return nil
}

// lastOf keeps the newest samples.
func lastOf[T any](kept []T) []T {
	if len(kept) > v10.VizorSamplesMax {
		kept = slices.Delete(kept, 0, len(kept)-v10.VizorSamplesMax)
	}
	return kept
}

// find lists samples of a metric, or of all for "", in a span of time: by name, then oldest first.
func (z *vizor) find(name string, span v10.TimeRange) []v10.MetricRow {
	z.mu.Lock()
	defer z.mu.Unlock()
	names := []string{name}
	if name == "" {
		names = names[:0]
		for n := range z.series {
			names = append(names, n)
		}
		slices.Sort(names)
	}
	found := []v10.MetricRow{}
	for _, n := range names {
		for _, row := range z.series[n] {
			if span.Start <= row.Timestamp && row.Timestamp <= span.End {
				found = append(found, row)
			}
		}
	}
	return found
}

func (z *vizor) note(now v10.VizorNow) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.history = lastOf(append(z.history, now))
}

// since lists the history from a time on.
func (z *vizor) since(from v10.Time) []v10.VizorNow {
	z.mu.Lock()
	defer z.mu.Unlock()
	found := []v10.VizorNow{}
	for _, h := range z.history {
		if h.Timestamp >= from {
			found = append(found, h)
		}
	}
	return found
}

// sampleVizor takes the server's own samples.
func (s *Server) sampleVizor(ctx context.Context) {
	now, err := s.vizorNowOf(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.parts.Log.Warn("no sample for the dashboards", obs.Err(err))
		}
		return
	}
	s.vizor.note(now)
	values := []float64{now.TPS, now.Latency, float64(now.ConsensusRounds), float64(now.ValidatorCount), float64(now.ConsensusRounds), float64(now.ChannelTransactions)}
	for i, name := range ownMetrics {
		// The server's own names always have room.
		_ = s.vizor.record(v10.MetricRow{Name: name, Timestamp: now.Timestamp, Value: values[i], Tags: map[string]string{}, Type: typeGauge})
	}
}

func (s *Server) vizorNowOf(ctx context.Context) (v10.VizorNow, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return v10.VizorNow{}, err
	}
	f := s.figures()
	return v10.VizorNow{
		Timestamp: s.now(), TPS: f.tps, Latency: f.mean, ConsensusRounds: uint64(st.Height), ChannelTransactions: st.Legs,
		ValidatorCount: len(st.Validators), ChannelCount: channelCount,
	}, nil
}

func (s *Server) dashboards(context.Context, *request) (any, error) {
	all := v10.Dashboards()
	return v10.DashboardList{Dashboards: all, Total: len(all)}, nil
}

func dashboardNamed(id string) (v10.Dashboard, error) {
	all := v10.Dashboards()
	i := slices.IndexFunc(all, func(d v10.Dashboard) bool { return d.ID == id })
	if i < 0 {
		return v10.Dashboard{}, notFound(v10.TextNoDashboard)
	}
	return all[i], nil
}

func (s *Server) dashboard(_ context.Context, q *request) (any, error) {
	return dashboardNamed(q.params.Get("id"))
}

// widgetData answers a widget's samples. One that is not there is 200 with an error, as with V10.
func (s *Server) widgetData(_ context.Context, q *request) (any, error) {
	d, err := dashboardNamed(q.params.Get("id"))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(d.Widgets, func(w v10.Widget) bool { return w.ID == q.params.Get("widget") })
	if i < 0 {
		return raw{body: v10.Problem{Text: "Widget not found"}.Append(nil, v10.FamilyPlain)}, nil
	}
	w := &d.Widgets[i]
	out := v10.WidgetData{Widget: w.ID, Type: w.Type}
	for _, row := range s.vizor.find(w.Query, v10.TimeRange{End: v10.TimeMsMax}) {
		out.Data = append(out.Data, v10.MetricSample{Timestamp: row.Timestamp, Value: row.Value, Tags: row.Tags})
	}
	return out, nil
}

const hourMs = 60 * 60 * 1000

// span is ?start= to ?end=, by default the last day.
func (s *Server) span(q *request) (span v10.TimeRange, err error) {
	if span.End, err = q.time("end", s.now()); err != nil {
		return span, err
	}
	if span.Start, err = q.time("start", span.End-min(span.End, hoursMax*hourMs)); err != nil {
		return span, err
	}
	if span.Start > span.End {
		return span, fault.Reasoned(fault.Invalid, "query_start", "start must not be after end")
	}
	return span, nil
}

func (s *Server) queryMetrics(_ context.Context, q *request) (any, error) {
	span, err := s.span(q)
	if err != nil {
		return nil, err
	}
	found := s.vizor.find(q.param("query"), span)
	return v10.MetricList{Metrics: found, Count: len(found)}, nil
}

func (s *Server) recordMetric(_ context.Context, q *request) (any, error) {
	var r v10.RecordMetric
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	row := v10.MetricRow{Name: strings.Clone(r.Name), Timestamp: s.now(), Value: *r.Value, Tags: map[string]string{}, Type: typeGauge}
	for k, v := range r.Tags {
		row.Tags[strings.Clone(k)] = strings.Clone(v) // the body is not kept for them
	}
	if r.Type != "" {
		row.Type = strings.Clone(r.Type)
	}
	if err := s.vizor.record(row); err != nil {
		return nil, err
	}
	return v10.Recorded{Success: true, Recorded: true}, nil
}
