// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// simSlots are those that move in a simulation; three are enough for one to move while another is closed and a third is open.
const simSlots = 3

// rule is what a simulation can do without, to show that it would be missed.
type rule string

const (
	allRules     rule = ""
	recordKept   rule = "the record is durable"
	barrierTaken rule = "a barrier ends what was let through"
	compared     rule = "the ledger compares home versions"
	appliedFirst rule = "what comes opens when V10 has applied enough"
	lostIsClosed rule = "a guard without its record keeps everything closed"
)

// sim is a ledger, a V10 and a guard that may crash before and after each of its actions.
type sim struct {
	*rand.Rand
	without rule
	trace   []string

	// V11.
	version uint64
	height  uint64
	owner   [simSlots]side
	since   [simSlots]uint64
	log     []Move
	fences  []chain.Fence // all that were ever signed

	// V10.
	generation, newest uint64 // handed out, of a guard
	told, applied      uint64
	inside             []insideV10

	// The guard. Its disk outlives it.
	disk    *Record
	begun   *begun // a start under way
	core    *core
	actions []any
	view    *View
}

type insideV10 struct {
	slot       int
	generation uint64
}

func newSim(seed uint64, without rule) *sim {
	s := &sim{Rand: rand.New(rand.NewPCG(seed, 1)), without: without, version: FirstVersion}
	for i := range s.owner {
		s.owner[i] = open
	}
	return s
}

func (s *sim) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

// crash ends the guard, and sometimes its disk.
func (s *sim) crash() {
	s.note("the guard crashes")
	s.core, s.begun, s.actions, s.view = nil, nil, nil, nil
	if s.IntN(8) == 0 {
		s.note("its record is lost")
		s.disk = nil
	}
}

