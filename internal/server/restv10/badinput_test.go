// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// submitOf is a raw request that submits a body.
func submitOf(body string, headers ...string) string {
	extra := strings.Join(append(headers, ""), "\r\n")
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", submitPath, extra, len(body), body)
}

func amountOf(amount string) string {
	return submitOf(`{"from":"alice","to":"bob","amount":` + amount + `}`)
}

// badInputs are raw requests and the code of their answers.
func badInputs() map[string]struct {
	raw  string
	code int
} {
	type c = struct {
		raw  string
		code int
	}
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	chunked := "POST " + submitPath + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
	return map[string]c{
		"no JSON":                   {submitOf(`{"from":`), 400},
		"empty body":                {submitOf(``), 400},
		"two values":                {submitOf(`{}{}`), 400},
		"an array":                  {submitOf(`[]`), 400},
		"wrong type":                {submitOf(`{"from":1,"to":"bob","amount":1}`), 400},
		"missing amount":            {submitOf(`{"from":"alice","to":"bob"}`), 400},
		"negative":                  {amountOf(`-1`), 400},
		"negative text":             {amountOf(`"-1"`), 400},
		"zero":                      {amountOf(`0`), 400},
		"NaN":                       {amountOf(`NaN`), 400},
		"NaN text":                  {amountOf(`"NaN"`), 400},
		"infinite":                  {amountOf(`"Infinity"`), 400},
		"beyond 128 bits":           {amountOf(`1e40`), 400},
		"huge exponent":             {amountOf(`1e999999999`), 400},
		"tiny exponent":             {amountOf(`1e-999999999`), 400},
		"many digits":               {amountOf(strings.Repeat("9", 4000)), 400},
		"below the scale":           {amountOf(`0.000000001`), 400},
		"hexadecimal":               {amountOf(`"0x10"`), 400},
		"an object":                 {amountOf(`{"value":1}`), 400},
		"duplicate member":          {submitOf(`{"from":"alice","from":"bob","to":"bob","amount":1}`), 400},
		"duplicate, escaped":        {submitOf(`{"from":"alice","fr\u006fm":"bob","to":"bob","amount":1}`), 400},
		"deep":                      {submitOf(`{"x":` + strings.Repeat(`[`, 30_000) + strings.Repeat(`]`, 30_000) + `}`), 400},
		"deep and open":             {submitOf(strings.Repeat(`{"a":`, 12_000)), 400},
		"not UTF-8":                 {submitOf("{\"from\":\"al\xffice\",\"to\":\"bob\",\"amount\":1}"), 400},
		"half a surrogate":          {submitOf(`{"from":"alice","to":"\ud800","amount":1}`), 400},
		"NUL bytes":                 {submitOf("\x00\x00\x00"), 400},
		"long name":                 {submitOf(payment("alice", strings.Repeat("n", 257), 1)), 400},
		"bad key":                   {submitOf(payment("alice", "bob", 1), "Idempotency-Key: a b"), 400},
		"10 MB":                     {submitOf(strings.Repeat("x", 10<<20)), 413},
		"10 MB to come":             {"POST " + submitPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n", 413},
		"exabytes to come":          {"POST " + submitPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n", 413},
		"negative length":           {"POST " + submitPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
		"two lengths":               {"POST " + submitPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400},
		"length and chunked":        {chunked + "Content-Length: 4\r\n\r\n0\r\n\r\n", 400},
		"bad chunk":                 {chunked + "\r\nzz\r\n", 400},
		"huge chunk":                {chunked + "\r\nffffffffffffffffff\r\n", 400},
		"unknown encoding":          {"POST " + submitPath + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		"header bomb":               {"GET /health HTTP/1.1\r\nHost: x\r\nX-Bomb: " + strings.Repeat("b", 10*headerBytesMax) + "\r\n\r\n", 431},
		"many headers":              {"GET /health HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 20_000) + "\r\n", 431},
		"long request line":         {get("/" + strings.Repeat("p", 10*headerBytesMax)), 431},
		"long path":                 {get("/" + strings.Repeat("p", v10.PathBytesMax)), 404},
		"bad escape":                {get("/api/v10/accounts/%zz/balances"), 400},
		"half an escape":            {get("/api/v10/accounts/a%2"), 400},
		"no request line":           {"nonsense\r\n\r\n", 400},
		"no version":                {"GET /health\r\n\r\n", 400},
		"version of tomorrow":       {"GET /health HTTP/9.9\r\nHost: x\r\n\r\n", 505},
		"no host":                   {"GET /health HTTP/1.1\r\n\r\n", 400},
		"space in a header":         {"GET /health HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400},
		"NUL in a header":           {"GET /health HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", 400},
		"a TLS hello":               {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400},
		"traversal":                 {get("/api/v10/../../../../etc/passwd"), 404},
		"traversal, escaped":        {get("/api/v10/accounts/..%2f..%2fetc%2fpasswd/balances"), 404},
		"traversal, twice escaped":  {get("/%252e%252e/%252e%252e/etc/passwd"), 404},
		"a NUL in the path":         {get("/api/v10/accounts/%00/balances"), 404},
		"not UTF-8 in the path":     {get("/api/v10/accounts/%ff/balances"), 400},
		"odd method":                {"BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		"limit out of range":        {get(submitPath + "?limit=99999999999999999999"), 400},
		"limit negative":            {get(submitPath + "?limit=-1"), 400},
		"no batch":                  {strings.Replace(submitOf(`{"transactions":{}}`), submitPath, submitPath+"/batch", 1), 400},
		"empty batch":               {strings.Replace(submitOf(`{"transactions":[]}`), submitPath, submitPath+"/batch", 1), 400},
		"WebSocket of another time": {"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 426},
		"WebSocket without a key":   {"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", 400},
		"no WebSocket":              {get("/ws"), 426},
	}
}

// TestBadInput: whatever comes in over a connection is answered as V10 answered errors, and whoever else is connected is served as if nothing
// had been.
func TestBadInput(t *testing.T) {
	w := start(t, nil)
	for name, c := range badInputs() {
		t.Run(name, func(t *testing.T) {
			resp, body := w.rawAsk(t, c.raw)
			if resp.StatusCode != c.code || !isRefusal(body) {
				t.Errorf("%d %q, want %d", resp.StatusCode, body, c.code)
			}
			if got := resp.Header.Get("Content-Type"); got != contentJSON {
				t.Errorf("Content-Type %q", got)
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "*" {
				t.Errorf("Access-Control-Allow-Origin %q", got)
			}
			if resp, text := w.ask("POST", submitPath, payment("alice", "bob", 1)); resp.StatusCode != 200 {
				t.Errorf("afterwards: %d %s", resp.StatusCode, text)
			}
		})
	}
	if n := testutil.ToFloat64(w.server.metrics.requests.WithLabelValues(groupUnknown, "431")); n != 3 {
		t.Errorf("%v header bombs are counted", n)
	}
	if n := w.server.bodies.Load(); n != 0 {
		t.Errorf("%d bytes of bodies are still counted", n)
	}
}

// rawAsk sends bytes and reads one answer. A server that has answered may not read what still comes.
func (w *world) rawAsk(t *testing.T, raw string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c, raw)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	_ = c.Close()
	<-sent
	return resp, string(body)
}

// isRefusal reports whether a body is one of V10's two forms of an error.
func isRefusal(body string) bool {
	var e struct {
		Error   string `json:"error"`
		Success *bool  `json:"success"`
	}
	return json.Unmarshal([]byte(body), &e) == nil && e.Error != "" && (e.Success == nil || !*e.Success)
}

// TestHeadLines: heads with two lengths are found however their bytes come, and others are not.
func TestHeadLines(t *testing.T) {
	for text, want := range map[string]bool{
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n":                         true,
		"POST / HTTP/1.1\ntransfer-encoding:chunked\nX: y\nCONTENT-LENGTH:1\n\n":                             true,
		"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n":             true,
		"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nxPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n": false,
		"POST / HTTP/1.1\r\nX-Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n":                       false,
		"POST / HTTP/1.1\r\nTransfer-Encodings: chunked\r\nContent-Length: 1\r\n\r\n":                        false,
		"GET /content-length:transfer-encoding: HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n":              false,
	} {
		for size := 1; size <= len(text); size++ {
			var h headLines
			for rest := []byte(text); len(rest) > 0; {
				n := min(size, len(rest))
				h.see(rest[:n])
				rest = rest[n:]
			}
			if h.both.Load() != want {
				t.Fatalf("%q in pieces of %d: %v", text, size, !want)
			}
		}
	}
}

// TestSlowClients: a head and a body that do not come are waited for as long as the bounds say, at whatever rate they dribble, and nobody else
// waits.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		heads, bodies := make([]net.Conn, 200), make([]net.Conn, 200)
		var dribblers sync.WaitGroup
		for i := range heads {
			heads[i] = l.connect()
			dribblers.Go(func() { dribble(heads[i], "GET /health HTTP/1.1\r\n", "X-A: b\r\n") })
			bodies[i] = l.connect()
			dribblers.Go(func() {
				dribble(bodies[i], "POST "+submitPath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", " ")
			})
		}
		begin := time.Now()
		c := l.connect()
		_, err := io.WriteString(c, submitOf(payment("alice", "bob", 1)))
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		must(t, resp.Body.Close())
		if took := time.Since(begin); resp.StatusCode != 200 || took > time.Second {
			t.Errorf("%d after %s", resp.StatusCode, took)
		}
		for i := range heads {
			if _, err := io.ReadAll(heads[i]); err != nil {
				t.Error(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(bodies[i]), nil)
			must(t, err)
			body, err := io.ReadAll(resp.Body)
			must(t, err)
			if resp.StatusCode != http.StatusRequestTimeout || !isRefusal(string(body)) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		}
		if took := time.Since(begin); took > max(headerTimeout, partTimeout)+time.Second {
			t.Errorf("they held their connections for %s", took)
		}
		for i := range heads {
			_, _ = heads[i].Close(), bodies[i].Close()
		}
		dribblers.Wait()
		_ = c.Close()
		w.finish()
	})
}

// connect opens a connection.
func (p pipes) connect() net.Conn {
	here, there := net.Pipe()
	p.accepted <- there
	return here
}

// dribble sends a begin and then something more each 100 ms, until it is cut off.
func dribble(c net.Conn, begin, more string) {
	_, err := io.WriteString(c, begin)
	for err == nil {
		<-time.After(100 * time.Millisecond)
		_, err = io.WriteString(c, more)
	}
}

// TestSlowButSteady: who sends a large body at more than the least rate is served, also when that takes longer than the time for a part; and
// a handler that takes longer than that is not cut off by it.
func TestSlowButSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := startPiped(t, nil)
		w.ledger.hold = make(chan struct{})
		body := `{"transactions":[` + payment("alice", "bob", 1) + `]` + strings.Repeat(" ", 4*bodyPartBytes)
		body = body[:4*bodyPartBytes-1] + "}" // whole parts: the last one is known to be the last only when it is there
		c := l.connect()
		go func() {
			_, err := fmt.Fprintf(c, "POST %s/batch HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", submitPath, len(body))
			for at := 0; at < len(body) && err == nil; at += bodyPartBytes {
				<-time.After(partTimeout * 4 / 5)
				_, err = io.WriteString(c, body[at:at+bodyPartBytes])
			}
			<-time.After(2 * partTimeout)
			close(w.ledger.hold)
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		text, err := io.ReadAll(resp.Body)
		must(t, err)
		if resp.StatusCode != 200 || !bytes.Contains(text, []byte(`"accepted":1`)) {
			t.Errorf("%d %s", resp.StatusCode, text)
		}
		_ = c.Close()
		w.finish()
	})
}

// TestIdleConnections: thousands that say nothing take a bounded memory, nobody waits for them, and they are cut off in time.
func TestIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 10_000
		w, l := startPiped(t, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		open := make([]net.Conn, idle)
		for i := range open {
			open[i] = l.connect()
		}
		synctest.Wait()
		runtime.ReadMemStats(&after)
		each := (after.HeapAlloc + after.StackInuse - before.HeapAlloc - before.StackInuse) / idle
		t.Logf("%d bytes each", each)
		if each > 32<<10 {
			t.Errorf("a connection that says nothing takes %d bytes", each)
		}
		begin := time.Now()
		c := l.connect()
		_, err := io.WriteString(c, submitOf(payment("alice", "bob", 1)))
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != 200 || time.Since(begin) > time.Second {
			t.Error(resp.StatusCode, time.Since(begin))
		}
		for _, o := range open {
			if _, err := io.ReadAll(o); err != nil {
				t.Error(err)
			}
			_ = o.Close()
		}
		if took := time.Since(begin); took > headerTimeout+time.Second {
			t.Errorf("they stayed for %s", took)
		}
		_ = c.Close()
		w.finish()
	})
}

// brokenLedger answers every question with one error, or not until the asker has no time left.
type brokenLedger struct {
	fakeReader
	err error
}

func (b brokenLedger) fails(ctx context.Context) error {
	if b.err != nil {
		return b.err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (b brokenLedger) PayMany(ctx context.Context, ps []custody.Payment) []custody.Answer {
	err := b.fails(ctx)
	out := make([]custody.Answer, len(ps))
	for i := range out {
		out[i].Err = err
	}
	return out
}

func (b brokenLedger) Account(ctx context.Context, _ query.AccountName, _ chain.AssetNo) (*query.Account, error) {
	return nil, b.fails(ctx)
}

func (b brokenLedger) Block(ctx context.Context, _ chain.Height) (*query.Block, error) {
	return nil, b.fails(ctx)
}

func (b brokenLedger) Status(ctx context.Context) (*query.Status, error) { return nil, b.fails(ctx) }

func (b brokenLedger) FindTransfers(ctx context.Context, _ query.TransferFilter, _ int, _ string) (query.Page[query.Transfer], error) {
	return query.Page[query.Transfer]{}, b.fails(ctx)
}

// TestUnreachableLedger: when the cluster does not answer, a client is told within the row's deadline: 503 and when to come again, or 504 where
// nobody knows what became of a payment.
func TestUnreachableLedger(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		pay, read int
	}{
		"unavailable": {fault.New(fault.Unavailable, "no quorum"), 503, 503},
		"busy":        {fault.New(fault.TryLater, "many wait"), 503, 503},
		"timeout":     {fault.New(fault.Timeout, "no answer"), 504, 503},
		"hangs":       {nil, 504, 503},
		"cancelled":   {context.Canceled, 504, 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := directServer(t, c.err)
				for path, want := range map[string]int{
					"POST " + submitPath: c.pay, "POST /api/node/transactions": c.pay, "GET /api/v10/accounts/alice/balances": c.read,
					"GET /api/v10/blocks/latest": c.read, "GET /api/v10/transactions": c.read, "GET /api/v10/status": c.read,
					"GET /api/v10/realtime": c.read,
				} {
					method, path, _ := strings.Cut(path, " ")
					row, _, err := v10.Match(method, path)
					must(t, err)
					w, begin := httptest.NewRecorder(), time.Now()
					s.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(`{"id":"x",`+payment("alice", "bob", 1)[1:])))
					if w.Code != want || !isRefusal(w.Body.String()) || (w.Code == 503) != (w.Header().Get("Retry-After") != "") {
						t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, want)
					}
					if took := time.Since(begin); took > time.Duration(row.DeadlineMs)*time.Millisecond {
						t.Errorf("%s %s took %s", method, path, took)
					}
				}
				w := httptest.NewRecorder()
				s.ServeHTTP(w, httptest.NewRequest("POST", submitPath+"/batch", strings.NewReader(`{"transactions":[`+payment("alice", "bob", 1)+`]}`)))
				if word := map[int]string{503: v10.StatusRefused, 504: v10.StatusUnknown}[c.pay]; w.Code != 200 || !strings.Contains(w.Body.String(), `"`+word+`"`) {
					t.Errorf("a batch: %d %s", w.Code, w.Body)
				}
			})
		})
	}
}

