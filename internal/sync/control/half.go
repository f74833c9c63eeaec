// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// The states of a direction's applier.
const (
	StateStarting = "starting"
	StateApplying = "applying" // it reads, or waits for records
	StateCopying  = "copying"  // the initial copy is under way; it waits for its end
	StateTrouble  = "trouble"  // something does not answer, or cannot be had; it is tried again
	StateTrying   = "trying"   // a change could not be made, and is tried again
	StateHeld     = "held"     // a change waits for a person
	StateClosed   = "closed"   // the migration is over, and all that was to be brought is
)

// Half is one half of a sync: V11's in a node, or V10's. It applies the other ledger's changes and captures its own ledger's.
type Half struct {
	Ledger  string   `json:"ledger"` // v10 or v11: beside which ledger it runs
	Apply   *Apply   `json:"apply"`
	Capture *Capture `json:"capture"`
}

// Apply is where the changes of one ledger are on the other.
type Apply struct {
	Direction string    `json:"direction"` // v10 or v11: whose changes
	State     string    `json:"state"`
	Since     time.Time `json:"since"` // since when it is in that state
	Reason    string    `json:"reason,omitempty"`
	Error     string    `json:"error,omitempty"`
	Life      uint32    `json:"life"`
	Position  string    `json:"position"` // applied
	Stated    string    `json:"stated"`   // the other side has published all up to here
	Applied   uint64    `json:"applied"`  // changes: of all lives by V11's inbox; since the start by V10's half
	Skipped   uint64    `json:"skipped"`
	PerSecond float64   `json:"per_second"` // over the last seconds
	RateMax   uint64    `json:"rate_max"`   // its bound; 0: none
	LagMs     float64   `json:"lag_ms"`     // how old what is not applied may be; -1: not known yet
	P50Ms     float64   `json:"p50_ms"`     // of the last minutes
	P99Ms     float64   `json:"p99_ms"`
	Samples   int       `json:"samples"`
	Held      *Held     `json:"held,omitempty"`
}

// Held is a change that cannot be made. It has no name; its letter does.
type Held struct {
	Life     uint32  `json:"life"`
	Position string  `json:"position"`
	Tag      string  `json:"tag"`
	Kind     string  `json:"kind"`
	Reason   string  `json:"reason"` // outcome of the ledger
	Text     string  `json:"text"`
	Tries    int     `json:"tries"`
	Slot     *uint16 `json:"slot,omitempty"` // that it debits
	Letter   bool    `json:"letter"`         // it is among the dead letters
	// What it follows, by which V10 knows that exactly this one is passed over.
	Previous    string `json:"previous"`
	PreviousTag string `json:"previous_tag"`
}

// Capture is how far a ledger's own changes are told to the other one.
type Capture struct {
	Direction string `json:"direction"` // v10 or v11: whose changes
	State     string `json:"state"`     // applying: it goes on; trouble; closed
	Reason    string `json:"reason,omitempty"`
	Error     string `json:"error,omitempty"`
	Position  uint64 `json:"position"` // major, told
	Head      uint64 `json:"head"`     // major, of the ledger
}

// Operated is a half that a person looks at and turns the knobs of.
type Operated interface {
	Status(ctx context.Context) (*Half, error)
	// Retry has the held change tried again. NotFound: none is held.
	Retry(ctx context.Context) error
	// Set turns a knob until the process ends. Invalid: there is no such knob, or value.
	Set(ctx context.Context, name string, value uint64) error
}

// ReasonNotHeld is that of a retry or a skip when no change waits for a person.
const ReasonNotHeld = "not_held"

// NotHeld is the answer to who asks for another try of nothing.
func NotHeld(direction string) error {
	return fault.Reasoned(fault.NotFound, ReasonNotHeld, "no change of %s waits for a person here: see `aurigraph sync status`", direction)
}

// SetRate sets a rate by the knob's name, apply.v10 or apply.v11 by whose changes it bounds.
func SetRate(r *Rate, direction, name string, value uint64) error {
	switch {
	case name != RateName(direction):
		return fault.New(fault.Invalid, "there is no knob %.40q here, but %s", name, RateName(direction))
	case value > RateMax:
		return fault.New(fault.Invalid, "%s=%s: at most %d changes a second, 0 for no bound", name, strconv.FormatUint(value, 10), RateMax)
	}
	r.Set(value)
	return nil
}

// RateName is the name of the knob that bounds how fast a ledger's changes are applied on the other.
func RateName(direction string) string { return "apply." + direction }

// Ms writes a time in milliseconds as status has it; -1 for what is not known.
func Ms(d time.Duration) float64 {
	if d < 0 {
		return -1
	}
	return float64(d.Microseconds()) / 1000
}
