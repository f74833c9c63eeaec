// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, err error, kind fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.ReasonOf(err) != reason {
		t.Errorf("%v (%v, %s), want %v, %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}

// random is a map from a seed.
func random(r *rand.Rand) Map {
	m := Map{Version: r.Uint64N(VersionMax + 1)}
	for range r.IntN(20) {
		from := uint16(r.IntN(chain.SlotNone))
		_ = m.V11.Set(chain.SlotRange{From: from, To: min(slotLast, from+uint16(r.IntN(1000)))}) // in range
	}
	for range r.IntN(5) {
		if m.Cohorts == nil {
			m.Cohorts = map[string]uint16{}
		}
		m.Cohorts[fmt.Sprintf("a %c%d", rune(0x20+r.IntN(1000)), r.IntN(100))] = uint16(chain.SlotsMax + r.IntN(slotLast-chain.SlotsMax+1))
	}
	return m
}

// TestSlots compares sets with the plainest ones there are.
func TestSlots(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var s Slots
		plain := map[uint16]bool{}
		for range 10 {
			from := uint16(r.IntN(slotLast + 1))
			a := chain.SlotRange{From: from, To: from + uint16(r.IntN(min(200, slotLast-int(from)+1)))}
			in := r.IntN(3) > 0
			if in {
				must(t, s.Set(a))
			} else {
				must(t, s.Clear(a))
			}
			for slot := int(a.From); slot <= int(a.To); slot++ {
				plain[uint16(slot)] = in
			}
		}
		weight := 0
		for slot := range slotLast + 1 {
			if s.Has(uint16(slot)) != plain[uint16(slot)] {
				t.Fatalf("slot %d: %v", slot, s.Has(uint16(slot)))
			}
			if slot < chain.SlotsMax && plain[uint16(slot)] {
				weight++
			}
		}
		var again Slots
		ranges := s.Ranges()
		must(t, again.Set(ranges...))
		for i := range ranges {
			if i > 0 && int(ranges[i].From) <= int(ranges[i-1].To)+1 {
				t.Errorf("ranges touch: %v", ranges)
			}
		}
		if again != s || s.Weight() != weight {
			t.Errorf("weight %d, want %d; ranges %v", s.Weight(), weight, ranges)
		}
	}
	var s Slots
	for _, a := range []chain.SlotRange{{From: 2, To: 1}, {From: 0, To: chain.SlotNone}} {
		wants(t, s.Set(chain.SlotRange{From: 0, To: 3}, a), fault.Invalid, ReasonMalformed)
		wants(t, s.Clear(a), fault.Invalid, ReasonMalformed)
	}
	if s != (Slots{}) {
		t.Error("a refused change left something behind")
	}
	must(t, s.Set(chain.SlotRange{From: 0, To: slotLast}))
	if s.Weight() != WeightWhole || len(s.Ranges()) != 1 {
		t.Errorf("all: %d %v", s.Weight(), s.Ranges())
	}
}

