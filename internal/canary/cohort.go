// SPDX-License-Identifier: Apache-2.0

package canary

import (
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
// can. Invalid: there is no such step.
func (p *Plan) Cohorts(step int) (Cohorts, error) {
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
	named := len(p.Named.First)
	if step == len(p.Steps)-1 {
		named += len(p.Named.Back)
	}
	return c, fill(&c.Named, chain.SlotsMax, chain.SlotsMax+named)
}

// fill puts the slots from..to-1 into a set; there may be none.
func fill(s *router.Slots, from, to int) error {
	if from == to {
		return nil
	}
	return s.Set(chain.SlotRange{From: uint16(from), To: uint16(to - 1)})
}

// V11 is what a step gives to V11: the hash slots up to its weight, and the named accounts whose turn it is.
func (p *Plan) V11(step int) (router.Slots, error) {
	c, err := p.Cohorts(step)
	if err != nil {
		return router.Slots{}, err
	}
	all := c.Canary
	return all, all.Set(c.Named.Ranges()...)
}

// Accounts are the named accounts with their slots, as the router's map has them.
func (p *Plan) Accounts() map[string]uint16 {
	slots := map[string]uint16{}
	for i, name := range append(append([]string{}, p.Named.First...), p.Named.Back...) {
		slots[name] = uint16(chain.SlotsMax + i)
	}
	return slots
}
