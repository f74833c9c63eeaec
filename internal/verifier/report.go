// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/vouch"
)

// Domains of what is signed.
const (
	reportDomain = "aurigraph/verify-sync/report"
	planDomain   = "aurigraph/verify-sync/plan"
)

// ConfirmedShownMax bounds the findings in a report; all are counted.
const ConfirmedShownMax = 4000

// Report is what a run found.
type Report struct {
	ID          string    `json:"id"`
	Began       string    `json:"began"`
	Ended       string    `json:"ended"`
	Equal       bool      `json:"equal"`
	Rows        uint64    `json:"rows_compared"` // pairs
	Confirmed   []Finding `json:"confirmed"`
	Count       uint64    `json:"confirmed_count"`
	Kinds       []Count   `json:"confirmed_kinds"`
	Consistency float64   `json:"consistency"`
	MoneyEqual  bool      `json:"money_equal"` // nothing of what is confirmed is about money
	Maybe       uint64    `json:"maybe"`       // found once, and gone when it was looked at again
	Pairs       Pairs     `json:"pairs"`
	Notes       []string  `json:"notes"`
	Round       uint64    `json:"v10_round"`  // up to which V10's transactions were compared
	Height      uint64    `json:"v11_height"` // of V11's state
	Read        uint64    `json:"rows_read"`
	PerSecond   float64   `json:"rows_per_s"` // pairs, by the first pass alone
	Seconds     float64   `json:"seconds"`
}

const idLayout = "20060102T150405Z"

func newReport(first *Result, begin time.Time) *Report {
	r := &Report{ID: begin.UTC().Format(idLayout), Began: begin.UTC().Format(time.RFC3339), Confirmed: []Finding{}, Kinds: []Count{}, Notes: []string{}}
	r.fill(first)
	r.PerSecond = float64(first.Pairs.Total()) / max(first.Seconds, 1e-3)
	return r
}

// fill takes what a pass was about.
func (r *Report) fill(p *Result) {
	r.Pairs, r.Rows, r.Round, r.Height = p.Pairs, p.Pairs.Total(), p.Bounds.Round, p.Bounds.Height
	r.Read += p.Rows
	r.Notes = append([]string{}, p.Notes...)
}

// take takes what was found both times.
func (r *Report) take(first, second *Result) {
	both := Confirm(first.Findings, second.Findings)
	r.fill(second)
	kept := both.Kept()
	r.Confirmed = append([]Finding{}, kept[:min(len(kept), ConfirmedShownMax)]...)
	r.Kinds, r.Count = append([]Count{}, both.Counts()...), both.Total()
	r.Maybe = first.Findings.Total() - min(first.Findings.Total(), r.Count)
}

func (r *Report) end(now time.Time) {
	began, _ := time.Parse(time.RFC3339, r.Began)
	r.Ended, r.Seconds = now.UTC().Format(time.RFC3339), now.Sub(began).Seconds()
	r.Equal = r.Count == 0
	r.Consistency = 1
	if r.Rows > 0 {
		r.Consistency = max(0, 1-float64(r.Count)/float64(r.Rows))
	} else if r.Count > 0 {
		r.Consistency = 0
	}
	r.MoneyEqual = !slices.ContainsFunc(r.Kinds, func(c Count) bool { return aboutMoney(c.Kind) })
}

// aboutMoney reports whether a kind says that somebody has more or less than is his.
func aboutMoney(kind string) bool {
	parts := strings.Split(kind, "/")
	table, class := parts[1], parts[len(parts)-1]
	return table == TableBalances || strings.HasPrefix(class, "amount") || slices.Contains([]string{classSupply, classPayer, classPayee, classSwapped}, class) ||
		slices.Contains([]string{classMissing, classExtra, classDuplicated, classOutcome, classAsset, classKind}, class) &&
			slices.Contains([]string{TableTransactions, TableApplied, TableIndex, TableImported}, table)
}

// documentBytesMax bounds what is read back.
const documentBytesMax = 64 << 20

