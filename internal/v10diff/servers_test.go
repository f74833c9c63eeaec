// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveLedger runs a V10 reference ledger and returns its address.
func serveLedger(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan legacy.Addresses, 1), make(chan error, 1)
	cfg := legacy.Config{Dir: t.TempDir(), Engine: legacy.EnginePebble, Listen: "127.0.0.1:0", Version: "test"}
	go func() { ended <- legacy.Run(ctx, cfg, func(at legacy.Addresses) { ready <- at }) }()
	select {
	case at := <-ready:
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		return "http://" + at.Rest
	case err := <-ended:
		cancel()
		t.Fatal(err)
		return ""
	}
}

// serve answers by a function.
func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// sequence answers the bodies in turn, the last one for ever.
func sequence(bodies ...string) http.HandlerFunc {
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		body := bodies[min(n, len(bodies)-1)]
		if r.URL.Path != "/" {
			n++
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write([]byte(body))
	}
}

// compareServers plays lines against two servers under rules.
func compareServers(t *testing.T, a, b, rules, corpus string) *Report {
	t.Helper()
	read, err := ReadRules([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	requests, err := ReadCorpus(strings.NewReader(corpus))
	if err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), Config{A: Server{URL: a}, B: Server{URL: b}, Corpus: requests, Rules: read, Run: "R1"})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// tellGroups fails for each difference.
func tellGroups(t *testing.T, r *Report) {
	t.Helper()
	for _, g := range r.Unexplained {
		t.Errorf("%d× %s: %s\n  %s\n  a %s\n  b %s", g.Count, g.Row, g.Field, g.Request, g.A, g.B)
	}
	for _, s := range r.Skipped {
		t.Errorf("skipped %d: %s, such as %s", s.Count, s.Why, s.Example)
	}
}

// TestLedgers compares two reference ledgers over the whole corpus: nothing is unexplained or skipped.
func TestLedgers(t *testing.T) {
	progress := 0
	report, err := Run(t.Context(), Config{
		A: Server{URL: serveLedger(t)}, B: Server{URL: serveLedger(t)}, Corpus: DefaultCorpus(), Rules: DefaultRules(), Run: "R1",
		Progress: func(done, total int) { progress++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	tellGroups(t, report)
	if report.Compared != report.Requests || progress != report.Requests {
		t.Errorf("%d of %d requests were compared, %d told", report.Compared, report.Requests, progress)
	}
	if report.Share < 0.7 || report.Share > 1 {
		t.Errorf("%.3f of the fields were compared by value", report.Share)
	}
	if got := report.ByValue + report.ByForm + report.Ignored + report.Noisy + report.Differ; got != report.Fields {
		t.Errorf("%d fields have a verdict, there are %d", got, report.Fields)
	}
	t.Logf("%d requests, %d fields, share %.3f, %d noisy fields, %.1f s", report.Compared, report.Fields, report.Share, len(report.Noise), report.Seconds)
}

// TestCorpusIsWhole wants each row of the table in the corpus, whether it is served or waits for an engine.
func TestCorpusIsWhole(t *testing.T) {
	asked := map[string]bool{}
	for _, r := range DefaultCorpus() {
		asked[r.row] = true
	}
	rows := v10.Endpoints()
	for i := range rows {
		if row := rows[i].Method + " " + rows[i].Path; !asked[row] {
			t.Errorf("the corpus does not ask for %s", row)
		}
	}
}
