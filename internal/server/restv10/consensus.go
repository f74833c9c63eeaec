// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"encoding/hex"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Words of V10 for conditions.
const (
	wordActive      = "active"
	wordStalled     = "stalled"
	wordUnreachable = "unreachable"
	wordCommitted   = "committed"
	stake           = 1 // of every member: one vote each
)

func (s *Server) consensus(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	c := v10.Consensus{
		Algorithm: st.Engine, Status: wordStalled, Validators: len(st.Validators), Leader: leaderOf(st), Round: uint64(st.Height),
		Finality: seconds(s.figures().mean),
	}
	if orders(st) {
		c.Status = wordActive
	}
	return c, nil
}

// orders reports whether blocks are decided, as far as the node knows.
func orders(st *query.Status) bool { return st.Order.HasLeader && !st.Halted }

// seconds writes ms as V10 writes spans of time, such as 0.012s.
func seconds(ms float64) string { return strconv.FormatFloat(ms/1000, 'f', 3, 64) + "s" }

// leaderOf is the leader's name, empty while there is none.
func leaderOf(st *query.Status) string {
	if !st.Order.HasLeader {
		return ""
	}
	return memberName(st, st.Order.Leader)
}

func memberName(st *query.Status, no chain.ValidatorNo) string {
	for i := range st.Validators {
		if st.Validators[i].No == no {
			return st.Validators[i].Name
		}
	}
	return "validator " + strconv.Itoa(int(no))
}

func (s *Server) consensusState(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := v10.ConsensusState{
		State: string(st.State), Term: st.Order.Term, Leader: leaderOf(st), Round: uint64(st.Height), Height: uint64(st.Order.Decided),
		Validators: len(st.Validators), Quorum: chain.Quorum(len(st.Validators)), Timestamp: v10.Time(st.TimeUs / 1000),
	}
	if !st.StateRoot.IsZero() {
		out.StateRoot = hexHash(st.StateRoot)
	}
	return out, nil
}

func (s *Server) leader(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return v10.Leader{Leader: leaderOf(st), Term: st.Order.Term, Round: uint64(st.Height)}, nil
}

func (s *Server) validators(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	list := v10.ValidatorList{Validators: make([]v10.ConsensusValidator, len(st.Validators)), Total: len(st.Validators)}
	for i := range st.Validators {
		m := &st.Validators[i]
		v := &list.Validators[i]
		*v = v10.ConsensusValidator{
			ID: m.Name, Status: wordActive, IsLeader: leads(st, m.No), Stake: stake, PublicKey: hex.EncodeToString(m.Ed25519),
		}
		if !reachable(st, m.No) {
			v.Status = wordUnreachable
		}
		if int(m.No) < len(st.Signed) {
			v.Signatures, v.LastHeight = st.Signed[m.No].Signatures, uint64(st.Signed[m.No].Height)
		}
	}
	return list, nil
}

func leads(st *query.Status, no chain.ValidatorNo) bool {
	return st.Order.HasLeader && st.Order.Leader == no
}

// reachable reports whether a validator is this one, or connected to it.
func reachable(st *query.Status, no chain.ValidatorNo) bool {
	if no == st.Validator {
		return true
	}
	p := peerOf(st, no)
	return p != nil && p.Connected
}

func peerOf(st *query.Status, no chain.ValidatorNo) *query.Peer {
	for i := range st.Peers {
		if st.Peers[i].Number == no {
			return &st.Peers[i]
		}
	}
	return nil
}

// rounds lists committed rounds: a round is a block.
func (s *Server) rounds(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit(v10.BlocksDefault)
	if err != nil {
		return nil, err
	}
	found, _, err := s.recentBlocks(ctx, chain.Height(1)<<62, limit)
	if err != nil {
		return nil, err
	}
	list := v10.RoundList{Rounds: make([]v10.Round, len(found)), Total: len(found)}
	for i := range found {
		b := blockOf(found[i])
		list.Rounds[i] = v10.Round{
			Round: b.Height, Leader: b.Validator, Votes: b.Signatures, BlockHash: b.Hash, Transactions: b.TransactionCount, Status: wordCommitted,
			Timestamp: b.Timestamp,
		}
	}
	return list, nil
}

// votes lists the signatures under the newest certificates.
func (s *Server) votes(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit(v10.BlocksDefault)
	if err != nil {
		return nil, err
	}
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	found, _, err := s.recentBlocks(ctx, chain.Height(1)<<62, limit)
	if err != nil {
		return nil, err
	}
	list := v10.VoteList{Votes: make([]v10.Vote, 0, limit)}
	for _, b := range found {
		for _, sig := range signaturesOf(b) {
			if len(list.Votes) < limit {
				list.Votes = append(list.Votes, v10.Vote{
					Round: uint64(b.Header.Height), Validator: memberName(st, sig.Validator), Approve: true, Stake: stake,
					Timestamp: v10.Time(b.Header.TimeUs / 1000),
				})
			}
		}
	}
	list.Total = len(list.Votes)
	return list, nil
}
