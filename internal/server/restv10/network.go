// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"slices"

	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Words of V10 for nodes.
const (
	typeValidator    = "VALIDATOR"
	wordRunning      = "running"
	wordSyncing      = "syncing"
	wordConnected    = "CONNECTED"
	wordDisconnected = "DISCONNECTED"
	channelCount     = 1
)

// nodesOf are the validators as this node sees them. Versions of others are not told.
func (s *Server) nodesOf(st *query.Status) []v10.Node {
	out := make([]v10.Node, len(st.Validators))
	for i := range st.Validators {
		m := &st.Validators[i]
		n := &out[i]
		*n = v10.Node{ID: m.Name, Type: typeValidator, Status: wordRunning}
		if m.No == st.Validator {
			n.Height, n.Version = uint64(st.Height), st.Version
			if st.State == query.StateCatchingUp || st.State == query.StateStarting {
				n.Status = wordSyncing
			}
			continue
		}
		if int(m.No) < len(st.Signed) {
			n.Height = uint64(st.Signed[m.No].Height)
		}
		p := peerOf(st, m.No)
		if p == nil || !p.Connected {
			n.Status = wordUnreachable
			continue
		}
		n.LatencyMs = milliseconds(p.RoundTrip)
		if p.NeedsState {
			n.Status = wordSyncing
		}
	}
	return out
}

func (s *Server) nodes(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	list := s.nodesOf(st)
	return v10.NodeList{Nodes: list, Total: len(list)}, nil
}

func (s *Server) node(ctx context.Context, q *request) (any, error) {
	id, err := q.text("id")
	if err != nil {
		return nil, err
	}
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	list := s.nodesOf(st)
	i := slices.IndexFunc(list, func(n v10.Node) bool { return n.ID == id })
	if i < 0 {
		return nil, notFound(v10.TextNoNode)
	}
	return list[i], nil
}

func (s *Server) mainChannel(st *query.Status) v10.Channel {
	c := v10.Channel{
		ID: v10.ChannelMain, Name: st.Network, Status: wordActive, Validators: len(st.Validators), Nodes: len(st.Validators),
		Transactions: st.Legs, BlockHeight: uint64(st.Height),
	}
	if !orders(st) {
		c.Status = wordStalled
	}
	return c
}

func (s *Server) channels(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return v10.ChannelList{Channels: []v10.Channel{s.mainChannel(st)}, Total: channelCount}, nil
}

func (s *Server) channel(ctx context.Context, q *request) (any, error) {
	if q.params.Get("id") != v10.ChannelMain {
		return nil, notFound(v10.TextNoChannel)
	}
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return s.mainChannel(st), nil
}

// topology is who is connected with this node.
func (s *Server) topology(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	t := v10.Topology{}
	for _, n := range s.nodesOf(st) {
		t.Nodes = append(t.Nodes, v10.TopologyNode{ID: n.ID, Type: n.Type, Status: n.Status})
	}
	for i := range st.Peers {
		p := &st.Peers[i]
		t.Links = append(t.Links, v10.TopologyLink{
			From: memberName(st, st.Validator), To: memberName(st, p.Number), Status: linkWord(p), LatencyMs: milliseconds(p.RoundTrip),
		})
	}
	t.Total = len(t.Nodes)
	return t, nil
}

func linkWord(p *query.Peer) string {
	if p.Connected {
		return wordConnected
	}
	return wordDisconnected
}
