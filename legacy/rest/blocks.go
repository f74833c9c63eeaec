// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"strconv"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func blockOf(r *ledger.Round) v10.Block {
	return v10.Block{
		Height: r.Number, Hash: r.Hash.String(), PreviousHash: r.Previous.String(), Timestamp: v10.Time(r.Ms), Validator: r.Leader,
		TransactionCount: uint64(r.Transactions), Signatures: len(r.Votes),
	}
}

func (s *Server) blockList(before uint64, limit int) (any, error) {
	rounds, err := s.ledger.Rounds(before, limit)
	list := v10.BlockList{Blocks: make([]v10.Block, len(rounds)), Total: len(rounds)}
	for i := range rounds {
		list.Blocks[i] = blockOf(&rounds[i])
	}
	return list, err
}

func (s *Server) blocks(c *call) (any, error) {
	q, err := c.queryOf()
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q, v10.BlocksDefault)
	if err != nil {
		return nil, err
	}
	var before uint64
	if text := q.Get("before"); text != "" {
		if before, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, fault.Reasoned(fault.Invalid, "query_before", "before must be a height")
		}
		if before == 0 {
			return v10.BlockList{Blocks: []v10.Block{}}, nil
		}
	}
	return s.blockList(before, limit)
}

func (s *Server) chain(*call) (any, error) { return s.blockList(0, v10.BlocksDefault) }

func (s *Server) latestBlock(*call) (any, error) {
	r, err := s.ledger.Round(s.ledger.Totals().Round)
	return blockOf(&r), err
}

func (s *Server) block(c *call) (any, error) {
	height, err := heightOf(c)
	if err != nil {
		return nil, err
	}
	r, err := s.ledger.Round(height)
	return blockOf(&r), err
}

// heightOf is the {height} of a path.
func heightOf(c *call) (uint64, error) {
	height, err := strconv.ParseUint(c.params.Get("height"), 10, 64)
	if err != nil {
		return 0, fault.Reasoned(fault.Invalid, "height_malformed", "height must be a number")
	}
	return height, nil
}

func (s *Server) blockByHash(c *call) (any, error) {
	var h ledger.Hash
	if err := h.UnmarshalText([]byte(c.params.Get("hash"))); err != nil {
		return nil, fault.Reasoned(fault.Invalid, "hash_malformed", "hash must be 0x and 64 hex digits")
	}
	r, err := s.ledger.RoundByHash(h)
	return blockOf(&r), err
}
