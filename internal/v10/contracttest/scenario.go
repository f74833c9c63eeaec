// SPDX-License-Identifier: Apache-2.0

package contracttest

import (
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

//go:embed scenarios/*.txt
var files embed.FS

// scenario is one file.
type scenario struct {
	name      string
	needs     []v10.Group
	exchanges []exchange
}

// exchange is a request and what must come back.
type exchange struct {
	line    int // of the request, in the file
	method  string
	target  string // path and query, with variables
	headers []header
	body    string
	until   time.Duration // play it again for so long until it matches
	events  int           // server-sent events to read; 0: an ordinary answer

	status      int
	wantHeaders []header
	want        string
}

type header struct{ name, value string }

// scenarios reads every file, in the order of their names.
func scenarios() ([]scenario, error) {
	entries, err := files.ReadDir("scenarios")
	if err != nil {
		return nil, err
	}
	var all []scenario
	for _, e := range entries {
		text, err := files.ReadFile(path.Join("scenarios", e.Name()))
		if err != nil {
			return nil, err
		}
		s, err := parse(strings.TrimSuffix(e.Name(), ".txt"), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// parse reads one file.
func parse(name, text string) (scenario, error) {
	s := scenario{name: name}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	at := 0
	for ; at < len(lines); at++ {
		if needs, ok := strings.CutPrefix(lines[at], "needs:"); ok {
			for _, group := range strings.Fields(needs) {
				s.needs = append(s.needs, v10.Group(group))
			}
		} else if lines[at] != "" && !strings.HasPrefix(lines[at], "#") {
			break
		}
	}
	for at < len(lines) {
		end := at
		for end < len(lines) && lines[end] != "===" {
			end++
		}
		x, err := parseExchange(lines[at:end])
		if err != nil {
			return s, fmt.Errorf("%s.txt:%d: %w", name, at+1, err)
		}
		x.line = at + 1
		s.exchanges = append(s.exchanges, x)
		at = end + 1
	}
	if len(s.exchanges) == 0 {
		return s, fmt.Errorf("%s.txt has no exchange", name)
	}
	return s, nil
}

func parseExchange(lines []string) (x exchange, err error) {
	for len(lines) > 0 && (lines[0] == "" || strings.HasPrefix(lines[0], "#")) {
		lines = lines[1:]
	}
	middle := -1
	for i, l := range lines {
		if l == "---" {
			middle = i
			break
		}
	}
	if middle < 1 || middle+1 >= len(lines) {
		return x, fmt.Errorf("want a request, a line ---, and an answer")
	}
	first, headers, body, err := parseMessage(lines[:middle])
	if err != nil {
		return x, err
	}
	var ok bool
	if x.method, x.target, ok = strings.Cut(first, " "); !ok {
		return x, fmt.Errorf("%q is no request line", first)
	}
	x.body = body
	for _, h := range headers {
		if err := x.addHeader(h); err != nil {
			return x, err
		}
	}
	status, wantHeaders, want, err := parseMessage(lines[middle+1:])
	if err != nil {
		return x, err
	}
	x.wantHeaders, x.want = wantHeaders, want
	x.status, err = strconv.Atoi(status)
	return x, err
}

// addHeader takes a request's header, or a word to the runner.
func (x *exchange) addHeader(h header) (err error) {
	switch h.name {
	case "@until":
		x.until, err = time.ParseDuration(h.value)
	case "@events":
		x.events, err = strconv.Atoi(h.value)
	default:
		x.headers = append(x.headers, h)
	}
	return err
}

// parseMessage reads a first line, headers, an empty line and a body.
func parseMessage(lines []string) (first string, headers []header, body string, err error) {
	first = strings.TrimSpace(lines[0])
	for i, l := range lines[1:] {
		if l == "" {
			return first, headers, strings.TrimSpace(strings.Join(lines[i+2:], "\n")), nil
		}
		name, value, ok := strings.Cut(l, ":")
		if !ok {
			return "", nil, "", fmt.Errorf("%q is no header; an empty line stands before a body", l)
		}
		headers = append(headers, header{name, strings.TrimSpace(value)})
	}
	return first, headers, "", nil
}

var (
	variable = regexp.MustCompile(`\$[A-Z][A-Z0-9_]*`)
	macro    = regexp.MustCompile(`<<(repeat|bytes) ([^>]*)>>`)
)

// expand puts variables into text, each through write.
func expand(text string, vars map[string]string, write func(string) string) (string, error) {
	var missing error
	out := variable.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := vars[name[1:]]
		if !ok {
			missing = fmt.Errorf("%s was never captured", name)
		}
		return write(value)
	})
	return out, missing
}

// asIs writes a variable as it is; in bodies, names are plain text without quotes or backslashes.
func asIs(s string) string { return s }

// expandMacros writes out what stands for many or odd bytes.
func expandMacros(text string) (string, error) {
	var bad error
	out := macro.ReplaceAllStringFunc(text, func(m string) string {
		parts := macro.FindStringSubmatch(m)
		if parts[1] == "bytes" {
			raw, err := hex.DecodeString(strings.ReplaceAll(parts[2], " ", ""))
			if err != nil {
				bad = err
			}
			return string(raw)
		}
		count, what, _ := strings.Cut(parts[2], " ")
		n, err := strconv.Atoi(count)
		if err != nil {
			bad = err
		}
		return strings.Repeat(what, n)
	})
	return out, bad
}
