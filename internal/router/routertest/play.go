// SPDX-License-Identifier: Apache-2.0

package routertest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// playWays has V11 own alice's slot and a cohort with carol.
func (w *world) playWays() {
	m := owning(1, on("alice"), on("a/ñ+ %2F"), chain.SlotRange{From: 10_007, To: 10_007})
	m.Cohorts = map[string]uint16{"carol": 10_007, "dave": 10_008}
	must := func(name string, want bool) {
		if m.V11.Has(keys.AliasSlot(name)) != want {
			w.Fatalf("%s: the suite needs another name", name)
		}
	}
	must("bob", false)
	must("carol", false)
	w.must(m.V11.Set(on("dave"))) // who is named stays back all the same
	w.apply(m)
	get := func(target string) call { return call{method: "GET", target: target} }
	post := func(target, body string) call { return call{method: "POST", target: target, body: []byte(body)} }
	for _, c := range []struct {
		side router.Side
		call call
	}{
		{router.V11, pay("alice")}, {router.V10, pay("bob")}, {router.V11, pay("carol")}, {router.V10, pay("dave")},
		{router.V11, post(payPath, `{"to":"bob", "memo":{"from":"bob"}, "zkProof":[{"from":"bob"}], "amount":"1.50",`+"\n"+`"from" : "alice"}`)},
		{router.V11, post(payPath, `{"from":"\u0061lice","to":"bob","amount":1}`)},
		{router.V11, post(payPath, `{"from":"a\/ñ+ %2F","to":"bob","amount":1}`)},
		{router.V10, post(payPath, `{"From":"alice","to":"bob","amount":1}`)},
		{router.V10, post(payPath, `{"from":["alice"],"to":"bob","amount":1}`)},
		{router.V10, post(payPath, `{"from":1,"to":"bob","amount":1}`)},
		{router.V10, post(payPath, `{"from":null}`)}, {router.V10, post(payPath, ``)}, {router.V10, post(payPath, `[`)}, {router.V10, post(payPath, `"alice"`)},
		{router.V11, post("/API/v10/Transactions/?from=bob", `{"from":"alice","to":"bob","amount":1}`)},
		{router.V11, post("/api/node/transactions", `{"id":"1","from":"alice","to":"bob","amount":1}`)},
		{router.V11, post("/api/v10/transactions/estimate", `{"from":"alice","to":"bob","amount":1}`)},
		{router.V11, post("/api/v10/assets/X-1/transfer", `{"from":"alice","to":"bob","amount":1}`)},
		{router.V11, post("/api/v10/assets/X-1/issue", `{"issuer":"alice","to":"bob","amount":1}`)},
		{router.V10, post("/api/v10/assets/X-1/issue", `{"issuer":"bob","from":"alice","to":"alice","amount":1}`)},
		{router.V11, post("/api/v10/tokens", `{"issuer":"alice","code":"X"}`)},
		{router.V11, post("/api/v10/accounts", `{"account":"alice"}`)},
		{router.V11, get("/api/v10/accounts/alice")}, {router.V11, get("/api/v10/accounts/alice/balances?x=1")},
		{router.V11, get("/api/v10/accounts/carol/transactions/")}, {router.V10, get("/api/v10/accounts/bob")}, {router.V10, get("/api/v10/accounts/dave/nonce")},
		{router.V11, get("/api/v10/accounts/%61lice")}, {router.V11, get("/api/v10/accounts/a%2F%C3%B1+%20%252F/balances")},
		{router.V11, call{method: "HEAD", target: "/api/v10/accounts/alice"}},
		{router.V10, get("/api/v10/accounts/alice/unheard")}, {router.V10, get("/api/v10/accounts")}, {router.V10, get("/api/v10/accounts?account=alice")},
		{router.V10, get("/api/v10/transactions?account=alice")}, {router.V10, get("/")}, {router.V10, get("/health")}, {router.V10, get("/nothing/like%20it?a=%20&b")},
		{router.V10, call{method: "PUT", target: payPath, body: payment("alice")}},
		{router.V10, call{method: "DELETE", target: "/api/v10/auth/keys/alice"}},
		{router.V10, post(batchPath, `{"transactions":[{"from":"alice","to":"bob","amount":1}]}`)},
	} {
		w.reaches(c.side, c.call)
	}
	// As many slots as there are hash slots, and one of them is a cohort's.
	w.apply(owning(2, chain.SlotRange{From: 0, To: chain.SlotsMax - 2}, chain.SlotRange{From: chain.SlotsMax, To: chain.SlotsMax}))
	w.reaches(router.V10, get("/health"))
	whole := owning(3, all())
	whole.Cohorts = map[string]uint16{"dave": 10_008}
	w.apply(whole)
	w.reaches(router.V11, get("/health"))
	w.reaches(router.V11, pay("bob"))
	w.reaches(router.V10, pay("dave"))
	w.reaches(router.V11, post(batchPath, `{"transactions":[{"from":"alice","to":"bob","amount":1}]}`))
}

