// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/exec"
)

// sameHeader compares what came out with what was certified.
func (r *replayer) sameHeader(ex *exec.Executed, raw []byte) bool {
	if bytes.Equal(raw, ex.HeaderBytes) {
		return true
	}
	r.stop(ex.Header.Height, "executed again, the header is %s, stored is %s: %s", ex.Hash, codec.Sum(raw), headerDifference(ex.Header, raw))
	return false
}

// headerDifference names the first field in which headers differ.
func headerDifference(want *chain.ExecutedHeader, raw []byte) string {
	have, err := codec.DecodeHeader(raw)
	if err != nil {
		return err.Error()
	}
	switch {
	case have.Previous != want.Previous:
		return "previous header"
	case have.Proposal != want.Proposal || have.TimeUs != want.TimeUs:
		return "proposal"
	case have.Next != want.Next:
		return "next membership"
	case have.RootAt != want.RootAt || have.StateRoot != want.StateRoot:
		return fmt.Sprintf("state root %s of height %d, stored %s of %d", want.StateRoot, want.RootAt, have.StateRoot, have.RootAt)
	}
	for i := range min(len(have.Batches), len(want.Batches)) {
		if have.Batches[i] != want.Batches[i] {
			return fmt.Sprintf("result of batch %d", i)
		}
	}
	return "number of batches, chain or epoch"
}
