// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

const read = `{"path":"/x"}`

func rule(text string) string { return "rules:\n  - {" + text + ", why: a test}\n" }

// TestFields compares two bodies under one rule; want is the fields that differ.
func TestFields(t *testing.T) {
	for _, x := range []struct{ name, rule, a, b, want string }{
		{"equal", "", `{"a":1,"b":[true,null,"x"]}`, `{"b":[true,null,"x"],"a":1}`, ""},
		{"number forms", "", `{"a":1,"b":100,"c":0,"d":0.5}`, `{"a":1.0,"b":1e2,"c":-0.00,"d":5E-1}`, ""},
		{"number or text", "", `{"a":1}`, `{"a":"1"}`, "a 1 \"1\""},
		{"text of a number", "", `{"a":"1"}`, `{"a":"1.0"}`, `a "1" "1.0"`},
		{"beyond a float", "", `{"a":9007199254740993.00000001}`, `{"a":9007199254740993.00000002}`, "a 9007199254740993.00000001 9007199254740993.00000002"},
		{"huge exponents", "", `{"a":1e999999999999,"b":1e-2000000}`, `{"a":1e999999999999,"b":1e-2000001}`, "b 1e-2000000 1e-2000001"},
		{"null is something", "", `{"a":null}`, `{}`, "a null (absent)"},
		{"more members", "", `{"a":1}`, `{"a":1,"b":[2]}`, "b (absent) [2]"},
		{"types", "", `{"a":[]}`, `{"a":{}}`, "a [] {}"},
		{"order of a list", "", `[1,2]`, `[2,1]`, "[] 1 2; [] 2 1"},
		{"length of a list", "", `{"a":[1,2,3]}`, `{"a":[2,3]}`, "a 3 elements 2 elements"},
		{"case of a name", "", `{"Ab":1}`, `{"ab":1}`, "Ab 1 (absent); ab (absent) 1"},
		{"ignore", "paths: [a], do: ignore", `{"a":1,"b":1}`, `{"b":2}`, "b 1 2"},
		{"ignore anywhere", "paths: ['**.a'], do: ignore", `{"a":1,"c":[{"a":1}]}`, `{"c":[{"a":{}}]}`, ""},
		{"form", "paths: ['*'], do: form", `{"a":"2026-01-02T03:04:05.678Z","b":1,"c":"x"}`, `{"a":"2027-01-02T03:04:05.678Z","b":-2.5,"c":""}`, ""},
		{"form of a time", "paths: [a], do: form", `{"a":"2026-01-02T03:04:05.678Z"}`, `{"a":"2026-01-02T03:04:05Z"}`, `a "2026-01-02T03:04:05.678Z" "2026-01-02T03:04:05Z"`},
		{"form of an id", "paths: [a], do: form", `{"a":"tx_1795786446476_000172qyo"}`, `{"a":"tx_1795786446476_72qyo"}`, `a "tx_1795786446476_000172qyo" "tx_1795786446476_72qyo"`},
		{"form of lists", "paths: [a], do: form", `{"a":[{"n":1},{"n":2}]}`, `{"a":[{"n":3}]}`, ""},
		{"form of elements", "paths: [a], do: form", `{"a":[{"n":1}]}`, `{"a":[{"n":"1"}]}`, `a [{"n":1}] [{"n":"1"}]`},
		{"form needs it there", "paths: [a], do: form", `{"a":1}`, `{}`, "a 1 (absent)"},
		{"form but for words", "paths: [a, b], do: form, except: [No]", `{"a":"who knows","b":"No"}`, `{"a":"whatever","b":"Nope"}`, `b "No" "Nope"`},
		{"type", "paths: [a, b], do: type", `{"a":"2026-01-02T03:04:05.678Z","b":1}`, `{"a":"","b":"1"}`, `b 1 "1"`},
		{"within", "paths: ['*'], do: within, within: 0.5", `{"a":1,"b":1}`, `{"a":1.5,"b":1.50000001}`, "b 1 1.50000001"},
		{"within per cent", "paths: ['*'], do: within, within: 10%", `{"a":-90,"b":89,"c":0}`, `{"a":-100,"b":100,"c":0}`, "b 89 100"},
		{"within is for numbers", "paths: [a], do: within, within: 5", `{"a":1}`, `{"a":"1"}`, `a 1 "1"`},
		{"unordered", "paths: [a], do: unordered", `{"a":[1,{"x":[1,2]},1]}`, `{"a":[{"x":[1.0,2]},1,1]}`, ""},
		{"unordered but as many", "paths: [a], do: unordered", `{"a":[1,1,2]}`, `{"a":[1,2,2]}`, "a[] 1 (absent); a[] (absent) 2"},
		{"unordered by a key", "paths: [a], do: unordered, key: k", `{"a":[{"k":"x","v":1},{"k":"y","v":2}]}`, `{"a":[{"k":"y","v":3},{"k":"x","v":1}]}`, "a[] 2 3"},
		{"unordered, one more", "paths: [a], do: unordered, key: k", `{"a":[{"k":1}]}`, `{"a":[{"k":2},{"k":1.0}]}`, `a[] (absent) {"k":2}`},
		{"what both have", "paths: [a], do: unordered, key: k, common: true", `{"a":[{"k":1,"v":1},{"k":3}]}`, `{"a":[{"k":2},{"k":1,"v":2}]}`, "a[] 1 2"},
		{"ids", "paths: ['**.id', of], do: ids", `{"l":[{"id":"p"},{"id":"q"}],"of":"p"}`, `{"l":[{"id":"s"},{"id":"t"}],"of":"s"}`, ""},
		{"ids that cross", "paths: ['**.id', of], do: ids", `{"l":[{"id":"p"},{"id":"q"}],"of":"p"}`, `{"l":[{"id":"s"},{"id":"t"}],"of":"t"}`, `of "p" "t"`},
		{"one id for two", "paths: ['**.id'], do: ids", `{"l":[{"id":"p"},{"id":"q"}]}`, `{"l":[{"id":"s"},{"id":"s"}]}`, `l[].id "q" "s"`},
		{"another row", "on: [GET /y], paths: [a], do: ignore", `{"a":1}`, `{"a":2}`, "a 1 2"},
		{"rows that begin so", "on: ['GET /*'], paths: [a], do: ignore", `{"a":1}`, `{"a":2}`, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			rules := "rules: []"
			if x.rule != "" {
				rules = rule(x.rule)
			}
			r := compareServers(t, serve(t, sequence(x.a)), serve(t, sequence(x.b)), rules, read)
			if got := groups(r); !sameGroups(got, x.want) {
				t.Errorf("differs: %q, want %q", got, x.want)
			}
			if sum := r.ByValue + r.ByForm + r.Ignored + r.Noisy + r.Differ; sum != r.Fields {
				t.Errorf("%d verdicts on %d fields", sum, r.Fields)
			}
		})
	}
}

