// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a served ledger with the account alice, who has 1000 AUR.
type server struct {
	*Server
	t      *testing.T
	url    string
	client *http.Client
	cancel context.CancelFunc // of serving
	served chan error
}

func start(t *testing.T) *server {
	t.Helper()
	store, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(store, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(running) }()
	s := &server{t: t, client: &http.Client{Transport: &http.Transport{}}, served: make(chan error, 1)}
	if s.Server, err = New(l, Config{Engine: "pebble", DrainNotice: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + listener.Addr().String()
	serving, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.served <- s.Serve(serving, listener) }()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cancel()
		if err := <-s.served; err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err = l.Submit(context.Background(), []ledger.Order{
		{Kind: ledger.Transfer, From: ledger.Treasury, To: "alice", Asset: "AUR", Units: chain.Units(1000_00000000)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reply is an answer that was read.
type reply struct {
	code   int
	header http.Header
	body   string
}

func (s *server) do(method, path, text string, headers ...string) reply {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, string(got)}
}

func (s *server) expect(method, path, text string, code int, want string) {
	s.t.Helper()
	if got := s.do(method, path, text); got.code != code || got.body != want {
		s.t.Errorf("%s %s %.200s\ngot  %d %s\nwant %d %s", method, path, text, got.code, got.body, code, want)
	}
}

// TestEveryRow compares the handlers with the table.
func TestEveryRow(t *testing.T) {
	s := start(t)
	served := map[string]bool{}
	for _, e := range v10.Endpoints() {
		if e.Status != v10.Served {
			continue
		}
		key := e.Method + " " + e.Path
		served[key] = true
		if s.handlers[key] == nil && s.streams[key] == nil {
			t.Errorf("%s has no handler", key)
		}
	}
	for key := range s.handlers {
		if !served[key] {
			t.Errorf("%s is not served in the table", key)
		}
	}
	if len(served) < 60 {
		t.Errorf("%d rows", len(served))
	}
}

// TestExamples asks for the example of every GET, as the list of endpoints gives it.
func TestExamples(t *testing.T) {
	s := start(t)
	var list v10.EndpointList
	if err := json.Unmarshal([]byte(s.do("GET", "/api/v10/endpoints", "").body), &list); err != nil {
		t.Fatal(err)
	}
	called := 0
	for _, e := range list.Endpoints {
		if e.Method != "GET" || e.Status != v10.Served || e.Example == "" || strings.Contains(e.Path, "realtime") && e.Group == v10.GroupRealtime {
			continue
		}
		got := s.do("GET", e.Example, "")
		called++
		if got.code != 200 || got.header.Get("ETag") == "" {
			t.Errorf("%s: %d %s", e.Example, got.code, got.body)
		}
		if strings.Contains(got.header.Get("Content-Type"), "json") && (!json.Valid([]byte(got.body)) || strings.Contains(got.body, ":null")) {
			t.Errorf("%s: %s", e.Example, got.body)
		}
	}
	if called < 55 {
		t.Errorf("%d examples", called)
	}
}

func TestExpressHabits(t *testing.T) {
	s := start(t)
	s.expect("GET", "/api/v10/no-such", "", 404, `{"error":"Endpoint not found"}`)
	s.expect("DELETE", "/api/v10/transactions", "", 404, `{"error":"Endpoint not found"}`)
	s.expect("GET", "/API/v10/Health/", "", 200, `{"status":"UP"}`)
	s.expect("POST", "/api/channels", "{}", 501, `{"success":false,"error":"`+v10.ProblemOfMissing(v10.MissingManagement).Text+`","missing":"management"}`)

	first := s.do("GET", "/api/v10/accounts/alice/balances", "")
	if first.code != 200 || first.body != `{"account":"alice","balances":[{"asset":"AUR","amount":1000}],"total":1}` {
		t.Error(first.body)
	}
	for header, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Access-Control-Allow-Origin": "*", "X-Powered-By": "",
		"ETag": string(v10.AppendETag(nil, []byte(first.body))), "Content-Length": fmt.Sprint(len(first.body)),
	} {
		if got := first.header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	head := s.do("HEAD", "/api/v10/accounts/alice/balances", "")
	if head.code != 200 || head.body != "" || head.header.Get("ETag") != first.header.Get("ETag") {
		t.Errorf("%+v", head)
	}
	again := s.do("GET", "/api/v10/accounts/alice/balances", "", "If-None-Match", first.header.Get("ETag"))
	if again.code != 304 || again.body != "" {
		t.Errorf("%+v", again)
	}
	options := s.do("OPTIONS", "/anything/at/all", "", "Access-Control-Request-Headers", "x-mine")
	if options.code != 204 || options.header.Get("Access-Control-Allow-Headers") != "x-mine" || options.header.Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("%+v", options)
	}
	if got := s.do("GET", "/ws", ""); got.code != 426 {
		t.Errorf("%+v", got)
	}
	if got := s.do("GET", "/health", "", "Authorization", "Bearer whatever", "X-API-Key", "x"); got.code != 200 {
		t.Errorf("%+v", got)
	}
}

func TestPay(t *testing.T) {
	s := start(t)
	const path = "/api/v10/transactions"
	paid := s.do("POST", path, `{"from":"alice","to":"bob","amount":1.5,"zkProof":true}`)
	var answer v10.SubmitAnswer
	if err := json.Unmarshal([]byte(strings.Replace(paid.body, `"timestamp":"`, `"t":"`, 1)), &answer); err != nil || paid.code != 200 || answer.Status != "submitted" {
		t.Fatal(paid, err)
	}
	read := s.do("GET", path+"/"+answer.TransactionID, "")
	if read.code != 200 || !strings.HasPrefix(read.body, `{"id":"`+answer.TransactionID+`","from":"alice","to":"bob","amount":1.5,"currency":"AUR","timestamp":"`) {
		t.Error(read.body)
	}
	s.expect("POST", path, `{"from":"alice","to":"bob","amount":"1000"}`, 400, `{"error":"Insufficient balance"}`)
	s.expect("POST", path, `{"from":"nobody","to":"bob","amount":1}`, 404, `{"error":"Account not found"}`)
	s.expect("POST", path, `{"from":"alice","to":"bob","amount":1,"currency":"NONE"}`, 404, `{"error":"Asset not found"}`)
	for _, bad := range []string{
		`{"from":"alice","to":"bob","amount":0.000000001}`, `{"from":"alice","to":"bob","amount":-1}`, `{"from":"alice","to":"bob","amount":0}`,
		`{"from":"alice","from":"bob","to":"c","amount":1}`, `[]`, `{`, ``, "{\"from\":\"\xff\",\"to\":\"b\",\"amount\":1}", `{"from":"alice","to":"bob","amount":NaN}`,
	} {
		if got := s.do("POST", path, bad); got.code != 400 || !strings.HasPrefix(got.body, `{"error":"`) {
			t.Errorf("%s: %+v", bad, got)
		}
	}
	if got := s.do("POST", path, strings.Repeat(" ", v10.BodyBytesMax+1)); got.code != 413 || got.body != `{"error":"`+v10.TextTooLarge+`"}` {
		t.Errorf("%+v", got)
	}
	if got := s.do("GET", path+"/tx_1_000000000", ""); got.code != 404 || got.body != `{"error":"Transaction not found"}` {
		t.Errorf("%+v", got)
	}
	s.expect("GET", "/api/v10/accounts/bob/balances", "", 200, `{"account":"bob","balances":[{"asset":"AUR","amount":1.5}],"total":1}`)
	failed := s.do("GET", path+"?status=FAILED&account=bob", "")
	if failed.code != 200 || !strings.Contains(failed.body, `"amount":1000,`) || !strings.Contains(failed.body, `"total":1`) {
		t.Error(failed.body)
	}
	s.expect("POST", path+"/estimate", `{"from":"bob","to":"x","amount":"2"}`, 200,
		`{"fee":"0 AUR","total":"2","currency":"AUR","estimated_confirmation":"0.1s","accepted":false,"reason":"Insufficient balance"}`)
}

func TestIdempotency(t *testing.T) {
	s := start(t)
	pay := func(path, text, key string) reply { return s.do("POST", path, text, "Idempotency-Key", key) }
	const path, text = "/api/v10/transactions", `{"from":"alice","to":"bob","amount":1}`
	first := pay(path, text, "k")
	again := pay(path, `{"amount":1.0,"to":"bob","from":"alice"}`, "k")
	if first.code != 200 || again.code != 200 || first.body != again.body {
		t.Errorf("%+v\n%+v", first, again)
	}
	other := pay(path, `{"from":"alice","to":"bob","amount":2}`, "k")
	if other.code != 409 || other.body != `{"error":"Idempotency-Key was used for another request"}` {
		t.Errorf("%+v", other)
	}
	refused := pay(path, `{"from":"alice","to":"bob","amount":5000}`, "poor")
	s.do("POST", path, `{"from":"aurigraph-treasury","to":"alice","amount":9000}`)
	if still := pay(path, `{"from":"alice","to":"bob","amount":5000}`, "poor"); refused.code != 400 || still.code != 400 || still.body != refused.body {
		t.Errorf("%+v\n%+v", refused, still)
	}
	const items = `{"transactions":[{"from":"alice","to":"c","amount":1},{"from":"alice","to":"c","amount":1},{"to":"x"}]}`
	batch := pay(path+"/batch", items, "b")
	repeat := pay(path+"/batch", items, "b")
	if batch.code != 200 || batch.body != repeat.body || !strings.HasSuffix(batch.body, `"accepted":2,"refused":1,"total":3}`) {
		t.Errorf("%+v\n%+v", batch, repeat)
	}
	s.expect("GET", "/api/v10/accounts/c/balances", "", 200, `{"account":"c","balances":[{"asset":"AUR","amount":2}],"total":1}`)
	long := pay(path, text, strings.Repeat("k", ledger.KeyBytesMax+1))
	if long.code != 400 {
		t.Errorf("%+v", long)
	}
}

func TestLines(t *testing.T) {
	s := start(t)
	const path = "/api/v10/transactions/stream"
	got := s.do("POST", path, `{"from":"alice","to":"bob","amount":1}
not json

{"from":"alice","to":"bob","amount":"2"}`)
	lines := strings.Split(strings.TrimSpace(got.body), "\n")
	if got.code != 200 || len(lines) != 3 || got.header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%+v", got)
	}
	for i, want := range []string{`{"line":1,"transaction_id":"tx_`, `{"line":2,"status":"refused","error":"`, `{"line":3,"transaction_id":"tx_`} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("%s, want %s…", lines[i], want)
		}
	}
	got = s.do("POST", path, `{"from":"`+strings.Repeat("a", v10.LineBytesMax)+`"}`+"\n")
	if !strings.Contains(got.body, v10.TextTooLarge) {
		t.Errorf("%+v", got)
	}
}

