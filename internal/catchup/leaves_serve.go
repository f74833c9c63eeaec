// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/store"
)

// compared answers what a validator that diverged asks. Leaves lie in memory, but what leaves is held to the pace of pages
// all the same: such a peer shall not cost more than one that catches up.
func (s *Server) compared(ctx context.Context, m Message) Message {
	var answer Message
	at := chain.Height(0)
	switch m := m.(type) {
	case AskTable:
		at = m.At
		if kept, ok := s.kept(m.At); ok {
			answer = Table{m.At, kept.Rows}
		}
	case AskRootLeaves:
		at = m.At
		answer = s.rootLeaves(m)
	case AskHeader:
		at = m.Height
		answer = s.header(m.Height)
	}
	if answer == nil {
		s.metrics.refused.WithLabelValues("unheld").Inc()
		return Unheld{m.Kind(), at}
	}
	s.metrics.compared.Inc()
	if err := s.pace.wait(ctx, pages.PageBytes); err != nil {
		return nil
	}
	return answer
}

func (s *Server) kept(at chain.Height) (*pages.StateLeaves, bool) {
	if s.cfg.Leaves == nil {
		return nil, false
	}
	return s.cfg.Leaves(at)
}

// rootLeaves gives the leaves that were asked for, as far as the section goes; nil if there are none.
func (s *Server) rootLeaves(m AskRootLeaves) Message {
	kept, ok := s.kept(m.At)
	if !ok {
		return nil
	}
	_, leaves, ok := kept.Section(m.Section)
	if !ok || uint64(m.First)+uint64(m.Count) > uint64(len(leaves)) {
		return nil
	}
	return RootLeaves{m.At, m.Section, m.First, leaves[m.First : m.First+m.Count]}
}

// header gives a header that was published here; nil if none was.
func (s *Server) header(h chain.Height) Message {
	m := HeaderOf{Height: h}
	var err error
	if m.Header, err = store.ReadHeader(s.cfg.Store, h); err == nil {
		m.Certificate, err = store.ReadCertificate(s.cfg.Store, h)
	}
	if err == nil {
		return m
	}
	if !fault.Is(err, fault.NotFound) {
		s.cfg.Logger.Error("a header cannot be served", obs.KeyHeight, uint64(h), obs.Err(err))
	}
	return nil
}
