// SPDX-License-Identifier: Apache-2.0

package damage

import "slices"

// Found is a finding of the verifier's, as far as it is judged.
type Found struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
}

// Verdict is what a run of the verifier made of what was planted.
type Verdict struct {
	Named       []string `json:"named"`       // damages that were found as what they are
	Unnamed     []string `json:"unnamed"`     // the others
	Unexplained []Found  `json:"unexplained"` // findings that no damage explains
}

// Judge compares what was confirmed with what was planted.
func Judge(planted []Planted, confirmed []Found) (v Verdict) {
	for i := range planted {
		d := &planted[i]
		if slices.ContainsFunc(confirmed, func(f Found) bool { return d.Names(f.Kind, f.Key) }) {
			v.Named = append(v.Named, d.ID)
		} else {
			v.Unnamed = append(v.Unnamed, d.ID)
		}
	}
	for _, f := range confirmed {
		if !slices.ContainsFunc(planted, func(d Planted) bool { return d.Explains(f.Kind, f.Key) }) {
			v.Unexplained = append(v.Unexplained, f)
		}
	}
	return v
}
