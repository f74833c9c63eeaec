// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const submitPath = "/api/v10/transactions"

// TestProblems: what goes wrong, as a client is told.
func TestProblems(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct {
		err     error
		outcome chain.Outcome
		code    int
		body    string
		retry   string
	}{
		{nil, chain.InsufficientFunds, 400, `{"error":"Insufficient balance"}`, ""},
		{nil, chain.Overflow, 400, `{"error":"Insufficient balance"}`, ""},
		{nil, chain.NotHome, 503, `{"error":"The account is being served by the other ledger"}`, ""},
		{nil, chain.UnknownKey, 403, `{"error":"The gateway's key was revoked"}`, ""},
		{fault.Reasoned(fault.NotFound, "unknown_payer", "x"), 0, 404, `{"error":"Account not found"}`, ""},
		{fault.Reasoned(fault.NotFound, "unknown_asset", "x"), 0, 404, `{"error":"Asset not found"}`, ""},
		{fault.Reasoned(fault.Conflict, "key_reused", "x"), 0, 409, `{"error":"Idempotency-Key was used for another request"}`, ""},
		{fault.Reasoned(fault.Conflict, "key_expired", "forgotten"), 0, 409, `{"error":"forgotten"}`, ""},
		{fault.Reasoned(fault.Denied, "over_cap", "too much"), 0, 403, `{"error":"too much"}`, ""},
		{fault.Reasoned(fault.TryLater, "waiting_full", "many wait"), 0, 503, `{"error":"many wait"}`, "1"},
		{fault.New(fault.Unavailable, "no quorum at 10.0.0.7"), 0, 503, `{"error":"The service is temporarily unavailable"}`, "1"},
		{fault.New(fault.Halted, "page 7 differs"), 0, 503, `{"error":"The service is temporarily unavailable"}`, "1"},
		{fault.New(fault.Timeout, "x"), 0, 504, `{"error":"` + v10.TextUnknown + `"}`, ""},
		{context.DeadlineExceeded, 0, 504, `{"error":"` + v10.TextUnknown + `"}`, ""},
		{fault.New(fault.Corrupt, "segment 9"), 0, 500, `{"error":"Internal server error"}`, ""},
		{errors.New("secret"), 0, 500, `{"error":"Internal server error"}`, ""},
	} {
		w.ledger.next, w.ledger.outcome = c.err, c.outcome
		resp, body := w.ask("POST", submitPath, payment("alice", "bob", 1))
		if resp.StatusCode != c.code || body != c.body || (c.retry != "" && resp.Header.Get("Retry-After") != c.retry) {
			t.Errorf("%v, %v: %d %s, Retry-After %q", c.err, c.outcome, resp.StatusCode, body, resp.Header.Get("Retry-After"))
		}
		if resp.StatusCode == 200 {
			t.Errorf("%v, %v: answered as a success", c.err, c.outcome)
		}
	}
}

// TestControlRefuses: server C's clients read a refusal from a 200, and what nobody knows is no refusal.
func TestControlRefuses(t *testing.T) {
	w := start(t, nil)
	body := `{"id":"x","from":"alice","to":"bob","amount":1}`
	w.ledger.outcome = chain.InsufficientFunds
	if resp, text := w.ask("POST", "/api/node/transactions", body); resp.StatusCode != 200 || text != `{"success":false,"error":"Insufficient balance"}` {
		t.Error(resp.StatusCode, text)
	}
	w.ledger.next = fault.New(fault.Timeout, "nobody knows")
	if resp, text := w.ask("POST", "/api/node/transactions", body); resp.StatusCode != 504 || !strings.HasPrefix(text, `{"success":false,"error":`) {
		t.Error(resp.StatusCode, text)
	}
}

