// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// TestHistogram compares percentiles with those of the sorted durations: never less, and off by a hundredth at most.
func TestHistogram(t *testing.T) {
	if (&histogram{}).percentiles() != (Percentiles{}) {
		t.Error("nothing has percentiles")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, spread := range []int64{100, 5_000, 3_000_000, 1 << 35} {
		var h histogram
		var all []int64
		for range 1 + r.IntN(5000) {
			us := r.Int64N(spread)
			h.add(time.Duration(us) * time.Microsecond)
			all = append(all, us)
		}
		slices.Sort(all)
		for _, q := range []float64{0.001, 0.5, 0.99, 0.999, 1} {
			rank := 0
			for float64(rank+1) < q*float64(len(all)) {
				rank++
			}
			want, got := float64(all[rank])/1000, h.at(q)
			if got < want || got > want*1.01+0.001 {
				t.Errorf("%d durations below %d us: %v of them within %v ms, not %v", len(all), spread, q, want, got)
			}
		}
	}
	var h histogram
	h.add(-time.Second)
	h.add(time.Duration(1<<62) * time.Nanosecond)
	if h.at(0.5) != 0 || h.at(1) < 1e9 {
		t.Errorf("out of its range: %v, %v", h.at(0.5), h.at(1))
	}
}

func proposal(h chain.Height, numbers ...uint64) *chain.Proposal {
	p := &chain.Proposal{Height: h, Term: 1, TimeUs: uint64(h)}
	for _, n := range numbers {
		p.Entries = append(p.Entries, digestOf(n))
	}
	return p
}

func TestMeter(t *testing.T) {
	m := newMeter(4)
	begin := time.Now()
	for i := range 4 {
		m.room <- struct{}{}
		m.offer(begin.Add(time.Duration(i) * time.Second))
	}
	for i, p := range []*chain.Proposal{proposal(1, 0, 1), proposal(2), proposal(3, 1, 2)} { // 1 comes twice
		if err := m.decided(p, begin.Add(10*time.Second)); err != nil {
			t.Fatalf("proposal %d: %v", i, err)
		}
	}
	var at mark
	m.fill(&at)
	if at.Height != 3 || at.Rounds != 3 || at.Digests != 4 || m.undecided() != 1 || len(m.room) != 1 {
		t.Errorf("%+v, %d undecided, %d tokens out", at, m.undecided(), len(m.room))
	}
	if m.times.total != 3 || m.times.at(0) < 8000 || m.times.at(0) > 8100 || m.times.at(1) < 10000 || m.times.at(1) > 10100 {
		t.Errorf("%d times from %v to %v ms", m.times.total, m.times.at(0), m.times.at(1))
	}
	if p := m.takeTimes(); p.P50 == 0 || m.takeTimes() != (Percentiles{}) {
		t.Error("times are not taken once")
	}
	m.room <- struct{}{}
	m.offer(begin)
	if err := m.decided(proposal(4, 4), begin); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "digest 4 was decided before digest 3") {
		t.Errorf("out of turn: %v", err)
	}
	if err := m.decided(proposal(6), begin); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a height was left out: %v", err)
	}
}

