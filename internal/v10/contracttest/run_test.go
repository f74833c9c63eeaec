// SPDX-License-Identifier: Apache-2.0

package contracttest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// fake answers what a test put into it.
type fake struct {
	status int
	header map[string]string
	body   string
	calls  atomic.Int32
	// after answers from the call of this number on, if it is not 0.
	after     int32
	afterBody string
	seen      string // last request line and body
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.seen = r.Method + " " + r.RequestURI + "\n" + string(body)
	for name, value := range f.header {
		w.Header().Set(name, value)
	}
	text := f.body
	if n := f.calls.Add(1); f.after > 0 && n >= f.after {
		text = f.afterBody
	}
	w.WriteHeader(f.status)
	_, _ = io.WriteString(w, text)
}

func play(t *testing.T, f *fake, text string, vars map[string]string) (map[string]string, string) {
	t.Helper()
	server := httptest.NewServer(f)
	defer server.Close()
	s, err := parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return newPlayer(World{URL: server.URL}).exchange(t.Context(), s.exchanges[0], vars)
}

// TestTheRunnerSeesDifferences answers one request in many wrong ways.
func TestTheRunnerSeesDifferences(t *testing.T) {
	const want = `POST /api/v10/transactions
Content-Type: application/json

{"from":"$A1"}
---
200
Content-Type: application/json; charset=utf-8
X-Powered-By: <none>

{"transaction_id":"<txid:T1>","amount":1.5,"name":"a","ok":true,"none":null,"at":"<iso>","list":["<each>",{"n":"<integer>"}],"some":["<some>",{"x":"<text:X>"}]}`
	const id, at = "tx_1756894830456_00000mh34", "2025-09-03T10:20:30.456Z"
	body := func(id, amount, name, ok, none, at, list, some, more string) string {
		return fmt.Sprintf(`{"transaction_id":%s,"amount":%s,"name":%s,"ok":%s,"none":%s,"at":%s,"list":%s,"some":%s%s}`, id, amount, name, ok, none, at, list, some, more)
	}
	q := func(s string) string { return `"` + s + `"` }
	good := body(q(id), "1.50", `"a"`, "true", "null", q(at), `[{"n":1},{"n":2}]`, `[{},{"x":"y"}]`, "")
	json := map[string]string{"Content-Type": "application/json; charset=utf-8"}
	for _, c := range []struct {
		name   string
		f      *fake
		differ string // part of what the runner says; "" for nothing
	}{
		{"right", &fake{status: 200, header: json, body: good}, ""},
		{"status", &fake{status: 201, header: json, body: good}, "status: 201, want 200"},
		{"content type", &fake{status: 200, header: map[string]string{"Content-Type": "application/json"}, body: good}, "Content-Type"},
		{"unwanted header", &fake{status: 200, header: map[string]string{"Content-Type": json["Content-Type"], "X-Powered-By": "Express"}, body: good}, "X-Powered-By"},
		{"no JSON", &fake{status: 200, header: json, body: "<html>"}, "is not JSON"},
		{"two values", &fake{status: 200, header: json, body: good + good}, "is not JSON"},
		{"id", &fake{status: 200, header: json, body: body(`"tx_1_A"`, "1.5", `"a"`, "true", "null", q(at), `[]`, `[{"x":"y"}]`, "")}, "$.transaction_id"},
		{"number as string", &fake{status: 200, header: json, body: body(q(id), `"1.5"`, `"a"`, "true", "null", q(at), `[]`, `[{"x":"y"}]`, "")}, "$.amount"},
		{"another number", &fake{status: 200, header: json, body: body(q(id), "1.51", `"a"`, "true", "null", q(at), `[]`, `[{"x":"y"}]`, "")}, "$.amount"},
		{"another word", &fake{status: 200, header: json, body: body(q(id), "1.5", `"A"`, "true", "null", q(at), `[]`, `[{"x":"y"}]`, "")}, "$.name"},
		{"another bool", &fake{status: 200, header: json, body: body(q(id), "1.5", `"a"`, "false", "null", q(at), `[]`, `[{"x":"y"}]`, "")}, "$.ok"},
		{"not null", &fake{status: 200, header: json, body: body(q(id), "1.5", `"a"`, "true", "0", q(at), `[]`, `[{"x":"y"}]`, "")}, "$.none"},
		{"time without ms", &fake{status: 200, header: json, body: body(q(id), "1.5", `"a"`, "true", "null", `"2025-09-03T10:20:30Z"`, `[]`, `[{"x":"y"}]`, "")}, "$.at"},
		{"one of each", &fake{status: 200, header: json, body: body(q(id), "1.5", `"a"`, "true", "null", q(at), `[{"n":1},{"n":-1}]`, `[{"x":"y"}]`, "")}, "$.list[1].n"},
		{"none of some", &fake{status: 200, header: json, body: body(q(id), "1.5", `"a"`, "true", "null", q(at), `[]`, `[{"x":""},{}]`, "")}, "none of 2"},
		{"a member more", &fake{status: 200, header: json, body: body(q(id), "1.5", `"a"`, "true", "null", q(at), `[]`, `[{"x":"y"}]`, `,"more":1`)}, "$.more"},
		{"a member less", &fake{status: 200, header: json, body: `{"amount":1.5}`}, "$.transaction_id: is missing"},
		{"a list", &fake{status: 200, header: json, body: `[]`}, "want an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			vars, problem := play(t, c.f, want, map[string]string{"A1": "alice"})
			if (c.differ == "") != (problem == "") || !strings.Contains(problem, c.differ) {
				t.Errorf("the runner says %q, want %q", problem, c.differ)
			}
			if problem == "" && (vars["T1"] != id || vars["X"] != "y") {
				t.Errorf("captured %v", vars)
			}
			if !strings.HasSuffix(c.f.seen, `{"from":"alice"}`) {
				t.Errorf("sent %q", c.f.seen)
			}
		})
	}
}

