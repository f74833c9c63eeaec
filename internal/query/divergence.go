// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Divergence is where a node's history left the one that a quorum certified. Hashes are hex, as people compare them.
type Divergence struct {
	Height    chain.Height `json:"height"` // lowest one whose executed header is known to differ
	Own       string       `json:"own_header"`
	Certified string       `json:"certified_header"`
	TimeUs    uint64       `json:"time_us"` // when this node found out, by its clock
	// Fields are what differs in the header, in its order; the first ones, if they are many.
	Fields []FieldDifference `json:"fields"`
	// StateHeight is the height whose states were compared; 0: none were.
	StateHeight chain.Height `json:"state_height"`
	// Pages are the first differing page of each section of the state that differs, ascending; the first sections, if they
	// are many.
	Pages []PageDifference `json:"pages"`
	// Unknown says why not all of it is known; empty if it is.
	Unknown string `json:"unknown,omitempty"`
}

// FieldDifference is a field of an executed header that differs.
type FieldDifference struct {
	Field     string `json:"field"`
	Own       string `json:"own"`
	Certified string `json:"certified"`
}

// PageDifference is the first page of a section that differs.
type PageDifference struct {
	Section     uint32 `json:"section"`
	Name        string `json:"name"` // what the section holds
	Page        uint64 `json:"page"`
	Pages       uint64 `json:"pages_that_differ"`
	Record      string `json:"record"` // by what the section's records are numbered
	FirstRecord uint64 `json:"first_record"`
	LastRecord  uint64 `json:"last_record"`
}

// String says in one line what is known.
func (d *Divergence) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the header of height %d differs", d.Height)
	if len(d.Fields) > 0 {
		fmt.Fprintf(&b, " in its %s", d.Fields[0].Field)
	}
	switch {
	case d.StateHeight > 0 && len(d.Pages) == 0:
		fmt.Fprintf(&b, "; the state of height %d does not", d.StateHeight)
	case len(d.Pages) > 0:
		p := &d.Pages[0]
		fmt.Fprintf(&b, "; the state of height %d differs first in page %d of section %d, %s (%s %d to %d)",
			d.StateHeight, p.Page, p.Section, p.Name, p.Record, p.FirstRecord, p.LastRecord)
	}
	if d.Unknown != "" {
		b.WriteString("; " + d.Unknown)
	}
	return b.String()
}
