// SPDX-License-Identifier: Apache-2.0

package canary

import (
	"fmt"
	"maps"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Cohorts are whose requests a step looks at. A slot is in one at most.
type Cohorts struct {
	Canary  router.Slots // by hash, V11's
	Control router.Slots // by hash, V10's: as many as the canary has, or all that are left
	Named   router.Slots // V11's customers of their own: no control is like them, so rails count them and tests do not
}

// Cohorts are those of a step. The control is taken from the end, which moves last, so it stays the same from step to step as long as it
// can. own are the slots of accounts that have one of their own. Invalid: there is no such step.
func (p *Plan) Cohorts(step int, own map[string]uint16) (Cohorts, error) {
	var c Cohorts
	if step < 0 || step >= len(p.Steps) {
		return c, fault.New(fault.Invalid, "step %d: the plan has %d, from 0", step, len(p.Steps))
	}
	weight := p.Steps[step].WeightBP
	if err := fill(&c.Canary, 0, weight); err != nil {
		return c, err
	}
	if err := fill(&c.Control, max(weight, weightWhole-weight), weightWhole); err != nil {
		return c, err
	}
	return c, c.Named.Set(p.Named.V11(weight, own)...)
}

// fill puts the slots from..to-1 into a set; there may be none.
func fill(s *router.Slots, from, to int) error {
	if from == to {
		return nil
	}
	return s.Set(chain.SlotRange{From: uint16(from), To: uint16(to - 1)})
}

// V11 are the slots of named accounts that V11 has at a weight, in order and apart from each other: those that go first as soon as it has any,
// all others with the last. own are the slots of all accounts that have one of their own; who is in no list stays back.
func (n *Named) V11(weightBP int, own map[string]uint16) []chain.SlotRange {
	if weightBP <= 0 || len(own) == 0 {
		return nil
	}
	var slots []uint16
	if weightBP >= weightWhole {
		slots = slices.Collect(maps.Values(own))
	} else {
		for _, name := range n.First {
			if slot, there := own[name]; there {
				slots = append(slots, slot)
			}
		}
	}
	slices.Sort(slots)
	return Join(slots)
}

// Join makes ranges of slots in order.
func Join(slots []uint16) (all []chain.SlotRange) {
	for _, slot := range slots {
		if n := len(all); n > 0 && all[n-1].To+1 == slot {
			all[n-1].To = slot
			continue
		}
		all = append(all, chain.SlotRange{From: slot, To: slot})
	}
	return all
}

// CheckOwn wants all who are named to have a slot of their own. Invalid: the first who has none.
func (n *Named) CheckOwn(own map[string]uint16) error {
	for _, list := range n.lists() {
		for i, name := range list.names {
			if _, there := own[name]; !there {
				return bad(fmt.Sprintf("%s[%d]", list.field, i),
					"%q has no slot of its own, and cannot get one any more: leave it out, or make a new network with `aurigraph up --with-v10 --named FILE`", name)
			}
		}
	}
	return nil
}