// TestLinesAreAnsweredAtOnce sends a line and waits for its answer before it sends the next.
func TestLinesAreAnsweredAtOnce(t *testing.T) {
	s := start(t)
	in, out := io.Pipe()
	request, err := http.NewRequest("POST", s.url+"/api/v10/transactions/stream", in)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		answer, err := s.client.Do(request)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		scan := bufio.NewScanner(answer.Body)
		for scan.Scan() {
			lines <- scan.Text()
		}
	}()
	for i := range 3 {
		if _, err := fmt.Fprintln(out, `{"from":"alice","to":"bob","amount":1}`); err != nil {
			t.Fatal(err)
		}
		if line := <-lines; !strings.HasPrefix(line, fmt.Sprintf(`{"line":%d,"transaction_id":"tx_`, i+1)) {
			t.Error(line)
		}
	}
	out.Close()
	if line, more := <-lines; more {
		t.Error(line)
	}
}

func TestRealtime(t *testing.T) {
	s := start(t)
	answer, err := s.client.Get(s.url + "/api/v10/realtime")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	in := bufio.NewReader(answer.Body)
	line, err := in.ReadString('\n')
	if err != nil || answer.Header.Get("Content-Type") != "text/event-stream" || !strings.HasPrefix(line, `data: {"timestamp":"`) {
		t.Fatal(line, err)
	}
	// A drain ends the stream: it must not hold the server back.
	s.cancel()
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Error(err)
	}
	err = <-s.served
	s.served <- err
}