// run makes steps until something is wrong.
func (s *sim) run(steps int) error {
	for range steps {
		switch s.IntN(10) {
		case 0, 1, 2, 3:
			s.guardStep()
		case 4, 5:
			s.client()
		case 6:
			if err := s.executes(); err != nil {
				return err
			}
		case 7:
			s.ledger()
		case 8:
			s.applied = min(s.height, s.applied+uint64(s.IntN(3)))
		case 9:
			if s.IntN(8) == 0 {
				s.crash()
			}
		}
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

// takeBarrier is V10's step.
func (s *sim) takeBarrier() barrier {
	s.generation++
	b := barrier{generation: s.generation, earlier: s.newest, incarnation: [16]byte{1}, sequence: 10 * s.generation}
	if s.without != barrierTaken {
		s.newest = s.generation
	}
	return b
}

func (s *sim) guardStep() {
	switch {
	case s.core == nil && s.begun == nil:
		s.begun = &begun{barrier: s.takeBarrier()}
		s.note("a guard takes generation %d", s.generation)
	case s.core == nil:
		s.start()
	case len(s.actions) > 0:
		s.act()
	default:
		s.event()
	}
}

func (s *sim) start() {
	b := s.begun
	b.record, b.told = s.disk, s.told
	if s.without == lostIsClosed {
		b.barrier.earlier = 0
	}
	if newborn := b.newborn(); newborn != nil {
		s.disk = newborn
		if s.IntN(4) == 0 {
			s.note("it begins no further")
			s.begun = nil
			return
		}
	}
	if b.record == nil || b.record.Version < b.told {
		r := first(v10Slots())
		upTo := max(s.told, r.Version+uint64(s.IntN(len(s.log)+1))) // whom it asks may lag, but not behind what V10 was told
		for i := range s.log {
			if s.log[i].Version <= upTo {
				r.follow(&s.log[i])
			}
		}
		b.homes = r
	}
	s.begun = nil
	s.core, s.actions = begin(b)
	s.note("it begins at version %d, closed %v", s.core.record.Version, s.core.record.Closed)
}

// sealedSlots are those that the move of a seal names.
func sealedSlots() []chain.SlotRange { return []chain.SlotRange{{From: 0, To: chain.SlotNone - 1}} }

func v10Slots() []chain.SlotRange { return []chain.SlotRange{{From: 0, To: simSlots - 1}} }

// act carries out the guard's next action, as its loop does.
func (s *sim) act() {
	action := s.actions[0]
	s.actions = s.actions[1:]
	s.note("%T", action)
	answer := func(e any) { s.actions = s.core.step(e) }
	switch a := action.(type) {
	case serve:
		v := a.View
		s.view = &v
	case record:
		if s.without != recordKept || s.disk == nil || s.disk.Newborn > 0 {
			r := a.Record
			s.disk = &r
		}
		answer(recorded{})
	case bar:
		s.bar(a, answer)
	case tell:
		s.told = a.record.Version
		answer(homesTold{})
	case sign:
		s.fences = append(s.fences, a.Fence)
	case end:
		s.crash()
	case refuse:
	}
}

func (s *sim) bar(a bar, answer func(any)) {
	switch s.IntN(6) {
	case 0:
		answer(barFailed{errTest})
	case 1:
		if s.IntN(2) == 0 {
			s.takeBarrier()
		}
		answer(barUnclear{errTest})
	default:
		answer(barred{s.takeBarrier()})
	}
	_ = a
}

func (s *sim) event() {
	known := s.core.record.Version
	switch s.IntN(3) {
	case 0:
		slot := uint16(s.IntN(simSlots))
		to := slot + uint16(s.IntN(simSlots-int(slot)))
		version := known
		if s.IntN(6) == 0 {
			version--
		}
		s.note("a fence of %d to %d is asked for at %d", slot, to, version)
		s.actions = s.core.step(fenceAsked{version, []chain.SlotRange{{From: slot, To: to}}})
	case 1:
		if known < s.version {
			m := s.log[known-FirstVersion]
			s.note("it follows %+v", m)
			s.actions = s.core.step(moved{m})
		}
	case 2:
		height := s.applied
		if s.without == appliedFirst {
			height = s.height
		}
		s.actions = s.core.step(applied{height})
	}
}

// client has a request let through, if the guard does.
func (s *sim) client() {
	slot := s.IntN(simSlots)
	if s.view != nil && s.view.sides[slot] == open && len(s.inside) < 6 {
		s.note("a debit of %d is let through, generation %d", slot, s.view.Generation)
		s.inside = append(s.inside, insideV10{slot, s.view.Generation})
	}
}

// executes has V10 execute one of the requests inside it, or refuse it.
func (s *sim) executes() error {
	if len(s.inside) == 0 {
		return nil
	}
	i := s.IntN(len(s.inside))
	q := s.inside[i]
	s.inside = slices.Delete(s.inside, i, i+1)
	if q.generation < s.newest {
		return nil
	}
	s.note("V10 debits %d", q.slot)
	if s.owner[q.slot] != open {
		return fmt.Errorf("V10 debits slot %d, which V11 owns", q.slot)
	}
	if s.applied < s.since[q.slot] {
		return fmt.Errorf("V10 debits slot %d, and has applied %d of %d", q.slot, s.applied, s.since[q.slot])
	}
	return nil
}

// ledger makes a step of V11's quorum, whatever a controller may ask for.
func (s *sim) ledger() {
	s.height++
	slot := uint16(s.IntN(simSlots))
	one := []chain.SlotRange{{From: slot, To: slot}}
	switch s.IntN(8) {
	case 0:
		if s.IntN(4) == 0 { // a seal, which needs nobody's consent
			s.decide(ToV10, sealedSlots())
			return
		}
		s.decide(Aborted, one)
	case 1, 2:
		if s.owner[slot] == atV11 {
			s.decide(ToV10, one)
		}
	default:
		if len(s.fences) == 0 {
			return
		}
		f := s.fences[len(s.fences)-1-s.IntN(min(3, len(s.fences)))]
		if f.HomeVersion == s.version || s.without == compared {
			s.decide(ToV11, f.Slots)
		}
	}
}

func (s *sim) decide(kind MoveKind, slots []chain.SlotRange) {
	s.version++
	s.log = append(s.log, Move{Version: s.version, Height: s.height, Kind: kind, Slots: slots})
	s.note("V11 decides %+v", s.log[len(s.log)-1])
	for _, r := range slots {
		for i := r.From; i <= min(r.To, simSlots-1); i++ {
			switch {
			case kind == ToV11:
				s.owner[i] = atV11
			case kind == ToV10 && s.owner[i] == atV11:
				s.owner[i], s.since[i] = open, s.height
			}
		}
	}
}

// check looks for two homes: V11 owns a slot, and a debit could still happen on V10.
func (s *sim) check() error {
	for slot, at := range s.owner {
		if at != atV11 {
			continue
		}
		if s.view != nil && s.view.sides[slot] == open && s.view.Generation >= s.newest {
			return fmt.Errorf("two homes: the guard is open for slot %d", slot)
		}
		for _, q := range s.inside {
			if q.slot == slot && q.generation >= s.newest {
				return fmt.Errorf("two homes: a debit of slot %d is inside V10", slot)
			}
		}
	}
	return nil
}

// settles brings everything to rest: nobody crashes, the guard follows, V10 applies, one abort opens what was closed. Then each slot is open
// on the side that owns it.
func (s *sim) settles() error {
	s.decide(Aborted, []chain.SlotRange{{From: 0, To: 0}})
	for range 10_000 {
		switch {
		case s.core == nil && s.begun == nil:
			s.begun = &begun{barrier: s.takeBarrier()}
		case s.core == nil:
			s.start()
		case len(s.actions) > 0:
			s.act()
		case s.core.record.Version < s.version:
			s.actions = s.core.step(moved{s.log[s.core.record.Version-FirstVersion]})
		case s.applied < s.height || s.core.height < s.height:
			s.applied = s.height
			s.actions = s.core.step(applied{s.applied})
		default:
			for slot, at := range s.owner {
				if s.view.sides[slot] == at {
					continue
				}
				if s.view.sides[slot] == closed && s.core.record.Version == s.version {
					s.decide(Aborted, []chain.SlotRange{{From: 0, To: 0}}) // it began here without its record
					break
				}
				return fmt.Errorf("at rest slot %d is %s at the guard and %s in the ledger", slot, sideNames[s.view.sides[slot]], sideNames[at])
			}
			if s.core.record.Version == s.version {
				return nil
			}
		}
		if err := s.check(); err != nil {
			return err
		}
	}
	return fmt.Errorf("it does not come to rest")
}

func simulate(seed uint64, without rule) (trace []string, err error) {
	s := newSim(seed, without)
	if err = s.run(400); err == nil {
		err = s.settles()
	}
	return s.trace, err
}

// TestTwoHomesNever: whatever crashes and whoever asks, no slot has two homes, V10 debits what came back only when it has applied enough, and
// all comes to rest.
func TestTwoHomesNever(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 20
	}
	moves := 0
	for seed := range seeds {
		s := newSim(seed, allRules)
		err := s.run(400)
		if err == nil {
			err = s.settles()
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, strings.Join(s.trace, "\n"))
		}
		for _, m := range s.log {
			if m.Kind == ToV11 {
				moves++
			}
		}
	}
	if moves < int(seeds)/2 {
		t.Errorf("%d moves to V11 in %d runs: the simulation does not get far", moves, seeds)
	}
}

