// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"bytes"
	_ "embed" // the example
	"errors"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a plan.
const (
	PlanBytesMax = 1 << 20
	StepsMax     = 100
)

// ReasonPlan is the reason of a plan that cannot be followed.
const ReasonPlan = "canary_plan" // Invalid

// Example is a plan with the values of Default, each explained: what an operator begins with.
//
//go:embed plan.yaml
var Example string

// Plan says how V11's share grows and what stops it. Rates are in basis points: 100 are one per cent.
type Plan struct {
	Steps       []Step     `yaml:"steps"`
	ReverseToBP int        `yaml:"reverse_to_bp"` // V11's weight after a reverse; the weight of the step before, if that is less
	Named       Named      `yaml:"named"`
	Objectives  Objectives `yaml:"objectives"`
	Tests       Tests      `yaml:"tests"`
	Rails       Rails      `yaml:"rails"`
}

// Step is a weight, and what it takes to leave it for the next.
type Step struct {
	WeightBP        int `yaml:"weight_bp"`
	MinimumSeconds  int `yaml:"minimum_seconds"` // with requests in them
	MinimumRequests int `yaml:"minimum_requests"`
	Approvals       int `yaml:"approvals"` // of different people
}

// Named are accounts that do not go by their hash, but have a slot of their own: First with the first step, Back with the last.
type Named struct {
	First []string `yaml:"first"`
	Back  []string `yaml:"back"`
}

// Objectives are what a step must keep to be left, and what it is tested against where there is nothing to compare with.
type Objectives struct {
	ErrorRateBP int `yaml:"error_rate_bp"`
	WrongRateBP int `yaml:"wrong_rate_bp"` // of the answers that were compared
	P99Ms       int `yaml:"p99_ms"`
}

// Tests are how much worse than its reference V11 may be, and how rarely that is found where it is not so.
type Tests struct {
	FalseAlarmPPM int `yaml:"false_alarm_ppm"` // of a step, over all tests
	ErrorMarginBP int `yaml:"error_margin_bp"`
	WrongMarginBP int `yaml:"wrong_margin_bp"`
	SlowMarginBP  int `yaml:"slow_margin_bp"`
}

// Rails reverse at once, whatever the tests say.
type Rails struct {
	MinimumRequests   int `yaml:"minimum_requests"` // for the two rates: fewer in their windows say nothing
	ErrorRateBP       int `yaml:"error_rate_bp"`
	ErrorForSeconds   int `yaml:"error_for_seconds"`
	P99Ms             int `yaml:"p99_ms"`
	P99ForSeconds     int `yaml:"p99_for_seconds"`
	HealthDownSeconds int `yaml:"health_down_seconds"`
	SyncLagMs         int `yaml:"sync_lag_ms"`
	SyncLagForSeconds int `yaml:"sync_lag_for_seconds"`
	HoldMs            int `yaml:"hold_ms"`
}

// Default is a plan for a ledger with some hundred requests a second.
func Default() Plan {
	const hour = 3600
	return Plan{
		Steps: []Step{
			{WeightBP: 100, MinimumSeconds: hour, MinimumRequests: 10_000},
			{WeightBP: 500, MinimumSeconds: 4 * hour, MinimumRequests: 100_000},
			{WeightBP: 1000, MinimumSeconds: 24 * hour, MinimumRequests: 500_000},
			{WeightBP: 2500, MinimumSeconds: 24 * hour, MinimumRequests: 1_000_000},
			{WeightBP: 5000, MinimumSeconds: 24 * hour, MinimumRequests: 1_000_000, Approvals: 1},
			{WeightBP: 7500, MinimumSeconds: 24 * hour, MinimumRequests: 1_000_000, Approvals: 1},
			{WeightBP: weightWhole, MinimumSeconds: 48 * hour, MinimumRequests: 1_000_000, Approvals: 2},
		},
		Named:      Named{First: []string{}, Back: []string{}},
		Objectives: Objectives{ErrorRateBP: 10, WrongRateBP: 1, P99Ms: 250},
		Tests:      Tests{FalseAlarmPPM: 1000, ErrorMarginBP: 10, WrongMarginBP: 1, SlowMarginBP: 50},
		Rails: Rails{
			MinimumRequests: 1000, ErrorRateBP: 100, ErrorForSeconds: 60, P99Ms: 500, P99ForSeconds: 300,
			HealthDownSeconds: 10, SyncLagMs: 5000, SyncLagForSeconds: 30, HoldMs: 5000,
		},
	}
}

// Parse reads a plan over the defaults and checks it; steps that are given replace those of the default, all of them. Invalid: it names the field.
func Parse(text []byte) (Plan, error) {
	if len(text) > PlanBytesMax {
		return Plan{}, bad("the plan", "%d bytes, at most %d", len(text), PlanBytesMax)
	}
	p := Default()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return Plan{}, bad("the plan", "%v", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Plan{}, bad("the plan", "must be one YAML document: what follows the first would be ignored")
	}
	if err := p.Check(); err != nil {
		return Plan{}, err
	}
	return p, nil
}

func bad(field, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, ReasonPlan, field+": "+format, args...)
}
