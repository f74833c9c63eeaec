// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
)

// faultRounds is how often each fault is made; 0 makes only those of the slice, once.
var faultRounds = flag.Int("faults.rounds", 0, "make every fault so many times; 0 = a bounded slice")

// Bounds of a fault.
const (
	underWayMax = time.Second      // until what was sent before a partition has arrived
	goesOnMax   = 8 * time.Second  // a network that has a quorum answers again
	healedMax   = 15 * time.Second // every network answers again after the last fault
	answersWant = 10               // transfers, to call that going on
)

// faultFor is how long a fault lasts: longer than an election takes, and in the long form long enough for connections to be
// given up.
func faultFor() time.Duration {
	if *faultRounds == 0 {
		return 1500 * time.Millisecond
	}
	return 2*time.Second + rand.N(4*time.Second)
}

// A fault is made to a metro whose clients go on.
type fault struct {
	name   string
	slice  bool // it is made in every run
	goesOn bool // there is a quorum that can talk: clients are answered meanwhile
	// begin makes it, and returns what ends it.
	begin func(m *metro, leader int) (end func())
}

// faults are all that is done to processes and links. Which follower is hit is drawn anew each time.
var faults = []fault{
	{"kill -9 of the leader", true, true, func(m *metro, leader int) func() { return m.killed(leader) }},
	{"kill -9 of a follower", false, true, func(m *metro, leader int) func() { return m.killed(m.follower(leader)) }},
	{"kill -9 of all", true, false, func(m *metro, _ int) func() { return m.killed(m.everybody()...) }},
	{"the leader freezes", true, true, func(m *metro, leader int) func() { return m.frozen(leader) }},
	{"a follower freezes", false, true, func(m *metro, leader int) func() { return m.frozen(m.follower(leader)) }},
	{"the leader is alone", true, true, func(m *metro, leader int) func() { m.part(leader); return m.heal }},
	{"a follower is alone", false, true, func(m *metro, leader int) func() { m.part(m.follower(leader)); return m.heal }},
	{"two and two", true, false, func(m *metro, leader int) func() { m.part(leader, m.follower(leader)); return m.heal }},
	{"the leader is deaf", true, true, func(m *metro, leader int) func() { m.cut(cut{at: leader, in: m.others(leader)}); return m.heal }},
	{"the leader is mute", false, true, func(m *metro, leader int) func() { m.cut(cut{at: leader, out: m.others(leader)}); return m.heal }},
	{"a follower is deaf", false, true, func(m *metro, leader int) func() {
		i := m.follower(leader)
		m.cut(cut{at: i, in: m.others(i)})
		return m.heal
	}},
	{"the leader does not reach one follower", false, true, func(m *metro, leader int) func() {
		m.cut(cut{at: leader, out: []int{m.follower(leader)}})
		return m.heal
	}},
	{"two followers do not reach each other", false, true, func(m *metro, leader int) func() {
		pair := m.others(leader)
		m.cut(cut{at: pair[0], in: pair[1:2], out: pair[1:2]})
		return m.heal
	}},
	{"a tenth of all packets is lost", true, true, func(m *metro, _ int) func() { m.lose(10); return m.heal }},
	{"a tenth of all packets is lost, and the leader dies", false, true, func(m *metro, leader int) func() {
		m.lose(10)
		start := m.killed(leader)
		return func() { m.heal(); start() }
	}},
	{"a follower is alone, and the leader dies", false, false, func(m *metro, leader int) func() {
		m.part(m.follower(leader))
		start := m.killed(leader)
		return func() { m.heal(); start() }
	}},
}

// follower is one that does not lead.
func (f *fleet) follower(leader int) int {
	followers := f.others(leader)
	return followers[rand.IntN(len(followers))]
}

// killed kills validators; they start again at the end.
func (f *fleet) killed(which ...int) func() {
	f.kill(which...)
	return func() { f.start(which...) }
}

// frozen stops a validator in the middle of whatever it does; it wakes up at the end.
func (f *fleet) frozen(i int) func() {
	f.signal(syscall.SIGSTOP, i)
	return func() { f.signal(syscall.SIGCONT, i) }
}

// TestFaults makes faults to four validators in network namespaces while clients pay and read. A network that has a quorum
// answers on, each goes on within seconds after the fault, all clients were told one history, every transfer that was
// acknowledged is found at other validators, and each validator's disk proves the same.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators for half a minute")
	}
	m := newMetro(t)
	m.startAll()
	c := newClients(m.fleet)
	c.begin()
	c.progress(answersWant, healedMax)
	for round := range max(1, *faultRounds) {
		for _, f := range faults {
			if !f.slice && *faultRounds == 0 {
				continue
			}
			t.Logf("round %d: %s", round, m.suffer(f, c))
		}
	}
	m.settled()
	c.stop()
	m.rest()
	m.stop(c.prove())
}

// suffer makes a fault, ends it, and says how soon clients were answered.
func (m *metro) suffer(f fault, c *clients) string {
	m.t.Helper()
	leader, lasts := m.settled(), faultFor()
	begun := time.Now()
	end := f.begin(m, leader)
	on := "nobody is answered"
	if f.goesOn {
		c.progress(answersWant, goesOnMax)
		on = "answers after " + time.Since(begun).Round(time.Millisecond).String()
		<-time.After(time.Until(begun.Add(lasts)))
	} else {
		m.stands(begun.Add(lasts + underWayMax))
	}
	healed := time.Now()
	end()
	c.progress(answersWant, healedMax)
	return fmt.Sprintf("%s (node%d led): %s, and %s after its end", f.name, leader, on, time.Since(healed).Round(time.Millisecond))
}

// stands asserts that a network without a quorum publishes nothing until a time, once what was under way has arrived.
func (m *metro) stands(until time.Time) {
	m.t.Helper()
	<-time.After(underWayMax)
	before := highest(m.statuses())
	<-time.After(time.Until(until))
	if after := highest(m.statuses()); after > before {
		m.t.Errorf("without a quorum height %d was published after %d", after, before)
	}
}

func highest(all []*client.Status) (h client.Height) {
	for _, s := range all {
		if s != nil {
			h = max(h, s.Height)
		}
	}
	return h
}
