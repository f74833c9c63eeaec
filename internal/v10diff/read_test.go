// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func TestCorpusThatIsNone(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"", "no request"},
		{"# only a comment\n", "no request"},
		{`{"path":"/x"}` + "\nnonsense", "line 2"},
		{`{"path":"/x"} {"path":"/y"}`, "something follows"},
		{`{"path":"x"}`, "beginning with /"},
		{`{"path":"/x y"}`, "beginning with /"},
		{`{"path":"/x","to":"y"}`, "unknown field"},
		{`{"path":"/x","until":"soon"}`, "until"},
		{`{"path":"/x","until":"2h"}`, "at most"},
		{`{"path":"/x","method":"POST","until":"5s"}`, "a write is sent once"},
		{`{"path":"/x","events":99}`, "events"},
		{`{"path":"/` + strings.Repeat("x", lineBytesMax) + `"}`, "longer than"},
	} {
		if _, err := ReadCorpus(strings.NewReader(x.text)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%.40s: %v, want %s", x.text, err, x.want)
		}
	}
}

func TestRulesThatAreNone(t *testing.T) {
	for _, x := range []struct{ rule, want string }{
		{"paths: [a], do: forgive, why: x", "do is"},
		{"do: ignore, why: x", "no paths"},
		{"paths: [a], do: ignore", "does not say why"},
		{"paths: [a], do: ignore, key: b, why: x", "go with unordered"},
		{"paths: [a], do: unordered, common: true, why: x", "needs a key"},
		{"paths: [a], do: ids, except: [b], why: x", "goes with form"},
		{"paths: [a], do: within, why: x", "needs a bound"},
		{"paths: [a], do: form, within: 5, why: x", "needs a bound"},
		{"paths: [a], do: within, within: near, why: x", "is no bound"},
		{"paths: [a], do: within, within: '-1', why: x", "is no bound"},
		{"paths: [a], do: within, within: '%', why: x", "is no bound"},
		{"path: a, do: ignore, why: x", "not found"},
	} {
		if _, err := ReadRules([]byte("rules: [{" + x.rule + "}]")); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %s", x.rule, err, x.want)
		}
	}
	if rules, err := ReadRules(nil); err != nil || len(rules) != 0 {
		t.Error(rules, err)
	}
}

// TestDefaultRulesSpeakOfRows wants a row of the table, or of the corpus, behind each rule.
func TestDefaultRulesSpeakOfRows(t *testing.T) {
	var rows []string
	table := v10.Endpoints()
	for i := range table {
		rows = append(rows, table[i].Method+" "+table[i].Path)
	}
	for _, r := range DefaultCorpus() {
		rows = append(rows, r.row)
	}
	for _, r := range DefaultRules() {
		for _, on := range r.On {
			one, found := Rule{On: []string{on}}, false
			for _, row := range rows {
				found = found || one.onRow(row)
			}
			if !found {
				t.Errorf("%q is no row: %s", on, r.Why)
			}
		}
	}
}

// TestFixedTexts wants the texts that V10's clients compare to be compared.
func TestFixedTexts(t *testing.T) {
	rule := DefaultRules()[0]
	for _, text := range []string{
		v10.TextNoEndpoint, v10.TextNoAccount, v10.TextNoTransaction, v10.TextNoBlock, v10.TextNoAsset, v10.TextNoValidator, v10.TextNoNode,
		v10.TextNoChannel, v10.TextNoDashboard, v10.TextNoKey, v10.TextNoFunds, v10.TextKeyReused, v10.TextUnauthorized, v10.TextTooLarge,
		v10.TextTooMany, v10.TextInternal,
	} {
		if !rule.excepts(text) {
			t.Errorf("%q is not compared", text)
		}
	}
}

func TestPatterns(t *testing.T) {
	at := place{}.member("a").at(2).member("b.c").keyed("k", "v")
	if at.String() != "a[2].b.c[k=v]" || at.field() != "a[].b.c[]" || (place{}).String() != "(body)" {
		t.Error(at, at.field())
	}
	for text, want := range map[string]bool{
		"a[].*[]": true, "**": true, "a.**": true, "**[]": true, "a[].**[k=v]": true, "a[].*[k=w]": false, "a[]": false, "a[].*": false, "*.**.*": false,
		"**.**[]": true, "a[].b[].c": false, "a[].*[].d": false,
	} {
		if parsePattern(text).matches(at) != want {
			t.Errorf("%s matches %s: %v", text, at, !want)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0", "-0.0e5", "1.50", "15e-1", "100", "1E2", "-12.3400e+07", "9007199254740993"} {
		f.Add(s, "1.5")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !isNumber(a) || !isNumber(b) {
			return
		}
		x, ok1 := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		if ok1 && ok2 && sameNumber(a, b) != (x.Cmp(y) == 0) {
			t.Errorf("%s and %s: the same is %v", a, b, sameNumber(a, b))
		}
	})
}

// isNumber accepts numbers of JSON that big.Rat can hold.
func isNumber(s string) bool {
	var n json.Number
	digits := strings.IndexAny(s, "eE")
	return len(s) < 50 && json.Unmarshal([]byte(s), &n) == nil && s[0] != '"' && s[0] != 'n' && (digits < 0 || len(s)-digits < 5)
}

// FuzzCorpus reads anything: what it accepts it reads alike when it is written again.
func FuzzCorpus(f *testing.F) {
	f.Add([]byte(`{"path":"/x","body":{"a":"$RUN"},"save":{"A":"b[0]"}}`))
	f.Add([]byte("# x\n{\"path\":\"/api/v10/health\",\"until\":\"5s\"}\n\n{\"method\":\"POST\",\"path\":\"/x\",\"body\":\"y\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		corpus, err := ReadCorpus(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		for i := range corpus {
			line, err := json.Marshal(&corpus[i])
			if err != nil {
				t.Fatal(err)
			}
			again.Write(append(line, '\n'))
		}
		other, err := ReadCorpus(&again)
		if err != nil || len(other) != len(corpus) {
			t.Fatal(err, len(other), len(corpus))
		}
		for i := range corpus {
			if corpus[i].row != other[i].row || corpus[i].reads != other[i].reads {
				t.Error(corpus[i], other[i])
			}
		}
	})
}

// FuzzBody compares anything with itself: nothing differs, whatever it is taken for.
func FuzzBody(f *testing.F) {
	for _, content := range []string{"application/json", "application/x-ndjson", "text/csv", "text/event-stream", "text/plain; version=0.0.4"} {
		f.Add(content, []byte("a,b\n1,2\n"))
		f.Add(content, []byte("{\"a\":[1,{\"b\":null}]}\n"))
		f.Add(content, []byte("# TYPE a gauge\na{b=\"c\"} 1\ndata: 1\n\n"))
	}
	f.Fuzz(func(t *testing.T, content string, body []byte) {
		kind, v := meaningOf(content, body)
		again, w := meaningOf(content, body)
		c := newComparison(nil, newIDs(), false)
		c.compare(&answer{kind: kind, body: v}, &answer{kind: again, body: w})
		if len(c.found) > 0 {
			t.Errorf("%+v", c.found)
		}
		if !sameForm(v, w) && !strings.Contains(canonical(v), "[") { // a list of unlike elements has no one form
			t.Errorf("%v has not its own form", v)
		}
	})
}
