// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
)

// journalDisk is how much room the journal has: enough for it, and little to fill.
const journalDisk = "12m"

// TestMigrationFaults takes a running V10's clients to V11 and back, again and again, while everything fails that can: each part is one after
// the other of one migration. At the end each payment that was answered is on both ledgers, once.
func TestMigrationFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for minutes")
	}
	door, small := newDoorway(t), false
	m := newMigrating(t, network.Options{}, func(n *network.Network) { small = mountedMemory(t, n.Migration(), journalDisk) }, "--v11-door", door.address)
	door.lead(strings.TrimPrefix(m.folder.REST()[0], "http://"))
	m.play(t, []part{
		{"bad plans", m.badPlans},
		{"verbs before there is a plan", func() { m.outOfTurn("migrate init", everyVerb()) }},
		{"verbs before the start", m.beforeTheStart},
		{"the sync stands while it copies", m.copyWithoutSync},
		{"killed while it verifies", m.killedInVerify},
		{"killed in the shadow, and another plan", m.anotherPlan},
		{"two controllers", m.twoControllers},
		{"killed in a move", m.killedInMove},
		{"V10 killed", m.withoutV10},
		{"guard killed", m.withoutGuard},
		{"validators killed", m.withoutValidators},
		{"V11's door shut", func() { m.doorShut(door) }},
		{"the journal's disk is full", func() { m.journalFull(small) }},
		{"killed in a drill", m.killedInDrill},
		{"up and down", m.upAndDown},
		{"killed in the cutover", m.killedInCutover},
		{"back from the whole", m.backFromTheWhole},
		{"nothing is lost", m.nothingIsLost},
		{"killed in the close and in the archive", m.closes},
	})
}

// confirmed is the name of the network's folder, which an operator types.
const confirmed = "net"

// everyVerb are all that go forward or back, but the first.
func everyVerb() [][]string {
	return [][]string{
		{"pause"}, {"resume"}, {"approve"}, {"promote"}, {"rollback"}, {"failback", "--why", "an alarm"}, {"drill"}, {"verify"},
		{"cutover", "--confirm", confirmed}, {"close", "--confirm", confirmed},
	}
}

// outOfTurn wants verbs to be refused with words that help.
func (m *migrating) outOfTurn(helps string, verbs [][]string) {
	m.t.Helper()
	for _, verb := range verbs {
		m.refused(migration.ReasonOrder, helps, verb...)
	}
}

// badPlans wants plans that cannot be followed to be refused, each with the name of its field, and nothing to be written.
func (m *migrating) badPlans() {
	if s := m.status(); *s.Phase != migration.Idle || *s.WeightBP != 0 {
		m.t.Errorf("%+v", s)
	}
	m.until("all gates to hold", func() bool { return *m.status().RollbackReady })
	for field, text := range map[string]string{
		"canary.steps":                          "canary: {steps: []}",
		"canary.steps[1].weight_bp":             "canary: {steps: [{weight_bp: 500, minimum_seconds: 1, minimum_requests: 1}, {weight_bp: 100, minimum_seconds: 1, minimum_requests: 1}]}",
		"canary.steps[0].minimum_requests":      "canary: {steps: [{weight_bp: 10000, minimum_seconds: 1}]}",
		"canary.reverse_to_bp":                  "canary: {reverse_to_bp: 10000}",
		"canary.rails.error_rate_bp":            "canary: {rails: {error_rate_bp: 0}}",
		"canary.named.first[0]":                 "canary: {named: {first: [CLIENT-1]}}",
		"sync.lag_ms_max":                       "sync: {lag_ms_max: 0}",
		"drills.slots":                          "drills: {slots: 10001}",
		"cutover.slice_bp":                      "cutover: {slice_bp: -1}",
		"warm.checks_after_seconds":             "warm: {checks_after_seconds: [5, 5]}",
		"window_ms":                             "window_ms: 1",
		"decomission":                           "decomission: {notice_days: 1}",
		"line 1: cannot unmarshal !!str `soon`": "sync: {lag_ms_max: soon}",
		"one YAML document":                     "{}\n---\n{}",
	} {
		reason := migration.ReasonPlan
		if strings.HasPrefix(field, "canary.") {
			reason = "canary_plan"
		}
		m.refused(reason, strings.TrimPrefix(field, "canary."), "init", "--plan", m.planFile(text))
	}
	if m.read(); m.state.Seq != 0 {
		m.t.Errorf("a plan that was refused is in the journal: %+v", m.log)
	}
}

