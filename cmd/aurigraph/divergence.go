// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
)

// divergenceJSON is where a validator's history left the certified one.
type divergenceJSON struct {
	Height      chain.Height `json:"height"`
	Own         string       `json:"own_header"`
	Certified   string       `json:"certified_header"`
	Time        string       `json:"time"`
	Fields      []fieldJSON  `json:"fields"`
	StateHeight chain.Height `json:"state_height"`
	Pages       []pageJSON   `json:"pages"`
	Unknown     string       `json:"unknown,omitempty"`
	Summary     string       `json:"summary"`
}

type fieldJSON struct {
	Field     string `json:"field"`
	Own       string `json:"own"`
	Certified string `json:"certified"`
}

type pageJSON struct {
	Section     uint32 `json:"section"`
	Name        string `json:"name"`
	Page        uint64 `json:"page"`
	Pages       uint64 `json:"pages_that_differ"`
	Record      string `json:"record"`
	FirstRecord uint64 `json:"first_record"`
	LastRecord  uint64 `json:"last_record"`
}

func divergenceOf(d *client.Divergence) *divergenceJSON {
	if d == nil {
		return nil
	}
	j := &divergenceJSON{
		Height: d.Height, Own: d.Own, Certified: d.Certified, Time: time.UnixMicro(int64(d.TimeUs)).UTC().Format(time.RFC3339),
		Fields: []fieldJSON{}, StateHeight: d.StateHeight, Pages: []pageJSON{}, Unknown: d.Unknown, Summary: d.Summary,
	}
	for _, f := range d.Fields {
		j.Fields = append(j.Fields, fieldJSON(f))
	}
	for _, p := range d.Pages {
		j.Pages = append(j.Pages, pageJSON(p))
	}
	return j
}

// past says that a validator went on from a state above its divergence.
func (d *divergenceJSON) past(at chain.Height) string {
	if at < d.Height {
		return ""
	}
	return "it has gone on since; "
}

// divergenceTable has a line for each field of a header and each section of a state that differs.
func divergenceTable(list []validatorDetails, row func(...any)) {
	for _, v := range list {
		d := v.Divergence
		if d == nil {
			continue
		}
		row()
		row("DIVERGED", "WHAT", "OWN", "CERTIFIED")
		row(v.ID, fmt.Sprintf("header of height %d, %s", d.Height, d.Time), d.Own, d.Certified)
		for _, f := range d.Fields {
			row(v.ID, "its "+f.Field, f.Own, f.Certified)
		}
		for _, p := range d.Pages {
			row(v.ID, fmt.Sprintf("state of height %d: %s", d.StateHeight, p.Name),
				fmt.Sprintf("section %d, page %d first", p.Section, p.Page), fmt.Sprintf("%s %d to %d, pages that differ: %d", p.Record, p.FirstRecord, p.LastRecord, p.Pages))
		}
		if d.Unknown != "" {
			row(v.ID, d.Unknown)
		}
	}
}
