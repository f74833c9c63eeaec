// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// realtime sends a record at once and then one every v10.RealtimeIntervalMs, until the client goes, the server drains, or the
// row's deadline ends it: an EventSource comes back by itself. Who does not take a record in time is cut off.
func (s *Server) realtime(c *call, w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", c.row.Content)
	h.Set("Cache-Control", "no-cache")
	if c.Method == http.MethodHead {
		return nil
	}
	tick := time.NewTicker(v10.RealtimeIntervalMs * time.Millisecond)
	defer tick.Stop()
	for {
		if !s.sendRecord(w, control) {
			return nil
		}
		select {
		case <-c.Context().Done():
			return nil
		case <-s.drained:
			return nil
		case <-tick.C:
		}
	}
}

func (s *Server) sendRecord(w http.ResponseWriter, control *http.ResponseController) bool {
	r := v10.RealtimeRecord{
		Timestamp: s.now(), TPS: s.ledger.PerSecond(), Latency: milliseconds(s.load.mean()), Validators: validators, Channels: channelCount,
	}
	_ = control.SetWriteDeadline(time.Now().Add(lineTimeout))
	_, err := w.Write(append(append([]byte("data: "), v10.Marshal(r)...), "\n\n"...))
	return err == nil && control.Flush() == nil
}

// limits is every bound of this server, with its unit.
func (s *Server) limits(*call) (any, error) {
	all := []v10.Limit{
		{Name: "body_bytes_max", Value: v10.BodyBytesMax, Unit: "bytes"},
		{Name: "batch_bytes_max", Value: v10.BatchBytesMax, Unit: "bytes"},
		{Name: "batch_transactions_max", Value: v10.BatchItemsMax, Unit: "transactions"},
		{Name: "line_bytes_max", Value: v10.LineBytesMax, Unit: "bytes"},
		{Name: "stream_lines_max", Value: v10.StreamLinesMax, Unit: "lines"},
		{Name: "streams_max", Value: streamsMax, Unit: "streams"},
		{Name: "list_max", Value: v10.ListMax, Unit: "items"},
		{Name: "name_bytes_max", Value: v10.NameBytesMax, Unit: "bytes"},
		{Name: "header_bytes_max", Value: headerBytesMax, Unit: "bytes"},
		{Name: "connections_max", Value: connectionsMax, Unit: "connections"},
		{Name: "requests_queued_max", Value: ledger.SubmissionsQueuedMax, Unit: "requests"},
		{Name: "idempotency_keys_max", Value: ledger.KeysMax, Unit: "keys"},
		{Name: "idempotency_key_life", Value: ledger.KeyLifeMs / 1000, Unit: "seconds"},
		{Name: "vizor_names_max", Value: v10.VizorNamesMax, Unit: "metrics"},
		{Name: "vizor_samples_max", Value: v10.VizorSamplesMax, Unit: "samples"},
		{Name: "api_keys_max", Value: apiKeysMax, Unit: "keys"},
	}
	return v10.LimitList{Limits: all, Total: len(all)}, nil
}