func TestOtherBodies(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{`={"error":"x"}`, `{"error":"x"}`, true},
		{`={"error":"x"}`, `{"error": "x"}`, false},
		{"(empty)", "", true},
		{"(empty)", "x", false},
		{"~a\n~b", "xbxax", true},
		{"~a\n~b", "xbx", false},
		{"ndjson\n{\"a\":\"<integer>\"}\n{\"a\":2}", "{\"a\":1}\n{\"a\":2}\n", true},
		{"ndjson\n{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n", false},
		{"ndjson\n{\"a\":1}\n{\"a\":2}", "{\"a\":2}\n{\"a\":1}\n", false},
		{`{"n":"<calc $B - 1.5 + 0.25>"}`, `{"n":98.75}`, true},
		{`{"n":"<calc $B - 1.5>"}`, `{"n":98.50000001}`, false},
		{`{"n":"<one of a|b>"}`, `{"n":"b"}`, true},
		{`{"n":"<one of a|b>"}`, `{"n":"c"}`, false},
		{`{"n":"<match ^x+$>"}`, `{"n":"xx"}`, true},
		{`{"n":"<match ^x+$>"}`, `{"n":"xy"}`, false},
		{`{"n":"<nonsense>"}`, `{"n":"xy"}`, false},
		{`{"n":1,"...":""}`, `{"n":1,"m":2}`, true},
		{`[1,2]`, `[1,2,3]`, false},
		{`{"n":"$B"}`, `{"n":"100"}`, true},
		{`{"n":"$NEVER"}`, `{"n":"100"}`, false},
		{`{"n":}`, `{"n":1}`, false},
	} {
		_, problem := play(t, &fake{status: 200, body: c.got}, "GET /x\n---\n200\n\n"+c.want, map[string]string{"B": "100"})
		if strings.Contains(problem, "HEAD") {
			problem = "" // the fake has bodies for HEAD; another test is about those
		}
		if (problem == "") != c.ok {
			t.Errorf("want %s, got %s: the runner says %q", c.want, c.got, problem)
		}
	}
}

func TestRequestsAreSentAsTheyStand(t *testing.T) {
	f := &fake{status: 200}
	text := "POST /api/v10/accounts/$A1/%41%2f/../?q=$A1\n\n<<repeat 3 [>><<bytes ff00>>$A1\n---\n200"
	if _, problem := play(t, f, text, map[string]string{"A1": "a/ü b"}); problem != "" {
		t.Fatal(problem)
	}
	if want := "POST /api/v10/accounts/a%2F%C3%BC%20b/%41%2f/../?q=a%2F%C3%BC%20b\n[[[\xff\x00a/ü b"; f.seen != want {
		t.Errorf("sent %q, want %q", f.seen, want)
	}
}