// playBodies sends bodies of every size there may be, with and without a length before them.
func (w *world) playBodies() {
	w.apply(owning(1, on("alice")))
	padded := func(size int) []byte {
		body := []byte(`{"from":"alice","to":"bob","amount":1,"memo":"`)
		return append(append(body, bytes.Repeat([]byte("m"), size-len(body)-2)...), `"}`...)
	}
	for _, chunked := range []bool{false, true} {
		for _, size := range []int{100, 16 << 10, 100_000, v10.BodyBytesMax} {
			w.reaches(router.V11, call{method: "POST", target: payPath, body: padded(size), chunked: chunked})
		}
		w.reaches(router.V10, call{method: "POST", target: batchPath, body: padded(v10.BatchBytesMax), chunked: chunked})
	}
	before := w.v10.all() + w.v11.all()
	a := w.do(call{method: "POST", target: payPath, body: padded(v10.BatchBytesMax + 1)})
	if a.status != http.StatusRequestEntityTooLarge || !isProblem(a) || w.v10.all()+w.v11.all() != before {
		w.Errorf("a body beyond the bound: %d %q, %d reached a ledger", a.status, a.body, w.v10.all()+w.v11.all()-before)
	}
	w.reaches(router.V11, pay("alice"))
}

// isProblem reports whether an answer is an error of the dialect.
func isProblem(a answer) bool {
	var said struct{ Error string }
	return json.Unmarshal([]byte(a.body), &said) == nil && said.Error != "" && strings.HasPrefix(a.header.Get("Content-Type"), "application/json")
}

func (w *world) playHeaders() {
	c := pay("alice")
	c.header = http.Header{"Idempotency-Key": {"key 1"}, "Authorization": {"Bearer x"}, "X-Request-Id": {"mine"}, "Accept-Encoding": {"gzip"}}
	for _, name := range append(router.Reserved(), router.RequestIDHeader, "X-Forwarded-For") {
		c.header.Set(name, "203.0.113.9")
	}
	w.reaches(router.V10, c)
	r := w.v10.lastRequest()
	for _, name := range router.Reserved() {
		if len(r.Header[http.CanonicalHeaderKey(name)]) > 0 {
			w.Errorf("a client's %s passes", name)
		}
	}
	if len(router.Reserved()) == 0 || r.Header.Get(hop.Header) != "" {
		w.Error("the hop's header is not taken off")
	}
	if id := r.Header[router.RequestIDHeader]; len(id) != 1 || len(id[0]) != 32 {
		w.Errorf("the router's id is %q", id)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "Idempotency-Key": "key 1", "Authorization": "Bearer x", "X-Request-Id": "mine", "Accept-Encoding": "gzip",
	} {
		if got := r.Header[name]; len(got) != 1 || got[0] != want {
			w.Errorf("%s came as %q", name, got)
		}
	}
	if r.Host != w.router.Address {
		w.Errorf("the host came as %s", r.Host)
	}
}

// playEvents reads events of an answer that has not ended.
func (w *world) playEvents() {
	r, err := http.NewRequestWithContext(w.Context(), "GET", "http://"+w.router.Address+eventsPath, nil)
	w.must(err)
	resp, err := w.client.Do(r)
	w.must(err)
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for n := range 3 {
		line, err := in.ReadString('\n')
		w.must(err)
		if line != fmt.Sprintf("data: v10 %d\n", n) {
			w.Errorf("event %d is %q", n, line)
		}
		_, err = in.ReadString('\n')
		w.must(err)
		w.v10.more <- struct{}{}
	}
}

// playSocket switches a connection over and has it echo, while maps change.
func (w *world) playSocket() {
	c, err := (&net.Dialer{}).DialContext(w.Context(), "tcp", w.router.Address)
	w.must(err)
	defer c.Close()
	w.must(c.SetDeadline(time.Now().Add(longest)))
	_, err = io.WriteString(c, "GET "+socketPath+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	w.must(err)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	w.must(err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		w.Fatalf("the handshake is answered %s", resp.Status)
	}
	for n := range 3 {
		w.apply(owning(uint64(n+1), all()))
		said := fmt.Sprintf("message %d\n", n)
		_, err = io.WriteString(c, said)
		w.must(err)
		if line, err := in.ReadString('\n'); line != said || err != nil {
			w.Fatalf("%q, %v", line, err)
		}
	}
}

// playLines streams lines both ways: each is answered before the next is sent.
func (w *world) playLines() {
	ctx, cancel := context.WithTimeoutCause(w.Context(), longest, errLate)
	defer cancel()
	body, lines := io.Pipe()
	defer lines.Close()
	context.AfterFunc(ctx, func() { _ = lines.CloseWithError(errLate) })
	r, err := http.NewRequestWithContext(ctx, "POST", "http://"+w.router.Address+linesPath, body)
	w.must(err)
	go func() { _, _ = io.WriteString(lines, "line 0\n") }()
	resp, err := w.client.Transport.RoundTrip(r)
	w.must(err)
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for n := range 3 {
		line, err := in.ReadString('\n')
		w.must(err)
		if line != fmt.Sprintf("v10 LINE %d\n", n) {
			w.Errorf("line %d is answered %q", n, line)
		}
		if n < 2 {
			_, err = fmt.Fprintf(lines, "line %d\n", n+1)
			w.must(err)
		}
	}
	w.must(lines.Close())
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
		w.Errorf("%q %v", rest, err)
	}
}

