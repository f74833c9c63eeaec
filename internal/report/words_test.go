// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/migration"
)

// TestNumbers writes numbers as people read them.
func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Length(0), "0 ms"}, {Length(0.44), "0.4 ms"}, {Length(9.96), "10 ms"}, {Length(412.4), "412 ms"}, {Length(999.5), "1 s"}, {Length(2087), "2.1 s"},
		{Length(59_949), "59.9 s"}, {Length(59_950), "1 min"}, {Length(200_000), "3 min 20 s"}, {Length(3_600_000), "1 h"}, {Length(7_500_000), "2 h 5 min"},
		{Length(86_400_000), "1 d"}, {Length(3.25 * 86_400_000), "3 d 6 h"}, {Length(-1), "not known"}, {Length(math.NaN()), "not known"},
		{percent(1), "0.01 %"}, {percent(2500), "25 %"}, {percent(10_000), "100 %"},
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(1_234_567), "1,234,567"},
		{number(0.05), "0.05"}, {number(-1234), "-1,234"}, {number(48_211.4), "48211"}, {number(1e300), "1e+300"}, {number(math.Inf(1)), "not known"},
		{line("a\nb\u202ec\x00 "), "a bc"}, {line("\xff"), "\ufffd"}, {line(strings.Repeat("x", 3000)), strings.Repeat("x", textRunesMax) + "…"},
		{lines("a:\n\tb\r\x1b"), "a:\n\tb"}, {count(1, "drill"), "1 drill"}, {count(1200, "slot"), "1,200 slots"}, {times(0), "never"}, {times(1), "once"}, {times(7), "7 times"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestWords has a sentence for each kind of entry, with its reason behind it.
func TestWords(t *testing.T) {
	seen := map[string]migration.Kind{}
	for _, k := range []migration.Kind{
		migration.KindPlan, migration.KindStart, migration.KindPause, migration.KindResume, migration.KindApprove, migration.KindPromote, migration.KindRollback, migration.KindRehearse,
		migration.KindCutover, migration.KindCheck, migration.KindClose, migration.KindStop, migration.KindPhase, migration.KindStep, migration.KindSlice, migration.KindReverse,
		migration.KindMoved, migration.KindDrilled, migration.KindVerified, migration.KindArchived, migration.KindClosed, migration.KindFailed,
		migration.KindNoticed, migration.KindOff, migration.KindCleaned, migration.KindFailback, migration.KindKnown, migration.KindSealed, migration.KindRaised,
	} {
		e := migration.Entry{Kind: k, Why: "month end"}
		said := Words(&e)
		if before, twice := seen[said]; twice || !strings.HasSuffix(said, ": month end") || strings.HasPrefix(said, string(k)+":") && k != "resume" && k != "pause" {
			t.Errorf("%s: %q, as %s", k, said, before)
		}
		seen[said] = k
	}
	if got := Words(&migration.Entry{Kind: migration.KindMoved, ToBP: 2500, Ms: 287}); got != "V11 has 25 % now, in 287 ms" {
		t.Error(got)
	}
}

// TestCourse tells done from now from ahead, also after a way back.
func TestCourse(t *testing.T) {
	p, err := migration.ParsePlan([]byte(smallPlan))
	if err != nil {
		t.Fatal(err)
	}
	all := made().entries
	for _, c := range []struct {
		entries int
		now     migration.Phase
		steps   string
	}{
		{0, "", "ahead ahead ahead"},
		{1, migration.Planned, "ahead ahead ahead"},
		{2, migration.Copy, "ahead ahead ahead"},
		{11, migration.Canary, "done now ahead"},
		{12, migration.Canary, "ahead ahead ahead"}, // it went back to 0: the first step is begun next
		{20, migration.Canary, "done done now"},
		{26, migration.Cutover, "done done done"},
		{len(all), migration.Decommission, "done done done"},
	} {
		course, err := CourseOf(&p, all[:c.entries])
		if err != nil || len(course) != len(migration.Phases())-1 {
			t.Fatal(err, len(course))
		}
		var steps []string
		for _, s := range course {
			want := Ahead
			switch {
			case s.Phase == c.now:
				want = Now
			case c.now != "" && s.Phase.Before(c.now):
				want = Done
			}
			if s.Is != want || (s.BeganMs == 0) != (want == Ahead) || (s.EndedMs == 0) != (want != Done) || s.Does == "" {
				t.Errorf("after %d entries: %+v", c.entries, s)
			}
			for _, step := range s.Steps {
				steps = append(steps, step.Is)
			}
		}
		if got := strings.Join(steps, " "); got != c.steps {
			t.Errorf("after %d entries the steps are %s, want %s", c.entries, got, c.steps)
		}
	}
}

// TestThin loses no extreme, makes no column twice, and stays in order.
func TestThin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Uint64Range(0, 50), 1, 400).Draw(t, "steps")
		columns := rapid.IntRange(1, 60).Draw(t, "columns")
		var all []point
		ms, most, least := uint64(1000), -1.0, math.Inf(1)
		for i, s := range steps {
			ms += s
			p := point{ms, float64(i*7919%1000) - 50} // below 0: not known
			all = append(all, p)
			if known(p.v) {
				most, least = max(most, p.v), min(least, p.v)
			}
		}
		cells := thin(all, 1000, ms, columns)
		if len(cells) > columns || highest(cells) != most || lowest(cells) != least {
			t.Fatalf("%d cells of %d columns, from %g to %g; want %g to %g", len(cells), columns, lowest(cells), highest(cells), least, most)
		}
		for i := range cells {
			c := &cells[i]
			if c.low > c.mean() || c.mean() > c.high || i > 0 && c.ms <= cells[i-1].ms {
				t.Fatalf("%+v behind %+v", c, cells[max(i-1, 0)])
			}
		}
	})
}

// TestAxes have round words, not too many, within the plot.
func TestAxes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Uint64Range(0, 1<<45).Draw(t, "from")
		p := period{fromMs: from, toMs: from + rapid.Uint64Range(1, 1<<40).Draw(t, "span"), beginMs: from}
		ticks := p.ticks()
		if len(ticks) == 0 || len(ticks) > ticksMax+1 {
			t.Fatalf("%d words", len(ticks))
		}
		for _, k := range ticks {
			if k.at < plotLeft || k.at > plotRight {
				t.Fatalf("%+v", k)
			}
		}
		v := rapid.Float64Range(0, 1e12).Draw(t, "highest")
		for _, h := range []heights{upTo(v, 10, 100), decades(v, v, 10, 100)} {
			if y := h.y(v); y < 10 || y > 100 || v > h.high*1.0001 && v <= scaleMax {
				t.Fatalf("%g is at %g of %+v", v, y, h)
			}
		}
	})
}
