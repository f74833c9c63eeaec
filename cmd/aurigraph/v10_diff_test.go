// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/testkit"
	"github.com/aurigraph/aurigraph/internal/v10diff"
	"github.com/aurigraph/aurigraph/legacy"
)

// TestV10Diff compares two served ledgers: all is explained; and with a rule's help a ledger with something that is no ledger.
func TestV10Diff(t *testing.T) {
	dir := t.TempDir()
	a, b := startV10(t, filepath.Join(dir, "a"), legacy.EnginePebble), startV10(t, filepath.Join(dir, "b"), legacy.EnginePebble)
	defer a.kill(t)
	defer b.kill(t)
	corpus := filepath.Join(dir, "corpus.jsonl")
	want(t, exitDone, "v10", "diff", "--write-corpus", corpus)
	want(t, exitRefused, "v10", "diff", "--write-corpus", corpus)
	report := answer(t, exitDone, "v10", "diff", "--a", a.url, "--b", b.url, "--replay", corpus)
	if report["differ"] != 0.0 || report["compared"] != report["requests"] || report["share"].(float64) < 0.5 {
		t.Error(report)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write([]byte(`{"status":"up"}`))
	}))
	defer other.Close()
	short := write(t, filepath.Join(dir, "short.jsonl"), `{"path":"/api/v10/health"}`)
	r := want(t, exitFailed, "v10", "diff", "--a", a.url, "--b", other.URL, "--replay", short)
	if !strings.Contains(r.out, `a "UP"`) || !strings.Contains(r.out, `b "up"`) || !strings.Contains(r.out, "NOT OK: ") {
		t.Error(r.out)
	}
	rules := write(t, filepath.Join(dir, "rules.yaml"), "rules: [{paths: [status, '@header.*'], do: ignore, why: a test}]")
	want(t, exitDone, "v10", "diff", "--a", a.url, "--b", other.URL, "--replay", short, "--rules", rules)
}

func TestV10DiffUsage(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, filepath.Join(dir, "bad"), "nonsense")
	for line, text := range map[string]string{
		"": "name both servers", "--a http://127.0.0.1:1": "name both servers",
		"--a http://127.0.0.1:1 --b x":                           "no address of a server",
		"--a http://x --b http://y --replay " + dir + "/none":    "open --replay",
		"--a http://x --b http://y --replay " + bad:              "line 1",
		"--a http://x --b http://y --rules " + bad:               "read the rules",
		"--a http://x --b http://y --api-key-a " + dir + "/none": "read the API key",
	} {
		r := cli(t, append([]string{"v10", "diff"}, strings.Fields(line)...)...)
		if r.code != exitRefused || !strings.Contains(r.err, text) {
			t.Errorf("%s: exit %d, %s", line, r.code, r.err)
		}
	}
	if r := cli(t, "v10", "diff", "--a", "http://127.0.0.1:1", "--b", "http://127.0.0.1:1"); r.code != exitFailed || !strings.Contains(r.err, "does a server run there") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}

// TestV10DiffTable shows a report as people see it.
func TestV10DiffTable(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	a := &app{out: out, err: out}
	r := &v10diff.Report{
		Requests: 5, Compared: 4, Fields: 40, ByValue: 30, ByForm: 5, Ignored: 2, Noisy: 1, Differ: 2, Share: 0.8, Seconds: 1.25,
		Skipped:     []v10diff.Skip{{Why: "neither answered", Count: 1, Example: "GET /x"}},
		Noise:       []v10diff.FieldNoise{{Row: "GET /health", Field: "uptime", Count: 1}},
		Explained:   []v10diff.RuleUse{{Do: v10diff.Form, Why: "measured", Count: 1}, {Do: v10diff.Form, Why: "chains", Count: 2}, {Do: v10diff.Form, Why: "measured", Count: 3}},
		Unexplained: []v10diff.Group{{Row: "GET /y", Field: "l[].n", Count: 2, Request: "GET /y?limit=3", Path: "l[1].n", A: "1", B: `"1"`}},
	}
	if err := a.print(r, func(row func(...any)) { v10DiffTable(r, row) }); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "v10-diff.txt", text)
}