// TestHabits: headers, HEAD, OPTIONS and ETag as Express has them.
func TestHabits(t *testing.T) {
	w := start(t, nil)
	resp, body := w.ask("GET", "/api/v10/health", "")
	etag := resp.Header.Get("ETag")
	if body != `{"status":"UP"}` || etag != `W/"f-RQ8OySFd+KR+AvtJ7qImjtT0D/0"` || resp.Header.Get("X-Powered-By") != "" {
		t.Errorf("%s %s", body, etag)
	}
	head, none := w.ask("HEAD", "/api/v10/health/", "")
	if head.StatusCode != 200 || none != "" || head.Header.Get("Content-Length") != "15" || head.Header.Get("ETag") != etag {
		t.Errorf("%d %q %v", head.StatusCode, none, head.Header)
	}
	if fresh, none := w.ask("GET", "/API/V10/health", "", "If-None-Match", etag); fresh.StatusCode != 304 || none != "" {
		t.Errorf("%d %q", fresh.StatusCode, none)
	}
	opt, none := w.ask("OPTIONS", "/any/thing", "", "Access-Control-Request-Headers", "X-API-Key")
	if opt.StatusCode != 204 || none != "" || opt.Header.Get("Access-Control-Allow-Headers") != "X-API-Key" || opt.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", opt.StatusCode, opt.Header)
	}
	for _, path := range []string{"/", "/api/v10/none", "/api/v10/../../etc/passwd"} {
		if resp, body := w.ask("GET", path, ""); resp.StatusCode != 404 || body != `{"error":"Endpoint not found"}` {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	// A payment has an ETag too, and is never answered 304.
	resp, _ = w.ask("POST", submitPath, payment("alice", "bob", 1), "If-None-Match", "*")
	if resp.StatusCode != 200 || resp.Header.Get("ETag") == "" {
		t.Error(resp.StatusCode)
	}
}

// TestTooLarge: a body beyond its bound is refused before it is read, with and without a length.
func TestTooLarge(t *testing.T) {
	w := start(t, nil)
	big := strings.Repeat("x", v10.BodyBytesMax+1)
	if resp, body := w.ask("POST", submitPath, big); resp.StatusCode != 413 || body != `{"error":"Request body too large"}` {
		t.Error(resp.StatusCode, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url(submitPath), io.MultiReader(strings.NewReader(big), strings.NewReader(big)))
	must(t, err)
	if resp, err := w.client.Do(req); err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Error(resp.StatusCode)
		}
	}
	if n := w.server.bodies.Load(); n != 0 {
		t.Errorf("%d bytes of bodies are still counted", n)
	}
}

// TestOverload: beyond its bound a server says so at once, and serves again when there is room.
func TestOverload(t *testing.T) {
	w := start(t, func(c *Config, _ *Parts) { c.InFlightMax = 1 })
	w.ledger.hold = make(chan struct{})
	first := make(chan int, 1)
	go func() {
		resp, _ := w.ask("POST", submitPath, payment("alice", "bob", 1))
		first <- resp.StatusCode
	}()
	await(t, func() bool { return w.server.inFlight.Load() == 1 })
	resp, body := w.ask("POST", submitPath, payment("alice", "bob", 1))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "busy") {
		t.Error(resp.StatusCode, body)
	}
	close(w.ledger.hold)
	if code := <-first; code != 200 {
		t.Error(code)
	}
	if resp, _ := w.ask("POST", submitPath, payment("alice", "bob", 1)); resp.StatusCode != 200 {
		t.Error(resp.StatusCode)
	}
}

