// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/router"
)

// ReportPath is where the handler has the report.
const ReportPath = "/report"

// Handler serves GET /report, and router.MirrorPath by any method, where a router names a read that it has answered, by router.OriginalURIHeader and the
// headers beside it. What comes there is the router's own sample: all of it is compared. It belongs on a loopback address, because credentials come with it.
func (s *Shadow) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(router.MirrorPath, s.mirror)
	mux.HandleFunc("GET "+ReportPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Report()) // who left is not told
	})
	return mux
}

func (s *Shadow) mirror(w http.ResponseWriter, r *http.Request) {
	way, ok := router.ParseWay(r.Header.Get(router.OriginalWayHeader))
	method, target := r.Header.Get(router.OriginalMethodHeader), r.Header.Get(router.OriginalURIHeader)
	if !ok || method == "" || target == "" {
		s.tally.unfit(unfitMalformed)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if e := s.fit(method, target); e != nil {
		e.offered.Add(1)
		s.take(e, method, target, r.Header, way)
	}
	w.WriteHeader(http.StatusNoContent)
}

// Bounds of ReadReport.
const (
	reportTime     = 5 * time.Second
	reportBytesMax = 8 << 20
)

// ReadReport asks another process' shadow for its report. Invalid: the address is none. Unavailable: it does not answer with one.
func ReadReport(ctx context.Context, address string) (*Report, error) {
	base, err := hop.CheckURL(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, base.String()+ReportPath, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "ask the shadow")
	}
	q.Close = true // a connection is not worth keeping for one question
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "ask the shadow for its report: does it run?")
	}
	defer resp.Body.Close()
	var report Report
	if resp.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "the shadow at %s answered %d to a request for its report", address, resp.StatusCode)
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, reportBytesMax)).Decode(&report)
	return &report, fault.Wrap(fault.Unavailable, err, "read the shadow's report")
}
