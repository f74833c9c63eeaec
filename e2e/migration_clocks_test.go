// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/controller"
	"github.com/aurigraph/aurigraph/internal/journal"
	journalfile "github.com/aurigraph/aurigraph/internal/journal/sqlite"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
)

// apart is how wrong clocks are here.
const apart = 5 * time.Minute

// elsewhere is the controller whose clock is wrong.
const elsewhere = "a controller on another machine"

// TestMigrationClocks has what controllers and operators with clocks that are minutes wrong leave in the journal: entries, the judge's evidence and the
// lease are of another time, ahead and behind. It goes on all the same, or says who it waits for and ends waiting by itself; nothing is lost.
func TestMigrationClocks(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for minutes")
	}
	m := newMigrating(t, network.Options{}, nil)
	m.play(t, []part{
		{"operators with other clocks", m.operatorsApart},
		{"behind a controller that was behind", func() { m.overtaken(-apart); m.goesOn(steps[1]) }},
		{"behind a controller that was ahead", m.behindOneAhead},
		{"back and forth", m.backAndForth},
		{"all the way", m.allTheWay},
		{"nothing is lost", m.nothingIsLost},
	})
}

// write writes an operator's entry with a clock that is ahead, or behind.
func (m *migrating) write(e migration.Entry, ahead time.Duration) {
	m.t.Helper()
	for end := time.Now().Add(migratesMax); ; {
		m.read()
		e.By, e.AtMs = "ann", uint64(time.Now().Add(ahead).UnixMilli())
		if err := migration.May(&m.state, &e); err != nil {
			m.t.Fatal(err)
		}
		if _, err := m.journal.Append(m.t.Context(), m.state.Seq, journal.NoTerm, e); err == nil {
			return
		} else if time.Now().After(end) {
			m.t.Fatal(err)
		}
	}
}

// operatorsApart has the plan written by somebody who is ahead, and the start by somebody who is behind.
func (m *migrating) operatorsApart() {
	m.write(migration.Entry{Kind: migration.KindPlan, Text: planText(1)}, apart)
	m.write(migration.Entry{Kind: migration.KindStart}, -apart)
	m.goesOn(steps[0])
}

// goesOn waits until V11 has a share, or more.
func (m *migrating) goesOn(bp int) {
	m.t.Helper()
	m.until(fmt.Sprintf("a share of %d bp", bp), func() bool {
		if m.state.TargetBP < bp && m.state.StepSeq > 0 && m.state.ReachedBP == m.state.TargetBP && m.state.Promote == nil {
			_, _ = runIn(m.t, "migrate", "promote", "--network", m.dir) // the judge may have been faster
		}
		return m.state.ReachedBP >= bp && m.state.ReachedBP == m.state.TargetBP
	})
}

// behindOneAhead finds the lease of a controller that was ahead and died: who drives is said, clients are served, and the lease ends early.
func (m *migrating) behindOneAhead() {
	m.overtaken(apart)
	for _, verb := range []string{"status", "explain"} {
		driver, _ := m.do(verb)["driver"].(map[string]any)
		if driver["holder"] != elsewhere || driver["lease_ms"].(float64) <= 0 {
			m.t.Errorf("%s says that %v drives", verb, driver)
		}
	}
	m.read()
	bp, began := m.state.TargetBP, time.Now()
	m.served()
	for {
		holder, left, err := m.journal.Driver(m.t.Context())
		if err != nil {
			m.t.Fatal(err)
		}
		if holder != "" && holder != elsewhere {
			break
		}
		if m.read(); m.state.TargetBP != bp {
			m.t.Fatalf("it went from %d to %d bp while nobody drove", bp, m.state.TargetBP)
		}
		if time.Since(began) > journal.LeaseMax+migratesMax {
			m.t.Fatalf("%q drives for %s still", holder, left)
		}
		<-time.After(pollEvery)
	}
	if waited := time.Since(began); waited > apart-time.Minute {
		m.t.Errorf("it waited %s for who is gone", waited)
	}
	m.goesOn(steps[2])
}

// backAndForth goes back and on again by the word of people who are ahead and behind.
func (m *migrating) backAndForth() {
	for _, ahead := range []time.Duration{apart, -apart} {
		m.write(migration.Entry{Kind: migration.KindRollback, Why: fmt.Sprintf("a clock that is %s ahead", ahead)}, ahead)
		m.untilAt(0)
		m.served()
		m.write(migration.Entry{Kind: migration.KindResume}, -ahead)
		m.goesOn(steps[1])
	}
}

// overtaken leaves the journal as another controller leaves it whose clock is ahead, or behind, and which has the lease and ends: all that was written was
// written at its time.
func (m *migrating) overtaken(ahead time.Duration) {
	m.t.Helper()
	c, err := sqlite.OpenConn(filepath.Join(m.folder.Migration(), journalfile.FileName), sqlite.OpenReadWrite|sqlite.OpenWAL)
	if err != nil {
		m.t.Fatal(err)
	}
	defer c.Close()
	c.SetBusyTimeout(migratesMax)
	err = func() (err error) {
		end, err := sqlitex.ImmediateTransaction(c)
		if err != nil {
			return err
		}
		defer end(&err)
		if err := m.shiftEvidence(c, ahead); err != nil {
			return err
		}
		shift := `UPDATE entries SET text = json_set(text, '$.at_ms', json_extract(text, '$.at_ms') + ?)`
		if err := sqlitex.Execute(c, shift, &sqlitex.ExecOptions{Args: []any{ahead.Milliseconds()}}); err != nil {
			return err
		}
		until := time.Now().Add(ahead + controller.LeaseDefault).UnixMilli()
		return sqlitex.Execute(c, `UPDATE lease SET term = term + 1, holder = ?, until_ms = ?`, &sqlitex.ExecOptions{Args: []any{elsewhere, until}})
	}()
	if err != nil {
		m.t.Fatal(err)
	}
}

// shiftEvidence has the judge's evidence be of another time.
func (m *migrating) shiftEvidence(c *sqlite.Conn, ahead time.Duration) error {
	known, err := controller.ReadJudge(m.t.Context(), m.journal)
	if err != nil || known.Analysis == nil {
		return err
	}
	a := known.Analysis
	if ahead < 0 {
		a.Rewind(a.SeenMs - uint64(-ahead.Milliseconds()))
	} else {
		a.SeenMs += uint64(ahead.Milliseconds())
		a.ErrorRail.BeganMs += uint64(ahead.Milliseconds())
		a.P99Rail.BeganMs += uint64(ahead.Milliseconds())
	}
	text, err := json.Marshal(&known)
	if err != nil {
		return err
	}
	return sqlitex.Execute(c, `UPDATE snapshot SET text = ?`, &sqlitex.ExecOptions{Args: []any{text}})
}