// await looks until something is true.
func await(t *testing.T, what func() bool) {
	t.Helper()
	for range 1000 {
		if what() {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}

// TestSlowBodies: who sends a body slowly holds up nobody.
func TestSlowBodies(t *testing.T) {
	w := start(t, func(c *Config, _ *Parts) { c.InFlightMax = 2 })
	for range 8 {
		c, err := net.Dial("tcp", w.addr)
		must(t, err)
		defer c.Close()
		_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", submitPath)
		must(t, err)
	}
	if resp, _ := w.ask("POST", submitPath, payment("alice", "bob", 1)); resp.StatusCode != 200 {
		t.Error(resp.StatusCode)
	}
}

// TestHeaderBomb: headers beyond their bound end the connection with 431.
func TestHeaderBomb(t *testing.T) {
	w := start(t, nil)
	c, err := net.Dial("tcp", w.addr)
	must(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "GET /health HTTP/1.1\r\nHost: x\r\nX-Bomb: %s\r\n\r\n", strings.Repeat("b", 10*headerBytesMax))
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(resp.StatusCode)
	}
}

// TestStarting: a node that does not serve yet says so to all but who asks for its health.
func TestStarting(t *testing.T) {
	ready := false
	w := start(t, func(_ *Config, p *Parts) { p.Ready = func() bool { return ready } })
	for path, want := range map[string]string{"/health": "unhealthy", "/api/v10/health": "DOWN", "/api/v10/accounts/alice/balances": "unavailable"} {
		if resp, body := w.ask("GET", path, ""); resp.StatusCode != 503 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	ready = true
	if resp, _ := w.ask("GET", "/api/v10/accounts/alice/balances", ""); resp.StatusCode != 200 {
		t.Error(resp.StatusCode)
	}
}

// TestDrain: a server that is told to stop says so, ends what is under way, and then stops.
func TestDrain(t *testing.T) {
	w := start(t, func(c *Config, _ *Parts) { c.DrainNotice = 300 * time.Millisecond })
	w.ledger.hold = make(chan struct{})
	paid := make(chan string, 1)
	go func() {
		resp, body := w.ask("POST", submitPath, payment("alice", "bob", 1))
		paid <- fmt.Sprint(resp.StatusCode, " ", body)
	}()
	await(t, func() bool { return w.server.inFlight.Load() == 1 })
	w.stop()
	await(t, w.server.draining.Load)
	resp, body := w.ask("GET", "/health", "")
	if resp.StatusCode != 503 || !strings.Contains(body, "unhealthy") || !resp.Close {
		t.Errorf("%d %s, close %v", resp.StatusCode, body, resp.Close)
	}
	close(w.ledger.hold)
	if got := <-paid; !strings.HasPrefix(got, `200 {"transaction_id":`) {
		t.Error(got)
	}
	w.end()
	if _, err := net.Dial("tcp", w.addr); err == nil {
		t.Error("it still listens")
	}
}

// TestHurry: a server that nothing is behind any more waits neither for those who should notice that it stops nor for answers.
func TestHurry(t *testing.T) {
	w := start(t, func(c *Config, _ *Parts) { c.DrainNotice, c.DrainGrace = time.Hour, time.Hour })
	w.ledger.hold = make(chan struct{})
	defer close(w.ledger.hold)
	go func() {
		_, _ = http.Post("http://"+w.addr+submitPath, "application/json", strings.NewReader(payment("alice", "bob", 1)))
	}()
	await(t, func() bool { return w.server.inFlight.Load() == 1 })
	w.server.Hurry()
	w.end()
}

// TestKeys: a key belongs to its caller, and in a batch to an item; one that is none is refused.
func TestKeys(t *testing.T) {
	w := start(t, nil)
	if resp, _ := w.ask("POST", submitPath, payment("alice", "bob", 1), "Idempotency-Key", "a b"); resp.StatusCode != 400 {
		t.Error(resp.StatusCode)
	}
	caller, leave, err := w.server.parts.Access.Enter(t.Context(), http.Header{})
	must(t, err)
	defer leave()
	q := &request{Request: &http.Request{Header: http.Header{"Idempotency-Key": {"k"}}}, caller: caller}
	seen := map[chain.IdempotencyKey]bool{}
	for item := -1; item < 3; item++ {
		var p custody.Payment
		must(t, w.server.key(q, &p, item))
		if !p.Keyed || seen[p.Key] {
			t.Errorf("item %d: %+v", item, p)
		}
		seen[p.Key] = true
	}
}

// TestBatchOpensOnTheWay: a payer whom an earlier payment of the batch opens can pay in it.
func TestBatchOpensOnTheWay(t *testing.T) {
	ps := []custody.Payment{{From: "a", To: "x"}, {From: "x", To: "y"}, {From: "y", To: "z"}, {From: "nobody", To: "x"}, {From: "z", To: "a"}}
	unknown := fault.New(fault.NotFound, "unknown")
	got := openedMeanwhile(ps, []custody.Answer{{}, {Err: unknown}, {Err: unknown}, {Err: unknown}, {Err: unknown}})
	if fmt.Sprint(got) != "[1 2 4]" {
		t.Error(got)
	}
	if got := openedMeanwhile(ps[3:], []custody.Answer{{Err: unknown}, {Err: unknown}}); len(got) != 0 {
		t.Error(got)
	}
}

// TestLookupIsExact: an id must be the one that its place has.
func TestLookupIsExact(t *testing.T) {
	w := start(t, nil)
	_, body := w.ask("POST", submitPath, payment("alice", "bob", "1.5"))
	id := body[len(`{"transaction_id":"`):strings.Index(body, `","status"`)]
	if resp, got := w.ask("GET", submitPath+"/"+id, ""); resp.StatusCode != 200 || !strings.Contains(got, `"amount":1.5`) {
		t.Error(resp.StatusCode, got)
	}
	other := strings.Replace(id, "tx_1756894830456", "tx_1756894830457", 1)
	for _, wrong := range []string{other, "tx_1_000000000", "nonsense"} {
		if resp, got := w.ask("GET", submitPath+"/"+wrong, ""); resp.StatusCode != 404 || got != `{"error":"Transaction not found"}` {
			t.Errorf("%s: %d %s", wrong, resp.StatusCode, got)
		}
	}
}

// TestLines answers a stream line by line, while it comes.
func TestLines(t *testing.T) {
	w := start(t, nil)
	in, out := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url(submitPath+"/stream"), in)
	must(t, err)
	go func() { _, _ = io.WriteString(out, payment("alice", "bob", 1)+"\n") }()
	resp, err := w.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"line":1,"transaction_id":`) {
		t.Fatal(lines.Text(), lines.Err())
	}
	_, err = io.WriteString(out, "\nnonsense\n"+payment("nobody", "bob", 1)+"\n"+strings.Repeat("y", 2*v10.LineBytesMax))
	must(t, err)
	must(t, out.Close())
	for _, want := range []string{`{"line":2,"status":"refused","error":`, `{"line":3,"status":"refused","error":"Account not found"}`, `{"line":4,"status":"refused","error":"Request body too large"}`} {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("%q, want %s", lines.Text(), want)
		}
	}
	if lines.Scan() {
		t.Error(lines.Text())
	}
}

// TestOrder: a batch and the lines of a stream come to the desk in their order, and lines that do not go together wait for those before.
func TestOrder(t *testing.T) {
	const lines = 2*linesTogether + 100
	w := start(t, nil)
	var items []string
	for n := range lines {
		items = append(items, payment([]string{"alice", "bob"}[n%2], "carol", n+1))
		if n%100 == 7 {
			items = append(items, `{"from":"alice"}`)
		}
	}
	for path, body := range map[string]string{
		submitPath + "/batch": `{"transactions":[` + strings.Join(items, ",") + `]}`, submitPath + "/stream": strings.Join(items, "\n"),
	} {
		before := w.ledger.count()
		if resp, text := w.ask("POST", path, body); resp.StatusCode != 200 {
			t.Fatal(resp.StatusCode, text)
		}
		w.ledger.mu.Lock()
		paid := w.ledger.blocks[before:]
		w.ledger.mu.Unlock()
		if len(paid) != lines {
			t.Errorf("%s: %d payments, want %d", path, len(paid), lines)
		}
		for n, b := range paid {
			if want := chain.Units(uint64(n+1) * 100_000_000); b[0].Amount != want {
				t.Fatalf("%s: payment %d is of %v, want %v", path, n, b[0].Amount, want)
			}
		}
	}
}

// TestEvents: a record comes at once, and the stream ends when the server drains.
func TestEvents(t *testing.T) {
	w := start(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), "GET", w.url("/api/v10/realtime"), nil)
	must(t, err)
	resp, err := w.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), `data: {"timestamp":"`) {
		t.Fatal(lines.Text())
	}
	w.stop()
	for lines.Scan() {
		if lines.Text() != "" {
			t.Error(lines.Text())
		}
	}
}

// TestEveryExample: what a fresh server gives for examples is answered.
func TestEveryExample(t *testing.T) {
	w := start(t, func(c *Config, _ *Parts) { c.Example = "alice" })
	code, body := direct(w.server, "GET", "/api/v10/endpoints", "")
	if code != 200 || !strings.Contains(body, `"example":"/api/v10/accounts/alice/balances"`) {
		t.Error(code, body[:200])
	}
}

// TestLimits publishes each bound once, with a unit.
func TestLimits(t *testing.T) {
	w := start(t, nil)
	seen := map[string]bool{}
	for _, l := range w.server.limits() {
		if seen[l.Name] || l.Value == 0 || l.Unit == "" {
			t.Errorf("%+v", l)
		}
		seen[l.Name] = true
	}
}
