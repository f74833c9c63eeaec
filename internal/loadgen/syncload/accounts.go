// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/keys"
)

// Side is one of the two ledgers.
type Side uint8

// The ledgers.
const (
	V10 Side = iota
	V11
	sides = 2
)

// both are they.
var both = [sides]Side{V10, V11}

// Other is the other ledger.
func (s Side) Other() Side { return 1 - s }

// String names it.
func (s Side) String() string { return [sides]string{"v10", "v11"}[s] }

// Payment is one of the bench's, between accounts by their numbers in the bench.
type Payment struct {
	From, To uint32
	Units    uint32 // smallest ones
}

// accounts are all of a run: those that pay on V10, those that pay on V11, those that are paid once by samples of either, and who funded
// them all.
type accounts struct {
	names  []string
	number map[string]uint32
	payers int // of each side
	once   int // payees of samples, of each side
}

func newAccounts(payers, once int, owned func(slot uint16) bool, funder string) *accounts {
	a := &accounts{payers: payers, once: once, number: map[string]uint32{}}
	var homes [sides][]string
	for i := 0; len(homes[V10]) < payers || len(homes[V11]) < payers; i++ {
		name, side := fmt.Sprintf("SYNC-%06d", i), V11
		if owned(keys.AliasSlot(name)) {
			side = V10
		}
		if len(homes[side]) < payers {
			homes[side] = append(homes[side], name)
		}
	}
	a.names = append(homes[V10], homes[V11]...)
	for i := range sides * once {
		a.names = append(a.names, fmt.Sprintf("ONCE-%06d", i))
	}
	a.names = append(a.names, funder)
	for i, name := range a.names {
		a.number[name] = uint32(i)
	}
	return a
}

// funder is the number of the account that funded the others.
func (a *accounts) funder() uint32 { return uint32(len(a.names) - 1) }

// payee is the account that only sample i of a side pays.
func (a *accounts) payee(side Side, i int) uint32 {
	return uint32(sides*a.payers + int(side)*a.once + i)
}

// drawn makes payments of a side's payers, one after the other, to whom the seed says. It is safe for concurrent use.
type drawn struct {
	*accounts
	side Side
	seed uint64
	next atomic.Uint64
}

// payment is the next one.
func (d *drawn) payment() Payment {
	i := d.next.Add(1) - 1
	from := uint32(d.side)*uint32(d.payers) + uint32(i%uint64(d.payers))
	r := rand.New(rand.NewPCG(d.seed+uint64(d.side), i))
	others := uint32(sides*d.payers - 1)
	to := (from + 1 + r.Uint32N(others)) % (others + 1)
	return Payment{From: from, To: to, Units: 1 + r.Uint32N(unitsMax)}
}

// unitsMax bounds a payment: many different amounts show one that was altered.
const unitsMax = 97