func TestUntilPlaysAgain(t *testing.T) {
	f := &fake{status: 200, body: `{"n":0}`, after: 3, afterBody: `{"n":1}`}
	if _, problem := play(t, f, "POST /x\n@until: 20s\n---\n200\n\n{\"n\":1}", nil); problem != "" {
		t.Error(problem)
	}
	f = &fake{status: 200, body: `{"n":0}`}
	if _, problem := play(t, f, "POST /x\n@until: 120ms\n---\n200\n\n{\"n\":1}", nil); problem == "" || f.calls.Load() < 2 {
		t.Errorf("%d calls, %q", f.calls.Load(), problem)
	}
}

func TestEventsAreRead(t *testing.T) {
	f := &fake{status: 200, body: "data: {\"n\":1}\n\n: comment\n\nevent: x\ndata: {\"n\":\ndata: 2}\n\n"}
	if _, problem := play(t, f, "GET /x\n@events: 2\n---\n200\n\n{\"n\":2}", nil); problem != "" {
		t.Error(problem)
	}
	if _, problem := play(t, f, "GET /x\n@events: 3\n---\n200\n\n{\"n\":2}", nil); !strings.Contains(problem, "the stream ended") {
		t.Errorf("a third event was seen: %q", problem)
	}
}

func TestScenariosThatDoNotParse(t *testing.T) {
	for _, text := range []string{"", "# nothing", "GET /x", "GET /x\n---", "GET\n---\n200", "GET /x\n---\nOK", "GET /x\nno header\n---\n200", "GET /x\n@until: soon\n---\n200"} {
		if _, err := parse("bad", text); err == nil {
			t.Errorf("%q parses", text)
		}
	}
}

// table is a server that has nothing behind it: 404, 501 and OPTIONS as the contract wants them.
type table struct{ spoil string }

func (s table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method == "OPTIONS" && s.spoil != "options" {
		w.Header().Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
		w.WriteHeader(204)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	e, _, err := v10.Match(r.Method, r.URL.EscapedPath())
	p, family := v10.ProblemOf(err), v10.FamilyPlain
	if err == nil {
		p, family = v10.ProblemOfMissing(e.Missing), e.Errors
	}
	if s.spoil == "404" && p.Code == 404 {
		p.Text = "Not Found"
	}
	if s.spoil == "501" && p.Missing == v10.MissingBridge {
		p.Missing = v10.MissingNone
	}
	if s.spoil == "family" {
		family = v10.FamilyPlain
	}
	w.WriteHeader(p.Code)
	_, _ = w.Write(p.Append(nil, family))
}

func TestWhatHoldsForEveryRow(t *testing.T) {
	for spoil, want := range map[string][2]bool{
		"": {false, false}, "options": {true, false}, "404": {true, false}, "501": {false, true}, "family": {false, true},
	} {
		server := httptest.NewServer(table{spoil})
		p := newPlayer(World{URL: server.URL, Without: []v10.Group{v10.GroupCrypto}})
		paths, missing := p.everyPath(t.Context()), p.notImplemented(t.Context())
		server.Close()
		if (len(paths) > 0) != want[0] || (len(missing) > 0) != want[1] {
			t.Errorf("spoilt %q: paths %.300q, missing %.300q", spoil, paths, missing)
		}
		uncovered := strings.Join(p.coverage(), "\n")
		if !strings.Contains(uncovered, "POST /api/v10/transactions is served") || strings.Contains(uncovered, "crypto/sign") {
			t.Errorf("coverage says %.300s", uncovered)
		}
	}
}

func TestHeadIsComparedWithGet(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == "HEAD" {
			w.WriteHeader(404)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	_, problem := newPlayer(World{URL: server.URL}).once(t.Context(), exchange{method: "GET", target: "/x", status: 200}, nil)
	if !strings.Contains(problem, "HEAD /x") {
		t.Errorf("the runner says %q", problem)
	}
}
