// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// TestStories plays testdata/story-*.txt. A line of a story says who wants what ("alice: start"), what the controller's action came to ("did:", "failed:"), or what
// the facts are from now on ("facts:"); below each stand, indented, what is written and what Next says then. Under -update those are written anew.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/story-*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("stories %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			st := &story{t: t, facts: goodFacts()}
			st.facts.Copied = false
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimRight(line, "\n"); strings.HasPrefix(line, "  ") {
					continue
				}
				st.told(line)
				st.play(line)
			}
			testkit.Golden(t, filepath.Base(file), []byte(st.out.String()))
		})
	}
}

// story is a journal that is written line by line.
type story struct {
	t     *testing.T
	out   strings.Builder
	state State
	facts Facts
	next  Action
}

func (st *story) told(format string, args ...any) { fmt.Fprintf(&st.out, format+"\n", args...) }

func (st *story) play(line string) {
	st.t.Helper()
	if line == "" || strings.HasPrefix(line, "#") {
		return
	}
	who, what, is := strings.Cut(line, ": ")
	if !is {
		st.t.Fatalf("%q is no line of a story", line)
	}
	switch who {
	case "facts":
		st.set(what)
	case "did":
		st.did(what)
	case "failed":
		st.write(Entry{By: Controller, Kind: KindFailed, Action: st.next.Verb, ToBP: st.next.ToBP, Why: what})
	default:
		st.wants(who, what)
	}
	st.goOn()
}

// set changes facts: weight=100 lag=20,30 now=+60s verdict=promote, and so on. "good" makes all well.
func (st *story) set(what string) {
	st.t.Helper()
	f := &st.facts
	for word := range strings.FieldsSeq(what) {
		name, value, _ := strings.Cut(word, "=")
		value = strings.ReplaceAll(value, "_", " ")
		switch name {
		case "good":
			now, weight, closed := f.NowMs, f.WeightBP, f.Closed
			*f = goodFacts()
			f.NowMs, f.WeightBP, f.Closed = now, weight, closed
		case "now":
			f.NowMs += uint64(st.number(value)) * 1000
		case "weight":
			f.WeightBP = st.number(value)
		case "moving":
			f.Moving = st.number(value)
		case "copied":
			f.Copied = true
		case "guard":
			f.Guard = value
		case "unknown":
			f.Unknown = value
		case "to_v11":
			f.ToV11 = Lag{Ms: float64(st.number(value))}
		case "to_v10":
			f.ToV10 = Lag{Why: value}
		case "compared":
			f.Shadow = ShadowFacts{Compared: uint64(st.number(value))}
		case "divergences":
			f.Divergences = uint64(st.number(value))
		case "alarm":
			source, count, _ := strings.Cut(value, ":")
			f.Alarms = []Alarm{{Source: source, Count: uint64(st.number(count)), Newest: "two_headers by node3"}}
		case "stands":
			f.Stands, f.StandsMs = "2 of 4 validators answer", uint64(st.number(value))*1000
		case "running":
			f.Running = Verb(value)
		case "verdict":
			f.Verdict = verdict(&st.state, canary.Decision(value))
		default:
			st.t.Fatalf("%q is no fact", word)
		}
	}
}

func (st *story) number(text string) int {
	st.t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		st.t.Fatal(err)
	}
	return n
}

// did does the action that Next has said, with the result that the line gives it.
func (st *story) did(what string) {
	st.t.Helper()
	verb, result, _ := strings.Cut(what, " ")
	if Verb(verb) != st.next.Verb {
		st.t.Fatalf("did %s, and what was to be done was %s", verb, st.next.Verb)
	}
	e := Entry{By: Controller, OK: result != "bad"}
	switch st.next.Verb {
	case Weigh:
		st.facts.WeightBP, e.Kind, e.ToBP, e.OK = st.next.ToBP, KindMoved, st.next.ToBP, false
	case Rehearse:
		e.Kind, e.Slots, e.Alarm = KindDrilled, st.next.Slots, st.next.Drill > 0
	case Raise:
		e.Kind, e.OK = KindRaised, false
		st.facts.Alarms = append(st.facts.Alarms, Alarm{Source: AlarmDrill, Count: st.next.Drill})
	case Seal:
		st.facts.WeightBP, e.Kind, e.OK = 0, KindSealed, false
	case Compare:
		e.Kind, e.Rows = KindVerified, 9
		if !e.OK {
			e.Differences, e.Report = 2, "r-7"
		}
	case PutAway:
		e.Kind, e.Report, e.OK = KindArchived, "manifest", false
	case EndWayBack:
		st.facts.Closed, e.Kind, e.OK = true, KindClosed, false
	case SwitchOff:
		e.Kind, e.OK = KindOff, false
	default:
		st.t.Fatalf("nobody does %s", verb)
	}
	st.write(e)
}

// wants has a person want something: a verb of the tables, and for whom or why.
func (st *story) wants(who, what string) {
	st.t.Helper()
	name, why, _ := strings.Cut(what, " because ")
	if _, is := verbs[name]; !is {
		st.t.Fatalf("%q is no verb", name)
	}
	e := by(who, name)
	if why != "" {
		e.Why = why
	}
	if err := May(&st.state, &e); err != nil {
		st.told("  refused: %v", err)
		return
	}
	st.write(e)
}

func (st *story) write(e Entry) {
	st.t.Helper()
	e.Seq, e.AtMs = st.state.Seq+1, st.facts.NowMs
	e = kept(st.t, e)
	line := fmt.Sprintf("  %d %s", e.Seq, e.Kind)
	for _, part := range []string{string(e.Phase), e.For, string(e.Action)} {
		if part != "" {
			line += " " + part
		}
	}
	switch e.Kind {
	case KindStep, KindSlice, KindReverse, KindRollback, KindFailback, KindMoved:
		line += fmt.Sprintf(" %d -> %d bp", e.FromBP, e.ToBP)
	}
	if e.Why != "" {
		line += ": " + e.Why
	}
	st.told("%s", line)
	if err := st.state.Apply(&e); err != nil {
		st.t.Fatal(err)
	}
}

// goOn writes what is to be written, and tells what is to be done then, and what stands in the way.
func (st *story) goOn() {
	st.t.Helper()
	for range recordsInARow {
		st.next = Next(&st.state, &st.facts)
		if st.next.Verb != Record {
			break
		}
		st.write(*st.next.Entry)
		st.facts.Verdict = nil
	}
	switch a := st.next; a.Verb {
	case Hold:
		st.told("  hold for %s: %s", a.Gate, a.Why)
	case Weigh:
		st.told("  %s to %d bp", a.Verb, a.ToBP)
	case Rehearse:
		st.told("  %s with %d slots", a.Verb, a.Slots)
	case Seal:
		st.told("  %s without %v", a.Verb, a.Without)
	case Raise:
		st.told("  %s the alarm of drill %d", a.Verb, a.Drill)
	default:
		st.told("  %s", a.Verb)
	}
	if ready := RollbackReady(&st.state, &st.facts); ready != "" && st.state.Phase.moves() {
		st.told("  no way back: %s", ready)
	}
}