// TestEachRuleIsNeeded: without any one of them the simulation finds what goes wrong.
func TestEachRuleIsNeeded(t *testing.T) {
	for _, without := range []rule{recordKept, barrierTaken, compared, appliedFirst, lostIsClosed} {
		found := false
		for seed := uint64(0); seed < 2_000 && !found; seed++ {
			_, err := simulate(seed, without)
			found = err != nil
		}
		if !found {
			t.Errorf("nothing goes wrong without: %s", without)
		}
	}
}

// TestFenceOrder: a fence closes, records, bars and signs, in this order, and what it cannot do it says.
func TestFenceOrder(t *testing.T) {
	one, two := []chain.SlotRange{{From: 1, To: 1}}, []chain.SlotRange{{From: 2, To: 2}}
	c, actions := begin(&begun{barrier: barrier{generation: 4}, homes: first(v10Slots())})
	script := []struct {
		event any
		want  string
	}{
		{recorded{}, "serve tell"},
		{homesTold{}, "serve"},
		{fenceAsked{1, one}, "serve record"},
		{recorded{}, "serve bar"},
		{barFailed{errTest}, "serve refuse"},
		{fenceAsked{1, one}, "serve record"},
		{recorded{}, "serve bar"},
		{barred{barrier{generation: 7, earlier: 4, sequence: 30}}, "serve sign"},
		{fenceAsked{1, one}, "sign"},
		{fenceAsked{1, two}, "serve record"},
		{recorded{}, "serve bar"},
		{barRefused{errTest}, "refuse end"},
	}
	if got := kindsOf(actions); got != "record" {
		t.Error(got)
	}
	for i, s := range script {
		if got := kindsOf(c.step(s.event)); got != s.want {
			t.Errorf("step %d, %T: %s, want %s", i, s.event, got, s.want)
		}
	}
}

func kindsOf(actions []any) string {
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = strings.TrimPrefix(fmt.Sprintf("%T", a), "guard.")
	}
	return strings.Join(names, " ")
}

