// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/bench/peer"
)

func sampled(peerName, class string, opaque bool, rates ...float64) Row {
	row := Row{Peer: peerName, Variant: "v", Class: class, Opaque: opaque}
	for _, r := range rates {
		row.Samples = append(row.Samples, peer.Sample{TransfersPerS: r, Refused: map[string]int{"full": 1}})
	}
	return row
}

func TestFinish(t *testing.T) {
	r := Report{Rows: []Row{
		sampled(Ours, ClassMajority, false, 900, 1000, 5000),
		sampled("slow", ClassMajority, false, 10),
		sampled("fast", ClassMajority, false, 90, 110),
		sampled("blind", ClassMajority, true, 500),
		sampled(Ours, ClassOne, false, 3000),
		sampled("single", ClassOne, false, 1500),
		sampled(Ours, ClassOne, false, 750),
	}}
	r.Rows[6].Paced = true
	r.Finish()
	for i, want := range []float64{1, 100, 10, 2, 1, 2, 4} {
		if got := r.Rows[i].OursTimes; got != want {
			t.Errorf("row %d: %v times, want %v", i, got, want)
		}
	}
	if got := r.Rows[0].Refused["full"]; got != 3 {
		t.Errorf("refused %d, want the sum 3", got)
	}
	want := []Best{{ClassMajority, false, "fast", "v", 10, 0}, {ClassMajority, true, "blind", "v", 2, 0}, {ClassOne, false, "single", "v", 2, 0.5}}
	if len(r.Best) != len(want) {
		t.Fatalf("best %+v", r.Best)
	}
	for i := range want {
		if r.Best[i] != want[i] {
			t.Errorf("best %+v, want %+v", r.Best[i], want[i])
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 2}, 3}, {[]float64{9, 1, 5}, 5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for rate, want := range map[float64]string{0: "0", 7.6: "8", 999: "999", 1234: "1,230", 45678: "45,700", 1234567: "1,230,000", 999999: "1,000,000"} {
		if got := thousands(rate); got != want {
			t.Errorf("%v is written %s, want %s", rate, got, want)
		}
	}
}

func TestDocument(t *testing.T) {
	r := &Report{Rows: []Row{sampled(Ours, ClassOne, false, 1000), sampled("other", ClassOne, true, 100)}}
	r.Rows[1].Failures = []string{"other, v: it ended"}
	r.Finish()
	first, err := r.Document("# Notes\n" + begin + "\nold\n" + end + "\nmore notes\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"# Notes\n", "\nmore notes\n", "| 1,000 (1,000 to 1,000) | 1 |", "| *other, v* |", "| 10.0 |", "full: 1; rounds that failed: 1"} {
		if !strings.Contains(first, part) {
			t.Errorf("no %q in\n%s", part, first)
		}
	}
	if again, err := r.Document(first); err != nil || again != first {
		t.Errorf("writing it twice changes it (%v)", err)
	}
	for _, bad := range []string{"", begin, end + begin} {
		if _, err := r.Document(bad); err == nil {
			t.Errorf("%q was taken for a document", bad)
		}
	}
}

func TestWriteAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	if err := (&Report{Machine: "m", Rows: []Row{sampled(Ours, ClassOne, false, 5)}}).Write(path); err != nil {
		t.Fatal(err)
	}
	r, err := Read(path)
	if err != nil || r.Machine != "m" || r.Rows[0].Samples[0].TransfersPerS != 5 {
		t.Errorf("read %+v, %v", r, err)
	}
}

// The tables of the document are those of the JSON beside it, and the JSON's figures are those of its samples.
func TestPublishedFiguresAgree(t *testing.T) {
	folder := filepath.Join("..", "..", "docs", "bench")
	r, err := Read(filepath.Join(folder, "peers.json"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("nothing is published")
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "peers.md"))
	if err != nil {
		t.Fatal(err)
	}
	r.Finish()
	want, err := r.Document(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if want != string(text) {
		t.Error("docs/bench/peers.md does not say what docs/bench/peers.json says: run make bench-peers")
	}
	published, err := os.ReadFile(filepath.Join(folder, "peers.json"))
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "peers.json")
	if err := r.Write(again); err != nil {
		t.Fatal(err)
	}
	if recomputed, err := os.ReadFile(again); err != nil || string(recomputed) != string(published) {
		t.Errorf("the medians and ratios of docs/bench/peers.json are not those of its samples (%v)", err)
	}
}
