// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

var testSource = envelope.Source{Ledger: envelope.V10Ledger("test"), Origin: envelope.V10, Life: 1, Incarnation: envelope.Incarnation{1}}

// sealed is the first n changes as records.
func sealed(t rapid.TB, n int) []*envelope.Record {
	t.Helper()
	key, err := envelope.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	tip := Tip{End: true}
	var out []*envelope.Record
	for i := range n {
		d := change(i)
		r := &envelope.Record{Source: testSource, Position: d.Position, Previous: tip.Position, PreviousTag: tip.Tag, Since: tip.Since, End: d.End, Change: d.Change}
		if d.Position.Major != tip.Position.Major {
			r.Since = tip.Position.Major
		}
		if _, err := envelope.Seal(&key, r); err != nil {
			t.Fatal(err)
		}
		out, tip = append(out, r), tipOf(r)
	}
	return out
}

func beatOf(tip Tip) *envelope.Record {
	return &envelope.Record{Source: testSource, Position: tip.Position, Previous: tip.Position, PreviousTag: tip.Tag, Since: tip.Since, End: tip.End, Change: &envelope.Heartbeat{}}
}

// TestResumeFindsTheFrontier: whatever of the last records arrived, and wherever the newest heart-beat stands below them, a publisher goes
// on right behind the last record before which nothing is missing, and knows all that arrived above it.
func TestResumeFindsTheFrontier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		records := sealed(t, 1+rng.IntN(120))
		stated := rng.IntN(len(records) + 1) // how many the newest heart-beat tells of
		cut := rng.IntN(stated + 1)          // how many lie before the ends that were read
		arrived := make([]bool, len(records))
		var tails [envelope.TopicCount]tail
		beat := func(n int) {
			tip := Tip{End: true}
			if n > 0 {
				tip = tipOf(records[n-1])
			}
			topic := rng.IntN(len(tails))
			tails[topic].records = append(tails[topic].records, beatOf(tip))
		}
		beat(rng.IntN(cut + 1)) // older than what was read
		for i, r := range records {
			arrived[i] = i < stated || rng.IntN(4) > 0
			if arrived[i] && i >= cut {
				topic := r.Change.Topic()
				tails[topic].records = append(tails[topic].records, r)
			}
		}
		beat(stated)
		beat(rng.IntN(stated + 1)) // late
		got, err := resume(testSource, Tip{End: true}, tails)
		missing := slices.Index(arrived, false)
		if missing < 0 {
			missing = len(records)
		}
		want := Tip{End: true}
		if missing > 0 {
			want = tipOf(records[missing-1])
		}
		strays := 0
		for i := missing; i < len(records); i++ {
			if arrived[i] {
				strays++
				if got.strays[records[i].Position] != records[i].Tag {
					t.Fatalf("%s arrived and is not known", records[i].Position)
				}
			}
		}
		if err != nil || got.tip != want || got.more || len(got.strays) != strays || got.life != 1 {
			t.Fatalf("goes on at %+v with %d strays, want %+v with %d: %v", got.tip, len(got.strays), want, strays, err)
		}
		if among := missing > cut; among != (got.newest != nil) || among && got.newest.Tag != want.Tag {
			t.Fatalf("the record at %+v is %+v, among the ends: %t", want, got.newest, among)
		}
	})
}

func TestResumeTellsWhy(t *testing.T) {
	records := sealed(t, 9)
	copied := *records[5]
	broken := &copied
	broken.PreviousTag[0] ^= 1
	one := func(r *envelope.Record, change func(*envelope.Record)) [envelope.TopicCount]tail {
		other := *r
		change(&other)
		return [envelope.TopicCount]tail{{records: append(slices.Clone(records), beatOf(tipOf(records[4])), &other)}, {}, {}}
	}
	for name, c := range map[string]struct {
		tails  [envelope.TopicCount]tail
		reason string
	}{
		"two records follow one":   {one(records[6], func(r *envelope.Record) { r.Tag[0] ^= 1 }), envelope.ReasonFork},
		"another network":          {one(records[6], func(r *envelope.Record) { r.Ledger[0] ^= 1 }), envelope.ReasonForeignLedger},
		"our own direction":        {one(records[6], func(r *envelope.Record) { r.Origin = envelope.V11 }), envelope.ReasonOtherOrigin},
		"a later life":             {one(records[6], func(r *envelope.Record) { r.Life, r.Incarnation = 2, envelope.Incarnation{2} }), envelope.ReasonOtherIncarnation},
		"two that began as life 1": {one(records[6], func(r *envelope.Record) { r.Incarnation = envelope.Incarnation{2} }), envelope.ReasonOtherIncarnation},
		"a chain that breaks":      {[envelope.TopicCount]tail{{records: append(slices.Clone(records[:5]), beatOf(tipOf(records[4])), broken)}, {}, {}}, envelope.ReasonFork},
	} {
		if _, err := resume(testSource, Tip{End: true}, c.tails); fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	short := [envelope.TopicCount]tail{{records: records[3:]}, {whole: true}, {whole: true}}
	if got, err := resume(testSource, Tip{End: true}, short); err != nil || !got.more {
		t.Errorf("an end without a heart-beat is enough: %+v %v", got, err)
	}
	if got, err := resume(testSource, Tip{End: true}, [envelope.TopicCount]tail{}); err != nil || got.life != 1 || got.more {
		t.Errorf("empty topics: %+v %v", got, err)
	}
}

// TestWindow acknowledges in any order: the frontier is the last record before which all are acknowledged.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		w, acknowledged, open := &window{}, map[uint64]bool{}, []uint64{}
		var frontier uint64
		for range 3 * WindowMax {
			if (rng.IntN(3) > 0 && w.open() < WindowMax) || len(open) == 0 {
				open = append(open, w.add(Tip{Since: w.sent + 1}))
				continue
			}
			i := rng.IntN(min(len(open), 8))
			ticket := open[i]
			open = slices.Delete(open, i, i+1)
			acknowledged[ticket] = true
			moved := 0
			for acknowledged[frontier] {
				delete(acknowledged, frontier)
				frontier++
				moved++
			}
			if got := w.done(ticket); got != moved || w.frontier.Since != frontier {
				t.Fatalf("moved by %d to %d, want %d to %d", got, w.frontier.Since, moved, frontier)
			}
		}
	})
}
