// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// aDeed is one that V10 may say.
var aDeed = Deed{ID: v10.TxIDAt(1, 1, v10.LegacyPlaceMin)}

// history makes n records that follow each other, in batches of random size with gaps between their majors.
func history(t rapid.TB, k *Key, n int, rng *rand.Rand) []*Record {
	t.Helper()
	var out []*Record
	at, since, major := Position{}, uint64(0), uint64(0)
	for len(out) < n {
		since, major = major, major+1+rng.Uint64N(3)
		size := 1 + rng.IntN(5)
		for minor := range size {
			p := Position{major, uint32(minor)}
			r := &Record{Source: testSource, Position: p, Previous: at, Since: since, End: minor == size-1}
			switch rng.IntN(4) {
			case 0:
				r.Change = &Round{Number: major}
			case 1:
				r.Change = &Redeemed{Deed: aDeed, Asset: "AUR", Issuer: "bank", Amount: chain.Units(1)}
			default:
				r.Change = &Transfer{Deed: aDeed, From: "a", To: "b", Asset: "AUR", Amount: chain.Units(rng.Uint64())}
			}
			out, at = append(out, r), p
		}
	}
	sealChain(t, k, out)
	return out
}

func beatAt(r *Record) *Record {
	return &Record{Source: r.Source, Position: r.Position, Previous: r.Position, PreviousTag: r.Tag, Since: r.Since, End: r.End, Change: &Heartbeat{}}
}

// spread puts records into three topics as a publisher that is killed and comes back does: at places it goes back a little and writes
// again, sometimes leaving out some of what it had in flight; heart-beats name what is everywhere.
func spread(records []*Record, rng *rand.Rand) (topics [TopicCount][]*Record) {
	written := make([]bool, len(records))
	put := func(i int) {
		topic := records[i].Change.Topic()
		topics[topic] = append(topics[topic], records[i])
		written[i] = true
	}
	frontier := 0
	beat := func() {
		for frontier < len(records) && written[frontier] {
			frontier++
		}
		if frontier > 0 {
			for topic := range topics {
				topics[topic] = append(topics[topic], beatAt(records[frontier-1]))
			}
		}
	}
	for i := 0; i < len(records); i++ {
		if rng.IntN(20) == 0 { // in flight when it was killed: some arrive, some do not
			for j := i; j < min(i+8, len(records)); j++ {
				if rng.IntN(2) == 0 {
					put(j)
				}
			}
			i = max(0, i-rng.IntN(6))
		}
		put(i)
		if rng.IntN(10) == 0 {
			beat()
		}
	}
	beat()
	return topics
}

// mixed offers the topics in a random interleaving and collects what comes out.
func mixed(m *Merger, topics [TopicCount][]*Record, rng *rand.Rand) (out []*Record, err error) {
	for {
		open := slices.DeleteFunc([]int{0, 1, 2}, func(t int) bool { return len(topics[t]) == 0 || m.Full(Topic(t)) })
		if len(open) == 0 {
			r, err := m.Next()
			if r == nil {
				return out, err
			}
			out = append(out, r)
			continue
		}
		topic := open[rng.IntN(len(open))]
		for range 1 + rng.IntN(9) {
			if len(topics[topic]) == 0 {
				break
			}
			if _, err := m.Offer(Topic(topic), topics[topic][0], 100); err != nil {
				return out, err
			}
			topics[topic] = topics[topic][1:]
		}
		for range rng.IntN(12) {
			r, err := m.Next()
			if err != nil {
				return out, err
			}
			if r == nil {
				break
			}
			out = append(out, r)
		}
	}
}

func randOf(t *rapid.T) *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
}

