// SPDX-License-Identifier: Apache-2.0

package alarm_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/aurigraph/aurigraph/internal/alarm"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/testkit/promserver"
)

const (
	root  = "../../"
	rules = root + "deploy/prometheus/aurigraph.rules.yaml"
)

// firingMax bounds how long a real Prometheus may take to work out its rules.
const firingMax = 30 * time.Second

// TestAgainst goes through what a Prometheus may have.
func TestAgainst(t *testing.T) {
	good := func(name string) alarm.Rule { return alarm.Rule{Name: name, Severity: alarm.SeverityPage} }
	firing, ticket, broken, stale := good("A"), good("A"), good("A"), good("A")
	firing.Firing = true
	ticket.Firing, ticket.Severity = true, "ticket"
	broken.Trouble = "it was not worked out yet"
	stale.Age = time.Hour
	many := []string{"a", "b", "c", "d", "e", "f", "g"}
	for name, c := range map[string]struct {
		rules  []alarm.Rule
		wanted []string
		says   string
	}{
		"all well":               {[]alarm.Rule{good("A"), good("B")}, []string{"A", "B"}, ""},
		"nothing is wanted":      {nil, nil, ""},
		"one is missing":         {[]alarm.Rule{good("A")}, []string{"A", "B"}, "does not have the alerts B:"},
		"many are missing":       {nil, many, "a, b, c, d, e and 2 more"},
		"one fires":              {[]alarm.Rule{firing}, []string{"A"}, "firing: A;"},
		"one fires, not wanted":  {[]alarm.Rule{firing, good("B")}, []string{"B"}, "firing: A;"},
		"one fires twice":        {[]alarm.Rule{firing, firing}, nil, "firing: A;"},
		"a ticket fires":         {[]alarm.Rule{ticket}, []string{"A"}, ""},
		"one is broken":          {[]alarm.Rule{broken}, []string{"A"}, "A (it was not worked out yet)"},
		"one is broken, unheard": {[]alarm.Rule{broken, good("B")}, []string{"B"}, ""},
		"it has stopped":         {[]alarm.Rule{stale}, []string{"A"}, "A (last 1h0m0s ago)"},
	} {
		if why := alarm.Against(c.rules, c.wanted); (why == "") != (c.says == "") || !strings.Contains(why, c.says) {
			t.Errorf("%s: %q, want %q", name, why, c.says)
		}
	}
}

// TestAskRefuses: what is no whole answer of a Prometheus is an error, and never "nothing fires".
func TestAskRefuses(t *testing.T) {
	whole := `{"status":"success","data":{"groups":[]}}`
	for name, c := range map[string]struct {
		code int
		text string
		date string
	}{
		"an error":   {http.StatusInternalServerError, whole, ""},
		"no JSON":    {http.StatusOK, "<html>", ""},
		"half":       {http.StatusOK, whole[:20], ""},
		"refused":    {http.StatusOK, `{"status":"error","error":"no"}`, ""},
		"of another": {http.StatusOK, `{}`, ""},
		"no clock":   {http.StatusOK, whole, "soon"},
		"endless":    {http.StatusOK, strings.Repeat(" ", 17<<20) + whole, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.date != "" {
				w.Header().Set("Date", c.date)
			}
			w.WriteHeader(c.code)
			_, _ = w.Write([]byte(c.text)) // who left is not told
		}))
		if got, err := alarm.Ask(t.Context(), s.Client(), s.URL); !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != alarm.ReasonAnswer {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		s.Close()
		if _, err := alarm.Ask(t.Context(), s.Client(), s.URL); fault.ReasonOf(err) != alarm.ReasonUnreachable {
			t.Errorf("a server that is gone: %v", err)
		}
	}
}

// FuzzRead: whatever a server says is a list, or an error with a reason.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"groups":[{"rules":[{"type":"alerting","name":"A","state":"firing","health":"ok","labels":{"severity":"page"}}]}]}}`))
	f.Add([]byte(`{"status":"success","data":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := alarm.Read(text, time.Unix(1, 0))
		if err != nil {
			if fault.ReasonOf(err) != alarm.ReasonAnswer {
				t.Errorf("%v has no reason", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Errorf("%q is no JSON, and has %v", text, got)
		}
		for _, r := range got {
			if r.Age < 0 {
				t.Errorf("%+v was worked out in time to come", r)
			}
		}
	})
}

// TestReal asks a real Prometheus, with alerts of which one fires, one cannot be worked out, and one is well.
func TestReal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules.yaml")
	text := `groups: [{name: g, rules: [
  {alert: Fires, expr: vector(1), labels: {severity: page}}, {alert: Well, expr: vector(0) > 1, labels: {severity: page}}, {record: no_alert, expr: vector(1)},
  {alert: Broken, expr: "scalar(vector(1)) and on() vector(1)"},
]}]`
	text = strings.Replace(text, `"scalar(vector(1)) and on() vector(1)"`, `'label_replace(vector(1), "a", "b", "", "") * on() (up or vector(1) or label_replace(vector(2), "x", "y", "", ""))'`, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := promserver.Start(t, promserver.Config{Rules: []string{path}})
	for end := time.Now().Add(firingMax); !slices.Contains(p.Firing(t), "Fires"); <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing fires in %s", firingMax)
		}
	}
	got, err := alarm.Ask(t.Context(), http.DefaultClient, p.URL()+"/")
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	if why := alarm.Against(got, []string{"Well"}); !strings.Contains(why, "firing: Fires") {
		t.Errorf("one fires: %q", why)
	}
	if why := alarm.Against(got, []string{"Well", "Broken"}); !strings.Contains(why, "Broken (it cannot be worked out") {
		t.Errorf("one is broken: %q", why)
	}
	if why := alarm.Against(got, []string{"no_alert"}); !strings.Contains(why, "does not have the alerts no_alert") {
		t.Errorf("a record is no alert: %q", why)
	}
}

// ruleFile is the part of a rules file that the tests look at.
type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert       string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

// TestRules: each alert says how bad it is, what it is about, and which runbook helps; a plan wants all that wake somebody.
func TestRules(t *testing.T) {
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var pages, all []string
	runbook := regexp.MustCompile(`^docs/runbooks/[a-z0-9-]+\.md$`)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			severity, book := r.Labels["severity"], r.Annotations["runbook"]
			if severity != alarm.SeverityPage && severity != "ticket" || r.Annotations["summary"] == "" || slices.Contains(all, r.Alert) {
				t.Errorf("%+v has no severity, no summary, or a name that another has", r)
			}
			if severity == alarm.SeverityPage {
				pages = append(pages, r.Alert)
			}
			help, err := os.ReadFile(root + book)
			if err != nil || !runbook.MatchString(book) || !strings.Contains(string(help), r.Alert) {
				t.Errorf("%s: %q is no runbook that names the alert: %v", r.Alert, book, err)
			}
			all = append(all, r.Alert)
		}
	}
	if want := migration.DefaultPlan().Alerts.Rules; !slices.Equal(want, pages) {
		t.Errorf("a plan wants %v, and these wake somebody: %v", want, pages)
	}
}

// TestPromtool has Prometheus's own tool check the rules and play what it has been told about them.
func TestPromtool(t *testing.T) {
	tool := promserver.Program(t, "promtool")
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", root + "deploy/prometheus/aurigraph.rules.test.yaml"}} {
		if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}
