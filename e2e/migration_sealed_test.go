// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
)

// TestMigrationSealed rehearses an alarm, and then has V11 lose its quorum while it has slots: the controller sees that it stands, and as soon as a
// quorum answers again, but certifies nothing, it has V11 sealed by itself. Clients pay at V10 then, and nothing that they were told is lost; with a
// word of a person V11 goes on.
func TestMigrationSealed(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for a minute")
	}
	m := newMigrating(t, network.Options{}, nil)
	const step = "{weight_bp: 500, minimum_seconds: 1, minimum_requests: 5"
	plan := strings.Replace(planText(0), step, step+", approvals: 1", 1) // it stays there
	m.do("init", "--plan", m.planFile(plan+"failback: {sealed: automatic, after_seconds: 5}\n"))
	m.do("start")
	m.outOfTurn("V11 has no slots yet", [][]string{{"failback", "--sealed", "--confirm", confirmed, "--why", "an exercise"}})
	m.untilAt(500)
	m.alarmDrilled()

	hang, gone := m.pid(nodeAt(2)), m.pid(nodeAt(3))
	for _, pid := range []int{hang, gone} {
		signalTo(t, pid, syscall.SIGSTOP)
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) }) // whoever is stopped does not end
	}
	stood := time.Now()
	m.until("the controller to have V11 sealed", func() bool { return m.state.Sealing != nil })
	if b := m.state.Sealing; b.By != migration.Controller || !strings.Contains(b.Why, "2 of 4 validators answer") || m.state.TargetBP != 0 {
		t.Errorf("%+v", b)
	}
	t.Logf("%s: %s", time.Since(stood).Round(time.Millisecond), m.state.Sealing.Why)
	if explained, code := runIn(t, "migrate", "explain", "--network", m.dir); code != 0 || !strings.Contains(explained, "seal V11") {
		t.Errorf("explain says %d %s", code, explained)
	}
	signalTo(t, hang, syscall.SIGCONT)
	m.until("the seal", func() bool { return m.state.Sealed != nil })
	m.untilAt(0)
	t.Logf("all slots take debits at V10 %s after V11 stood: %s", time.Since(stood).Round(time.Millisecond), m.state.Sealed.Report)
	m.served()
	if s := m.status(); *s.WeightBP != 0 || *s.Moving != 0 {
		t.Errorf("%+v", s)
	}
	m.holds("reversed")

	signalTo(t, gone, syscall.SIGCONT)
	m.do("resume", "--why", "four validators again")
	m.untilAt(500)
	m.served()
	m.sealedByHand()
	m.nothingIsLost()
	m.stop()
	for i := range network.NodesDefault {
		verify(t, m.folder.Path(m.folder.Nodes[i].Dir), true)
	}
}

// sealedByHand has a person want a seal, and who drives killed in it: the next one ends it, and V11 serves again when that person says so.
func (m *migrating) sealedByHand() {
	m.t.Helper()
	was := m.state.Sealed.Seq
	m.do("failback", "--sealed", "--confirm", confirmed, "--why", "nobody trusts it", "--wait", "0")
	m.kill("migration")
	m.until("the seal", func() bool { return m.state.Sealed.Seq > was })
	m.untilAt(0)
	m.t.Logf("sealed by hand: %q", m.state.Sealed.Report)
	m.served()
	m.do("resume")
	m.untilAt(500)
	m.served()
}

// alarmDrilled rehearses an alarm: a validator raises it, and the drill counts for both gates.
func (m *migrating) alarmDrilled() {
	m.t.Helper()
	m.do("drill", "--alarm")
	m.read()
	if d := m.state.Drills; len(d) != 1 || !d[0].OK || !d[0].Alarm || !m.state.AlarmDrilled() || m.state.AutoRollbacks > 0 {
		m.t.Fatalf("%+v", d)
	}
	m.t.Logf("an alarm of a drill at %s: slots back %.0f ms after it", m.state.Raised.Report, m.state.Drills[0].ReverseMs)
	if answer := m.run(2, "migrate", "failback", "--sealed", "--confirm", "another", "--why", "an exercise"); answer["error"] == nil {
		m.t.Errorf("%v", answer)
	}
	if answer := m.do("failback", "--sealed", "--dry-run", "--why", "an exercise"); answer["changed"] != true || answer["dry_run"] != true {
		m.t.Errorf("%v", answer)
	}
}