// beforeTheStart writes a plan, and wants no verb to be taken before start but another plan.
func (m *migrating) beforeTheStart() {
	const unreachable = 100_000_000
	plan := m.planFile(planText(unreachable))
	if answer := m.do("init", "--plan", plan, "--dry-run"); answer["dry_run"] != true || answer["changed"] != true {
		m.t.Errorf("%v", answer)
	}
	if m.read(); m.state.Seq != 0 {
		m.t.Errorf("a dry run wrote %+v", m.log)
	}
	m.do("init", "--plan", plan)
	m.outOfTurn("migrate start", everyVerb())
	if s := m.status(); *s.Phase != migration.Planned || *s.Verdict != "hold: start" {
		m.t.Errorf("%+v", s)
	}
}

// copyWithoutSync stops V10's half of the sync: the migration stands, says why, and goes on when it does.
func (m *migrating) copyWithoutSync() {
	half := m.pid(besideIt("v10-sync"))
	signalTo(m.t, half, syscall.SIGSTOP)
	m.holds("start")
	m.until("the lag to be seen", func() bool {
		s := m.status()
		return s.LagMs["v10_to_v11"] > 5000 || s.LagMs["v10_to_v11"] < 0
	})
	m.do("start", "--why", "the test begins")
	if again := m.do("start"); again["changed"] != false {
		m.t.Errorf("started twice: %v", again)
	}
	m.holds("sync v10_to_v11", "sync v11_to_v10")
	m.outOfTurn("the phase is copy", [][]string{{"promote"}, {"drill"}, {"cutover", "--confirm", confirmed}, {"close", "--confirm", confirmed}})
	m.outOfTurn("the phase copy", [][]string{{"approve"}, {"approve", "--for", "cutover"}, {"approve", "--for", "close"}})
	m.outOfTurn("no way back", [][]string{{"rollback", "--to", "100"}})
	m.outOfTurn("migrate pause", [][]string{{"init"}})
	m.kill("migration")
	if m.read(); m.state.Phase != migration.Copy {
		m.t.Errorf("it went on without the sync, to the phase %s", m.state.Phase)
	}
	signalTo(m.t, half, syscall.SIGCONT)
}

// killedInVerify kills the controller while both ledgers are compared: they are compared again.
func (m *migrating) killedInVerify() {
	m.untilIn(migration.Verify)
	m.kill("migration")
	m.until("the comparison", func() bool { return m.state.Verified != nil && m.state.Verified.OK })
	m.served()
}

// anotherPlan waits for what cannot be, until the plan asks for less. A plan that is followed is not replaced.
func (m *migrating) anotherPlan() {
	m.holds("shadow")
	m.kill("migration")
	better := m.planFile(planText(5))
	m.refused(migration.ReasonOrder, "migrate pause", "init", "--plan", better)
	m.do("pause", "--why", "it asks for too much")
	m.outOfTurn("migrate resume", [][]string{{"promote"}, {"drill"}, {"cutover", "--confirm", confirmed}, {"close", "--confirm", confirmed}})
	m.do("init", "--plan", better)
	m.holds("paused")
	m.do("resume")
	m.untilAt(steps[0])
	m.served()
}

// twoControllers runs a second one: it waits, and drives when the first is gone. Only one drives at any time.
func (m *migrating) twoControllers() {
	second, log := m.secondController()
	log.until("does not drive the migration for now")
	again := m.again(besideIt("migration"), m.kill("migration"))
	signalTo(m.t, again, syscall.SIGSTOP)
	log.until("drives the migration\"")
	m.promoteTo(steps[1])
	signalTo(m.t, again, syscall.SIGCONT)
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		m.t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		m.t.Errorf("the second controller ended with %v: %s", err, log.text())
	}
	m.promoteTo(steps[2])
	m.outOfTurn("V11 is to have 1000 bp", [][]string{{"rollback", "--to", "2500"}, {"rollback", "--to", "1000"}})
}

