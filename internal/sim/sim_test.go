// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// simSeeds makes the simulation longer: go test -run TestSeeds ./internal/sim -seeds 5000
var simSeeds = flag.Uint64("seeds", 300, "seeds that the simulation tries")

const (
	// sliceSeconds bounds what the seeds may take; 300 of them need about 30 s of one quiet core.
	sliceSeconds = 60
	// seedsMin is how many run on however slow a machine, seedsProof how many must come to everything at least once.
	seedsMin   = 20
	seedsProof = 150
)

// TestSeeds keeps every promise in every run, and sees to it that the runs come to what is worth promising.
func TestSeeds(t *testing.T) {
	seeds := *simSeeds
	if testing.Short() {
		seeds = 20
	}
	var r Runner
	report := NewReport()
	begin := time.Now()
	for seed := uint64(1); seed <= seeds; seed++ {
		if report.Seeds >= seedsMin && seeds <= 300 && time.Since(begin) > sliceSeconds*time.Second {
			break
		}
		o := Options{Seed: seed}
		x := r.Run(o)
		report.Add(x)
		if x.Failure != nil {
			t.Errorf("after %.3f s: %s: %s\nrepeat: %s", x.Failure.At, x.Failure.Check, x.Failure.Text, o.Command("aurigraph"))
		}
	}
	t.Logf("%d seeds in %v: %d heights, %v, %v; %d misled, back to work within %d ms", report.Seeds, time.Since(begin).Round(time.Second),
		report.Blocks, report.Faults, report.Seen, report.Misled, report.HealMs)
	if report.Seeds < seedsProof {
		return
	}
	for kind, n := range report.Faults {
		if n == 0 {
			t.Errorf("no run suffered %s", kind)
		}
	}
	for _, what := range seenKinds {
		if report.Seen[what] == 0 {
			t.Errorf("no run came to %s", what)
		}
	}
	if report.Blocks < int(report.Seeds)*50 || report.Misled == 0 || report.Misled > int(report.Seeds)*2/5 {
		t.Errorf("%d heights and %d misled runs of %d: too rough to prove anything", report.Blocks, report.Misled, report.Seeds)
	}
}

func TestSameSeedSameRun(t *testing.T) {
	var r Runner
	sizes, lies := map[int]bool{}, map[int]bool{}
	for seed := uint64(1); seed <= 12; seed++ {
		w := newWorld(Options{Seed: seed}, &r.slabs)
		sizes[w.size], lies[w.liars] = true, true
		a, b := r.Run(Options{Seed: seed}), r.Run(Options{Seed: seed})
		if a.Trace != b.Trace || a.Events != b.Events || a.Blocks != b.Blocks {
			t.Errorf("seed %d: two runs differ: %+v, %+v", seed, a, b)
		}
	}
	if !sizes[4] || !sizes[7] || !lies[0] || !lies[1] {
		t.Errorf("networks of %v with %v liars: not all kinds were compared", sizes, lies)
	}
	if a, b := r.Run(Options{Seed: 1}), r.Run(Options{Seed: 2}); a.Trace == b.Trace {
		t.Error("two seeds give the same run")
	}
}

// TestSeededBugs puts the mistakes into the hosts that the first seeds catch; `make sim-bugs` tries all.
func TestSeededBugs(t *testing.T) {
	var r Runner
	tried := 0
	for _, b := range SeededBugs() {
		if b.hint > 3 {
			continue
		}
		tried++
		if c := r.Catch(b); c.By == nil {
			t.Errorf("%s: %s: %s", b.Name, b.What, c.Reason)
		}
	}
	if tried < 15 {
		t.Errorf("only %d mistakes were tried", tried)
	}
}

// TestSeededBugsOfSeals is the same for the mistakes in what a seal asks of a host.
func TestSeededBugsOfSeals(t *testing.T) {
	if testing.Short() {
		t.Skip("it tries rare seeds")
	}
	var r Runner
	of := []Bug{
		bugVoteAfterRefusal, bugRefusalForgotten, bugRefusalUnflushed, bugSealUnsynced, bugRevealStale, bugVotesHidden,
		bugOrderLogKept, bugOrderLogDropped, bugSealedUnstored, bugVerdictForgotten,
	}
	for _, b := range SeededBugs() {
		if !slices.Contains(of, b.Name) {
			continue
		}
		c := r.Catch(b)
		if c.By == nil {
			t.Errorf("%s: %s: %s", b.Name, b.What, c.Reason)
			continue
		}
		t.Logf("%s: seed %d: %s", b.Name, c.Seed, c.By.Check)
	}
}

// TestSeededBugsOfEpochs is the same for those in what the end of an epoch by a change asks of a host.
func TestSeededBugsOfEpochs(t *testing.T) {
	if testing.Short() {
		t.Skip("it tries rare seeds")
	}
	var r Runner
	of := []Bug{
		bugOldMembers, bugStrangerCounted, bugHandoverShort, bugHandoverHalf, bugHandoverUnkept, bugEndOrderedAgain, bugEndUnforced, bugNewcomerHasty,
		bugFirstBase, bugLaneCarried,
	}
	for _, b := range SeededBugs() {
		if !slices.Contains(of, b.Name) {
			continue
		}
		c := r.Catch(b)
		if c.By == nil {
			t.Errorf("%s: %s: %s", b.Name, b.What, c.Reason)
			continue
		}
		t.Logf("%s: seed %d: %s", b.Name, c.Seed, c.By.Check)
	}
}