// groups writes fields that differ. Two differences of one field are one group; then the first counts.
func groups(r *Report) string {
	var all []string
	for _, g := range r.Unexplained {
		all = append(all, fmt.Sprintf("%s %s %s", strings.ReplaceAll(g.Field, ".v", ""), g.A, g.B))
	}
	return strings.Join(all, "; ")
}

func sameGroups(got, want string) bool {
	first, _, _ := strings.Cut(want, "; [] ")
	first, rest, two := strings.Cut(first, "; a[] ")
	return got == want || got == first || (two && got == "a[] "+rest)
}

// TestNoise finds what A answers differently when it is asked twice, and does not hold it against B.
func TestNoise(t *testing.T) {
	a := serve(t, sequence(`{"load":1,"list":[1],"name":"n"}`, `{"load":2,"list":[1,2],"name":"n"}`))
	b := serve(t, sequence(`{"load":7,"list":[7],"name":"m"}`))
	r := compareServers(t, a, b, "rules: []", read)
	if got := groups(r); got != `name "n" "m"` || r.OK() {
		t.Error(got)
	}
	if r.Noisy != 2 || len(r.Noise) != 2 || r.Noise[0] != (FieldNoise{"GET /x", "list", 1}) || r.Noise[1] != (FieldNoise{"GET /x", "load", 1}) {
		t.Errorf("%d noisy, %+v", r.Noisy, r.Noise)
	}
}

