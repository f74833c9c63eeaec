// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// Verdicts of a whole migration.
const (
	Pass = "PASS"
	Fail = "FAIL"
)

// Bounds of a report.
const (
	EntriesMax = 100_000
	FiguresMax = 200
	costMax    = 1e12
)

// Input is what a report is made of.
type Input struct {
	Title   string
	MadeAt  time.Time
	Entries []migration.Entry // from the first on
	Windows []journal.Window  // in order
	Figures []Figure
	Verdict string // Pass or Fail; empty: nobody gave one
	Costs   *Costs // nil: nobody asks
}

// Figure is a line of the table at the top.
type Figure struct {
	Name  string
	Value string
	Want  string // empty: there is nothing that it must be, and OK says nothing
	OK    bool
}

// Costs are the operator's own numbers.
type Costs struct {
	V10       float64 // a month
	V11       float64 // a month
	Currency  string
	WorkHours float64 // that the migration took; 0: nobody counted
}

func (in *Input) check() error {
	switch {
	case len(in.Entries) > EntriesMax || len(in.Windows) > journal.WindowsMax || len(in.Figures) > FiguresMax:
		return fault.New(fault.Invalid, "a report of %d entries, %d windows and %d figures: at most %d, %d and %d",
			len(in.Entries), len(in.Windows), len(in.Figures), EntriesMax, journal.WindowsMax, FiguresMax)
	case in.Verdict != "" && in.Verdict != Pass && in.Verdict != Fail:
		return fault.New(fault.Invalid, "the verdict %.20q: it is %s, %s or none", in.Verdict, Pass, Fail)
	}
	if in.Costs == nil {
		return nil
	}
	return in.Costs.Check()
}

// Check says whether costs can be counted with.
func (c *Costs) Check() error {
	for _, v := range []float64{c.V10, c.V11, c.WorkHours} {
		if math.IsNaN(v) || v < 0 || v > costMax {
			return fault.New(fault.Invalid, "costs and hours are 0 to %.0f, not %g", costMax, v)
		}
	}
	if n := len(c.Currency); n == 0 || n > 8 {
		return fault.New(fault.Invalid, "the currency has %d letters, must have 1 to 8", n)
	}
	return nil
}