// secondController starts one beside that of the network.
func (m *migrating) secondController() (*exec.Cmd, *textLog) {
	m.t.Helper()
	log := &textLog{t: m.t}
	c := exec.Command(program, "migrate", "run", "--json", "--network", m.dir)
	c.Stderr = log
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended, unless the test failed
	return c, log
}

// promoteTo asks for the next step, unless the judge was faster, and waits until V11 has its share.
func (m *migrating) promoteTo(bp int) {
	m.t.Helper()
	m.until("the step to begin", func() bool {
		if m.state.TargetBP < bp && m.state.Promote == nil && m.state.StepSeq > 0 {
			_, _ = runIn(m.t, "migrate", "promote", "--network", m.dir) // it may be out of turn by now
		}
		return m.state.TargetBP >= bp
	})
	m.untilAt(bp)
}

// killedInMove kills the controller while slots take no debits: the move is ended by the next one.
func (m *migrating) killedInMove() {
	for try := 1; ; try++ {
		m.do("rollback", "--to", "100")
		m.do("resume")
		m.until("the next step", func() bool {
			if m.state.TargetBP == 100 && m.state.Promote == nil && m.state.StepSeq > 0 {
				m.do("promote")
			}
			return m.state.TargetBP == 500
		})
		for m.read(); m.state.ReachedBP != 500; m.read() {
			if !m.moves() {
				continue
			}
			m.kill("migration")
			m.untilAt(500)
			m.served()
			return
		}
		if try == 10 {
			m.t.Fatal("no move was ever seen")
		}
	}
}

// withoutV10 kills V10 until that was seen: nothing goes on without it, and says why; and then all does.
func (m *migrating) withoutV10() {
	m.killUntilSeen("v10", "sync v10_to_v11", "sync v11_to_v10", "guard")
	m.served()
	m.promoteTo(1000)
}

// withoutGuard does the same with the guard.
func (m *migrating) withoutGuard() {
	m.killUntilSeen("v10-guard", "guard")
	m.served()
	m.do("rollback", "--to", "500", "--why", "the guard is back")
	if m.read(); m.state.ReachedBP != 500 {
		m.t.Errorf("rollback returned at %d bp", m.state.ReachedBP)
	}
	m.outOfTurn("migrate resume", [][]string{{"promote"}, {"drill"}, {"cutover", "--confirm", confirmed}})
	m.do("resume")
	m.promoteTo(1000)
}

// killUntilSeen kills something, again if it was back too soon, until status says what that holds up.
func (m *migrating) killUntilSeen(name string, gates ...string) {
	m.t.Helper()
	for range 10 {
		killed := m.kill(name)
		if gate, why := m.status().closed(); gate != "" {
			m.t.Logf("without %s, %s: %s", name, gate, why)
			for _, g := range gates {
				if gate == g {
					m.again(besideIt(name), killed)
					return
				}
			}
		}
		m.again(besideIt(name), killed)
	}
	m.t.Fatalf("%s was killed, and status never said so by %v", name, gates)
}

// withoutValidators kills one that no client needs, which changes nothing, and the one that the router knows: V11 holds, or gives all back.
func (m *migrating) withoutValidators() {
	other := m.pid(nodeAt(2))
	signalTo(m.t, other, syscall.SIGKILL)
	m.served()
	m.again(nodeAt(2), other)
	if m.read(); m.state.Reversed != nil {
		m.t.Errorf("it went back because of one of four validators: %+v", m.state.Reversed)
	}
	known := m.pid(nodeAt(0))
	signalTo(m.t, known, syscall.SIGKILL)
	m.again(nodeAt(0), known)
	m.served()
	m.resumed()
	m.promoteTo(2500)
}

// resumed says resume where it went back by itself, and wants it to have said why.
func (m *migrating) resumed() {
	m.t.Helper()
	if m.read(); m.state.Reversed == nil {
		return
	}
	m.until("the way back to end", func() bool { return m.state.ReachedBP == m.state.TargetBP })
	m.t.Logf("went back to %d bp: %s", m.state.TargetBP, m.state.Reversed.Why)
	if m.state.Reversed.Why == "" || m.state.Reversed.Verdict == nil {
		m.t.Errorf("it does not say why: %+v", m.state.Reversed)
	}
	m.do("resume")
}
