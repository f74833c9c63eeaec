// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// The network of a single node, in V10's words.
const (
	algorithm    = "single-node"
	active       = "active"
	running      = "running"
	roleLeader   = "leader"
	typeNode     = "VALIDATOR"
	validators   = 1
	channelCount = 1
)

func (s *Server) consensus(*call) (any, error) {
	return v10.Consensus{
		Algorithm: algorithm, Status: active, Validators: validators, Leader: s.ledger.Leader(), Round: s.ledger.Totals().Round,
		Finality: seconds(s.load.mean()),
	}, nil
}

func (s *Server) consensusState(*call) (any, error) {
	t := s.ledger.Totals()
	return v10.ConsensusState{
		State: roleLeader, Leader: s.ledger.Leader(), Round: t.Round, Height: t.Round, Validators: validators, Quorum: 1,
		Timestamp: v10.Time(t.Ms),
	}, nil
}

func (s *Server) validators(*call) (any, error) {
	t := s.ledger.Totals()
	// A round is written with the one vote that it takes: as many signatures as rounds of the newest list.
	signed := int(min(t.Round+1, v10.BlocksDefault))
	return v10.ValidatorList{Validators: []v10.ConsensusValidator{{
		ID: s.ledger.Leader(), Status: active, IsLeader: true, Stake: 1, Signatures: signed, LastHeight: t.Round,
	}}, Total: 1}, nil
}

func (s *Server) rounds(c *call) (any, error) {
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q, v10.BlocksDefault)
	if err != nil {
		return nil, err
	}
	found, err := s.ledger.Rounds(0, limit)
	list := v10.RoundList{Rounds: make([]v10.Round, len(found)), Total: len(found)}
	for i, r := range found {
		list.Rounds[i] = v10.Round{
			Round: r.Number, Leader: r.Leader, Votes: len(r.Votes), BlockHash: r.Hash.String(), Transactions: uint64(r.Transactions),
			Status: "committed", Timestamp: v10.Time(r.Ms),
		}
	}
	return list, err
}

func (s *Server) leader(*call) (any, error) {
	return v10.Leader{Leader: s.ledger.Leader(), Round: s.ledger.Totals().Round}, nil
}

func (s *Server) votes(c *call) (any, error) {
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q, v10.BlocksDefault)
	if err != nil {
		return nil, err
	}
	found, err := s.ledger.Rounds(0, limit)
	list := v10.VoteList{Votes: []v10.Vote{}}
	for _, r := range found {
		for _, voter := range r.Votes {
			if len(list.Votes) < limit {
				list.Votes = append(list.Votes, v10.Vote{Round: r.Number, Validator: voter, Approve: true, Stake: 1, Timestamp: v10.Time(r.Ms)})
			}
		}
	}
	list.Total = len(list.Votes)
	return list, err
}

func (s *Server) self() v10.Node {
	return v10.Node{ID: s.ledger.Leader(), Type: typeNode, Status: running, Height: s.ledger.Totals().Round, Version: s.cfg.Version}
}

func (s *Server) nodes(*call) (any, error) {
	return v10.NodeList{Nodes: []v10.Node{s.self()}, Total: 1}, nil
}

func (s *Server) node(c *call) (any, error) {
	if c.params.Get("id") != s.ledger.Leader() {
		return nil, fault.New(fault.NotFound, v10.TextNoNode)
	}
	return s.self(), nil
}

func (s *Server) main() v10.Channel {
	t := s.ledger.Totals()
	return v10.Channel{
		ID: v10.ChannelMain, Name: v10.ChannelMain, Status: active, Validators: validators, Nodes: 1, Transactions: t.Transactions,
		BlockHeight: t.Round,
	}
}

func (s *Server) channels(*call) (any, error) {
	return v10.ChannelList{Channels: []v10.Channel{s.main()}, Total: channelCount}, nil
}

func (s *Server) channel(c *call) (any, error) {
	if c.params.Get("id") != v10.ChannelMain {
		return nil, fault.New(fault.NotFound, v10.TextNoChannel)
	}
	return s.main(), nil
}

func (s *Server) topology(*call) (any, error) {
	return v10.Topology{
		Nodes: []v10.TopologyNode{{ID: s.ledger.Leader(), Type: typeNode, Status: running}}, Links: []v10.TopologyLink{}, Total: 1,
	}, nil
}