func newMerger(t rapid.TB, start Start) *Merger {
	t.Helper()
	m, err := NewMerger(start)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// startAt draws where the applier stands: at nothing, at a record that it applied, or anywhere by a copy. It returns what must come out.
func startAt(t *rapid.T, records []*Record, rng *rand.Rand) (Start, []*Record) {
	start := Start{Source: testSource}
	from := rng.IntN(len(records))
	switch rapid.IntRange(0, 2).Draw(t, "start") {
	case 1:
		start.Position, start.Tag = records[from].Position, records[from].Tag
		return start, records[from+1:]
	case 2:
		start.Position = EndOf(records[from].Position.Major)
		after := slices.IndexFunc(records, func(r *Record) bool { return start.Position.Before(r.Position) })
		if after < 0 {
			return start, nil
		}
		return start, records[after:]
	}
	return start, records
}

// TestMergeIsTheLedgersOrder: whatever was doubled, delayed, mixed up by a publisher's restart or interleaved, every record comes out
// once and in order, and nothing is called lost.
func TestMergeIsTheLedgersOrder(t *testing.T) {
	k := testKey(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		rng := randOf(t)
		records := history(t, &k, 1+rng.IntN(200), rng)
		start, want := startAt(t, records, rng)
		got, err := mixed(newMerger(t, start), spread(records, rng), rng)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d records came out, want %d: %v", len(got), len(want), err)
		}
	})
}

// TestMergeNeverSkips: if a record is in no topic, all before it come out, and then a gap is told, never a record after it.
func TestMergeNeverSkips(t *testing.T) {
	k := testKey(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		rng := randOf(t)
		records := history(t, &k, 2+rng.IntN(200), rng)
		lost := rng.IntN(len(records) - 1)
		topics := spread(records, rng)
		for i := range topics {
			topics[i] = slices.DeleteFunc(topics[i], func(r *Record) bool { return r == records[lost] })
		}
		got, err := mixed(newMerger(t, Start{Source: testSource}), topics, rng)
		if !slices.Equal(got, records[:lost]) || fault.ReasonOf(err) != ReasonGap {
			t.Fatalf("%d records came out before the lost one, which is number %d: %v", len(got), lost, err)
		}
	})
}

