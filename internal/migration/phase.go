// SPDX-License-Identifier: Apache-2.0

package migration

import "slices"

// Phase is where a migration stands.
type Phase string

// The phases, in their order.
const (
	Idle         Phase = "idle"         // there is no plan
	Planned      Phase = "plan"         // there is one, and nobody said start
	Copy         Phase = "copy"         // V10's state is being copied
	Sync         Phase = "sync"         // both directions come into step
	Verify       Phase = "verify"       // both ledgers are compared whole
	Shadow       Phase = "shadow"       // answers of one side are compared with the other's
	Canary       Phase = "canary"       // V11's share grows step by step
	Cutover      Phase = "cutover"      // the remaining slots move
	Warm         Phase = "warm"         // all is V11's, and can go back
	Close        Phase = "close"        // the way back ends
	Archive      Phase = "archive"      // V10 is put away
	Decommission Phase = "decommission" // V10's customers have notice
)

var phases = []Phase{Idle, Planned, Copy, Sync, Verify, Shadow, Canary, Cutover, Warm, Close, Archive, Decommission}

// Phases lists the phases in their order.
func Phases() []Phase { return slices.Clone(phases) }

// Before reports whether p comes before another phase.
func (p Phase) Before(other Phase) bool { return slices.Index(phases, p) < slices.Index(phases, other) }

// moves reports whether slots move in a phase.
func (p Phase) moves() bool { return p == Canary || p == Cutover || p == Warm }

// judged reports whether requests are judged in a phase.
func (p Phase) judged() bool { return p.moves() }
