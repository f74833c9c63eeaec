// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func (s *Server) dashboards(*call) (any, error) {
	all := v10.Dashboards()
	return v10.DashboardList{Dashboards: all, Total: len(all)}, nil
}

func dashboardNamed(id string) (v10.Dashboard, error) {
	all := v10.Dashboards()
	i := slices.IndexFunc(all, func(d v10.Dashboard) bool { return d.ID == id })
	if i < 0 {
		return v10.Dashboard{}, fault.New(fault.NotFound, v10.TextNoDashboard)
	}
	return all[i], nil
}

func (s *Server) dashboard(c *call) (any, error) { return dashboardNamed(c.params.Get("id")) }

// spanOf is ?start= to ?end=, by default the last day.
func (s *Server) spanOf(c *call) (v10.TimeRange, error) {
	q, err := c.queryOf()
	if err != nil {
		return v10.TimeRange{}, err
	}
	end, err := timeOf(q, "end", uint64(s.now()))
	if err != nil {
		return v10.TimeRange{}, err
	}
	start, err := timeOf(q, "start", end-min(end, dayMs))
	if err == nil && start > end {
		err = fault.Reasoned(fault.Invalid, "query_start", "start must not be after end")
	}
	return v10.TimeRange{Start: v10.Time(start), End: v10.Time(end)}, err
}

const (
	hourMs = 60 * 60 * 1000
	dayMs  = 24 * hourMs
)

func (s *Server) widgetData(c *call) (any, error) {
	d, err := dashboardNamed(c.params.Get("id"))
	if err != nil {
		return nil, err
	}
	id := c.params.Get("widget")
	i := slices.IndexFunc(d.Widgets, func(w v10.Widget) bool { return w.ID == id })
	if i < 0 {
		return body{bytes: v10.Problem{Text: "Widget not found"}.Append(nil, v10.FamilyPlain)}, nil
	}
	w := d.Widgets[i]
	data := v10.WidgetData{Widget: w.ID, Type: w.Type, Data: []v10.MetricSample{}}
	for _, row := range s.samples.between(w.Query, v10.TimeRange{End: v10.TimeMsMax}) {
		data.Data = append(data.Data, v10.MetricSample{Timestamp: row.Timestamp, Value: row.Value, Tags: row.Tags})
	}
	return data, nil
}

func (s *Server) queryMetrics(c *call) (any, error) {
	span, err := s.spanOf(c)
	if err != nil {
		return nil, err
	}
	q, err := c.queryOf()
	found := s.samples.between(q.Get("query"), span)
	return v10.MetricList{Metrics: found, Count: len(found)}, err
}

func (s *Server) recordMetric(c *call) (any, error) {
	var r v10.RecordMetric
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	row := v10.MetricRow{Name: r.Name, Timestamp: s.now(), Value: *r.Value, Tags: r.Tags, Type: r.Type}
	if row.Tags == nil {
		row.Tags = map[string]string{}
	}
	if row.Type == "" {
		row.Type = "gauge"
	}
	return v10.Recorded{Success: true, Recorded: true}, s.samples.record(row)
}

// reportOf sums up a dashboard's widgets over the span of a query.
func (s *Server) reportOf(c *call, id string) (v10.VizorReport, error) {
	d, err := dashboardNamed(id)
	if err != nil {
		return v10.VizorReport{}, err
	}
	span, err := s.spanOf(c)
	r := v10.VizorReport{Dashboard: d.ID, Name: d.Name, TimeRange: span, Generated: s.now(), Widgets: make([]v10.VizorReportEntry, len(d.Widgets))}
	for i, w := range d.Widgets {
		r.Widgets[i] = summary(w, s.samples.between(w.Query, span))
	}
	return r, err
}

func summary(w v10.Widget, rows []v10.MetricRow) v10.VizorReportEntry {
	e := v10.VizorReportEntry{Widget: w.ID, Type: w.Type, DataPoints: len(rows)}
	sum := 0.0
	for i, row := range rows {
		if i == 0 {
			e.Min, e.Max = row.Value, row.Value
		}
		e.Min, e.Max, e.Latest = min(e.Min, row.Value), max(e.Max, row.Value), row.Value
		sum += row.Value
	}
	e.Average = sum / float64(max(1, len(rows)))
	return e
}

func (s *Server) report(c *call) (any, error) { return s.reportOf(c, c.params.Get("dashboard")) }