// TestHistory lets meters that saw the same agree, and those that did not differ, however little.
func TestHistory(t *testing.T) {
	see := func(list ...*chain.Proposal) mark {
		m := newMeter(1) // offers nothing, as a follower
		for _, p := range list {
			if err := m.decided(p, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		at := mark{HasLeader: true}
		m.fill(&at)
		return at
	}
	one, same := see(proposal(1, 7), proposal(2, 8)), see(proposal(1, 7), proposal(2, 8))
	if !level([]mark{one, same}) || !sameHistory([]mark{one, same}) {
		t.Errorf("%+v and %+v differ", one, same)
	}
	later := proposal(2, 8)
	later.TimeUs++
	for _, other := range []mark{see(proposal(1, 7), later), see(proposal(1, 7), proposal(2, 9)), see(proposal(1, 6), proposal(2, 8))} {
		if sameHistory([]mark{one, other}) {
			t.Errorf("%+v and %+v agree", one, other)
		}
	}
	if level([]mark{one, see(proposal(1, 7))}) {
		t.Error("different heights are level")
	}
}

func TestLed(t *testing.T) {
	m := mark{HasLeader: true, Leader: 1, Term: 3, Links: 2}
	if !led([]mark{m, m, m}) {
		t.Error("they agree")
	}
	for _, change := range []func(*mark){
		func(m *mark) { m.HasLeader = false }, func(m *mark) { m.Leader = 2 }, func(m *mark) { m.Term = 2 }, func(m *mark) { m.Links = 1 },
	} {
		other := m
		change(&other)
		if led([]mark{m, m, other}) {
			t.Errorf("%+v agrees", other)
		}
	}
}

func TestReport(t *testing.T) {
	begin := []mark{{AtUs: 1e6, Term: 2, Rounds: 100, Digests: 100, CPUUs: 1000, Syncs: 10}, {CPUUs: 500, Syncs: 5}}
	end := []mark{{AtUs: 3e6, Term: 3, Rounds: 300, Digests: 500, CPUUs: 7000, Syncs: 110, DecidedMs: Percentiles{1, 2, 3}}, {CPUUs: 2500, Syncs: 55}}
	var r Report
	r.fill(0, begin, end)
	want := Report{
		Rounds: 200, DurationS: 2, RoundsPerS: 100, DecidedMs: Percentiles{1, 2, 3}, CPUUsPerRoundPerNode: 20, LeaderCPUUsPerRound: 30,
		SyncsPerRound: 0.375, LeaderSyncsPerRound: 0.5, DigestsPerRound: 2, TermChanges: 1,
	}
	if r != want {
		t.Errorf("%+v\nis not %+v", r, want)
	}
	var none Report
	none.fill(0, begin, begin)
	for word, r := range map[string]Report{"different": r, "nothing was": {Agreed: true}, "3 digests": {Agreed: true, Rounds: 1, Undecided: 3}} {
		if !strings.Contains(r.Failed(), word) {
			t.Errorf("%s: %q", word, r.Failed())
		}
	}
	if r.Agreed = true; r.Failed() != "" || none.RoundsPerS != 0 {
		t.Errorf("%q, %v", r.Failed(), none.RoundsPerS)
	}
}

// TestCountingFS flushes only if it may, and counts only that.
func TestCountingFS(t *testing.T) {
	for _, flush := range []bool{true, false} {
		fs := &countingFS{FS: disk.OS(), flush: flush}
		dir := testkit.DiskDir(t)
		f, err := fs.OpenFile(filepath.Join(dir, "f"), disk.Create, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, do := range []func() error{f.Datasync, func() error { return fs.SyncDir(dir) }} {
			if err := do(); err != nil {
				t.Error(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		missing := fs.SyncDir(filepath.Join(dir, "none"))
		if got, want := fs.syncs.Load(), map[bool]uint64{true: 3, false: 0}[flush]; got != want || flush != (missing != nil) {
			t.Errorf("flush %v: %d syncs, %v", flush, got, missing)
		}
	}
	if _, err := (&countingFS{FS: disk.OS()}).OpenFile(filepath.Join(t.TempDir(), "none"), disk.ReadOnly, false); err == nil {
		t.Error("a file that is not there was opened")
	}
}

// TestMemberRefuses speaks to a member out of turn.
func TestMemberRefuses(t *testing.T) {
	for line, want := range map[string]string{
		`{"do":"load"}`: "before it was opened",
		`{"do":"open"}`: "before it was opened",
		`{"do":"open","open":{"config":{"Engine":"raft","Nodes":2},"dir":"` + testkit.DiskDir(t) + `"}}`: "certificate",
	} {
		var said strings.Builder
		if err := Member(t.Context(), strings.NewReader(line), &said); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if !strings.Contains(said.String(), want) {
			t.Errorf("%s: said %q", line, said.String())
		}
	}
	if err := Member(t.Context(), strings.NewReader("hello\n"), io.Discard); !fault.Is(err, fault.Invalid) {
		t.Errorf("to no request: %v", err)
	}
	setup := `{"do":"open","open":{"config":{"Engine":"solo","Nodes":1,"Window":1},"dir":"` + testkit.DiskDir(t) + `"}}`
	var said strings.Builder
	if err := Member(t.Context(), strings.NewReader(setup+"\n"+setup+"\n"+`{"do":"drain"}`+"\n"+`{"do":"look"}`), &said); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 4 || lines[0] != "{}" || !strings.Contains(lines[1], "error") || !strings.Contains(lines[2], "error") || !strings.Contains(lines[3], `"leader":0`) {
		t.Errorf("said %q", lines)
	}
}
