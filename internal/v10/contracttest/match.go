// SPDX-License-Identifier: Apache-2.0

package contracttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Matchers stand in the wanted JSON as strings, whatever the type of what they match:
//
//	"<any>"  "<string>"  "<text>" (a string that is not empty)  "<number>"  "<integer>" (0 or more)  "<bool>"
//	"<list>"  "<object>"  "<iso>" (a time with ms and Z)  "<txid>"  "<hash>" (0x and 64 hex digits)  "<hex>"
//	"<one of a|b>"  "<match ^regexp$>"  "<calc $B - 1.5>" (a number, exactly)
//	["<each>", X]  a list whose elements all match X     ["<some>", X]  a list with an element that matches X
//	{"...": ""}    other members may follow
//
// All but the last three take :NAME before the > and capture. Numbers are compared as decimals.

var (
	isoForm  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	hashForm = regexp.MustCompile(`^0x[0-9a-f]{64}$`)
	hexForm  = regexp.MustCompile(`^(0x)?([0-9a-f]{2})+$`)
	uintForm = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	matcher  = regexp.MustCompile(`^<([a-z]+)(?: ([^>]*?))?(?::([A-Z][A-Z0-9_]*))?>$`)
)

// comparison compares one body; it collects captures and the first differences.
type comparison struct {
	vars  map[string]string
	found []string
}

func (c *comparison) differ(at, format string, args ...any) {
	c.found = append(c.found, at+": "+fmt.Sprintf(format, args...))
}

// compareBody checks got against the wanted body of a file, whose variables are already in place.
func (c *comparison) compareBody(want, got string) {
	switch {
	case want == "":
	case want == "(empty)":
		if got != "" {
			c.differ("body", "is not empty")
		}
	case strings.HasPrefix(want, "="):
		if exact := strings.TrimPrefix(want, "="); got != exact {
			c.differ("body", "is not exactly %s", exact)
		}
	case strings.HasPrefix(want, "~"):
		for line := range strings.SplitSeq(want, "\n") {
			if part := strings.TrimPrefix(line, "~"); !strings.Contains(got, part) {
				c.differ("body", "does not contain %q", part)
			}
		}
	case strings.HasPrefix(want, "ndjson\n"):
		c.compareLines(strings.Split(strings.TrimPrefix(want, "ndjson\n"), "\n"), strings.Split(strings.TrimSpace(got), "\n"))
	default:
		c.compareJSON("$", want, got)
	}
}

func (c *comparison) compareLines(want, got []string) {
	if len(want) != len(got) {
		c.differ("body", "has %d lines, want %d", len(got), len(want))
		return
	}
	for i := range want {
		c.compareJSON(fmt.Sprintf("line %d", i+1), want[i], got[i])
	}
}

func (c *comparison) compareJSON(at, want, got string) {
	w, err := decode(want)
	if err != nil {
		c.differ(at, "the scenario's own JSON: %v", err)
		return
	}
	g, err := decode(got)
	if err != nil {
		c.differ(at, "is not JSON: %v", err)
		return
	}
	c.compare(at, w, g)
}

func decode(text string) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("something follows the value")
	}
	return v, nil
}

func (c *comparison) compare(at string, want, got any) {
	switch w := want.(type) {
	case map[string]any:
		c.compareObject(at, w, got)
	case []any:
		c.compareList(at, w, got)
	case string:
		if m := matcher.FindStringSubmatch(w); m != nil {
			c.match(at, m[1], m[2], m[3], got)
			return
		}
		if got != want {
			c.differ(at, "%s, want %q", show(got), w)
		}
	case json.Number:
		g, ok := got.(json.Number)
		if !ok || !sameNumber(string(w), string(g)) {
			c.differ(at, "%s, want %s", show(got), w)
		}
	default:
		if got != want {
			c.differ(at, "%s, want %s", show(got), show(want))
		}
	}
}

func (c *comparison) compareObject(at string, want map[string]any, got any) {
	g, ok := got.(map[string]any)
	if !ok {
		c.differ(at, "%s, want an object", show(got))
		return
	}
	_, open := want["..."]
	names := make([]string, 0, len(want))
	for name := range want {
		if name != "..." {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		value, ok := g[name]
		if !ok {
			c.differ(at+"."+name, "is missing")
			continue
		}
		c.compare(at+"."+name, want[name], value)
	}
	for name, value := range g {
		if _, ok := want[name]; !ok && !open {
			c.differ(at+"."+name, "%s is not in the contract", show(value))
		}
	}
}

func (c *comparison) compareList(at string, want []any, got any) {
	g, ok := got.([]any)
	if !ok {
		c.differ(at, "%s, want a list", show(got))
		return
	}
	if len(want) == 2 && want[0] == "<each>" {
		for i := range g {
			c.compare(fmt.Sprintf("%s[%d]", at, i), want[1], g[i])
		}
		return
	}
	if len(want) == 2 && want[0] == "<some>" {
		c.compareSome(at, want[1], g)
		return
	}
	if len(want) != len(g) {
		c.differ(at, "has %d elements, want %d", len(g), len(want))
		return
	}
	for i := range g {
		c.compare(fmt.Sprintf("%s[%d]", at, i), want[i], g[i])
	}
}

func (c *comparison) compareSome(at string, want any, got []any) {
	for _, one := range got {
		try := comparison{vars: map[string]string{}}
		for name, value := range c.vars {
			try.vars[name] = value
		}
		if try.compare(at, want, one); len(try.found) == 0 {
			c.vars = try.vars
			return
		}
	}
	c.differ(at, "none of %d elements is %s", len(got), show(want))
}

// match checks one matcher.
func (c *comparison) match(at, kind, argument, capture string, got any) {
	text, isString := got.(string)
	number, isNumber := got.(json.Number)
	ok := true
	switch kind {
	case "any":
	case "string":
		ok = isString
	case "text":
		ok = isString && text != ""
	case "number":
		ok = isNumber
	case "integer":
		ok = isNumber && uintForm.MatchString(string(number))
	case "bool":
		_, ok = got.(bool)
	case "list":
		_, ok = got.([]any)
	case "object":
		_, ok = got.(map[string]any)
	case "iso":
		ok = isString && isoForm.MatchString(text)
	case "hash":
		ok = isString && hashForm.MatchString(text)
	case "hex":
		ok = isString && hexForm.MatchString(text)
	case "txid":
		_, err := v10.ParseTxID(text)
		ok = isString && err == nil
	case "one":
		ok = isString && slices.Contains(strings.Split(strings.TrimPrefix(argument, "of "), "|"), text)
	case "match":
		ok = isString && regexp.MustCompile(argument).MatchString(text)
	case "calc":
		ok = isNumber && sameNumber(calculate(argument), string(number))
		argument += " = " + calculate(argument)
	default:
		c.differ(at, "the scenario's matcher <%s> does not exist", kind)
		return
	}
	if !ok {
		c.differ(at, "%s, want <%s>", show(got), strings.TrimSpace(kind+" "+argument))
		return
	}
	if capture != "" {
		c.vars[capture] = text + string(number)
	}
}

// calculate works a sum out exactly: numbers with + and - between them.
func calculate(sum string) string {
	total, sign := new(big.Rat), 1
	for _, word := range strings.Fields(sum) {
		switch word {
		case "+":
			sign = 1
		case "-":
			sign = -1
		default:
			n, ok := new(big.Rat).SetString(word)
			if !ok {
				return "(" + word + " is no number)"
			}
			if sign < 0 {
				n.Neg(n)
			}
			total.Add(total, n)
		}
	}
	return total.RatString()
}

func sameNumber(a, b string) bool {
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const most = 200
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