// TestDrain stops a server under load: whoever got an answer was served, and nobody was cut off.
func TestDrain(t *testing.T) {
	s := start(t)
	var clients sync.WaitGroup
	paid := make(chan int, 16)
	for i := range 16 {
		clients.Add(1)
		go func() {
			defer clients.Done()
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			n := 0
			defer func() { paid <- n }()
			for {
				text := fmt.Sprintf(`{"from":"alice","to":"p%d","amount":"0.00000001"}`, i)
				answer, err := client.Post(s.url+"/api/v10/transactions", "application/json", strings.NewReader(text))
				if err != nil {
					t.Error("a request was cut off:", err)
					return
				}
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != 200 {
					t.Error(answer.StatusCode, err)
					return
				}
				n++
				if answer.Close {
					return // it was told to go elsewhere
				}
			}
		}()
	}
	for s.ledger.Totals().Transactions < 200 {
		<-time.After(time.Millisecond)
	}
	s.cancel()
	clients.Wait()
	total := 0
	for range 16 {
		total += <-paid
	}
	// Three at the beginning, and alice's first.
	if got := s.ledger.Totals().Transactions; got != uint64(total)+4 {
		t.Errorf("%d were answered, %d are in the ledger", total, got-4)
	}
}

func TestVizor(t *testing.T) {
	s := start(t)
	s.sampleNow()
	s.expect("POST", "/api/v10/vizor/metrics/record", `{"name":"mine","value":2.5}`, 200, `{"success":true,"recorded":true}`)
	got := s.do("GET", "/api/v10/vizor/metrics/query?query=mine", "")
	if !strings.Contains(got.body, `"value":2.5`) || !strings.HasSuffix(got.body, `"count":1}`) {
		t.Error(got.body)
	}
	csv := s.do("GET", "/api/v10/vizor/reports/export/csv?dashboardId=consensus-monitoring", "")
	if csv.code != 200 || !strings.HasPrefix(csv.body, v10.VizorReportHeader+"\nconsensus-rounds,line,1,1,1,1,1\n") || csv.header.Get("Content-Disposition") == "" {
		t.Errorf("%+v", csv)
	}
	s.expect("GET", "/api/v10/vizor/reports/export/pdf", "", 400, `{"error":"Format not implemented"}`)
	s.expect("GET", "/api/v10/vizor/dashboards/none", "", 404, `{"error":"Dashboard not found"}`)
	s.expect("GET", "/api/v10/vizor/dashboards/platform-overview/widgets/none/data", "", 200, `{"error":"Widget not found"}`)
	for i := range v10.VizorNamesMax {
		_ = s.samples.record(v10.MetricRow{Name: fmt.Sprint("n", i)})
	}
	if got := s.do("POST", "/api/v10/vizor/metrics/record", `{"name":"one more","value":1}`); got.code != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("%+v", got)
	}
	for i := range 3 * v10.VizorSamplesMax {
		if err := s.samples.record(v10.MetricRow{Name: "mine", Value: float64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if kept := s.samples.between("mine", v10.TimeRange{End: v10.TimeMsMax}); len(kept) != v10.VizorSamplesMax || kept[len(kept)-1].Value != 3*v10.VizorSamplesMax-1 {
		t.Error(len(kept))
	}
}

func TestSignatures(t *testing.T) {
	s := start(t)
	var signed v10.Signed
	text := s.do("POST", "/api/v10/crypto/sign", `{"data":"aGVsbG8="}`).body
	if err := json.Unmarshal([]byte(strings.Replace(text, `"timestamp"`, `"t"`, 1)), &signed); err != nil {
		t.Fatal(text, err)
	}
	ask := func(data string) string {
		return fmt.Sprintf(`{"data":%q,"signature":%q,"public_key":%q,"algorithm":"ed25519"}`, data, signed.Signature, signed.PublicKey)
	}
	s.expect("POST", "/api/v10/crypto/verify", ask("aGVsbG8="), 200, `{"valid":true,"algorithm":"ed25519"}`)
	s.expect("POST", "/api/v10/crypto/verify", ask("aGVsbGk="), 200, `{"valid":false,"algorithm":"ed25519"}`)
	if got := s.do("POST", "/api/v10/crypto/verify", ask("?")); got.code != 400 {
		t.Errorf("%+v", got)
	}
}

func TestTokens(t *testing.T) {
	s := start(t)
	var token v10.Token
	text := s.do("POST", "/api/v10/auth/login", `{"username":"ann","password":"x"}`).body
	if err := json.Unmarshal([]byte(text), &token); err != nil || !token.Success || token.User.Username != "ann" {
		t.Fatal(text, err)
	}
	again := s.do("POST", "/api/v10/auth/refresh", "", "Authorization", "Bearer "+token.Token)
	if again.code != 200 || !strings.Contains(again.body, `"username":"ann"`) {
		t.Errorf("%+v", again)
	}
	var next v10.Token
	if err := json.Unmarshal([]byte(again.body), &next); err != nil || next.Token == token.Token {
		t.Error(again.body, err)
	}
	// What was traded is not good any more, and that somebody shows it ends the session.
	for _, over := range []string{token.Token, next.Token} {
		if got := s.do("POST", "/api/v10/auth/refresh", `{"token":"`+over+`"}`); got.code != 401 {
			t.Errorf("%+v", got)
		}
	}
	forged := []byte(token.Token)
	forged[len(forged)-2] ^= 1
	for _, bad := range []string{string(forged), "", "a.b.c", "."} {
		if got := s.do("POST", "/api/v10/auth/refresh", `{"token":"`+bad+`"}`); got.code != 401 {
			t.Errorf("%q: %+v", bad, got)
		}
	}
	late := s.tokens
	late.now = func() time.Time { return time.Now().Add(tokenLife + time.Second) }
	if _, err := late.read(token.Token); err == nil {
		t.Error("a token outlived its time")
	}
	made := s.do("POST", "/api/v10/auth/keys", `{"name":"till"}`)
	var key v10.APIKeyCreated
	if err := json.Unmarshal([]byte(strings.Replace(made.body, `"created"`, `"c"`, 1)), &key); err != nil {
		t.Fatal(err)
	}
	if list := s.do("GET", "/api/v10/auth/keys", ""); !strings.Contains(list.body, key.Key.ID) || strings.Contains(list.body, key.APIKey) {
		t.Error(list.body)
	}
	s.expect("DELETE", "/api/v10/auth/keys/"+key.Key.ID, "", 200, `{"success":true}`)
	s.expect("DELETE", "/api/v10/auth/keys/"+key.Key.ID, "", 200, `{"success":false,"message":"Key not found"}`)
}

// TestSessionsAreBounded fills the memory of sessions, which has room again when their tokens have ended.
func TestSessionsAreBounded(t *testing.T) {
	s, now := newSessions(), time.Now()
	for i := range sessionsMax {
		if _, err := s.trade(&claims{Session: fmt.Sprint(i)}, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.trade(&claims{Session: "one more"}, now); !fault.Is(err, fault.TryLater) {
		t.Error(err)
	}
	if _, err := s.trade(&claims{Session: "1", Generation: 1}, now); err != nil {
		t.Error("a session that is known:", err)
	}
	if _, err := s.trade(&claims{Session: "one more"}, now.Add(tokenLife+time.Second)); err != nil || len(s.by) != 1 {
		t.Errorf("%v, %d sessions", err, len(s.by))
	}
}

// TestNames pays accounts whose names are hard to write in a URL.
func TestNames(t *testing.T) {
	s := start(t)
	for _, name := range []string{" spaced ", "slash/name", "0xAbC", "\u00e9", "e\u0301", "a+b", "%2F", "q?a=b#c", "\x00", "\u2028"} {
		text, err := json.Marshal(map[string]string{"from": "alice", "to": name, "amount": "1"})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.do("POST", "/api/v10/transactions", string(text)); got.code != 200 {
			t.Errorf("%q: %+v", name, got)
		}
		var held v10.Balances
		got := s.do("GET", "/api/v10/accounts/"+v10.EscapeSegment(name)+"/balances", "")
		if err := json.Unmarshal([]byte(got.body), &held); err != nil || held.Account != name || held.Balances[0].Amount.Text != "1" {
			t.Errorf("%q: %+v %v", name, got, err)
		}
	}
}

// TestBombs sends a header beyond the bound.
func TestBombs(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := append([]byte("GET /health HTTP/1.1\r\nHost: x\r\nX-Bomb: "), bytes.Repeat([]byte("a"), 64<<10)...)
	// The server may hang up before all of it is written.
	_, _ = conn.Write(append(head, "\r\n\r\n"...))
	answer, _ := io.ReadAll(conn)
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 431 ")) || !bytes.HasSuffix(answer, []byte(`{"error":"Request Header Fields Too Large"}`)) {
		t.Errorf("%.300s", answer)
	}
}

// TestBadEscape asks for a path that the HTTP library refuses before any handler sees it.
func TestBadEscape(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /api/v10/accounts/%zz HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 400 || string(text) != `{"error":"Bad Request"}` || answer.Header.Get("Content-Type") != contentJSON {
		t.Errorf("%d %s %v", answer.StatusCode, text, err)
	}
}
