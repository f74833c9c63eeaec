// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// check is one thing that the server finds out about itself: "" is good.
type check struct {
	name string
	warn bool // what is found is a warning
	run  func(*query.Status, []*query.Block) string
}

var checks = []check{
	{"writer", false, func(st *query.Status, _ []*query.Block) string { return st.HaltedReason }},
	{"consensus", true, func(st *query.Status, _ []*query.Block) string {
		if !st.Order.HasLeader {
			return "there is no leader at the moment"
		}
		return ""
	}},
	{"chain", false, checkLinks},
	{"certificates", false, checkCertificates},
}

// checkLinks checks that the newest blocks hash to what they are called, and lead to each other.
func checkLinks(_ *query.Status, blocks []*query.Block) string {
	for i, b := range blocks {
		if codec.Sum(b.HeaderBytes) != b.Hash {
			return "a block does not hash to its name"
		}
		if i > 0 && blocks[i-1].Header.Previous != b.Hash {
			return "a block does not follow the one before it"
		}
	}
	return ""
}

// checkCertificates checks that a quorum stands under each; whether the signatures are good is what clients of the SDK check.
func checkCertificates(st *query.Status, blocks []*query.Block) string {
	for _, b := range blocks {
		if b.Header.Epoch != st.Epoch {
			break // its members were others
		}
		if n := len(signaturesOf(b)); n > 0 && n < chain.Quorum(len(st.Validators)) {
			return "a certificate has fewer signatures than a quorum"
		}
	}
	return ""
}

func (s *Server) validation(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	blocks, _, err := s.recentBlocks(ctx, chain.Height(1)<<62, v10.BlocksDefault)
	if err != nil {
		return nil, err
	}
	v := v10.Validation{Timestamp: s.now(), Environment: s.cfg.Environment}
	for _, c := range checks {
		r := v10.ValidationResult{Name: c.name, Status: "PASS", Message: "ok"}
		switch found := c.run(st, blocks); {
		case found == "":
			v.Summary.Passed++
		case c.warn:
			r.Status, r.Message = "WARN", found
			v.Summary.Warnings++
		default:
			r.Status, r.Message = "FAIL", found
			v.Summary.Failed++
		}
		v.Results = append(v.Results, r)
	}
	v.Summary.Total = len(v.Results)
	return v, nil
}