// readDocument reads a file and opens it.
func readDocument(domain, path string, into any) (vouch.Document, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return vouch.Document{}, fault.New(fault.NotFound, "there is no %s", path)
	}
	if err != nil {
		return vouch.Document{}, fault.Wrap(fault.Unavailable, err, "read a document of the verifier")
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, documentBytesMax+1))
	if err != nil || len(raw) > documentBytesMax {
		return vouch.Document{}, fault.Wrap(fault.Unavailable, errors.Join(err), "%s is longer than %d bytes, or cannot be read", path, documentBytesMax)
	}
	return vouch.Open(domain, raw, into)
}

// reportsKept is how many reports a folder keeps.
const reportsKept = 60

// SaveReport writes a report and its text beside each other, and lets the oldest go.
func SaveReport(dir string, r *Report, signer keys.Signer) error {
	raw, err := vouch.Sign(reportDomain, r, signer)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the folder of reports")
	}
	for name, text := range map[string][]byte{r.ID + ".json": raw, r.ID + ".md": r.Markdown()} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o640); err != nil {
			return fault.Wrap(fault.Unavailable, err, "write a report")
		}
	}
	ids, err := Reports(dir)
	for len(ids) > reportsKept && err == nil {
		err = errors.Join(os.Remove(filepath.Join(dir, ids[0]+".json")), os.Remove(filepath.Join(dir, ids[0]+".md")))
		ids = ids[1:]
	}
	return fault.Wrap(fault.Unavailable, err, "remove an old report")
}

// Reports lists the reports of a folder, the oldest first.
func Reports(dir string) (ids []string, err error) {
	all, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range all {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && len(id) == len(idLayout) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, fault.Wrap(fault.Unavailable, err, "list the reports")
}

// ReadReport reads a report of a folder, and who signed it.
func ReadReport(dir, id string) (r Report, signer string, err error) {
	if strings.ContainsAny(id, "/\\") || len(id) != len(idLayout) {
		return r, "", fault.New(fault.Invalid, "%q is no report: see `aurigraph verify-sync status`", id)
	}
	s, err := readDocument(reportDomain, filepath.Join(dir, id+".json"), &r)
	return r, s.Signer, err
}

// Markdown is the report for people.
func (r *Report) Markdown() []byte {
	var b bytes.Buffer
	word := "equal"
	if !r.Equal {
		word = fmt.Sprintf("NOT equal: %d differences are confirmed", r.Count)
	}
	fmt.Fprintf(&b, "# V10 and V11 are %s\n\nRun %s, %s to %s, %.1f s.\n\n", word, r.ID, r.Began, r.Ended, r.Seconds)
	fmt.Fprintf(&b, "| what | figure |\n|---|---|\n| consistency | %.6f %% |\n| money | %s |\n", 100*r.Consistency, map[bool]string{true: "equal", false: "NOT equal"}[r.MoneyEqual])
	fmt.Fprintf(&b, "| rows compared | %d |\n| transactions | %d |\n| balances | %d |\n| accounts and assets | %d |\n| rounds and blocks | %d |\n| rows that follow from others | %d |\n",
		r.Rows, r.Pairs.Transactions, r.Pairs.Balances, r.Pairs.Accounts, r.Pairs.Rounds, r.Pairs.Derived)
	fmt.Fprintf(&b, "| V10 up to round | %d |\n| V11 at height | %d |\n| found once, and gone when looked at again | %d |\n", r.Round, r.Height, r.Maybe)
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n- %s", n)
	}
	if len(r.Kinds) > 0 {
		b.WriteString("\n\n## What is confirmed\n\n| kind | how often |\n|---|---|\n")
		for _, k := range r.Kinds {
			fmt.Fprintf(&b, "| %s | %d |\n", k.Kind, k.Count)
		}
		b.WriteString("\n| kind | row | is to be | is |\n|---|---|---|---|\n")
		for i := range r.Confirmed {
			f := &r.Confirmed[i]
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Kind(), tableText(f.Key), tableText(f.Expected), tableText(f.Found))
		}
	}
	b.WriteString("\n")
	return b.Bytes()
}

// tableText is text that does not end its cell of a table.
func tableText(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(s)
}
