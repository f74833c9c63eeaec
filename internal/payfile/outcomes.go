// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Report sums a finished import up.
type Report struct {
	Lines       int
	OK          int
	Outcomes    []Count // by outcome, those that occur
	Resumed     bool    // an earlier run began it
	SignedAgain int     // payments whose first bytes could not execute any more, in this run
	Path        string  // of the outcomes file
}

// Count is how many payments have an outcome.
type Count struct {
	Outcome chain.Outcome
	Lines   int
}

// report writes the outcomes file: line, outcome, height, and the id of the leg or transaction.
func (r *runner) report() (*Report, error) {
	fates := r.j.fates()
	out := &Report{Lines: len(fates), Resumed: r.j.resumed, SignedAgain: r.again, Path: r.j.name + ".outcomes.csv"}
	text := append(make([]byte, 0, 100*(len(fates)+1)), "line,outcome,height,id\n"...)
	var counts [256]int
	for i, f := range fates {
		counts[f.outcome]++
		text = strconv.AppendInt(text, int64(r.plan.file.Lines[i].No), 10)
		text = append(append(append(text, ','), f.outcome.String()...), ',')
		text = strconv.AppendUint(text, uint64(f.height), 10)
		text = append(append(append(text, ','), f.id.String()...), '\n')
	}
	for o, n := range counts {
		if n > 0 {
			out.Outcomes = append(out.Outcomes, Count{chain.Outcome(o), n})
		}
	}
	out.OK = counts[chain.OK]
	return out, r.j.disk.WriteFile(out.Path, text)
}
