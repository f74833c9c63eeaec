// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// keysOf are a validator's keys, different ones for each n.
func keysOf(n byte) (ed25519, mldsa65 HexBytes) {
	ed25519, mldsa65 = make(HexBytes, Ed25519KeyBytes), make(HexBytes, MLDSA65KeyBytes)
	ed25519[0], mldsa65[0] = n, n
	return ed25519, mldsa65
}

func memberOf(no ValidatorNo, joined Epoch, key byte) Member {
	m := Member{No: no, JoinEpoch: joined, Name: "v" + string(rune('0'+key))}
	m.Ed25519, m.MLDSA65 = keysOf(key)
	return m
}

// four is epoch 3 with numbers 0, 1, 3 and 4; 2 is vacant.
func four() *Membership {
	return &Membership{Epoch: 3, Members: []Member{memberOf(0, 1, 1), memberOf(1, 3, 2), memberOf(3, 1, 3), memberOf(4, 2, 4)}}
}

func TestMembershipLookup(t *testing.T) {
	m := four()
	if m.Size() != 5 || m.Quorum() != 3 || (&Membership{}).Size() != 0 {
		t.Error(m.Size(), m.Quorum())
	}
	for v, found := range []bool{true, true, false, true, true, false} {
		if x := m.Find(ValidatorNo(v)); (x != nil) != found || found && x.No != ValidatorNo(v) {
			t.Errorf("validator %d: %+v", v, x)
		}
	}
	g := &Genesis{Validators: []GenesisValidator{{Name: "a"}, {Name: "b", Ed25519: []byte{1}, MLDSA65: []byte{2}}}}
	want := &Membership{Epoch: 1, Members: []Member{{JoinEpoch: 1, Name: "a"}, {No: 1, JoinEpoch: 1, Name: "b", Ed25519: []byte{1}, MLDSA65: []byte{2}}}}
	if got := g.Membership(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestMembershipValidate(t *testing.T) {
	if err := four().Validate(); err != nil {
		t.Fatal(err)
	}
	for text, damage := range map[string]func(m *Membership){
		"epoch 0":                  func(m *Membership) { m.Epoch = 0 },
		"0 members":                func(m *Membership) { m.Members = nil },
		"65 members":               func(m *Membership) { m.Members = make([]Member, ValidatorsMax+1) },
		"member 64":                func(m *Membership) { m.Members[3].No = ValidatorsMax },
		"member 1 stands at place": func(m *Membership) { m.Members[2].No = 1 },
		"member 0 stands at place": func(m *Membership) { m.Members[1].No = 0 },
		"needs a name":             func(m *Membership) { m.Members[0].Name = "\xff" },
		"needs keys":               func(m *Membership) { m.Members[0].MLDSA65 = nil },
		"needs keys of":            func(m *Membership) { m.Members[0].Ed25519 = make(HexBytes, 33) },
		"joins in epoch 0":         func(m *Membership) { m.Members[0].JoinEpoch = 0 },
		"joins in epoch 4":         func(m *Membership) { m.Members[0].JoinEpoch = 4 },
		"a key of another":         func(m *Membership) { m.Members[3].Ed25519 = m.Members[0].Ed25519 },
		"a key of another member":  func(m *Membership) { m.Members[3].MLDSA65 = m.Members[1].MLDSA65 },
	} {
		m := four()
		damage(m)
		if err := m.Validate(); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "membership" || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCheckNext(t *testing.T) {
	for name, c := range map[string]struct {
		change func(next *Membership)
		want   string // in the error's text; empty: it can follow
	}{
		"unchanged":    {func(*Membership) {}, ""},
		"one removed":  {func(n *Membership) { n.Members = n.Members[1:] }, ""},
		"one admitted": {func(n *Membership) { n.Members = append(n.Members, memberOf(9, 4, 9)) }, ""},
		"a vacant one": {func(n *Membership) {
			n.Members = append(n.Members[:2:2], memberOf(2, 4, 9), n.Members[2], n.Members[3])
		}, ""},
		"one re-keyed":         {func(n *Membership) { n.Members[1] = memberOf(1, 4, 9) }, ""},
		"one key new":          {func(n *Membership) { n.Members[1].JoinEpoch, n.Members[1].MLDSA65 = 4, memberOf(1, 4, 9).MLDSA65 }, ""},
		"two exchange keys":    {func(n *Membership) { n.Members[0], n.Members[1] = memberOf(0, 4, 2), memberOf(1, 4, 1) }, ""},
		"an epoch left out":    {func(n *Membership) { n.Epoch++ }, "does not follow"},
		"the same epoch":       {func(n *Membership) { n.Epoch-- }, "does not follow"},
		"not valid":            {func(n *Membership) { n.Members = nil }, "0 members"},
		"admitted in the past": {func(n *Membership) { n.Members = append(n.Members, memberOf(9, 3, 9)) }, "must join in epoch 4"},
		"re-keyed, lane kept":  {func(n *Membership) { n.Members[1] = memberOf(1, 3, 9) }, "must join in epoch 4"},
		"kept, lane anew":      {func(n *Membership) { n.Members[1].JoinEpoch = 4 }, "must keep join epoch 3"},
		"kept, renamed":        {func(n *Membership) { n.Members[1].Name = "x" }, "name"},
	} {
		next := four()
		next.Epoch++
		c.change(next)
		err := four().CheckNext(next)
		if c.want == "" && err != nil || c.want != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChange(t *testing.T) {
	admit := func(v ValidatorNo, key byte) *ChangeValidator {
		x := memberOf(v, 0, key)
		return &ChangeValidator{Epoch: 3, Validator: v, Name: x.Name, Ed25519: x.Ed25519, MLDSA65: x.MLDSA65}
	}
	half := admit(1, 9) // one new key, one of its own
	half.MLDSA65 = four().Members[1].MLDSA65
	full := four()
	for v := ValidatorNo(5); v < ValidatorsMax; v++ {
		full.Members = append(full.Members, memberOf(v, 1, byte(v)))
	}
	for name, c := range map[string]struct {
		in      *Membership
		change  *ChangeValidator
		want    Outcome
		members []Member
	}{
		"admit":               {four(), admit(5, 9), OK, append(four().Members, memberOf(5, 4, 9))},
		"admit again":         {four(), admit(2, 9), OK, []Member{memberOf(0, 1, 1), memberOf(1, 3, 2), memberOf(2, 4, 9), memberOf(3, 1, 3), memberOf(4, 2, 4)}},
		"re-key":              {four(), admit(0, 9), OK, []Member{memberOf(0, 4, 9), memberOf(1, 3, 2), memberOf(3, 1, 3), memberOf(4, 2, 4)}},
		"remove":              {four(), &ChangeValidator{Epoch: 3, Validator: 4}, OK, four().Members[:3]},
		"one key new":         {four(), half, OK, []Member{memberOf(0, 1, 1), {No: 1, JoinEpoch: 4, Name: half.Name, Ed25519: half.Ed25519, MLDSA65: half.MLDSA65}, memberOf(3, 1, 3), memberOf(4, 2, 4)}},
		"earlier epoch":       {four(), &ChangeValidator{Epoch: 2, Validator: 4}, WrongEpoch, nil},
		"later epoch":         {four(), &ChangeValidator{Epoch: 4, Validator: 4}, WrongEpoch, nil},
		"remove a vacant one": {four(), &ChangeValidator{Epoch: 3, Validator: 2}, UnknownValidator, nil},
		"remove nobody":       {four(), &ChangeValidator{Epoch: 3, Validator: 200}, UnknownValidator, nil},
		"beyond the next":     {four(), admit(6, 9), UnknownValidator, nil},
		"own keys again":      {four(), admit(0, 1), ValidatorKeyTaken, nil},
		"another's keys":      {four(), admit(5, 1), ValidatorKeyTaken, nil},
		"too many":            {full, admit(ValidatorsMax, 99), ValidatorLimit, nil},
		"the last one":        {&Membership{Epoch: 3, Members: four().Members[:1]}, &ChangeValidator{Epoch: 3}, LastValidator, nil},
	} {
		got := c.in.CheckChange(c.change)
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
			continue
		}
		if got != OK {
			continue
		}
		next := c.in.Changed(c.change)
		if want := (&Membership{Epoch: 4, Members: c.members}); !reflect.DeepEqual(next, want) {
			t.Errorf("%s: %+v, want %+v", name, next, want)
		}
		if err := c.in.CheckNext(next); err != nil {
			t.Errorf("%s: what a change makes cannot follow: %v", name, err)
		}
	}
}
