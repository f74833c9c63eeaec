// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// HandoversMax bounds the handovers of one answer: one has at most 0.4 MB, with chain.ValidatorsMax members.
const HandoversMax = 16

// Handovers are proved handovers by which consecutive membership epochs began, and the present epoch.
type Handovers struct {
	Proved [][]byte
	Epoch  chain.Epoch
}

// Handovers lists the handovers to an epoch and those after it, in order, up to a limit. A node that is behind may know of
// later epochs than the one that it is in.
func (q *Query) Handovers(ctx context.Context, from chain.Epoch, limit int) (*Handovers, error) {
	if limit < 1 || limit > HandoversMax {
		return nil, fault.New(fault.Invalid, "limit: is %d, must be 1 to %d", limit, HandoversMax)
	}
	out := &Handovers{Epoch: q.status().Epoch}
	for e := max(from, chain.FirstHandover); len(out.Proved) < limit; e++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		proved, err := q.history.Handover(e)
		if fault.Is(err, fault.NotFound) {
			if e <= out.Epoch {
				return nil, fault.New(fault.Corrupt, "the handover to epoch %d is missing: run verify on this folder", e)
			}
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out.Proved = append(out.Proved, proved)
	}
	return out, nil
}
