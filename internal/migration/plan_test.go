// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// TestExample: the example is the defaults, and explains each key.
func TestExample(t *testing.T) {
	for name, text := range map[string]string{"the example": Example, "an empty file": "", "only a comment": "# later\n"} {
		if p, err := ParsePlan([]byte(text)); err != nil || !reflect.DeepEqual(p, DefaultPlan()) {
			t.Errorf("%s is %+v, %v", name, p, err)
		}
	}
	text, err := yaml.Marshal(DefaultPlan())
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "default.yaml", text)
	for line := range strings.Lines(string(text)) {
		key, _, is := strings.Cut(strings.TrimLeft(line, " -"), ":")
		if is && !strings.Contains(Example, key+":") {
			t.Errorf("plan.yaml does not have %q", key)
		}
	}
}

func TestEachBound(t *testing.T) {
	for _, c := range []struct {
		field string
		set   func(*Plan)
	}{
		{"sync.lag_ms_max", func(p *Plan) { p.Sync.LagMsMax = 0 }},
		{"sync.lag_ms_max", func(p *Plan) { p.Sync.LagMsMax = 600_001 }},
		{"verify.fresh_seconds", func(p *Plan) { p.Verify.FreshSeconds = 0 }},
		{"shadow.minimum_compared", func(p *Plan) { p.Shadow.MinimumCompared = -1 }},
		{"shadow.differs_bp", func(p *Plan) { p.Shadow.DiffersBP = 10_001 }},
		{"named.first[1]", func(p *Plan) { p.Canary.Named.First = []string{"acme", "acme"} }},
		{"steps", func(p *Plan) { p.Canary.Steps = nil }},
		{"failback.sealed", func(p *Plan) { p.Failback.Sealed = "never" }},
		{"failback.after_seconds", func(p *Plan) { p.Failback.AfterSeconds = 4 }},
		{"drills.count", func(p *Plan) { p.Drills.Count = 101 }},
		{"drills.slots", func(p *Plan) { p.Drills.Slots = 0 }},
		{"drills.move_ms_max", func(p *Plan) { p.Drills.MoveMsMax = 0 }},
		{"cutover.approvals", func(p *Plan) { p.Cutover.Approvals = canary.ApproversMax + 1 }},
		{"cutover.slice_bp", func(p *Plan) { p.Cutover.SliceBP = 0 }},
		{"alerts.oncall", func(p *Plan) { p.Alerts.Oncall = "alice" }},
		{"alerts.prometheus", func(p *Plan) { p.Alerts.Prometheus = "h:9090" }},
		{"alerts.prometheus", func(p *Plan) { p.Alerts.Prometheus = "http://u:secret@h" }},
		{"alerts.rules", func(p *Plan) { p.Alerts.Prometheus, p.Alerts.Rules = "http://h", nil }},
		{"warm.checks_after_seconds", func(p *Plan) { p.Warm.ChecksAfterSeconds = nil }},
		{"warm.checks_after_seconds", func(p *Plan) { p.Warm.ChecksAfterSeconds = make([]int, ChecksMax+1) }},
		{"warm.checks_after_seconds", func(p *Plan) { p.Warm.ChecksAfterSeconds = []int{2, 2} }},
		{"warm.checks_after_seconds", func(p *Plan) { p.Warm.ChecksAfterSeconds = []int{-1} }},
		{"warm.checks_after_seconds", func(p *Plan) { p.Warm.ChecksAfterSeconds = []int{1 << 40} }},
		{"close.approvals", func(p *Plan) { p.Close.Approvals = -1 }},
		{"archive.retain_days", func(p *Plan) { p.Archive.RetainDays = 0 }},
		{"decommission.notice_days", func(p *Plan) { p.Decommission.NoticeDays = -1 }},
		{"decommission.webhook", func(p *Plan) { p.Decommission.WebhookSecret = "file" }},
		{"decommission.webhook", func(p *Plan) { p.Decommission.Template = "file" }},
		{"decommission.webhook", func(p *Plan) { p.Decommission.Webhook = "https://u:secret@h/x" }},
		{"decommission.webhook_secret", func(p *Plan) { p.Decommission.Webhook = "https://h/x" }},
		{"decommission.address", func(p *Plan) { p.Decommission.Address = "h:80" }},
		{"window_ms", func(p *Plan) { p.WindowMs = 49 }},
		{"window_ms", func(p *Plan) { p.WindowMs = canary.WindowMsMax + 1 }},
	} {
		p := DefaultPlan()
		c.set(&p)
		if err := p.Check(); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), c.field+": ") {
			t.Errorf("%s: %v", c.field, err)
		}
	}
}

// hostile are plans that nobody can follow.
var hostile = map[string]string{
	"an unknown key":        "windows_ms: 3\n",
	"an unknown nested key": "cutover: {approval: 3}\n",
	"a word":                "window_ms: soon\n",
	"a fraction":            "cutover: {slice_bp: 0.5}\n",
	"too large":             "window_ms: 99999999999999999999\n",
	"a list for a map":      "cutover: [1]\n",
	"twice":                 "window_ms: 100\nwindow_ms: 200\n",
	"a second document":     "window_ms: 100\n---\nwindow_ms: 200\n",
	"no YAML":               "\t{",
	"a bomb": "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n" +
		"d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n",
	"deep": strings.Repeat("[", 20_000),
	"long": strings.Repeat("#", PlanBytesMax+1),
	"drills, and no slots to make them with before the cutover": "canary: {steps: [{weight_bp: 10000, minimum_seconds: 1, minimum_requests: 1}]}\ndrills: {count: 1}\n",
}

func TestParseRefuses(t *testing.T) {
	for name, text := range hostile {
		if _, err := ParsePlan([]byte(text)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), ": ") {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
}

// FuzzParsePlan: whatever is read is a plan that may be followed, or an error that names a field and is no novel.
func FuzzParsePlan(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte(shortPlan))
	for _, text := range hostile {
		if len(text) < 4096 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePlan(text)
		if err == nil {
			wantFollowed(t, &p)
			return
		}
		field, what, is := strings.Cut(err.Error(), ": ")
		if !fault.Is(err, fault.Invalid) || !is || field == "" || what == "" {
			t.Errorf("an error that names no field: %v", err)
		}
	})
}

// wantFollowed wants a plan to be the same when it is written and read again, and to lead somewhere.
func wantFollowed(t *testing.T, p *Plan) {
	t.Helper()
	text, err := yaml.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParsePlan(text)
	if err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", *p) {
		t.Errorf("written and read again %+v is %+v, %v", *p, again, err)
	}
	s := State{Plan: p, Phase: Copy, SinceMs: beganMs}
	f := goodFacts()
	if a := Next(&s, &f); a.Verb != Record || a.Entry.Phase != Sync {
		t.Errorf("behind the copy there is %+v", a)
	}
}