// directServer is a server that does not listen, over a ledger that answers nothing.
func directServer(t *testing.T, err error) *Server {
	t.Helper()
	ledger := newFakeLedger("alice", "bob")
	ledger.PayMany(t.Context(), []custody.Payment{{From: "alice", To: "bob"}})
	guard, gerr := access.New(access.Config{Open: true}, access.Parts{})
	must(t, gerr)
	broken := brokenLedger{fakeReader{ledger}, err}
	s, gerr := New(Config{Node: "node0", Network: "fake"}, Parts{Desk: brokenDesk{broken, ledger}, Reader: broken, Access: guard})
	must(t, gerr)
	return s
}

// brokenDesk is the paying side of a brokenLedger.
type brokenDesk struct {
	broken brokenLedger
	*fakeLedger
}

func (d brokenDesk) PayMany(ctx context.Context, ps []custody.Payment) []custody.Answer {
	return d.broken.PayMany(ctx, ps)
}

// FuzzHandler: whatever is asked, the server does not break, never says that it is its own fault, and refuses in V10's form.
func FuzzHandler(f *testing.F) {
	f.Add("POST", submitPath, `{"from":"alice","to":"bob","amount":1}`, "k", "id")
	f.Add("POST", submitPath+"/batch", `{"transactions":[{"from":"alice","to":"bob","amount":"1.5"},7]}`, "", "")
	f.Add("POST", submitPath+"/stream", "{\"from\":\"alice\",\"to\":\"bob\",\"amount\":1}\n\nx", "k", "")
	f.Add("GET", submitPath+"?limit=3&cursor=x&since=2020-01-01T00:00:00Z", "", "", "")
	f.Add("GET", "/api/v10/blocks/%66?x=%zz", "", "", "")
	f.Add("POST", "/api/node/transactions", `{"id":"x","from":"alice","to":"bob","amount":1e3}`, "", "\x00")
	for _, e := range v10.Endpoints() {
		f.Add(e.Method, strings.NewReplacer("{", "", "}", "").Replace(e.Path), `{"name":"a","amount":1}`, "", "")
	}
	ledger := newFakeLedger("alice", "bob")
	guard, err := access.New(access.Config{Open: true, Keys: filepath.Join(f.TempDir(), "keys.json")}, access.Parts{})
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Config{Node: "node0", Network: "fake"}, Parts{Desk: ledger, Reader: fakeReader{ledger}, Access: guard})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, body, key, id string) {
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil || req.URL.Path == "/api/v10/realtime" {
			t.Skip("the HTTP library answers this, or it goes on for minutes")
		}
		drain(ledger)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req = req.WithContext(ctx)
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		req.Header.Set("Idempotency-Key", key)
		req.Header.Set("X-Aurigraph-Request-Id", id)
		if key == "" {
			req.Header.Del("Idempotency-Key")
		}
		w := duplex{httptest.NewRecorder()}
		s.ServeHTTP(w, req)
		switch {
		case w.Code >= 500 && w.Code != http.StatusNotImplemented && !(w.Code == 503 && errors.Is(ctx.Err(), context.DeadlineExceeded)):
			t.Errorf("%s %s %q: %d %s", method, target, body, w.Code, w.Body)
		case w.Code >= 400 && method != http.MethodHead && !isRefusal(w.Body.String()):
			t.Errorf("%s %s %q: %d %q", method, target, body, w.Code, w.Body)
		}
	})
}

// duplex is a recorder that lets a handler answer while it reads, as a connection does.
type duplex struct{ *httptest.ResponseRecorder }

func (duplex) EnableFullDuplex() error { return nil }

// drain empties the feed of heights, which nobody follows here.
func drain(f *fakeLedger) {
	for len(f.heard) > 0 {
		<-f.heard
	}
}
