// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/router"
)

// doorShut shuts V11's door: it goes back by itself, says why, and climbs again when a person says so.
func (m *migrating) doorShut(d *doorway) {
	m.read()
	before, rollbacks := m.state.TargetBP, m.state.AutoRollbacks
	d.shut()
	m.until("it to go back by itself", func() bool { return m.state.Reversed != nil && m.state.ReachedBP == m.state.TargetBP })
	r := m.state.Reversed
	if r.By != migration.Controller || r.Verdict == nil || r.Why == "" || m.state.TargetBP >= before || m.state.AutoRollbacks != rollbacks+1 {
		m.t.Errorf("%+v", m.state)
	}
	if explained, code := runIn(m.t, "migrate", "explain", "--network", m.dir); code != 0 || !strings.Contains(explained, "migrate resume") || !strings.Contains(explained, r.Verdict.Rule) {
		m.t.Errorf("explain says %d %s", code, explained)
	}
	m.holds("reversed")
	d.open()
	m.served()
	m.do("resume", "--why", "the door is open")
	m.promoteTo(before)
}

// journalFull fills the journal's disk: verbs say so, nothing is half written, and with space again it goes on.
func (m *migrating) journalFull(small bool) {
	if !small {
		m.t.Skip("*** mounting is not permitted here, a full disk of the journal is NOT TESTED ***")
	}
	ballast := fillDisk(m.t, m.folder.Migration())
	was := m.state.Seq
	out, code := runIn(m.t, "migrate", "pause", "--why", strings.Repeat("long ", 150), "--network", m.dir, "--json")
	if code != 1 || !strings.Contains(out, "full") {
		m.t.Errorf("exit %d: %s", code, out)
	}
	m.served()
	if err := os.Remove(ballast); err != nil {
		m.t.Fatal(err)
	}
	if m.read(); m.state.Paused != "" || m.state.Seq < was {
		m.t.Errorf("half of an entry is there: %+v", m.state)
	}
	m.do("pause", "--why", "there is space again")
	m.holds("paused")
	m.do("resume")
	m.status()
}

// killedInDrill kills the controller while a drill has slots of V11's at V10: they come back, and the drill is made or said to have failed.
func (m *migrating) killedInDrill() {
	m.read()
	bp, ends := m.state.TargetBP, m.drillEnds()
	m.do("drill", "--wait", "0")
	m.until("slots to move", func() bool { return m.moves() || m.drillEnds() > ends })
	if m.drillEnds() == ends {
		m.kill("migration")
	}
	m.until("the drill's end", func() bool { return m.drillEnds() > ends })
	m.untilAt(bp)
	m.served()
	m.read()
	for good := m.state.GoodDrills(); good < m.state.Plan.Drills.Count; good = m.state.GoodDrills() {
		m.do("drill", "--alarm")
		if m.read(); m.state.GoodDrills() != good+1 {
			m.t.Fatalf("a drill does not count: %+v", m.state.Drills)
		}
	}
}

// drillEnds counts the drills of which there is word.
func (m *migrating) drillEnds() (n int) {
	m.read()
	for _, e := range m.log {
		if e.Kind == migration.KindDrilled || e.Kind == migration.KindFailed && e.Action == migration.Rehearse {
			n++
		}
	}
	return n
}

// upAndDown goes back to each of the steps and to nothing, and up again.
func (m *migrating) upAndDown() {
	for _, down := range []string{"1000", "100", "0"} {
		m.do("rollback", "--to", down, "--why", "up and down")
		m.holds("reversed")
		m.do("resume")
		m.climb()
	}
}

// climb promotes step after step until the cutover.
func (m *migrating) climb() {
	m.t.Helper()
	m.until("the cutover", func() bool {
		if m.state.Phase == migration.Canary && m.state.StepSeq > 0 && m.state.ReachedBP == m.state.TargetBP && m.state.Promote == nil {
			_, _ = runIn(m.t, "migrate", "promote", "--network", m.dir) // the judge may have been faster
		}
		return m.state.Phase == migration.Cutover
	})
}

// cutOver approves the cutover and has it made.
func (m *migrating) cutOver() {
	m.t.Helper()
	for _, who := range []string{"head of operations", "auditor"} {
		m.do("approve", "--for", "cutover", "--as", who)
	}
	if again := m.do("approve", "--for", "cutover", "--as", "auditor"); again["changed"] != false {
		m.t.Errorf("one person approved twice: %v", again)
	}
	m.do("cutover", "--confirm", confirmed)
}

// killedInCutover kills the controller between two slices: the rest of them move.
func (m *migrating) killedInCutover() {
	m.outOfTurn("all slots are V11's first", [][]string{{"close", "--confirm", confirmed}})
	if answer := m.run(2, "migrate", "cutover", "--confirm", "another"); answer["error"] == nil {
		m.t.Errorf("%v", answer)
	}
	m.holds("approvals")
	m.cutOver()
	m.until("the second slice", func() bool { return m.state.TargetBP > steps[len(steps)-2] })
	m.kill("migration")
	m.untilIn(migration.Warm)
	m.kill("migration")
	m.outOfTurn("0 of 1 comparisons", [][]string{{"close", "--confirm", confirmed}})
	m.served()
	if s := m.status(); *s.WeightBP != router.WeightWhole || !*s.RollbackReady {
		m.t.Errorf("all is V11's, and cannot go back: %+v", s)
	}
}

// backFromTheWhole goes back from all to some, and to all again: approvals count anew.
func (m *migrating) backFromTheWhole() {
	m.do("rollback", "--to", "1000", "--why", "complaints")
	m.do("resume")
	m.climb()
	m.holds("approvals")
	m.cutOver()
	m.untilIn(migration.Warm)
	m.until("the comparison", func() bool { return m.state.WarmChecks > 0 })
}

// closes ends the way back, with the controller killed in it and in what follows.
func (m *migrating) closes() {
	if answer := m.run(2, "migrate", "close", "--confirm", "another"); answer["error"] == nil {
		m.t.Errorf("%v", answer)
	}
	m.do("approve", "--for", "close", "--as", "auditor")
	m.do("close", "--confirm", confirmed)
	m.untilIn(migration.Close)
	m.kill("migration")
	m.untilIn(migration.Archive)
	m.kill("migration")
	m.untilIn(migration.Decommission)
	m.outOfTurn("the way back has ended", [][]string{{"rollback"}, {"failback", "--why", "too late"}})
	m.holds("notice")
	if s := m.status(); *s.RollbackReady || !strings.Contains(s.RollbackWhy, "close") {
		m.t.Errorf("%+v", s)
	}
	phases := []migration.Phase{}
	for _, e := range m.log {
		if e.Kind == migration.KindPhase && !slices.Contains(phases, e.Phase) {
			phases = append(phases, e.Phase)
		}
	}
	if want := migration.Phases()[3:]; !slices.Equal(phases, want) {
		m.t.Errorf("it went through %v, want %v", phases, want)
	}
}
