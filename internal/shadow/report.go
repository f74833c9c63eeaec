// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// Report is what was compared and found since the shadow was made. All numbers only grow.
type Report struct {
	StartedMs uint64 `json:"started_ms"` // another one says that the numbers began anew
	Counts
	Unfit      map[string]uint64 `json:"unfit"`      // requests that cannot be compared, by why
	Silent     map[string]uint64 `json:"silent"`     // of Unanswered, by side and reason, as in v11_timeout
	Endpoints  []Endpoint        `json:"endpoints"`  // those with reads
	Mismatches []Mismatch        `json:"mismatches"` // the most frequent first
	More       uint64            `json:"more"`       // differing fields of classes that are not listed
}

// Counts are of reads that can be compared.
type Counts struct {
	Offered    uint64 `json:"offered"`
	Sampled    uint64 `json:"sampled"`
	Dropped    uint64 `json:"dropped"` // of Sampled: the queue was full, or the headers too large
	Compared   uint64 `json:"compared"`
	Equal      uint64 `json:"equal"` // of Compared, as the three that follow
	Late       uint64 `json:"late"`
	Noise      uint64 `json:"noise"`
	Differs    uint64 `json:"differs"`
	Unanswered uint64 `json:"unanswered"` // of Sampled: one of the sides gave no answer
}

// Endpoint is the reads of one endpoint.
type Endpoint struct {
	Row string `json:"row"` // as in GET /api/v10/accounts/{id}
	Counts
}

// Mismatch is a class of differences: one field of one endpoint, and how it differs.
type Mismatch struct {
	Row     string       `json:"row"`
	Field   string       `json:"field"`
	Kind    v10diff.Kind `json:"kind"` // missing: the other side lacks it; extra: the home lacks it
	Count   uint64       `json:"count"`
	Example Example      `json:"example"`
}

// Example is the first difference of a class. Texts stand as how long they are, since they may name accounts.
type Example struct {
	AtMs  uint64 `json:"at_ms"`
	ID    string `json:"id"`
	Path  string `json:"path"`
	Side  string `json:"side"` // the home
	Home  string `json:"home"`
	Other string `json:"other"`
}
