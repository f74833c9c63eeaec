// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/vouch"
)

// The ways in which something is mended.
const (
	WayRebuildIndex = "rebuild_index" // the query index follows from V11's chain: it is built anew from there
	WayCopyHistory  = "copy_history"  // V10's history on V11 follows from V10: it is copied anew
	WayRestoreRow   = "restore_row"   // V10's row follows from others of V10's, or from V11's chain: a person writes it
	WayGovernance   = "governance"    // the ledgers themselves differ: people decide which is right
)

// Plan says how what was confirmed would be mended. The verifier itself changes nothing of a ledger.
type Plan struct {
	Report string `json:"report"`
	Steps  []Step `json:"steps"`
}

// Step mends all findings of one kind.
type Step struct {
	Way     string   `json:"way"`
	Kind    string   `json:"kind"`
	Count   uint64   `json:"count"`
	Rows    []string `json:"rows"` // as far as the report has them
	Command string   `json:"command"`
	Applies bool     `json:"applies"` // `verify-sync repair --apply` can do it
}

var ways = map[string]struct {
	command string
	applies bool
}{
	WayRebuildIndex: {"stop the validator that has the index, then: aurigraph verify-sync repair --plan FILE --apply; for PostgreSQL: DROP SCHEMA aurigraph CASCADE; then start it", true},
	WayCopyHistory:  {"stop whoever serves the copied history, remove imported.db (PostgreSQL: DROP SCHEMA aurigraph_imported CASCADE), then copy V10's history again; docs/initial-copy.md", false},
	WayRestoreRow:   {"stop V10, take its row from a checkpoint in which the round's hash is right, and check again; docs/runbooks/divergence.md", false},
	WayGovernance:   {"freeze the accounts' slots, find out which ledger is right, and correct by a signed payment; docs/runbooks/divergence.md", false},
}

// wayOf is how a kind is mended: by the table it is in.
func wayOf(f *Finding) string {
	switch f.Table {
	case TableIndex, TableIndexBlocks, TableIndexListed, TableIndexMeta:
		return WayRebuildIndex
	case TableImported, TableImportRounds, TableImportMeta:
		return WayCopyHistory
	}
	if f.Side == SideV10 && f.Table != TableBalances {
		return WayRestoreRow
	}
	return WayGovernance
}

// PlanOf makes the plan of a report.
func PlanOf(r *Report) *Plan {
	p := &Plan{Report: r.ID, Steps: []Step{}}
	for _, k := range r.Kinds {
		s := Step{Kind: k.Kind, Count: k.Count, Rows: []string{}}
		for i := range r.Confirmed {
			if f := &r.Confirmed[i]; f.Kind() == k.Kind {
				s.Way, s.Rows = wayOf(f), append(s.Rows, f.Key)
			}
		}
		if s.Way == "" { // none of it was kept
			s.Way = WayGovernance
		}
		s.Command, s.Applies = ways[s.Way].command, ways[s.Way].applies
		p.Steps = append(p.Steps, s)
	}
	return p
}

// SavePlan writes a plan into a new file.
func SavePlan(path string, p *Plan, signer keys.Signer) error {
	raw, err := vouch.Sign(planDomain, p, signer)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if errors.Is(err, os.ErrExist) {
		return fault.New(fault.Conflict, "%s exists: name a new file", path)
	}
	if err == nil {
		_, err = f.Write(raw)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	return fault.Wrap(fault.Unavailable, err, "write the plan")
}

// ReadPlan reads a plan. Refused: nobody signed it.
func ReadPlan(path string) (*Plan, string, error) {
	var p Plan
	s, err := readDocument(planDomain, path, &p)
	if err == nil && s.Signer == "" {
		err = fault.Reasoned(fault.Refused, "unsigned_plan", "%s is not signed: make it with --key", path)
	}
	return &p, s.Signer, err
}

// RebuildsIndex reports whether a step of the plan builds the index anew.
func (p *Plan) RebuildsIndex() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Way == WayRebuildIndex })
}

// SetIndexAside moves the folder of an index away, of which nobody may have it open: it is built anew from the chain at the next start.
func SetIndexAside(dir, id string) (aside string, err error) {
	aside = filepath.Clean(dir) + ".damaged-" + id
	if _, err := os.Stat(aside); err == nil {
		return aside, fault.New(fault.Conflict, "%s is there already", aside)
	}
	return aside, fault.Wrap(fault.Unavailable, os.Rename(dir, aside), "move the index away")
}
