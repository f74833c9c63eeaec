// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/store"
)

// checkEvidence reads what the node keeps against others. Only the form is looked at: whether it convinces depends on who
// found it, and nothing of the history depends on it.
func (a *audit) checkEvidence() error {
	return store.EachEvidence(a.store, func(k store.EvidenceKey, record []byte) (err error) {
		if k.Kind == store.EvidenceHeaders {
			_, err = certify.DecodeEvidence(record)
		} else {
			_, err = spread.DecodeEvidence(record)
		}
		if err != nil {
			a.problem(a.cfg.Data("blocks"), fmt.Sprintf("evidence on validator %d, place %d", k.Validator, k.Place), "%v", err)
		}
		return nil
	})
}
