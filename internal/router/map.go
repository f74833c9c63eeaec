// SPDX-License-Identifier: Apache-2.0

package router

import (
	"maps"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of a map.
const (
	CohortsMax = 1000
	// VersionMax is what a proxy whose numbers are floats counts to without a gap.
	VersionMax   = 1<<53 - 1
	TextBytesMax = 2 << 20
)

// WeightWhole is the weight of V11 when it owns every hash slot, in basis points.
const WeightWhole = chain.SlotsMax

// Reasons of refusals.
const (
	ReasonStale      = "stale_map"        // Conflict: a later map is in force
	ReasonDiffers    = "map_differs"      // Conflict: the version names another map
	ReasonMalformed  = "map_malformed"    // Invalid: it is no map
	ReasonNotInForce = "map_not_in_force" // Unavailable: it was set, and the data path uses another one
)

// Map says which slots V11 owns. Drivers and tables keep none of a caller's memory.
type Map struct {
	Version uint64 // of the table of homes
	V11     Slots
	// Cohorts are accounts that have a slot of their own, from chain.SlotsMax on, in place of their hash's, so that one customer can go
	// first or stay back.
	Cohorts map[string]uint16
}

// Equal reports whether two maps say the same, version included.
func (m *Map) Equal(o *Map) bool {
	return m.Version == o.Version && m.V11 == o.V11 && maps.Equal(m.Cohorts, o.Cohorts)
}

// Weight is V11's share of the hash slots in basis points.
func (m *Map) Weight() int { return m.V11.Weight() }

// Check says whether m can be set. Invalid: a bound is passed, or a cohort's slot is a hash slot.
func (m *Map) Check() error {
	bad := func(format string, args ...any) error {
		return fault.Reasoned(fault.Invalid, ReasonMalformed, "map: "+format, args...)
	}
	if m.Version > VersionMax {
		return bad("version %d, at most %d", m.Version, uint64(VersionMax))
	}
	if len(m.Cohorts) > CohortsMax {
		return bad("%d named accounts, at most %d", len(m.Cohorts), CohortsMax)
	}
	if m.V11.Has(chain.SlotNone) {
		return bad("slot %d is none", chain.SlotNone)
	}
	for account, slot := range m.Cohorts {
		if err := v10.CheckName("a named account", account); err != nil {
			return bad("%v", err)
		}
		if slot < chain.SlotsMax || slot > slotLast {
			return bad("a named account has slot %d: those of customers are %d to %d", slot, chain.SlotsMax, slotLast)
		}
	}
	return nil
}

// Follows decides what a driver whose map is present does with next: change says whether to put it in force. Conflict: it must not.
func (m *Map) Follows(present *Map) (change bool, err error) {
	switch {
	case m.Version < present.Version:
		return false, fault.Reasoned(fault.Conflict, ReasonStale, "version %d of the map is in force, %d is behind it: read the homes again", present.Version, m.Version)
	case m.Version > present.Version:
		return true, nil
	case m.Equal(present):
		return false, nil
	}
	return false, fault.Reasoned(fault.Conflict, ReasonDiffers, "version %d of the map is in force with other contents: read the homes again", m.Version)
}
