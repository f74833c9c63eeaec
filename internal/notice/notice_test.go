// SPDX-License-Identifier: Apache-2.0

package notice

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func facts() *Facts {
	return &Facts{
		Network: "bank", Caller: "key/abcdefghijklmnop", Requests: 42, LastSeen: time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC), End: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		Address: "https://ledger.bank.example", Classes: map[string]uint64{"POST /api/v10/transactions": 40, "GET /api/v10/assets": 1, "GET /api/v10/accounts/{id}": 1},
	}
}

func rendered(t *testing.T, text string, f *Facts) *Notice {
	t.Helper()
	tmpl, err := ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Render(tmpl, f)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNotices has them as callers read them, and as the webhook gets them.
func TestNotices(t *testing.T) {
	again := facts()
	again.Earlier, again.Classes = again.LastSeen, nil
	for name, f := range map[string]*Facts{"first": facts(), "again": again} {
		n := rendered(t, Text, f)
		testkit.Golden(t, name+".txt", []byte(n.Text))
		text, err := json.MarshalIndent(n, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		testkit.Golden(t, name+".json", append(text, '\n'))
	}
}

// TestIDs: a notice keeps its id whatever the caller did since, and the next one has another.
func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, change := range []func(*Facts){
		func(*Facts) {}, func(f *Facts) { f.Caller = "x" }, func(f *Facts) { f.Network = "x" }, func(f *Facts) { f.Earlier = f.LastSeen },
		func(f *Facts) { f.Network, f.Caller = `bank" "x`, "y" }, func(f *Facts) { f.Network, f.Caller = "bank", `x" "y` },
	} {
		f := facts()
		change(f)
		id := rendered(t, Text, f).ID
		f.Requests, f.Classes, f.LastSeen, f.End = 43, nil, f.LastSeen.Add(time.Hour), f.End.Add(time.Hour)
		if again := rendered(t, Text, f).ID; again != id || seen[id] || len(id) != idDigits {
			t.Errorf("%+v: %s, then %s", f, id, again)
		}
		seen[id] = true
	}
}

// hostile are names that want to be something else.
var hostile = []string{
	"\r\nBcc: all@bank.example", "{{.Secret}}{{template \"x\"}}", "a\x00b\x1b[2J", "\u202egnp.exe", "\xff\xfe", strings.Repeat("x", 1<<20), "<script>alert(1)</script>", "",
}

// TestHostileNames end up on one line, as what they are, and do nothing.
func TestHostileNames(t *testing.T) {
	for _, name := range hostile {
		f := facts()
		f.Network, f.Caller, f.Address, f.Classes = name, name, name, map[string]uint64{name: 1}
		wantTame(t, rendered(t, Text, f))
	}
}

func wantTame(t *testing.T, n *Notice) {
	t.Helper()
	for _, line := range []string{n.Caller, n.Network, n.Address} {
		if utf8.RuneCountInString(line) > nameRunesMax+1 || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) && r != '\ufffd' }) {
			t.Errorf("the name %.100q", line)
		}
	}
	if strings.ContainsFunc(n.Text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }) || !utf8.ValidString(n.Text) {
		t.Errorf("the text %.200q", n.Text)
	}
	if lines := strings.Count(n.Text, "\n"); lines != 9 {
		t.Errorf("%d lines, want 9: %.300q", lines, n.Text)
	}
}

func FuzzRender(f *testing.F) {
	for _, name := range hostile[:5] {
		f.Add(name, name)
	}
	f.Fuzz(func(t *testing.T, caller, class string) {
		of := facts()
		of.Caller, of.Classes = caller, map[string]uint64{class: 3}
		wantTame(t, rendered(t, Text, of))
	})
}

// TestTemplates: one that does not fit is refused before anything is sent.
func TestTemplates(t *testing.T) {
	for name, text := range map[string]string{
		"no template": "{{", "an unknown member": "{{.Secret}}", "an unknown word": "{{now}}", "too long": strings.Repeat("x", TemplateBytesMax+1),
		"endless": `{{define "a"}}xxxxxxxxxxxxxxxx{{template "a"}}{{end}}{{template "a"}}`,
	} {
		tmpl, err := ParseTemplate(text)
		if err == nil {
			_, err = Render(tmpl, facts())
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := rendered(t, "{{.Caller}} until {{day .End}}", facts()); n.Text != "key/abcdefghijklmnop until 1 December 2026" {
		t.Error(n.Text)
	}
}