func (s *Server) exportReport(c *call) (any, error) {
	format := strings.ToLower(c.params.Get("format"))
	switch format {
	case "json", "csv":
	case "pdf":
		return nil, fault.New(fault.Invalid, "Format not implemented")
	default:
		return nil, fault.New(fault.Invalid, "Unsupported export format")
	}
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	id := q.Get("dashboardId")
	if id == "" {
		id = v10.Dashboards()[0].ID
	}
	r, err := s.reportOf(c, id)
	if err != nil {
		return nil, err
	}
	b := body{attachment: "report-" + r.Dashboard + "." + format}
	if format == "json" {
		b.bytes = v10.Marshal(r)
		return b, nil
	}
	b.content, b.bytes = "text/csv; charset=utf-8", []byte(csvOf(&r))
	return b, nil
}

func csvOf(r *v10.VizorReport) string {
	var out strings.Builder
	out.WriteString(v10.VizorReportHeader + "\n")
	for _, w := range r.Widgets {
		fmt.Fprintf(&out, "%s,%s,%d,%g,%g,%g,%g\n", w.Widget, w.Type, w.DataPoints, w.Min, w.Max, w.Average, w.Latest)
	}
	return out.String()
}

func (s *Server) vizorPerformance() v10.VizorNow {
	t := s.ledger.Totals()
	return v10.VizorNow{
		Timestamp: s.now(), TPS: s.ledger.PerSecond(), Latency: milliseconds(s.load.mean()), ConsensusRounds: t.Round,
		ChannelTransactions: t.Transactions, ValidatorCount: validators, ChannelCount: channelCount,
	}
}

func (s *Server) vizorNow(*call) (any, error) { return s.vizorPerformance(), nil }

func (s *Server) vizorHistory(c *call) (any, error) {
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	hours, err := integerOf(q, "hours", 24, 1, 24)
	if err != nil {
		return nil, err
	}
	end := s.now()
	start := end - min(end, v10.Time(hours*hourMs))
	return v10.VizorHistory{TimeRange: v10.TimeRange{Start: start, End: end}, Metrics: s.samples.since(start)}, nil
}

func (s *Server) vizorSelf() v10.VizorValidator {
	return v10.VizorValidator{ID: s.ledger.Leader(), Status: v10.VizorValidatorStatus{
		NodeID: s.ledger.Leader(), Stake: 1, Channels: []string{v10.ChannelMain}, QueueSize: s.ledger.Waiting(), ConsensusState: roleLeader,
		IsLeader: true, Uptime: uint64(s.uptime().Seconds()),
	}}
}

func (s *Server) vizorMain() v10.VizorChannelEntry {
	return v10.VizorChannelEntry{ID: v10.ChannelMain, Name: v10.ChannelMain, UserCount: s.ledger.Totals().Accounts, ValidatorCount: validators}
}

func (s *Server) vizorValidators(*call) (any, error) {
	return v10.VizorValidators{
		Validators: []v10.VizorValidator{s.vizorSelf()}, Channels: []v10.VizorChannelEntry{s.vizorMain()}, TotalStake: 1,
	}, nil
}

func (s *Server) vizorValidator(c *call) (any, error) {
	if c.params.Get("id") != s.ledger.Leader() {
		return nil, fault.New(fault.NotFound, v10.TextNoValidator)
	}
	return s.vizorSelf(), nil
}

func (s *Server) vizorRounds(*call) (any, error) {
	return v10.VizorRounds{TotalStake: 1, Validators: validators}, nil
}

func (s *Server) vizorChannels(*call) (any, error) {
	return v10.VizorChannelList{Channels: []v10.VizorChannelEntry{s.vizorMain()}, Total: channelCount}, nil
}

func (s *Server) vizorChannel(c *call) (any, error) {
	if c.params.Get("id") != v10.ChannelMain {
		return nil, fault.New(fault.NotFound, v10.TextNoChannel)
	}
	first, err := s.ledger.Round(0)
	e := s.vizorMain()
	return v10.VizorChannel{
		ID: e.ID, Name: e.Name, UserCount: e.UserCount, ValidatorCount: e.ValidatorCount, QueuedMessages: s.ledger.Waiting(),
		Created: v10.Time(first.Ms), Users: []string{}, Validators: []string{s.ledger.Leader()},
	}, err
}
