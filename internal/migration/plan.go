// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"bytes"
	_ "embed" // the example
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a plan.
const (
	PlanBytesMax = 1 << 20
	ChecksMax    = 32
	AlertsMax    = 200
)

// ReasonPlan is the reason of a plan that cannot be followed.
const ReasonPlan = "migration_plan" // Invalid

// Example is a plan with the values of DefaultPlan, each explained: what an operator begins with.
//
//go:embed plan.yaml
var Example string

// Plan says what has to hold before each phase, and how far the machine goes by itself.
type Plan struct {
	Sync         SyncPlan         `yaml:"sync"`
	Verify       VerifyPlan       `yaml:"verify"`
	Shadow       ShadowPlan       `yaml:"shadow"`
	Canary       canary.Plan      `yaml:"canary"`
	Failback     FailbackPlan     `yaml:"failback"`
	Drills       DrillsPlan       `yaml:"drills"`
	Availability AvailabilityPlan `yaml:"availability"`
	Cutover      CutoverPlan      `yaml:"cutover"`
	Alerts       AlertsPlan       `yaml:"alerts"`
	Warm         WarmPlan         `yaml:"warm"`
	Close        ClosePlan        `yaml:"close"`
	Archive      ArchivePlan      `yaml:"archive"`
	Decommission DecommissionPlan `yaml:"decommission"`
	WindowMs     int              `yaml:"window_ms"` // how long requests are gathered before they are judged
}

// SyncPlan is what both directions of the sync must keep.
type SyncPlan struct {
	LagMsMax int `yaml:"lag_ms_max"`
}

// VerifyPlan is about comparisons of all rows.
type VerifyPlan struct {
	FreshSeconds int  `yaml:"fresh_seconds"` // how old the newest one may be at the cutover
	Watch        bool `yaml:"watch"`         // both ledgers are compared while they go on, too: what differs goes back by itself
}

// ShadowPlan is what comparisons of answers must show before the first slot moves.
type ShadowPlan struct {
	MinimumCompared int `yaml:"minimum_compared"` // 0: they are no gate
	DiffersBP       int `yaml:"differs_bp"`       // at most so many of them differ
}

// FailbackPlan is about a V11 that cannot go on.
type FailbackPlan struct {
	Sealed       string `yaml:"sealed"`        // SealedByHand or SealedAutomatic
	AfterSeconds int    `yaml:"after_seconds"` // how long V11 stands before a seal is made by itself
}

// Who has V11 sealed.
const (
	SealedByHand    = "by_hand"
	SealedAutomatic = "automatic"
)

// DrillsPlan is about rehearsed rollbacks.
type DrillsPlan struct {
	Count     int  `yaml:"count"`
	Alarm     bool `yaml:"alarm"`       // one of them begins with an alarm
	Slots     int  `yaml:"slots"`       // that go back and forth
	MoveMsMax int  `yaml:"move_ms_max"` // a drill whose way back takes longer does not count
}

// CutoverPlan is about the remaining slots.
type CutoverPlan struct {
	Approvals int `yaml:"approvals"` // of different people
	SliceBP   int `yaml:"slice_bp"`  // at once
}

// AlertsPlan is about who is woken: at the cutover a Prometheus must have the rules, and a person who is on call must have said so.
type AlertsPlan struct {
	Prometheus string   `yaml:"prometheus"` // its URL; empty: this is no gate
	Rules      []string `yaml:"rules"`      // names of alerts that it must have
	Oncall     string   `yaml:"oncall"`     // whose approval counts; empty: anybody's
}

// WarmPlan is about the time in which all is V11's and can go back.
type WarmPlan struct {
	ChecksAfterSeconds []int `yaml:"checks_after_seconds"` // since its begin: both ledgers are compared, and the rest of Validate
	MemoryMiBMax       int   `yaml:"memory_mib_max"`       // that a validator needs; 0: any
}

// ClosePlan is about the end of the way back.
type ClosePlan struct {
	Approvals int `yaml:"approvals"`
}

// ArchivePlan is about what is kept of V10.
type ArchivePlan struct {
	To            string `yaml:"to"` // file:///FOLDER or s3://BUCKET/PREFIX; empty: a folder in the network's
	S3Endpoint    string `yaml:"s3_endpoint"`
	S3Region      string `yaml:"s3_region"`
	S3Credentials string `yaml:"s3_credentials"` // file; empty: the environment of the controller
	RetainDays    int    `yaml:"retain_days"`

	Files []string `yaml:"files"` // NAME=PATH of what is kept besides V10's rows, this program and the journal: V10's own code
}