// TestAskedHowOften sends writes once and reads of A twice, follows no redirect, and puts into requests what each server gave.
func TestAskedHowOften(t *testing.T) {
	var countA, countB atomic.Int32
	server := func(id string, count *atomic.Int32) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch r.Method + " " + r.RequestURI {
			case "GET /":
				return
			case "POST /give":
				count.Add(1)
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"list":[{"id":%q}],"of":%q}`, id, "R1 "+string(body))
			case "GET /take/" + strings.ReplaceAll(id, " ", "%20") + "?cost=$5":
				count.Add(10)
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			default:
				t.Errorf("%s is asked for %s %s", id, r.Method, r.RequestURI)
			}
		}
	}
	corpus := `# a comment
{"method":"POST","path":"/give","body":"$RUN","save":{"ID":"list[0].id","NONE":"list[1].id"}}

{"path":"/take/$ID?cost=$$5"}
{"path":"/take/$NONE"}`
	r := compareServers(t, serve(t, server("a 1", &countA)), serve(t, server("b 2", &countB)), rule("paths: ['**.id'], do: ids"), corpus)
	if countA.Load() != 21 || countB.Load() != 11 {
		t.Errorf("A was asked %d, B %d", countA.Load(), countB.Load())
	}
	if len(r.Unexplained) != 0 || len(r.Explained) != 1 || len(r.Skipped) != 1 || r.Skipped[0].Why != "A did not answer what is to be sent: $NONE" || r.Compared != 2 {
		t.Errorf("%+v", r)
	}
}

// TestUntil asks again for what may lag, and learns no ids from what was not settled.
func TestUntil(t *testing.T) {
	a := serve(t, sequence(`[{"id":"a2"},{"id":"a1"}]`))
	b := serve(t, sequence(`[{"id":"b1"}]`, `[{"id":"b1"},{"id":"b1"}]`, `[{"id":"b2"},{"id":"b1"}]`))
	r := compareServers(t, a, b, rule("paths: ['**.id'], do: ids"), `{"path":"/x","until":"10s"}`)
	tellGroups(t, r)
	if r.Fields != 4 { // status, content type, two ids
		t.Errorf("%d fields", r.Fields)
	}
}

// TestStatusAndHeaders compares what stands around a body.
func TestStatusAndHeaders(t *testing.T) {
	with := func(status int, tag string, content string) string {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", tag)
			w.Header().Set("Content-Type", content)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"status":"UP"}`))
		})
	}
	const right = `W/"f-RQ8OySFd+KR+AvtJ7qImjtT0D/0"`
	a := with(200, right, "application/json")
	for _, x := range []struct{ b, rule, want string }{
		{with(200, right, "application/json"), "", ""},
		{with(404, right, "application/json"), "", `@status 200 {"status":"UP"} 404 {"status":"UP"}`},
		{with(404, right, "application/json"), "paths: ['@status'], do: ignore", ""},
		{with(200, `W/"f-RQ8OySFd+KR+AvtJ7qImjtT0D/1"`, "application/json"), "", `@header.ETag "(as Express makes it of the body)" "W/\"f-RQ8OySFd+KR+AvtJ7qImjtT0D/1\""`},
		{with(200, right, "text/plain"), "paths: ['@header.Content-Type'], do: type", `@body "json" "text"`},
	} {
		rules := "rules: []"
		if x.rule != "" {
			rules = rule(x.rule)
		}
		if got := groups(compareServers(t, a, x.b, rules, read)); got != x.want {
			t.Errorf("differs: %q, want %q", got, x.want)
		}
	}
}

// TestKindsOfBodies reads what is no JSON by its content type.
func TestKindsOfBodies(t *testing.T) {
	for _, x := range []struct{ content, a, b, want string }{
		{"application/x-ndjson", "{\"n\":1}\n{\"n\":2}\n", "{\"n\":1.0}\n{\"n\":3}", "[].n 2 3"},
		{"text/csv; charset=utf-8", "Name,N\nx,1\n", "Name,N\nx,1.0\n", ""},
		{"text/csv", "Name,N\nx,1\n", "Name,M\nx,1\n", `columns "Name,N" "Name,M"; lines[].M (absent) 1; lines[].N 1 (absent)`},
		{"text/plain; version=0.0.4", "# TYPE a gauge\na{n=\"x y\"} 1\n", "# HELP a b\n# TYPE a gauge\na{n=\"x y\"} 1.0\n", ""},
		{"text/plain; version=0.0.4", "a 1\n", "# TYPE a counter\na 2\n", `a.samples[]alue 1 2; a.type (absent) "counter"`},
		{"text/plain", "a 1", "a 1.0", `(body) "a 1" "a 1.0"`},
		{"application/json", `{"a":1} `, `{"a":1} x`, `@body "json" "text"`},
		{"application/json", ``, `{}`, `@body "empty" "json"`},
	} {
		server := func(body string) string {
			return serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", x.content)
				_, _ = w.Write([]byte(body))
			})
		}
		if got := groups(compareServers(t, server(x.a), server(x.b), "rules: []", read)); got != x.want {
			t.Errorf("%s: differs: %q, want %q", x.content, got, x.want)
		}
	}
}