func TestMergeTellsWhy(t *testing.T) {
	k := testKey(t, 1)
	rng := rand.New(rand.NewPCG(1, 1))
	records := history(t, &k, 40, rng)
	reseal := func(i int, change func(*Record)) *Record {
		r := *records[i]
		change(&r)
		if _, err := Seal(&k, &r); err != nil {
			t.Fatal(err)
		}
		return &r
	}
	pay := func(r *Record) {
		r.Change = &Transfer{Deed: aDeed, From: "mallory", To: "m", Asset: "AUR", Amount: chain.Units(9)}
	}
	for name, c := range map[string]struct {
		after  int // records handed out before
		record *Record
		reason string // of the error of Offer or of Next
	}{
		"another ledger":          {5, reseal(5, func(r *Record) { r.Ledger = V10Ledger("other") }), ReasonForeignLedger},
		"our own records":         {5, reseal(5, func(r *Record) { r.Origin = V11 }), ReasonOtherOrigin},
		"a later life":            {5, reseal(5, func(r *Record) { r.Life = 2; r.Incarnation[3] = 1 }), ReasonOtherIncarnation},
		"a second life of today":  {5, reseal(5, func(r *Record) { r.Incarnation[3] = 1 }), ReasonOtherIncarnation},
		"other past":              {5, reseal(3, pay), ReasonFork},
		"a past that was not":     {5, reseal(3, func(r *Record) { r.Position.Minor += 1000 }), ReasonFork},
		"another chain":           {5, reseal(5, func(r *Record) { r.PreviousTag[0] ^= 1 }), ReasonFork},
		"a beginning in between":  {5, reseal(5, func(r *Record) { r.PreviousTag = Tag{} }), ReasonFork},
		"over what was done":      {5, reseal(5, func(r *Record) { r.Previous = records[3].Position }), ReasonFork},
		"a heart-beat of another": {5, reseal(4, func(r *Record) { *r = *beatAt(r); r.PreviousTag[0] ^= 1 }), ReasonFork},
	} {
		m := newMerger(t, Start{Source: testSource})
		for _, r := range records[:c.after] {
			if v, err := m.Offer(r.Change.Topic(), r, 1); v != Kept || err != nil {
				t.Fatalf("%s: %v %v", name, v, err)
			}
			if got, err := m.Next(); got != r || err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		_, err := m.Offer(c.record.Change.Topic(), c.record, 1)
		if err == nil {
			_, err = m.Next()
		}
		if fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
		if r, again := m.Next(); r != nil || again == nil {
			t.Errorf("%s: something comes out after that", name)
		}
	}
}

// TestMergeForgives: records of a life before are passed over, and doubles of far back are not compared.
func TestMergeForgives(t *testing.T) {
	k := testKey(t, 1)
	records := history(t, &k, 10, rand.New(rand.NewPCG(2, 1)))
	later := testSource
	later.Life, later.Incarnation = 2, Incarnation{5}
	m := newMerger(t, Start{Source: later, Position: records[3].Position})
	if v, err := m.Offer(Transactions, records[8], 1); v != EarlierLife || err != nil {
		t.Errorf("%v %v", v, err)
	}
	m = newMerger(t, Start{Source: testSource, Position: records[3].Position})
	if v, err := m.Offer(Transactions, records[2], 1); v != Past || err != nil {
		t.Errorf("%v %v", v, err)
	}
	for range 2 {
		if _, err := m.Offer(records[4].Change.Topic(), records[4], 1); err != nil {
			t.Error(err)
		}
	}
	if m.Pending() != 1 {
		t.Errorf("%d wait, a double among them", m.Pending())
	}
	if _, err := m.Next(); err != nil {
		t.Error(err)
	}
	if v, err := m.Offer(records[4].Change.Topic(), records[4], 1); v != Double || err != nil {
		t.Errorf("%v %v", v, err)
	}
}

// TestMergeWaits: as long as one topic has not said that it has everything, nothing is lost.
func TestMergeWaits(t *testing.T) {
	k := testKey(t, 1)
	records := history(t, &k, 10, rand.New(rand.NewPCG(3, 1)))
	m := newMerger(t, Start{Source: testSource})
	for i, topic := range Topics() {
		if r, err := m.Next(); r != nil || err != nil {
			t.Fatalf("after %d heart-beats: %v %v", i, r, err)
		}
		if v, err := m.Offer(topic, beatAt(records[9]), 1); v != Beat || err != nil {
			t.Fatal(v, err)
		}
	}
	if _, err := m.Next(); fault.ReasonOf(err) != ReasonGap {
		t.Errorf("after all: %v", err)
	}
	if m.Stated() != records[9].Position {
		t.Errorf("stated %s", m.Stated())
	}
}

// TestMergeIsBounded: a topic whose records cannot be handed out is full, and that is told apart from a loss.
func TestMergeIsBounded(t *testing.T) {
	m := newMerger(t, Start{Source: testSource})
	offered := 0
	for !m.Full(Transactions) {
		offered++
		p := Position{uint64(offered + 1), 0}
		r := &Record{Source: testSource, Position: p, Previous: Position{p.Major - 1, 0}, Since: p.Major - 1, Tag: Tag{1}, Change: &Transfer{Deed: aDeed}}
		if _, err := m.Offer(Transactions, r, PendingBytesMax/100); err != nil {
			t.Fatal(err)
		}
	}
	if offered != 101 {
		t.Errorf("full after %d records of a hundredth of the bound", offered)
	}
	if _, err := m.Next(); err != nil {
		t.Errorf("while other topics may have it: %v", err)
	}
	for _, topic := range []Topic{Consensus, Assets} {
		r := &Record{Source: testSource, Position: Position{5, 0}, Previous: Position{5, 0}, Change: &Heartbeat{}}
		if _, err := m.Offer(topic, r, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Next(); fault.ReasonOf(err) != ReasonDisorder {
		t.Errorf("when no other topic has it: %v", err)
	}
}

// TestRecentTagsAreBounded: what is remembered of what was handed out does not grow.
func TestRecentTagsAreBounded(t *testing.T) {
	r := recent{tags: map[Position]Tag{}}
	for i := range 3*RecentMax + 7 {
		r.add(Position{uint64(i), 0}, Tag{1})
	}
	oldest := Position{uint64(2*RecentMax + 7), 0}
	if len(r.tags) != RecentMax || r.covers(oldest) || !r.covers(Position{oldest.Major + 1, 0}) {
		t.Errorf("%d tags, oldest not %s", len(r.tags), oldest)
	}
}
