// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"sort"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// nameTable has V10's account names in V10's order, and finds the place of a name in it. It has no pointer for each name, so that ten
// million of them cost the collector nothing: the names' bytes, 8 B for where they begin and 8 B in the table.
type nameTable struct {
	text  []byte
	ends  []uint64 // of each name in text
	slots []uint32 // open addressing: place + 1; 0: empty
	shift uint
	seed  maphash.Seed
}

func newNameTable(capacity uint64) *nameTable {
	t := &nameTable{seed: maphash.MakeSeed(), ends: make([]uint64, 0, capacity)}
	t.resize(max(16, int(2*capacity)))
	return t
}

func (t *nameTable) resize(least int) {
	size := 1 << bits.Len(uint(least-1))
	t.slots, t.shift = make([]uint32, size), uint(64-bits.TrailingZeros(uint(size)))
	for i := range t.ends {
		t.put(t.home(t.name(i)), i)
	}
}

func (t *nameTable) home(name []byte) int { return int(maphash.Bytes(t.seed, name) >> t.shift) }

func (t *nameTable) put(at, place int) {
	for t.slots[at] != 0 {
		at = (at + 1) & (len(t.slots) - 1)
	}
	t.slots[at] = uint32(place + 1)
}

// add appends a name, and reports whether it was not there before.
func (t *nameTable) add(name []byte) bool {
	if _, there := t.find(name); there {
		return false
	}
	t.text = append(t.text, name...)
	t.ends = append(t.ends, uint64(len(t.text)))
	if 2*len(t.ends) > len(t.slots) {
		t.resize(2 * len(t.slots))
	} else {
		t.put(t.home(name), len(t.ends)-1)
	}
	return true
}

func (t *nameTable) len() int { return len(t.ends) }

func (t *nameTable) name(place int) []byte {
	begin := uint64(0)
	if place > 0 {
		begin = t.ends[place-1]
	}
	return t.text[begin:t.ends[place]]
}

func (t *nameTable) find(name []byte) (place int, ok bool) {
	for at := t.home(name); t.slots[at] != 0; at = (at + 1) & (len(t.slots) - 1) {
		if place := int(t.slots[at] - 1); bytes.Equal(t.name(place), name) {
			return place, true
		}
	}
	return 0, false
}

// span says that V10's accounts from the place First on have ascending numbers from Number on, up to the next span. There: the account
// at First is one that V11 had before.
type span struct {
	First  uint64          `json:"first"`
	Number chain.AccountNo `json:"number"`
	There  bool            `json:"there,omitempty"`
}

// runs ascend by First, the first one at 0.
type runs []span

func (r runs) of(place uint64) *span {
	i := sort.Search(len(r), func(i int) bool { return r[i].First > place })
	return &r[i-1]
}

// number is that of the account at a place.
func (r runs) number(place uint64) chain.AccountNo {
	run := r.of(place)
	return run.Number + chain.AccountNo(place-run.First)
}

// there reports whether V11 had the account at a place before the copy.
func (r runs) there(place uint64) bool {
	run := r.of(place)
	return run.There && run.First == place
}

// from is r with another span from its First on. What r said of later places is forgotten: nothing of it was applied.
func (r runs) from(next span) runs {
	i := sort.Search(len(r), func(i int) bool { return r[i].First >= next.First })
	return append(append(runs(nil), r[:i]...), next)
}

func (r runs) valid() bool {
	for i := range r {
		if r[i].Number == 0 || i == 0 && r[i].First != 0 || i > 0 && r[i].First <= r[i-1].First {
			return false
		}
	}
	return len(r) > 0
}