func TestSeededBugsAreNamedOnce(t *testing.T) {
	var names []string
	for _, b := range SeededBugs() {
		names = append(names, string(b.Name))
		if b.What == "" {
			t.Errorf("%s says nothing", b.Name)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) || len(names) < 20 {
		t.Errorf("%d mistakes: %v", len(names), names)
	}
}

// TestMissedBug shows that a mistake which changes nothing is not called caught.
func TestMissedBug(t *testing.T) {
	if testing.Short() {
		t.Skip("it tries many seeds")
	}
	var r Runner
	c := r.catch(SeededBug{Name: "nothing at all", hint: 1}, 3)
	if c.By != nil || c.Reason == "" {
		t.Errorf("%+v", c)
	}
}

func TestShrink(t *testing.T) {
	var r Runner
	o := Options{Seed: 1, Bug: bugTornTailTaken}
	for r.Run(o).Failure == nil {
		o.Seed++
	}
	before := r.Run(o)
	small := r.Shrink(o)
	after := r.Run(small.Options)
	switch {
	case after.Failure == nil || after.Failure.Check != before.Failure.Check:
		t.Errorf("the smaller run fails otherwise: %+v, before %+v", after.Failure, before.Failure)
	case len(after.Episodes) >= len(before.Episodes) || after.StormMs > before.StormMs:
		t.Errorf("from %d episodes in %d ms to %d in %d ms", len(before.Episodes), before.StormMs, len(after.Episodes), after.StormMs)
	case after.Trace != small.Result.Trace || small.Runs > shrinkRunsMax:
		t.Errorf("the command does not repeat the run, or took %d", small.Runs)
	}
	want := []string{"aurigraph sim --seed ", " --seeds 1 ", "--without ", "--bug torn_tail_taken"}
	for _, words := range want {
		if command := small.Options.Command("aurigraph"); !strings.Contains(command, words) {
			t.Errorf("%q is missing in %q", words, command)
		}
	}
	if green := r.Shrink(Options{Seed: o.Seed}); green.Result.Failure != nil || green.Runs != 1 {
		t.Errorf("a run that keeps its promises was shrunk: %+v", green)
	}
}

// TestPanicIsAFailure breaks an honest node's code and a liar's: the first is a failure, the second one crash more.
func TestPanicIsAFailure(t *testing.T) {
	var r Runner
	w := newWorld(Options{Seed: seedWithLiar(t, &r)}, &r.slabs)
	for _, n := range w.nodes {
		n.boot()
	}
	liar := w.nodes[len(w.nodes)-1]
	w.after(10, int(liar.no), func() { panic("a liar's own") })
	w.run(100, nil)
	if w.failure != nil || liar.up {
		t.Fatalf("%+v, the liar is up: %v", w.failure, liar.up)
	}
	w.after(10, 0, func() { panic("an honest one") })
	w.run(300, nil)
	if w.failure == nil || w.failure.Check != "panic" {
		t.Errorf("%+v", w.failure)
	}
}

func seedWithLiar(t *testing.T, r *Runner) uint64 {
	t.Helper()
	for seed := uint64(1); seed < 100; seed++ {
		if newWorld(Options{Seed: seed}, &r.slabs).liars > 0 {
			return seed
		}
	}
	t.Fatal("no seed has a liar")
	return 0
}

// TestPlanIsTheSeeds checks that runs have as many liars as they may, and that options make them smaller only.
func TestPlanIsTheSeeds(t *testing.T) {
	var r Runner
	for seed := range uint64(500) {
		w := newWorld(Options{Seed: seed}, &r.slabs)
		if w.liars > (w.size-1)/3 {
			t.Fatalf("seed %d: %d liars of %d", seed, w.liars, w.size)
		}
		for _, e := range w.plan {
			if isLie(e.kind) && !w.isLiar(chain.ValidatorNo(e.node)) || e.from > w.stormUs || e.to > w.stormUs && !isLie(e.kind) {
				t.Fatalf("seed %d: %v", seed, e)
			}
		}
		less := newWorld(Options{Seed: seed, Without: []int{0, 2}, StormMillis: 1000}, &r.slabs)
		if len(less.plan) != len(w.plan)-2 || less.stormUs > 1_000_000 || less.size != w.size {
			t.Fatalf("seed %d: %d episodes of %d", seed, len(less.plan), len(w.plan))
		}
	}
}

// TestManualListsEverything compares docs/reliability.md with the code.
func TestManualListsEverything(t *testing.T) {
	raw, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(raw)
	for _, b := range SeededBugs() {
		if !strings.Contains(manual, "| `"+string(b.Name)+"` | "+b.What+" | `") {
			t.Errorf("bug %s is not in the table as %q", b.Name, b.What)
		}
	}
	words := slices.Concat(faultKinds, lieKinds, leadKinds, []string{
		checkOrder, checkGap, checkCertificate, checkVote, checkHeld, checkAck, checkHistory, checkConservation, checkRoots,
		checkAcknowledged, checkEvidence, checkRetention, checkBounds, checkHalt, checkStart, checkMembership, checkHomes, checkSeal, checkLiveness,
	})
	for _, word := range words {
		if !strings.Contains(manual, "`"+word+"`") {
			t.Errorf("%s is not explained", word)
		}
	}
}
