// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// TestGolden shows both pages of a small migration.
func TestGolden(t *testing.T) {
	page, text := pages(t, example())
	testkit.Golden(t, "report.html", page)
	testkit.Golden(t, "report.md", text)
	if !Is(page[:BeginBytesMax]) || !Is(text[:BeginBytesMax]) || Is([]byte("<!doctype html>\n<html>")) || Is(nil) {
		t.Error("a report is not told from another file")
	}
}

func pages(t *testing.T, in *Input) (page, text []byte) {
	t.Helper()
	page, err := HTML(in)
	if err != nil {
		t.Fatal(err)
	}
	if text, err = Markdown(in); err != nil {
		t.Fatal(err)
	}
	return page, text
}

var noNumber = regexp.MustCompile(`\b(NaN|[+-]?Inf)\b|ZgotmplZ|%!`)

// TestSparse makes whole pages of little, and of numbers that are none.
func TestSparse(t *testing.T) {
	odd := math.NaN()
	for name, in := range map[string]*Input{
		"nothing":           {},
		"a plan":            {Entries: made().entries[:1]},
		"a start":           {Entries: made().entries[:2], MadeAt: time.UnixMilli(startMs)},
		"a window":          {Windows: madeWindows(time.Second)[:1]},
		"a window at 0":     {Windows: []journal.Window{{}}},
		"windows, no order": {Windows: append(madeWindows(time.Second)[3:], madeWindows(time.Second)[:3]...)},
		"a time beyond all": {Entries: []migration.Entry{{Seq: 1, Kind: migration.KindPlan, AtMs: math.MaxUint64}}},
		"entries only":      {Entries: made().entries},
		"numbers beyond all": {Windows: []journal.Window{
			{AtMs: 1, LengthMs: 1, Requests: [2]uint64{math.MaxUint64, math.MaxUint64}, P99Ms: math.MaxFloat64, SlowestMs: math.MaxFloat64, ToV11LagMs: math.SmallestNonzeroFloat64},
			{AtMs: 2, LengthMs: math.MaxUint64, Requests: [2]uint64{1, 0}, Errors: [2]uint64{math.MaxUint64, 0}, WeightBP: math.MinInt, ToV11LagMs: math.MaxFloat64},
		}},
		"numbers that are none": {
			Entries: []migration.Entry{
				{Seq: 1, Kind: migration.KindPlan, Text: smallPlan},
				{Seq: 2, Kind: migration.KindDrilled, Ms: odd, ReverseMs: math.Inf(1), ForwardMs: -3},
				{Seq: 3, Kind: migration.KindReverse, AtMs: 7, Verdict: &canary.Verdict{Numbers: []canary.Number{{Name: "a", Value: odd, Limit: math.Inf(-1)}}}},
			},
			Windows: []journal.Window{
				{AtMs: 1, LengthMs: 1, Requests: [2]uint64{1, 1}, P99Ms: odd, SlowestMs: math.Inf(1), ToV11LagMs: -1, ToV10LagMs: odd},
				{AtMs: 2, LengthMs: 0, Requests: [2]uint64{7, 5}},
			},
			Figures: []Figure{{"a", "b", "c", false}},
			Verdict: Fail,
		},
	} {
		page, text := pages(t, in)
		if bad := noNumber.Find(append(page, text...)); bad != nil {
			t.Errorf("%s: %q in a page", name, bad)
		}
		elements(t, page)
	}
}

// elements lists the elements of a page as they open and close, and fails where one is left open or something would be loaded.
func elements(t *testing.T, page []byte) []string {
	t.Helper()
	var all, open []string
	void := map[string]bool{"meta": true}
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("%v are left open", open)
			}
			return all
		case html.StartTagToken:
			k := z.Token()
			all = append(all, k.Data)
			if !void[k.Data] {
				open = append(open, k.Data)
			}
			for _, a := range k.Attr {
				if a.Key == "src" || strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("<%s %s=%q>", k.Data, a.Key, a.Val)
				}
			}
		case html.EndTagToken:
			name := z.Token().Data
			if n := len(open); n == 0 || open[n-1] != name {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
			all = append(all, "/"+name)
		}
	}
}

// TestHostile puts markup of all kinds wherever a text of somebody else's stands: the pages have the same shape as with plain words.
func TestHostile(t *testing.T) {
	const bad = "x\"'><script>alert(1)</script><img src=x onerror=y>`|**\n# h\n\n|a|b|\u202e<!-- ``` ~~~ [l](javascript:z) \x00\xff"
	plain, hostile := filled("word"), filled(bad)
	page, text := pages(t, plain)
	badPage, badText := pages(t, hostile)
	want, got := elements(t, page), elements(t, badPage)
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%d elements, with plain words %d", len(got), len(want))
	}
	if want, got := shape(text), shape(badText); !reflect.DeepEqual(want, got) {
		t.Errorf("the Markdown has another shape than with plain words:\n%s", badText)
	}
	if all := append(badPage, badText...); bytes.ContainsAny(all, "\u202e\x00") {
		t.Error("characters are in the pages that turn or hide what is beside them")
	}
}