// TestSlotOf: V10 and the ledger compute the same; the figures are CRC-32's own check value and the empty text's.
func TestSlotOf(t *testing.T) {
	for name, want := range map[string]uint16{"123456789": 0xcbf43926 % 10_000, "": 0} {
		if got := keys.AliasSlot(name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
}

// TestNamedSlotOf: the router takes an account for what the alias key takes it for, named or not.
func TestNamedSlotOf(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var names []string
		for i := range r.IntN(40) {
			names = append(names, fmt.Sprint("customer ", i, r.Uint32()))
		}
		named, err := keys.NameAll(names)
		must(t, err)
		m := Map{Version: 1, Cohorts: named}
		must(t, m.Check())
		table := Compile(&m)
		for _, name := range append(names, "somebody", fmt.Sprint(r.Uint64())) {
			if got, want := table.Way(name).Slot, named.Slot(name); got != want {
				t.Errorf("%q: slot %d, the alias key has %d", name, got, want)
			}
		}
	}
}

func TestText(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		m := random(r)
		must(t, m.Check())
		text := m.Text()
		got, err := Parse(text)
		if err != nil || !got.Equal(&m) || !bytes.Equal(got.Text(), text) {
			t.Fatalf("%v\n%s", err, text)
		}
		damaged := slices.Clone(text)
		damaged[r.IntN(len(damaged))] ^= 1 << r.IntN(8)
		if got, err := Parse(damaged); err == nil {
			t.Errorf("damage is not seen: %v", got)
		}
	}
	m := Map{Version: 42, Cohorts: map[string]uint16{"alice ltd": 10_000}}
	must(t, m.V11.Set(chain.SlotRange{From: 0, To: 99}, chain.SlotRange{From: 5000, To: 5999}))
	want := "aurigraph router map 1\nversion 42\nv11 0-99\nv11 5000-5999\ncohort 10000 alice%20ltd\ncrc32 0cd83f51\n"
	if got := string(m.Text()); got != want {
		t.Errorf("%s", got)
	}
}

// signed ends lines with the right checksum.
func signed(lines string) []byte {
	text := textHead + lines
	return fmt.Appendf(nil, "%scrc32 %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

func TestParseRefuses(t *testing.T) {
	names := &strings.Builder{}
	for i := range CohortsMax + 1 {
		fmt.Fprintf(names, "cohort 10000 a%04d\n", i)
	}
	must(t, func() error { _, err := Parse(signed("version 1\n")); return err }())
	for _, lines := range []string{
		"", "v11 0-1\n", "version 1\nversion 1\n", "v11 0-1\nversion 1\n", "version 01\n", "version -1\n", "version 9007199254740992\n", "version\n", "version 1 \n",
		"version 1\nv11 1-0\n", "version 1\nv11 0-65535\n", "version 1\nv11 0\n", "version 1\nv11 0-1\nv11 2-3\n", "version 1\nv11 5-6\nv11 0-1\n", "version 1\nv11 00-1\n",
		"version 1\nv11 0-1\nv11 1-2\n", "version 1\ncohort 9999 a\n", "version 1\ncohort 65535 a\n", "version 1\ncohort 10000\n", "version 1\ncohort 10000 \n",
		"version 1\ncohort 10000 %61\n", "version 1\ncohort 10000 %2\n", "version 1\ncohort 10000 a\ncohort 10001 a\n", "version 1\ncohort 10000 b\ncohort 10000 a\n",
		"version 1\ncohort 10000 %FF\n", "version 1\ncohort 10000 a b\n", "version 1\n\n", "version 1\nweight 3\n", "version 1\n" + names.String(),
		"version 1\ncohort 10000 " + strings.Repeat("a", 257) + "\n",
	} {
		_, err := Parse(signed(lines))
		if !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != ReasonMalformed {
			t.Errorf("%.60q: %v", lines, err)
		}
	}
	for _, text := range []string{"", "\n", textHead, "aurigraph router map 2\nversion 1\ncrc32 00000000\n", strings.Repeat("a", TextBytesMax+1)} {
		_, err := Parse([]byte(text))
		wants(t, err, fault.Invalid, ReasonMalformed)
	}
}

// FuzzParse: whatever is taken has the one text of its map.
func FuzzParse(f *testing.F) {
	f.Add(signed("version 1\nv11 0-99\ncohort 10000 a%20b\n"))
	f.Add([]byte(textHead))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, text := range [][]byte{text, signed(string(text))} {
			if m, err := Parse(text); err == nil && (!bytes.Equal(m.Text(), text) || m.Check() != nil) {
				t.Errorf("taken, and it reads\n%s", m.Text())
			}
		}
	})
}

