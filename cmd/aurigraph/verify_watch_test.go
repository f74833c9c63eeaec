// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/verifier/watch"
)

var (
	equalVerdict  = watch.Verdict{Origin: "v10", Barrier: 17, Equal: true, Buckets: watch.BucketCount, Executed: 1204, Applied: 1204}
	differVerdict = watch.Verdict{
		Origin: "v11", Barrier: 170_000_001, UpToMs: 1_700_000_010_000, Buckets: watch.BucketCount - 1, Executed: 3, Applied: 2, Confirmed: 1,
		Named: []watch.Difference{{Class: watch.Missing, ID: "tx_1700000000123_a", Bucket: 9}},
	}
)

// TestWatchLines: a line a verdict, for people and for programs.
func TestWatchLines(t *testing.T) {
	var out bytes.Buffer
	w := &watchLines{out: &out, end: func() { t.Error("it ended") }}
	w.verdict(equalVerdict)
	w.verdict(differVerdict)
	w.finding(watch.Finding{Flaw: watch.Forged, Topic: "v10.assets", Offset: 4, Position: "3.0", Text: "its tag"})
	for _, want := range []string{
		"  EQUAL    65,536/65,536  v10  barrier 17  1,204 rows\n",
		"  DIFFERS  65,535/65,536  v11  block time 22:13:30  3 rows executed, 2 applied  1 confirmed\n          missing  tx_1700000000123_a  bucket 9\n",
		"  TOPIC    v10.assets offset 4  forged  3.0  its tag\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nlacks %q", out.String(), want)
		}
	}
	if err := w.ended(); err != nil {
		t.Error("a person stopped it, and it says: ", err)
	}
	out.Reset()
	w.json = true
	w.verdict(differVerdict)
	var line watchLineJSON
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Verdict == nil || line.Verdict.Named[0].ID != "tx_1700000000123_a" || line.Time == "" || line.Finding != nil {
		t.Error(out.String(), err)
	}
}

// TestWatchEnds: when it is enough, and what the exit code says of it.
func TestWatchEnds(t *testing.T) {
	other := equalVerdict
	other.Origin = "v11"
	outOfOrder, forged := watch.Finding{Flaw: watch.OutOfOrder}, watch.Finding{Flaw: watch.Forged}
	for _, c := range []struct {
		name  string
		flags verifyWatchFlags
		feed  []any
		ended bool
		code  int
	}{
		{"one origin was compared", verifyWatchFlags{once: 1}, []any{equalVerdict, equalVerdict}, false, exitDone},
		{"both were", verifyWatchFlags{once: 1}, []any{equalVerdict, other}, true, exitDone},
		{"both were, and differ", verifyWatchFlags{once: 1}, []any{equalVerdict, differVerdict}, true, exitFailed},
		{"a difference is confirmed", verifyWatchFlags{untilDifferent: true}, []any{differVerdict}, true, exitFailed},
		{"a record is forged", verifyWatchFlags{untilDifferent: true}, []any{forged}, true, exitFailed},
		{"a publisher was killed", verifyWatchFlags{untilDifferent: true}, []any{outOfOrder}, false, exitDone},
		{"nobody asked", verifyWatchFlags{}, []any{differVerdict, forged}, false, exitDone},
	} {
		ended := false
		w := &watchLines{out: new(bytes.Buffer), flags: c.flags, end: func() { ended = true }}
		for _, x := range c.feed {
			switch x := x.(type) {
			case watch.Verdict:
				w.verdict(x)
			case watch.Finding:
				w.finding(x)
			}
		}
		if err := w.ended(); ended != c.ended || exitCode(err) != c.code {
			t.Errorf("%s: ended %v, exit %d (%v)", c.name, ended, exitCode(err), fault.KindOf(err))
		}
	}
}
