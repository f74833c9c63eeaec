// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

func (*world) Usage(context.Context) []migration.Usage {
	return []migration.Usage{{Name: "node0", MemoryBytes: 1 << 20}}
}

// TestServed holds the sums against all windows, in any lengths: what is older than the time by more than a part does not count, what is younger does.
func TestServed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := served{overMs: uint64(rapid.IntRange(1, 1_000_000).Draw(t, "over"))}
		var all []journal.Window
		at := uint64(1_000_000)
		for range rapid.IntRange(0, 200).Draw(t, "windows") {
			length := uint64(rapid.IntRange(1, 3000).Draw(t, "length"))
			at += length + uint64(rapid.IntRange(0, 1).Draw(t, "gap"))*uint64(rapid.IntRange(0, 100_000).Draw(t, "long"))
			w := journal.Window{AtMs: at, LengthMs: length, Requests: [2]uint64{uint64(rapid.IntRange(0, 9).Draw(t, "v10")), 2}, Errors: [2]uint64{0, 1}}
			s.add(&w)
			all = append(all, w)
		}
		part := s.overMs / servedParts
		var least, most migration.ServedFacts
		for _, w := range all {
			if w.AtMs+s.overMs+part < at {
				continue
			}
			add := func(f *migration.ServedFacts) {
				f.KnownMs, f.Requests, f.Failed = f.KnownMs+w.LengthMs, f.Requests+w.Requests[0]+2, f.Failed+1
			}
			if add(&most); w.AtMs+s.overMs >= at {
				add(&least)
			}
		}
		got := s.facts(at)
		if got.Requests < least.Requests || got.Requests > most.Requests || got.Failed < least.Failed || got.Failed > most.Failed || got.KnownMs > s.overMs {
			t.Fatalf("%+v, at least %+v and at most %+v", got, least, most)
		}
		if len(s.parts) > 4*servedParts {
			t.Fatalf("%d parts", len(s.parts))
		}
	})
}

// TestUnavailable: with too many failures there is no cutover, and the windows of a controller before count too.
func TestUnavailable(t *testing.T) {
	onStage(t, func(s *stage) {
		plan := strings.Replace(planText, "{over_seconds: 0}", "{over_seconds: 2, least_ppm: 990000}", 1)
		served := func() migration.ServedFacts {
			f, err := ReadServed(s.Context(), s.journal, &migration.AvailabilityPlan{OverSeconds: 2}, nowMs())
			if err != nil {
				s.Fatal(err)
			}
			return f
		}
		stop := s.drive("a", s.journal, s.world)
		s.begin(plan)
		s.answersUntil("drills")
		if f := served(); f.Failed != 0 || f.Requests == 0 || f.KnownMs < 1900 {
			s.Errorf("%+v", f)
		}
		now := nowMs()
		if err := s.journal.AddWindow(s.Context(), journal.Window{AtMs: now, LengthMs: 1, Requests: [2]uint64{100_000, 0}, Errors: [2]uint64{50_000, 0}}); err != nil {
			s.Fatal(err)
		}
		stop()
		stop = s.drive("b", s.journal, s.world)
		defer stop()
		s.answersUntil("availability")
		await(s.Context(), nil, time.Second)
		if f, bp := served(), s.world.now(); f.Failed != 50_000 || bp != 2500 {
			s.Errorf("V11 has %d bp; %+v", bp, f)
		}
		s.answers()
		entries, err := s.journal.Read(s.Context(), 0)
		if err != nil {
			s.Fatal(err)
		}
		if i := slices.IndexFunc(entries, func(e migration.Entry) bool { return len(e.Checks) == 4 }); i < 0 {
			s.Error("no check of the warm phase says what it looked at")
		}
	})
}
