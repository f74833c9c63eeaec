// SPDX-License-Identifier: Apache-2.0

package contracttest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/testkit"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestEveryServedRowIsPlayed keeps tested.txt, from which a server says what is tested, as the files have it.
func TestEveryServedRowIsPlayed(t *testing.T) {
	lines, err := Covered()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(lines, "\n") + "\n"
	const file = "../tested.txt"
	if testkit.Updating() {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Skip("written; run again")
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != text {
		t.Errorf("%s is not what the scenarios play: go test -update", file)
	}
	rows := v10.Endpoints()
	for i := range rows {
		if e := &rows[i]; (e.Status == v10.Served) != v10.Tested(e) {
			t.Errorf("%s %s is %s, tested %v", e.Method, e.Path, e.Status, v10.Tested(e))
		}
	}
	l := v10.ListEndpoints(v10.Sample{})
	if l.Served < 80 || l.Tested != l.Served {
		t.Errorf("%d served, %d tested", l.Served, l.Tested)
	}
}

// TestScenariosAreWellFormed checks the wanted bodies before any server is there: JSON that parses, matchers that exist, variables
// that were captured.
func TestScenariosAreWellFormed(t *testing.T) {
	all, err := scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		vars := map[string]string{"RUN": "R", "A1": "a1", "A2": "a2", "A3": "a3"}
		for _, x := range s.exchanges {
			at := fmt.Sprintf("%s.txt:%d", s.name, x.line)
			for _, text := range []string{x.target, x.body} {
				if _, err := expand(text, vars, asIs); err != nil {
					t.Errorf("%s: %v", at, err)
				}
			}
			for _, m := range captures.FindAllStringSubmatch(x.want, -1) {
				vars[m[1]] = "1"
			}
			want, err := expand(x.want, vars, asIs)
			if err != nil {
				t.Errorf("%s: %v", at, err)
			}
			if want == "" || strings.HasPrefix(want, "=") || strings.HasPrefix(want, "~") || strings.HasPrefix(want, "ndjson") || want == "(empty)" {
				continue
			}
			v, err := decode(want)
			if err != nil {
				t.Errorf("%s: %v", at, err)
			}
			for _, word := range matchersIn(v) {
				c := &comparison{vars: map[string]string{}}
				c.compare("$", word, nil)
				if strings.Contains(strings.Join(c.found, " "), "does not exist") {
					t.Errorf("%s: %s", at, c.found)
				}
			}
		}
	}
}

var captures = regexp.MustCompile(`:([A-Z][A-Z0-9_]*)>`)

// matchersIn are the strings in v that look like matchers.
func matchersIn(v any) (words []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			words = append(words, matchersIn(member)...)
		}
	case []any:
		for i, element := range v {
			if i == 0 && (element == "<each>" || element == "<some>") {
				continue
			}
			words = append(words, matchersIn(element)...)
		}
	case string:
		if matcher.MatchString(v) {
			words = append(words, v)
		} else if strings.HasPrefix(v, "<") {
			words = append(words, "<malformed>")
		}
	}
	return words
}