func TestWay(t *testing.T) {
	m := Map{Version: 1, Cohorts: map[string]uint16{"carol": 10_000, "dave": 10_001}}
	alice, carol := keys.AliasSlot("alice"), keys.AliasSlot("carol")
	must(t, m.V11.Set(chain.SlotRange{From: alice, To: alice}, chain.SlotRange{From: 10_001, To: 10_001}))
	table := Compile(&m)
	m.Cohorts["alice"] = 10_000 // the caller's own memory
	for account, want := range map[string]Way{
		"": {V10, ByWhole, chain.SlotNone}, "alice": {V11, BySlot, alice}, "carol": {V10, ByCohort, 10_000}, "dave": {V11, ByCohort, 10_001},
		"bob": {V10, BySlot, keys.AliasSlot("bob")},
	} {
		if got := table.Way(account); got != want {
			t.Errorf("%q: %+v, want %+v", account, got, want)
		}
	}
	if carol == alice {
		t.Fatal("the test needs other names")
	}
	delete(m.Cohorts, "alice")
	if got := table.Map(); !got.Equal(&m) || table.Version() != 1 {
		t.Errorf("%+v", got)
	}
	must(t, m.V11.Set(chain.SlotRange{From: 0, To: chain.SlotsMax - 1}))
	if got := Compile(&m).Way(""); got.Side != V11 {
		t.Errorf("%+v", got)
	}
	if V10.String() != "v10" || V11.String() != "v11" || len(Sides()) != 2 || ByWhole.String()+BySlot.String()+ByCohort.String() != "wholeslotcohort" || len(Bys()) != 3 {
		t.Error("names of sides, or of what decides")
	}
}

func TestFollows(t *testing.T) {
	a := Map{Version: 2}
	b := Map{Version: 2, Cohorts: map[string]uint16{"x": 10_000}}
	for _, c := range []struct {
		m, present Map
		change     bool
		reason     string
	}{
		{a, a, false, ""}, {a, Map{Version: 1}, true, ""}, {a, Map{Version: 3}, false, ReasonStale}, {a, b, false, ReasonDiffers}, {b, a, false, ReasonDiffers},
		{Map{}, Map{}, false, ""}, {Map{Cohorts: map[string]uint16{}}, Map{}, false, ""},
	} {
		change, err := c.m.Follows(&c.present)
		if change != c.change || c.reason == "" && err != nil || c.reason != "" && (!fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != c.reason) {
			t.Errorf("%+v after %+v: %v %v", c.m.Version, c.present.Version, change, err)
		}
	}
}

// liar is a driver that says what it is told to.
type liar struct {
	says    Map
	set     error
	get     error
	present Map
}

func (l *liar) Set(_ context.Context, m Map) error { l.present = m; return l.set }

func (l *liar) Get(context.Context) (Map, error) { return l.says, l.get }

func TestApply(t *testing.T) {
	m := Map{Version: 5}
	must(t, m.V11.Set(chain.SlotRange{From: 1, To: 2}))
	broken := fault.Reasoned(fault.Unavailable, "broken", "x")
	must(t, Apply(t.Context(), &liar{says: m}, m))
	wants(t, Apply(t.Context(), &liar{says: m, set: broken}, m), fault.Unavailable, "broken")
	wants(t, Apply(t.Context(), &liar{says: m, get: broken}, m), fault.Unavailable, "broken")
	wants(t, Apply(t.Context(), &liar{says: Map{Version: 4}}, m), fault.Unavailable, ReasonNotInForce)
	wants(t, Apply(t.Context(), &liar{says: Map{Version: 6}}, m), fault.Conflict, ReasonStale)
	wants(t, Apply(t.Context(), &liar{says: Map{Version: 5}}, m), fault.Conflict, ReasonDiffers)
	l := &liar{}
	wants(t, Apply(t.Context(), l, Map{Version: VersionMax + 1}), fault.Invalid, ReasonMalformed)
	if l.present.Version != 0 {
		t.Error("what is no map was sent")
	}
}