// Names in the archive that are the controller's.
const (
	JournalFile = "migration-journal.jsonl"
	ProgramFile = "aurigraph"
)

// archiveFilesMax bounds what a plan keeps besides.
const archiveFilesMax = 100

func (a *ArchivePlan) check() error {
	if len(a.Files) > archiveFilesMax {
		return bad("archive.files", "%d, at most %d", len(a.Files), archiveFilesMax)
	}
	seen := map[string]bool{JournalFile: true, ProgramFile: true}
	for _, text := range a.Files {
		name, path, ok := strings.Cut(text, "=")
		if !ok || name == "" || path == "" || strings.ContainsAny(name, "/\\") || seen[name] {
			return bad("archive.files", "%.200q, must be NAME=PATH, each name once and without a slash, none of them %s or %s", text, JournalFile, ProgramFile)
		}
		seen[name] = true
	}
	return nil
}

// DecommissionPlan is about V10's last days.
type DecommissionPlan struct {
	NoticeDays    int    `yaml:"notice_days"`
	Webhook       string `yaml:"webhook"`        // URL to which a notice for each who still calls V10 is posted; empty: people tell them
	WebhookSecret string `yaml:"webhook_secret"` // file of the secret that signs them
	Template      string `yaml:"template"`       // file of their text; empty: a text of this program
	Address       string `yaml:"address"`        // where V10's customers are served from now on, as the notices say; empty: the router's
}

// DefaultPlan is a plan for a ledger with some hundred requests a second.
func DefaultPlan() Plan {
	const hour = 3600
	return Plan{
		Sync: SyncPlan{LagMsMax: 1000}, Verify: VerifyPlan{FreshSeconds: 24 * hour, Watch: true}, Shadow: ShadowPlan{MinimumCompared: 1000, DiffersBP: 1},
		Canary: canary.Default(), Failback: FailbackPlan{Sealed: SealedByHand, AfterSeconds: 60},
		Drills: DrillsPlan{Count: 3, Alarm: true, Slots: 100, MoveMsMax: 5000}, Cutover: CutoverPlan{Approvals: 3, SliceBP: 500},
		Availability: AvailabilityPlan{OverSeconds: 24 * hour, LeastPPM: 999_900}, Alerts: AlertsPlan{Rules: slices.Clone(alertsDefault)},
		Warm:  WarmPlan{ChecksAfterSeconds: []int{2 * hour, 24 * hour, 48 * hour, 72 * hour}, MemoryMiBMax: 256},
		Close: ClosePlan{Approvals: 3}, Archive: ArchivePlan{RetainDays: 2557, Files: []string{}}, Decommission: DecommissionPlan{NoticeDays: 30}, WindowMs: 1000,
	}
}

// ParsePlan reads a plan over the defaults and checks it. Lists that are given replace those of the default. Invalid: it names the field.
func ParsePlan(text []byte) (Plan, error) {
	if len(text) > PlanBytesMax {
		return Plan{}, bad("the plan", "%d bytes, at most %d", len(text), PlanBytesMax)
	}
	p := DefaultPlan()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return Plan{}, bad("the plan", "%v", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Plan{}, bad("the plan", "must be one YAML document: what follows the first would be ignored")
	}
	return p, p.Check()
}

