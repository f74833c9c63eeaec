// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestAsV10Answers: while V10 owns everything a client cannot tell the guard from V10, but for the time.
func TestAsV10Answers(t *testing.T) {
	w := newWorld(t)
	w.guard()
	straight := "http://" + w.v10.Rest
	for _, call := range []struct{ method, path, body string }{
		{"GET", "/api/v10/accounts/" + alice, ""},
		{"GET", "/api/v10/accounts/no%2Fbody", ""},
		{"HEAD", "/api/v10/assets", ""},
		{"OPTIONS", "/api/v10/transactions", ""},
		{"GET", "/nowhere", ""},
		{"POST", "/nowhere", "{}"},
		{"DELETE", "/api/v10/transactions", ""},
		{"POST", "/api/v10/contracts", "{}"},
		{"POST", "/api/v10/accounts", `{"account":"` + alice + `"}`},
		{"POST", "/api/v10/accounts", `{"account":""}`},
		{"POST", "/api/v10/transactions/estimate", payment(alice, "shop")},
		{"POST", "/api/v10/transactions", ""},
		{"POST", "/api/v10/transactions", "{"},
		{"POST", "/api/v10/transactions", "[]"},
		{"POST", "/api/v10/transactions", `{"to":"shop","amount":1}`},
		{"POST", "/api/v10/transactions", `{"from":"alice","from":"bob","to":"shop","amount":1}`},
		{"POST", "/api/v10/transactions", `{"from":7,"to":"shop","amount":1}`},
		{"POST", "/api/v10/transactions", payment("nobody", "shop")},
		{"POST", "/api/v10/transactions", `{"from":"alice","to":"shop","amount":-1}`},
		{"POST", "/api/v10/transactions", strings.Repeat(" ", v10.BodyBytesMax+1)},
		{"POST", "/api/node/transactions", "{"},
		{"POST", "/api/node/transactions", `{"id":"1","from":"nobody","to":"x","amount":1}`},
		{"POST", "/api/v10/assets", `{"code":"AUR","name":"Again","issuer":"alice"}`},
		{"POST", "/api/v10/assets/AUR/issue", `{"issuer":"alice","to":"bob","amount":1}`},
		{"POST", "/api/v10/assets/AUR/issue", `{"issuer":"alice"`},
		{"POST", "/api/v10/transactions/batch", `{"transactions":7}`},
	} {
		want, got := w.call(call.method, straight+call.path, call.body), w.call(call.method, w.rest+call.path, call.body)
		if strings.HasPrefix(call.path, "/api/v10/accounts") && call.method == "POST" || want.code == 409 {
			want = w.call(call.method, w.rest+call.path, call.body) // V10 takes no write that no guard let through
		}
		if got.code != want.code || got.body != want.body || got.header.Get("Content-Type") != want.header.Get("Content-Type") || got.header.Get("ETag") != want.header.Get("ETag") {
			t.Errorf("%s %s %.60s: %d %s %v, V10 says %d %s %v", call.method, call.path, call.body, got.code, got.body, got.header, want.code, want.body, want.header)
		}
	}
}

// TestDebitsOfAllKinds: every way to debit an account waits while its slot is closed; what debits nobody does not.
func TestDebitsOfAllKinds(t *testing.T) {
	w := newWorld(t)
	w.hold = 1
	w.guard()
	w.fences(1, slotRange(alice))
	for i := range v10.Endpoints() {
		row := &v10.Endpoints()[i]
		member := members[row.AccountKey]
		if member == "" {
			continue
		}
		path := strings.ReplaceAll(row.Path, "{code}", "AUR")
		a := w.call(row.Method, w.rest+path, fmt.Sprintf(`{%q:%q,"to":"shop","amount":1,"code":"X","name":"X"}`, member, alice))
		if a.code != http.StatusServiceUnavailable || !strings.Contains(a.body, textMoving) {
			t.Errorf("%s %s: %+v", row.Method, row.Path, a)
		}
	}
	if a := w.call("POST", w.rest+"/api/v10/accounts", `{"account":"new"}`); a.code != 200 {
		t.Error(a)
	}
	if a := w.call("POST", w.rest+"/api/v10/transactions/estimate", payment(alice, "shop")); a.code != 200 {
		t.Error(a)
	}
	if a := w.call("GET", w.rest+"/api/v10/accounts/"+alice+"/balances", ""); a.code != 200 {
		t.Error(a)
	}
}

// TestStreamsPass: a WebSocket and a stream of events live through the guard.
func TestStreamsPass(t *testing.T) {
	w := newWorld(t)
	w.guard()
	for path, want := range map[string]string{
		"/api/v10/ws":       "HTTP/1.1 101 Switching Protocols",
		"/api/v10/realtime": "HTTP/1.1 200 OK",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(w.rest, "http://"))
		must(t, err)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
		must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		in := bufio.NewReader(c)
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("%s: %q %v", path, line, err)
		}
		if _, err := in.ReadString('\n'); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		must(t, c.Close())
	}
}