// TestFenceRefused: what may not be fenced changes nothing.
func TestFenceRefused(t *testing.T) {
	begun := &begun{barrier: barrier{generation: 4}, homes: first(v10Slots())}
	c, _ := begin(begun)
	c.step(recorded{})
	_, err := refusalOf(c.step(fenceAsked{1, v10Slots()}))
	wants(t, err, fault.TryLater, ReasonComing) // V10 does not know the version
	c.step(homesTold{})
	for name, test := range map[string]struct {
		ask    fenceAsked
		kind   fault.Kind
		reason string
	}{
		"no slots":      {fenceAsked{1, nil}, fault.Invalid, "invalid"},
		"upside down":   {fenceAsked{1, []chain.SlotRange{{From: 2, To: 1}}}, fault.Invalid, "invalid"},
		"older version": {fenceAsked{0, v10Slots()}, fault.Conflict, ReasonHomeVersion},
		"newer version": {fenceAsked{2, v10Slots()}, fault.Conflict, ReasonHomeVersion},
		"V11's slot":    {fenceAsked{1, []chain.SlotRange{{From: 2, To: 3}}}, fault.Conflict, ReasonNotHome},
	} {
		actions := c.step(test.ask)
		if _, err := refusalOf(actions); len(actions) != 1 {
			t.Errorf("%s: %s", name, kindsOf(actions))
		} else {
			wants(t, err, test.kind, test.reason)
		}
	}
	if len(c.record.Closed) != 0 {
		t.Errorf("%v", c.record.Closed)
	}
}

func refusalOf(actions []any) (found bool, err error) {
	for _, a := range actions {
		if r, ok := a.(refuse); ok {
			return true, r.err
		}
	}
	return false, nil
}

// TestOtherLife: a V10 that was put back to an earlier state begins with everything closed.
func TestOtherLife(t *testing.T) {
	r := first(v10Slots())
	r.Incarnation = [16]byte{1}
	for _, test := range []struct {
		life   byte
		told   uint64
		closed int
	}{{1, 1, 0}, {2, 1, 1}} {
		c, _ := begin(&begun{barrier: barrier{generation: 9, earlier: 8, incarnation: [16]byte{test.life}}, record: r, told: test.told})
		if len(c.record.Closed) != test.closed || c.record.Incarnation != [16]byte{test.life} {
			t.Errorf("%+v: %+v", test, c.record)
		}
	}
}

// TestSealedMove: by the move of a seal V10 gets what V11 owned, and it opens when V10 has applied everything up to its height; what V10 owned
// is served all the time, and what was closed for a fence of the version before opens.
func TestSealedMove(t *testing.T) {
	c, actions := begin(&begun{barrier: barrier{generation: 1}, homes: first(v10Slots())})
	var view View
	drive := func() {
		for len(actions) > 0 {
			next := actions[1:]
			switch a := actions[0].(type) {
			case serve:
				view = a.View
			case record:
				next = c.step(recorded{})
			case bar:
				next = c.step(barred{barrier{generation: c.generation + 1}})
			case tell:
				next = c.step(homesTold{})
			}
			actions = next
		}
	}
	is := func(what string, want ...side) {
		t.Helper()
		if got := view.sides[:4]; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	drive()
	is("at first", open, open, open, atV11)
	actions = c.step(moved{Move{Version: 2, Height: 5, Kind: ToV11, Slots: []chain.SlotRange{{From: 1, To: 1}}}})
	drive()
	actions = c.step(fenceAsked{2, []chain.SlotRange{{From: 2, To: 2}}})
	drive()
	is("one moved, one closed", open, atV11, closed, atV11)
	actions = c.step(moved{Move{Version: 3, Height: 9, Kind: ToV10, Slots: sealedSlots()}})
	view = actions[0].(serve).View
	is("sealed, and V10 was not told yet", open, coming, coming, coming)
	drive()
	is("sealed", open, coming, open, coming)
	if want := []Owned{{0, 0, 0}, {1, 1, 9}, {2, 2, 0}, {3, chain.SlotNone - 1, 9}}; !slices.Equal(c.record.Owned, want) || !c.waits() {
		t.Errorf("%+v, want %+v", c.record.Owned, want)
	}
	actions = c.step(applied{8})
	drive()
	is("one height is missing", open, coming, open, coming)
	actions = c.step(applied{9})
	drive()
	is("applied", open, open, open, open)
}
