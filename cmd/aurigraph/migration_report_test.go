// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/report"
)

// begunJournal is that of a migration that copies.
func begunJournal() []migration.Entry {
	return []migration.Entry{
		{Seq: 1, AtMs: 1_795_000_000_000, By: "ada", Kind: migration.KindPlan, Text: migration.Example},
		{Seq: 2, AtMs: 1_795_000_060_000, By: "ada", Kind: migration.KindStart},
	}
}

// TestWriteReports writes for all to read, replaces what is a report, and nothing else unless it is told to.
func TestWriteReports(t *testing.T) {
	dir := t.TempDir()
	in := report.Input{Title: "one", Entries: begunJournal()}
	f := migrateReportFlags{html: filepath.Join(dir, "r.html"), markdown: filepath.Join(dir, "r.md")}
	var out bytes.Buffer
	a := &app{out: &out, err: io.Discard, json: true}
	for _, title := range []string{"one", "two"} {
		out.Reset()
		if in.Title = title; a.writeReports(&f, &in) != nil {
			t.Fatal(a.writeReports(&f, &in))
		}
		var said reportedJSON
		if err := json.Unmarshal(out.Bytes(), &said); err != nil || said != (reportedJSON{f.html, f.markdown, 2}) {
			t.Errorf("%s %v", out.Bytes(), err)
		}
		for _, path := range []string{f.html, f.markdown} {
			text, err := os.ReadFile(path)
			info, statErr := os.Stat(path)
			if err != nil || statErr != nil || !bytes.Contains(text, []byte(title)) || info.Mode().Perm() != 0o644 {
				t.Errorf("%s %v %v", path, err, info)
			}
		}
	}
	if err := os.WriteFile(f.markdown, []byte("# Notes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.Title = "three"
	if err := a.writeReports(&f, &in); !fault.Is(err, fault.Conflict) {
		t.Errorf("notes are replaced: %v", err)
	}
	if text, err := os.ReadFile(f.html); err != nil || bytes.Contains(text, []byte("three")) {
		t.Errorf("one file is written although the other is refused: %v", err)
	}
	f.force = true
	if err := a.writeReports(&f, &in); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v %v", left, err)
	}
}

// TestReportToStdout prints the Markdown where no file is named.
func TestReportToStdout(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, err: io.Discard}
	if err := a.writeReports(&migrateReportFlags{}, &report.Input{Title: "pair", Entries: begunJournal()}); err != nil || !report.Is(out.Bytes()) {
		t.Errorf("%v %s", err, out.Bytes())
	}
	r := cli(t, "migrate", "report", "--cost-v10", "3")
	if r.code != exitRefused {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// TestPlanShown shows a file without a network, and refuses one that cannot be followed; with a journal it tells how far it is.
func TestPlanShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan.yaml")
	for _, c := range []struct {
		text string
		code int
		says string
	}{
		{migration.Example, exitDone, "[ ] canary"},
		{"drills: {count: -1}", exitRefused, "drills.count"},
		{"drill: 3", exitRefused, "drill"},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := cli(t, "migrate", "plan", "--file", file); r.code != c.code || !strings.Contains(r.out+r.err, c.says) {
			t.Errorf("%.20q: exit %d, %s %s", c.text, r.code, r.out, r.err)
		}
	}
	if r := cli(t, "migrate", "plan", "--file", file+".none"); r.code != exitRefused {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	j, err := planOf(migration.Example, &planJSON{Seq: 1, By: "ada", AtMs: 1_795_000_000_000, Next: "wait: the initial copy is under way"}, begunJournal())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&app{out: &out}).print(j, j.table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[x] plan", "took 1 min", "[>] copy", "since 2026-11-18 11:07:40", "[ ] sync", "wait: the initial copy"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