// TestBounds: what is too much is refused, and its room is free again.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	w.bound = func(c *Config) { c.HeldMax, c.UnderWayMax, c.BodiesMax = 1, 2, 1000 }
	w.guard()
	w.fences(1, slotRange(alice))
	held := make(chan reply, 2)
	hold := func() {
		a, err := ask1("POST", w.rest+"/api/v10/transactions", payment(alice, "shop"))
		if err != nil {
			a.body = err.Error()
		}
		held <- a
	}
	go hold()
	w.until("waiting", func() bool { return w.Status().Held == 1 })
	if a := w.pay(alice, "shop"); a.code != http.StatusServiceUnavailable {
		t.Error(a)
	}
	if a := w.call("POST", w.rest+"/api/v10/transactions", strings.Repeat(" ", 1001)); a.code != http.StatusServiceUnavailable || !strings.Contains(a.body, "memory") {
		t.Error(a)
	}
	slow, err := net.Dial("tcp", strings.TrimPrefix(w.rest, "http://")) // takes the second place under way
	must(t, err)
	defer slow.Close()
	fmt.Fprint(slow, "POST /api/v10/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	w.until("both places taken", func() bool { return w.Status().UnderWay == 2 })
	if a := w.pay(bob, "shop"); a.code != http.StatusServiceUnavailable || !strings.Contains(a.body, "busy") {
		t.Error(a)
	}
	must(t, slow.Close())
	w.moves.make(Aborted, 3, slotRange(alice))
	if a := <-held; a.code != 200 {
		t.Error(a)
	}
	w.until("free", func() bool { s := w.Status(); return s.UnderWay == 0 && s.Held == 0 })
	if n := w.proxy.bodies.Load(); n != 0 {
		t.Errorf("%d bytes are charged", n)
	}
	if a := w.pay(bob, "shop"); a.code != 200 {
		t.Error(a)
	}
}

// TestEnd: a guard that is told to stop tells what waits to come later, and ends well.
func TestEnd(t *testing.T) {
	w := newWorld(t)
	w.guard()
	w.fences(1, slotRange(alice))
	held := make(chan reply, 1)
	go func() {
		a, err := ask1("POST", w.rest+"/api/v10/transactions", payment(alice, "shop"))
		if err != nil {
			a.body = err.Error()
		}
		held <- a
	}()
	w.until("waiting", func() bool { return w.Status().Held == 1 })
	must(t, w.end())
	if a := <-held; a.code != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Error(a)
	}
}

// TestControl: the controller's interface says what is, and why not.
func TestControl(t *testing.T) {
	w := newWorld(t)
	w.guard()
	r := slotRange(alice)
	one := fmt.Sprintf(`[{"from":%d,"to":%d}]`, r.From, r.To)
	for _, test := range []struct {
		body string
		code int
		part string
	}{
		{`{"home_version":1,"slots":` + one + `}`, 200, `"signature":"`},
		{`{"home_version":1,"slots":` + one + `}`, 200, `"major":`},
		{`{"home_version":2,"slots":` + one + `}`, 409, `"reason":"home_version"`},
		{`{"home_version":1,"slots":[]}`, 400, `"kind":"invalid"`},
		{`{"home_version":1,"slots":[{"from":20000,"to":20000}]}`, 409, `"reason":"not_home"`},
		{`{"slot":1}`, 400, `"kind":"invalid"`},
		{``, 400, `"kind":"invalid"`},
	} {
		if a := w.call("POST", w.control+"/fence", test.body); a.code != test.code || !strings.Contains(a.body, test.part) {
			t.Errorf("%s: %+v", test.body, a)
		}
	}
	if a := w.call("GET", w.control+"/status", ""); a.code != 200 || !strings.Contains(a.body, `"closed":`+one) || !strings.Contains(a.body, `"v10":10000`) {
		t.Error(a)
	}
	for _, call := range []string{"GET /fence", "POST /status", "GET /"} {
		method, path, _ := strings.Cut(call, " ")
		if a := w.call(method, w.control+path, ""); a.code < 400 {
			t.Error(call, a)
		}
	}
}

// TestConfig: settings that will not do are refused before anything is touched.
func TestConfig(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*Config){
		"hold":     func(c *Config) { c.Hold = HoldMost + 1 },
		"bound":    func(c *Config) { c.HeldMax = -1 },
		"homes":    func(c *Config) { c.Homes = nil },
		"key":      func(c *Config) { c.Key = nil },
		"v10":      func(c *Config) { c.V10 = "v10:1" },
		"changes":  func(c *Config) { c.Changes = "" },
		"v11-rest": func(c *Config) { c.V11 = "ftp://x" },
	} {
		cfg := w.config()
		change(&cfg)
		if g, err := New(cfg); err == nil {
			t.Errorf("%s: taken", name)
			_ = g.Close()
		}
	}
	cfg := w.config()
	g, err := New(cfg)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	gone, leave := context.WithCancel(t.Context())
	leave()
	must(t, g.Run(gone, l, l, func() { t.Error("ready") }))
}