// playDown: what reaches no server is 503, and the other side is not asked.
func (w *world) playDown() {
	w.apply(owning(1, on("alice")))
	w.v11.Close()
	before := w.v10.all()
	for _, c := range []call{pay("alice"), {method: "GET", target: "/api/v10/accounts/alice"}} {
		a := w.do(c)
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !isProblem(a) {
			w.Errorf("%s: %d %v %q", c.method, a.status, a.header, a.body)
		}
	}
	if n := w.v10.all() - before; n != 0 {
		w.Errorf("V10 was asked %d times for what is V11's", n)
	}
	w.reaches(router.V10, pay("bob"))
}

// playCut: what is answered by a closed connection is 504, on a connection that served before too. V10 is not asked again, nor anybody what
// has no second time; V11 may be asked again for what it knows by the router's id.
func (w *world) playCut() {
	w.apply(owning(1, on("alice")))
	for _, c := range []struct {
		at    *ledger
		other *ledger
		again bool
		call  call
	}{
		{w.v10, w.v11, false, pay("bob")}, {w.v11, w.v10, true, pay("alice")},
		{w.v11, w.v10, false, call{method: "POST", target: "/api/v10/assets/X/issue", body: []byte(`{"issuer":"alice","to":"bob","amount":1}`)}},
	} {
		c.at.setCut(false)
		w.reaches(c.at.side, c.call)
		c.at.setCut(true)
		c.call.header = http.Header{"Idempotency-Key": {"k"}, "X-Idempotency-Key": {"k"}}
		a := w.do(c.call)
		if a.status != http.StatusGatewayTimeout || !isProblem(a) {
			w.Errorf("%s: %d %q", c.call.body, a.status, a.body)
		}
		count, times, there := c.at.count(a.id), c.at.times(a.id), c.other.count(a.id)
		if times != 1 || there != 0 || count != 1 && !c.again {
			w.Errorf("%s: its side was asked %d times for %d requests, the other %d times", c.call.body, count, times, there)
		}
	}
}

// playOutcomes: each request that was routed is told of, and no name, query, key or body with it.
func (w *world) playOutcomes() {
	m := owning(9, on("secret-payer"))
	w.apply(m)
	slot := keys.AliasSlot("secret-payer")
	paid := call{method: "POST", target: payPath + "?token=secret", body: []byte(`{"from":"secret-payer","memo":"secret"}`), header: http.Header{"Idempotency-Key": {"secret"}}}
	w.do(paid)
	w.do(call{method: "GET", target: "/api/v10/accounts/secret-payer/balances"})
	w.do(call{method: "GET", target: "/api/v10/Accounts/secret%20payer/unheard"})
	ids := w.v10.routerIDs()
	maps.Copy(ids, w.v11.routerIDs())
	w.v10.Close()
	w.do(call{method: "POST", target: batchPath})
	got := w.router.Outcomes(w.T, 4)
	slices.SortFunc(got, func(a, b router.Outcome) int { return cmp.Compare(a.At, b.At) })
	want := []router.Outcome{
		{Method: "POST", Path: payPath, Side: "v11", By: "slot", Slot: slot, Status: 200, Server: w.v11.address(), ServerStatus: "200"},
		{Method: "GET", Path: "/api/v10/accounts/{id}/balances", Side: "v11", By: "slot", Slot: slot, Status: 200, Server: w.v11.address(), ServerStatus: "200"},
		{Method: "GET", Path: "/api/v10/accounts/{id}/unheard", Side: "v10", By: "whole", Slot: chain.SlotNone, Status: 200, Server: w.v10.address(), ServerStatus: "200"},
		{Method: "POST", Path: batchPath, Side: "v10", By: "whole", Slot: chain.SlotNone, Status: 503, Server: w.v10.address()},
	}
	if len(got) != len(want) {
		w.Fatalf("%d outcomes: %+v", len(got), got)
	}
	now := float64(time.Now().Unix())
	for i, o := range got {
		known := ids[o.ID] || i == 3 && len(o.ID) == 32
		if !known || o.Map != 9 || o.At < now-60 || o.At > now+60 || o.Seconds < 0 || o.Seconds > 60 || i == 3 && o.ServerStatus == "200" {
			w.Errorf("%+v", o)
		}
		o.ID, o.Map, o.At, o.Seconds = "", 0, 0, 0
		if i == 3 { // it may have been written on a connection that was ending: then nobody knows
			o.ServerStatus = ""
			if o.Status == http.StatusGatewayTimeout {
				o.Status = http.StatusServiceUnavailable
			}
		}
		if o != want[i] || strings.Contains(fmt.Sprint(o), "secret") {
			w.Errorf("%+v, want %+v", o, want[i])
		}
	}
}
