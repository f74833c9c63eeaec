// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"net/http"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// realtime sends a record at once and then one every v10.RealtimeIntervalMs, until the client goes, the server drains, or the row's
// deadline ends it: an EventSource comes back by itself. Who does not take a record in time is cut off.
func (s *Server) realtime(ctx context.Context, q *request, w http.ResponseWriter) error {
	first, err := s.realtimeRecord(ctx)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", q.row.Content)
	h.Set("Cache-Control", "no-cache")
	if q.Method == http.MethodHead {
		return nil
	}
	control := http.NewResponseController(w)
	interval := time.NewTicker(v10.RealtimeIntervalMs * time.Millisecond)
	defer interval.Stop()
	for record := first; err == nil && sendEvent(w, control, record); record, err = s.realtimeRecord(ctx) {
		select {
		case <-ctx.Done():
			return nil
		case <-s.drained:
			return nil
		case <-interval.C:
		}
	}
	return nil // whatever ended it: the answer has begun
}

func (s *Server) realtimeRecord(ctx context.Context) (v10.RealtimeRecord, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return v10.RealtimeRecord{}, err
	}
	f := s.figures()
	return v10.RealtimeRecord{Timestamp: s.now(), TPS: f.tps, Latency: f.mean, Validators: len(st.Validators), Channels: channelCount}, nil
}

func sendEvent(w http.ResponseWriter, control *http.ResponseController, record v10.RealtimeRecord) bool {
	_ = control.SetWriteDeadline(time.Now().Add(lineTimeout)) // a connection without deadlines has none to pass
	_, err := w.Write(append(append([]byte("data: "), v10.Marshal(record)...), "\n\n"...))
	return err == nil && control.Flush() == nil
}
