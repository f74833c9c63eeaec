// SPDX-License-Identifier: Apache-2.0

package router

import (
	"maps"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Side is one of the two ledgers.
type Side uint8

// The sides.
const (
	V10 Side = iota
	V11
)

// Sides lists the sides.
func Sides() []Side { return []Side{V10, V11} }

// String names a side as metrics and logs do.
func (s Side) String() string { return [...]string{"v10", "v11"}[s&1] }

// By says what a request was routed by.
type By uint8

// What requests are routed by.
const (
	ByWhole  By = iota // no account is known: V10, unless V11 owns every slot
	BySlot             // the account's hash
	ByCohort           // the account is named in the map
)

// Bys lists what requests are routed by.
func Bys() []By { return []By{ByWhole, BySlot, ByCohort} }

// String names it as metrics and logs do.
func (b By) String() string { return [...]string{"whole", "slot", "cohort"}[b%3] }

// Way is where a request goes, and why.
type Way struct {
	Side Side
	By   By
	Slot uint16 // chain.SlotNone without an account
}

// Table is a map made ready for look-ups. It is immutable.
type Table struct {
	m     Map
	whole Side
}

// Compile makes a table of a map that passes Check.
func Compile(m *Map) *Table {
	t := &Table{m: *m}
	t.m.Cohorts = maps.Clone(m.Cohorts)
	if m.Weight() == WeightWhole {
		t.whole = V11
	}
	return t
}

// Map is what the table was made of, read back from it.
func (t *Table) Map() Map {
	m := t.m
	m.Cohorts = maps.Clone(m.Cohorts)
	return m
}

// Version is the map's.
func (t *Table) Version() uint64 { return t.m.Version }

// Way says where a request of an account goes; "" is none.
func (t *Table) Way(account string) Way {
	if account == "" {
		return Way{Side: t.whole, Slot: chain.SlotNone}
	}
	if slot, named := t.m.Cohorts[account]; named {
		return Way{Side: t.owner(slot), By: ByCohort, Slot: slot}
	}
	slot := keys.AliasSlot(account)
	return Way{Side: t.owner(slot), By: BySlot, Slot: slot}
}

func (t *Table) owner(slot uint16) Side {
	if t.m.V11.Has(slot) {
		return V11
	}
	return V10
}
