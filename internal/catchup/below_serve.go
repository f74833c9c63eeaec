// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/store"
)

// below gives headers, as many as fit a frame, down to the first that is not here.
func (s *Server) below(ctx context.Context, m AskBelow) Message {
	out, bytes := Below{Below: m.Below}, belowHeadBytes
	for h := m.Below - 1; h >= max(m.Least, 1) && len(out.Headers) < belowMax; h-- {
		raw, ok := s.anyHeader(h)
		if bytes += partHeadBytes + len(raw); !ok || bytes > FrameBytesMax {
			break
		}
		out.Headers = append(out.Headers, raw)
	}
	if len(out.Headers) == 0 {
		s.metrics.refused.WithLabelValues("unheld").Inc()
	}
	s.metrics.headers.Add(float64(len(out.Headers)))
	if err := s.pace.wait(ctx, bytes); err != nil {
		return nil
	}
	return out
}

// anyHeader is a header of the certified history, executed here or not.
func (s *Server) anyHeader(h chain.Height) ([]byte, bool) {
	raw, err := store.ReadAnyHeader(s.cfg.Store, h)
	if err != nil && !fault.Is(err, fault.NotFound) {
		s.cfg.Logger.Error("a header cannot be served", obs.KeyHeight, uint64(h), obs.Err(err))
	}
	return raw, err == nil
}