// filled is a report whose texts are all the same.
func filled(s string) *Input {
	v := wrong()
	v.Rule, v.Why, v.Numbers[0].Name, v.Samples[0].ID, v.Samples[0].Path, v.Samples[0].Method = s, s, s, s, s, s
	entries := []migration.Entry{
		{Kind: migration.KindPlan, Text: "{} # " + strings.Map(func(r rune) rune { return []rune{r, ' '}[b2i(r < ' ' || r == '\ufffd')] }, s)},
		{Kind: migration.KindStart}, {Kind: migration.KindApprove, For: s},
		{Kind: migration.KindReverse, Verdict: v}, {Kind: migration.KindRollback}, {Kind: migration.KindVerified, Report: s}, {Kind: migration.KindDrilled},
		{Kind: migration.KindFailed, Action: migration.Verb(s)}, {Kind: migration.KindPhase, Phase: migration.Canary}, {Kind: migration.KindArchived, Report: s},
	}
	for i := range entries {
		entries[i].Seq, entries[i].By, entries[i].Why, entries[i].AtMs = uint64(i+1), s, s, startMs+uint64(i)
	}
	return &Input{
		Title: s, Entries: entries, Figures: []Figure{{s, s, s, true}}, Windows: []journal.Window{{AtMs: startMs + 3, LengthMs: 1}},
		Costs: &Costs{Currency: s[:min(len(s), 8)]},
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// shape keeps of Markdown what makes its structure: how lines begin, and the bars of tables, outside of fences.
func shape(text []byte) []string {
	var all []string
	fence := ""
	for l := range strings.Lines(string(text)) {
		mark := regexp.MustCompile("^`{3,}").FindString(l)
		if fence != "" && mark != fence { // within it nothing is markup
			continue
		}
		if mark != "" {
			fence = strings.Repeat(mark, b2i(fence == ""))
		}
		unescaped := regexp.MustCompile(`\\.`).ReplaceAllString(l, "")
		begin := regexp.MustCompile("^(#+|\\||```|<)?").FindString(l)
		all = append(all, begin+strings.Repeat("|", strings.Count(unescaped, "|"))+strings.Repeat("<", strings.Count(unescaped, "<")))
	}
	return all
}

// TestManyWindows keeps a page small, and its worst moment in it, whatever there is.
func TestManyWindows(t *testing.T) {
	in := example()
	in.Windows = madeWindows(time.Millisecond)
	for len(in.Windows) < journal.WindowsMax {
		in.Windows = append(in.Windows, in.Windows[len(in.Windows)-1])
		in.Windows[len(in.Windows)-1].AtMs++
	}
	in.Windows[31_234].SlowestMs, in.Windows[31_234].Requests = 88_888, [2]uint64{1, 0}
	page, text := pages(t, in)
	if len(page) > 600_000 {
		t.Errorf("a page of %d bytes", len(page))
	}
	if !bytes.Contains(page, []byte(">100 s</text>")) || !bytes.Contains(text, []byte("at most 88,888 ms")) {
		t.Error("the slowest request is not seen")
	}
}

// TestRefused refuses what is beyond the bounds, and what is no journal.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		in   Input
		kind fault.Kind
	}{
		"a verdict":     {Input{Verdict: "GOOD"}, fault.Invalid},
		"figures":       {Input{Figures: make([]Figure, FiguresMax+1)}, fault.Invalid},
		"windows":       {Input{Windows: make([]journal.Window, journal.WindowsMax+1)}, fault.Invalid},
		"negative cost": {Input{Costs: &Costs{V10: -1, Currency: "EUR"}}, fault.Invalid},
		"no number":     {Input{Costs: &Costs{V11: math.NaN(), Currency: "EUR"}}, fault.Invalid},
		"endless hours": {Input{Costs: &Costs{WorkHours: math.Inf(1), Currency: "EUR"}}, fault.Invalid},
		"no currency":   {Input{Costs: &Costs{}}, fault.Invalid},
		"no plan":       {Input{Entries: []migration.Entry{{Seq: 1, Kind: migration.KindRollback}}}, fault.Corrupt},
		"a gap":         {Input{Entries: append(made().entries[:3:3], made().entries[4:]...)}, fault.Corrupt},
	} {
		for _, write := range []func(*Input) ([]byte, error){HTML, Markdown} {
			if _, err := write(&c.in); !fault.Is(err, c.kind) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// FuzzEntries makes pages of whatever JSON says are entries and windows: they fail with a kind, or are whole.
func FuzzEntries(f *testing.F) {
	for _, v := range []any{made().entries, []migration.Entry{{Seq: 1, Kind: migration.KindPlan}}} {
		text, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, []byte(`[{"at_ms":5,"length_ms":1,"requests":[1,2]}]`))
	}
	f.Fuzz(func(t *testing.T, entries, windows []byte) {
		var in Input
		if json.Unmarshal(entries, &in.Entries) != nil || json.Unmarshal(windows, &in.Windows) != nil || len(in.Entries) > 1000 {
			return
		}
		page, err := HTML(&in)
		if err != nil {
			if fault.KindOf(err) != fault.Corrupt {
				t.Fatal(err)
			}
			return
		}
		elements(t, page)
		if text, err := Markdown(&in); err != nil || noNumber.Match(text) && !noNumber.Match(entries) {
			t.Fatalf("%v %s", err, text)
		}
	})
}