// TestEvents reads as many server-sent events as were asked for, of a stream that does not end.
func TestEvents(t *testing.T) {
	stream := func(second string) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, ": hello\n\ndata: {\"n\":1}\n\ndata: {\"n\":\ndata: %s}\n\n", second)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
	}
	r := compareServers(t, stream("2"), stream("3"), "rules: []", `{"path":"/x","events":2}`)
	if got := groups(r); got != "[].n 2 3" {
		t.Error(got)
	}
}

// TestLiar puts a proxy that lies in one field before the second ledger: that field is found, in the rows that show it, and
// nothing else.
func TestLiar(t *testing.T) {
	a, honest := serveLedger(t), serveLedger(t)
	for i, x := range []struct{ row, old, new, field string }{
		{"/api/v10/accounts/shop-", `"amount":2.75000001`, `"amount":2.75000002`, "balances[].amount"},
		{"/api/v10/transactions/tx_", `"status":"CONFIRMED"`, `"status":"PENDING"`, "status"},
		{"/api/v10/health", `"UP"`, `"Up"`, "status"},
		{"/api/v10/stats", `"tps":`, `"TPS":`, "transactions.TPS"},
	} {
		address, err := url.Parse(honest)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(address)
		proxy.ModifyResponse = func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if strings.HasPrefix(r.Request.URL.Path, x.row) {
				body = []byte(strings.Replace(string(body), x.old, x.new, 1))
			}
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
			r.Header.Set("Content-Length", fmt.Sprint(len(body)))
			return err
		}
		liar := httptest.NewServer(proxy)
		var corpus []Request
		for _, r := range DefaultCorpus() {
			if r.Events == 0 && r.until == 0 && !strings.HasSuffix(r.Path, "/ws") { // a proxy does not pass sockets and Upgrade on
				corpus = append(corpus, r)
			}
		}
		report, err := Run(t.Context(), Config{A: Server{URL: a}, B: Server{URL: liar.URL}, Corpus: corpus, Rules: DefaultRules(), Run: fmt.Sprint("L", i)})
		liar.Close()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, g := range report.Unexplained {
			if strings.HasPrefix(g.Field, "@header.ETag") {
				continue // of a body that was changed: found as well
			}
			found = found || g.Field == x.field
			if !strings.Contains(g.Request, x.row) {
				t.Errorf("%s: %s differs in %s", x.row, g.Field, g.Request)
			}
		}
		if !found || report.OK() {
			t.Errorf("the lie in %s of %s is not found: %+v", x.field, x.row, report.Unexplained)
		}
	}
}

// TestUnreachable tells a server that is not there from one that dies on the way.
func TestUnreachable(t *testing.T) {
	up := serve(t, sequence(`{}`))
	corpus, err := ReadCorpus(strings.NewReader(read))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Config{A: Server{URL: up}, B: Server{URL: "http://127.0.0.1:1"}, Corpus: corpus, Run: "R"}); err == nil || !strings.Contains(err.Error(), "does a server run there") {
		t.Error(err)
	}
	dies := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			panic(http.ErrAbortHandler)
		}
	})
	r := compareServers(t, up, dies, "rules: []", read)
	if got := groups(r); got != "@answer 200 {} no answer: EOF" {
		t.Error(got)
	}
	r = compareServers(t, dies, dies, "rules: []", read)
	if !r.OK() || len(r.Skipped) != 1 || r.Skipped[0].Why != "neither answered" || r.Compared != 0 {
		t.Errorf("%+v", r)
	}
}
