// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// NamedMax is how many V10 accounts have a slot of their own, at most.
const NamedMax = 1000

// ReasonNamed is that of a list of names that cannot be used.
const ReasonNamed = "named_malformed" // Invalid

// Named are V10 accounts that have a slot of their own, from chain.SlotsMax on, in place of their hash's: so one customer can move before or
// behind all others. It does not change; nil is nobody.
type Named map[string]uint16

// Slot is the slot of a V10 account: its own, or its hash's.
func (n Named) Slot(alias string) uint16 {
	if slot, own := n[alias]; own {
		return slot
	}
	return AliasSlot(alias)
}

// Last is the highest slot that an account has.
func (n Named) Last() uint16 { return chain.SlotsMax - 1 + uint16(len(n)) }

// Except are the slots of all but those that a set has: in order, and apart from each other.
func (n Named) Except(has func(uint16) bool) (all []chain.SlotRange) {
	for slot := uint16(chain.SlotsMax); slot <= n.Last(); slot++ {
		switch last := len(all) - 1; {
		case has(slot):
		case last >= 0 && all[last].To+1 == slot:
			all[last].To = slot
		default:
			all = append(all, chain.SlotRange{From: slot, To: slot})
		}
	}
	return all
}

// Fit wants V10 to own the slots of all of them in a genesis, and no other one above the hashes': who was started without the names, or
// with others' names, is found by that. Invalid: it does not.
func (n Named) Fit(genesis []chain.SlotRange) error {
	owned := 0
	for _, r := range genesis {
		if r.To >= chain.SlotsMax {
			owned += int(r.To) - max(int(r.From), chain.SlotsMax) + 1
		}
	}
	if owned != len(n) {
		return fault.Reasoned(fault.Invalid, ReasonNamed,
			"%d accounts have a slot of their own in the genesis, the alias key names %d: give the alias key that was made with the network", owned, len(n))
	}
	return nil
}

// NameAll gives each name a slot, in order. Invalid: one is no name or stands there twice, or there are too many.
func NameAll(names []string) (Named, error) {
	if len(names) > NamedMax {
		return nil, fault.Reasoned(fault.Invalid, ReasonNamed, "%d names, at most %d accounts have a slot of their own", len(names), NamedMax)
	}
	n := make(Named, len(names))
	for i, name := range names {
		if err := CheckAlias(name); err != nil {
			return nil, fault.Reasoned(fault.Invalid, ReasonNamed, "name %d: %v", i+1, err)
		}
		if !utf8.ValidString(name) { // no V10 has it
			return nil, fault.Reasoned(fault.Invalid, ReasonNamed, "name %d is not UTF-8", i+1)
		}
		if other, twice := n[name]; twice {
			return nil, fault.Reasoned(fault.Invalid, ReasonNamed, "name %d stands at %d already: name it once", i+1, other-chain.SlotsMax+1)
		}
		n[name] = chain.SlotsMax + uint16(i)
	}
	return n, nil
}

// ReadNames reads a file of names for NameAll, one a line in UTF-8; empty lines are none. Invalid: there is no such file, it is too large, or
// a line is no name.
func ReadNames(path string) (names []string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Invalid, err, "the names of accounts with a slot of their own")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the names of accounts with a slot of their own")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, aliasFileBytesMax+1))
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "the names of accounts with a slot of their own")
	case len(text) > aliasFileBytesMax:
		return nil, fault.Reasoned(fault.Invalid, ReasonNamed, "%s has more than %d bytes", path, aliasFileBytesMax)
	}
	for line := range strings.Lines(string(text)) {
		if name := strings.TrimRight(line, "\r\n"); name != "" {
			names = append(names, name)
		}
	}
	_, err = NameAll(names)
	return names, err
}