// Check says whether a plan can be followed.
func (p *Plan) Check() error {
	if err := p.Canary.Check(); err != nil {
		return err
	}
	const secondsMax = 365 * 24 * 3600
	for _, b := range []struct {
		field           string
		value, min, max int
	}{
		{"sync.lag_ms_max", p.Sync.LagMsMax, 1, 600_000},
		{"verify.fresh_seconds", p.Verify.FreshSeconds, 1, secondsMax},
		{"shadow.minimum_compared", p.Shadow.MinimumCompared, 0, 1_000_000_000},
		{"shadow.differs_bp", p.Shadow.DiffersBP, 0, chain.SlotsMax},
		{"failback.after_seconds", p.Failback.AfterSeconds, 5, secondsMax},
		{"drills.count", p.Drills.Count, 0, 100},
		{"drills.slots", p.Drills.Slots, 1, chain.SlotsMax},
		{"drills.move_ms_max", p.Drills.MoveMsMax, 1, 600_000},
		{"availability.over_seconds", p.Availability.OverSeconds, 0, 30 * 24 * 3600},
		{"availability.least_ppm", p.Availability.LeastPPM, 0, 1_000_000},
		{"warm.memory_mib_max", p.Warm.MemoryMiBMax, 0, 1 << 20},
		{"cutover.approvals", p.Cutover.Approvals, 0, canary.ApproversMax},
		{"cutover.slice_bp", p.Cutover.SliceBP, 1, chain.SlotsMax},
		{"close.approvals", p.Close.Approvals, 0, canary.ApproversMax},
		{"archive.retain_days", p.Archive.RetainDays, 1, 36_500},
		{"decommission.notice_days", p.Decommission.NoticeDays, 0, 3650},
		{"window_ms", p.WindowMs, 50, canary.WindowMsMax},
	} {
		if b.value < b.min || b.value > b.max {
			return bad(b.field, "%d, must be %d to %d", b.value, b.min, b.max)
		}
	}
	if p.Failback.Sealed != SealedByHand && p.Failback.Sealed != SealedAutomatic {
		return bad("failback.sealed", "%.40q, must be %s or %s", p.Failback.Sealed, SealedByHand, SealedAutomatic)
	}
	if err := errors.Join(p.Alerts.check(), p.Archive.check(), p.Decommission.check()); err != nil {
		return err
	}
	if p.Drills.Count > 0 && len(p.Canary.Steps) == 1 {
		return bad("drills.count", "%d, must be 0 where the canary has one step: there are no slots to go back and forth before the cutover", p.Drills.Count)
	}
	return p.Warm.check(secondsMax)
}

// alertsDefault are the alerts of deploy/prometheus/aurigraph.rules.yaml that wake somebody.
var alertsDefault = []string{
	"NoQuorum", "HeightStuck", "ValidatorEvidence", "InvariantBroken", "GatewayRefuses", "SyncLagging", "SyncHeld", "SyncStopped", "GuardDown",
	"GuardBehind", "SlotsClosed", "RouterDown", "RouterFails", "LedgersDiffer", "MigrationNotDriven", "MigrationReversed", "RollbackNotReady",
}

func (a *AlertsPlan) check() error {
	switch {
	case a.Prometheus == "" && a.Oncall != "":
		return bad("alerts.oncall", "is of use only where alerts.prometheus is given: give that, or leave it empty")
	case a.Prometheus == "":
		return nil
	case !isURL(a.Prometheus):
		return bad("alerts.prometheus", "%.200q, must be like http://HOST:9090, without a password", a.Prometheus)
	case len(a.Rules) == 0 || len(a.Rules) > AlertsMax || slices.Contains(a.Rules, ""):
		return bad("alerts.rules", "%d names, must be 1 to %d of alerts", len(a.Rules), AlertsMax)
	}
	return nil
}

// isURL reports whether a text is a URL of HTTP that shows no password.
func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

func (d *DecommissionPlan) check() error {
	switch {
	case d.Webhook == "" && (d.WebhookSecret != "" || d.Template != ""):
		return bad("decommission.webhook", "is empty, and there is a webhook_secret or a template: give it, or leave them empty")
	case d.Webhook != "" && !isURL(d.Webhook):
		return bad("decommission.webhook", "%.200q, must be like https://HOST/PATH, without a password: webhook_secret is for that", d.Webhook)
	case d.Webhook != "" && d.WebhookSecret == "":
		return bad("decommission.webhook_secret", "must name a file: without a signature anybody can send notices")
	case d.Address != "" && !isURL(d.Address):
		return bad("decommission.address", "%.200q, must be like https://HOST", d.Address)
	}
	return nil
}

func (w *WarmPlan) check(secondsMax int) error {
	if n := len(w.ChecksAfterSeconds); n == 0 || n > ChecksMax {
		return bad("warm.checks_after_seconds", "%d of them, must be 1 to %d", n, ChecksMax)
	}
	before := -1
	for _, s := range w.ChecksAfterSeconds {
		if s <= before || s > secondsMax {
			return bad("warm.checks_after_seconds", "%d, must be above the one before and at most %d", s, secondsMax)
		}
		before = s
	}
	return nil
}

func bad(field, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, ReasonPlan, field+": "+format, args...)
}
