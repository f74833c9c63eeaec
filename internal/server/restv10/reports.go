// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"fmt"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// reportOf sums up the samples behind a dashboard.
func (s *Server) reportOf(q *request, id string) (v10.VizorReport, error) {
	d, err := dashboardNamed(id)
	if err != nil {
		return v10.VizorReport{}, err
	}
	span, err := s.span(q)
	if err != nil {
		return v10.VizorReport{}, err
	}
	r := v10.VizorReport{Dashboard: d.ID, Name: d.Name, TimeRange: span, Generated: s.now()}
	for _, w := range d.Widgets {
		r.Widgets = append(r.Widgets, sumUp(&w, s.vizor.find(w.Query, span)))
	}
	return r, nil
}

func sumUp(w *v10.Widget, rows []v10.MetricRow) v10.VizorReportEntry {
	e := v10.VizorReportEntry{Widget: w.ID, Type: w.Type, DataPoints: len(rows)}
	if len(rows) == 0 {
		return e
	}
	e.Min, e.Max, e.Latest = rows[0].Value, rows[0].Value, rows[len(rows)-1].Value
	for _, row := range rows {
		e.Min, e.Max = min(e.Min, row.Value), max(e.Max, row.Value)
		e.Average += row.Value / float64(len(rows))
	}
	return e
}

func (s *Server) report(_ context.Context, q *request) (any, error) {
	return s.reportOf(q, q.params.Get("dashboard"))
}

// exportReport answers a report as a file.
func (s *Server) exportReport(_ context.Context, q *request) (any, error) {
	format := q.params.Get("format")
	switch format {
	case "json", "csv":
	case "pdf":
		return nil, fault.Reasoned(fault.Invalid, "export_format", "Format not implemented")
	default:
		return nil, fault.Reasoned(fault.Invalid, "export_format", "Unsupported export format")
	}
	id := q.param("dashboardId")
	if id == "" {
		id = v10.Dashboards()[0].ID
	}
	r, err := s.reportOf(q, id)
	if err != nil {
		return nil, err
	}
	out := raw{attachment: "report-" + r.Dashboard + "." + format}
	if format == "json" {
		out.body = v10.Marshal(r)
		return out, nil
	}
	var text strings.Builder
	text.WriteString(v10.VizorReportHeader + "\n")
	for _, w := range r.Widgets {
		fmt.Fprintf(&text, "%s,%s,%d,%g,%g,%g,%g\n", w.Widget, w.Type, w.DataPoints, w.Min, w.Max, w.Average, w.Latest)
	}
	out.content, out.body = "text/csv; charset=utf-8", []byte(text.String())
	return out, nil
}

func (s *Server) vizorNow(ctx context.Context, _ *request) (any, error) { return s.vizorNowOf(ctx) }

func (s *Server) vizorHistory(_ context.Context, q *request) (any, error) {
	hours, err := q.number("hours", hoursMax, 1, hoursMax)
	if err != nil {
		return nil, err
	}
	end := s.now()
	start := end - min(end, v10.Time(hours*hourMs))
	return v10.VizorHistory{TimeRange: v10.TimeRange{Start: start, End: end}, Metrics: s.vizor.since(start)}, nil
}

// vizorMembers are the validators in Vizor's form.
func (s *Server) vizorMembers(st *query.Status) []v10.VizorValidator {
	out := make([]v10.VizorValidator, len(st.Validators))
	for i := range st.Validators {
		m := &st.Validators[i]
		v := v10.VizorValidatorStatus{
			NodeID: m.Name, Stake: stake, Channels: []string{v10.ChannelMain}, ConsensusState: wordUnreachable, IsLeader: leads(st, m.No),
		}
		switch p := peerOf(st, m.No); {
		case m.No == st.Validator:
			v.ConsensusState, v.QueueSize, v.Uptime = string(st.State), s.paying(), s.uptimeSeconds()
		case v.IsLeader:
			v.ConsensusState = string(query.StateLeader)
		case p != nil && p.Connected:
			v.ConsensusState = string(query.StateFollower)
		}
		out[i] = v10.VizorValidator{ID: m.Name, Status: v}
	}
	return out
}

func vizorMain(st *query.Status) v10.VizorChannelEntry {
	return v10.VizorChannelEntry{ID: v10.ChannelMain, Name: st.Network, UserCount: st.Accounts, ValidatorCount: len(st.Validators)}
}

// activeRounds is blocks that are decided and not certified yet.
func activeRounds(st *query.Status) uint64 {
	return uint64(st.Order.Decided - min(st.Order.Decided, st.Height))
}

func (s *Server) vizorValidators(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return v10.VizorValidators{
		Validators: s.vizorMembers(st), Channels: []v10.VizorChannelEntry{vizorMain(st)}, ActiveRounds: activeRounds(st),
		TotalStake: stake * uint64(len(st.Validators)),
	}, nil
}

func (s *Server) vizorValidator(ctx context.Context, q *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range s.vizorMembers(st) {
		if v.ID == q.params.Get("id") {
			return v, nil
		}
	}
	return nil, notFound(v10.TextNoValidator)
}

func (s *Server) vizorRounds(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return v10.VizorRounds{ActiveRounds: activeRounds(st), TotalStake: stake * uint64(len(st.Validators)), Validators: len(st.Validators)}, nil
}

func (s *Server) vizorChannels(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return v10.VizorChannelList{Channels: []v10.VizorChannelEntry{vizorMain(st)}, Total: channelCount}, nil
}

func (s *Server) vizorChannel(ctx context.Context, q *request) (any, error) {
	if q.params.Get("id") != v10.ChannelMain {
		return nil, notFound(v10.TextNoChannel)
	}
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	e := vizorMain(st)
	out := v10.VizorChannel{ID: e.ID, Name: e.Name, UserCount: e.UserCount, ValidatorCount: e.ValidatorCount, Created: s.cfg.Genesis}
	for i := range st.Validators {
		out.Validators = append(out.Validators, st.Validators[i].Name)
	}
	return out, nil
}
