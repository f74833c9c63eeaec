// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/gateway"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/legacy"
)

// freshV10Name is a name that nobody has, of a slot that V10 owns.
const freshV10Name = "Neue Kundin"

// twoLedgers are a V10, which owns alice and freshV10Name, and a V11 that was told where it is. No sync runs between them.
type twoLedgers struct {
	t        *testing.T
	v10, v11 string // URLs
	stopV10  func()
}

// byEachDoor plays a test at a node's door, and at that of a gateway before it.
func byEachDoor(t *testing.T, play func(t *testing.T, w *twoLedgers)) {
	t.Run("node", func(t *testing.T) { play(t, startBoth(t, false)) })
	t.Run("gateway", func(t *testing.T) { play(t, startBoth(t, true)) })
}

// startGateway serves the dialect before a node.
func (w *twoLedgers) startGateway(r *running) {
	w.t.Helper()
	node := &r.folder.cfg
	cfg := config.DefaultGateway()
	cfg.Dir, cfg.GRPC, cfg.Metrics, cfg.Validators = w.t.TempDir(), "127.0.0.1:0", "", []string{r.GRPCAddress()}
	cfg.TLS = config.TLS{CA: node.Path(node.TLS.CA), Cert: node.Path(node.TLS.Cert), Key: node.Path(node.TLS.Key)}
	cfg.Index.Enabled = false
	cfg.Rest.Listen, cfg.Rest.Auth, cfg.Rest.Home = "127.0.0.1:0", config.AuthOpen, w.v10
	g, err := gateway.Open(cfg, r.folder.genesis, newLogger(r.log))
	must(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	w.t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := errors.Join(<-ended, g.Close()); err != nil {
			w.t.Error(err)
		}
	})
	<-g.Ready()
	w.v11 = "http://" + g.RestAddress()
}

func startBoth(t *testing.T, behindGateway bool) *twoLedgers {
	if testing.Short() {
		t.Skip("two whole ledgers")
	}
	w := &twoLedgers{t: t}
	w.startV10()
	f := newFolder(t)
	f.withRest()
	for _, name := range []string{v10Names[0], freshV10Name} {
		slot := keys.AliasSlot(name)
		f.genesis.V10Slots = append(f.genesis.V10Slots, chain.SlotRange{From: slot, To: slot})
	}
	f.writeGenesis()
	if !behindGateway {
		f.cfg.Sync.Home = w.v10
	}
	r := f.start()
	w.v11 = "http://" + r.RestAddress()
	if behindGateway {
		w.startGateway(r)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return w
}

func (w *twoLedgers) startV10() {
	w.t.Helper()
	cfg := legacy.Config{Dir: w.t.TempDir(), Engine: legacy.EnginePebble, Listen: "127.0.0.1:0", Version: "test"}
	for _, name := range v10Names {
		cfg.Fund = append(cfg.Fund, legacy.Fund{Account: name, Units: chain.Units(100_000_000_000_000)})
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- legacy.Run(ctx, cfg, func(a legacy.Addresses) { ready <- "http://" + a.Rest })
	}()
	stopped := false
	w.stopV10 = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(w.stopV10)
	select {
	case w.v10 = <-ready:
	case err := <-ended:
		w.t.Fatal(err)
	}
}

// ask posts a body and returns status, body and headers of the answer.
func (w *twoLedgers) ask(url, path, body string, headers ...string) (int, string, http.Header) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, url+path, strings.NewReader(body))
	must(w.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return resp.StatusCode, string(text), resp.Header
}

// holds is what an account has of AUR at a ledger.
func (w *twoLedgers) holds(url, account string) string {
	w.t.Helper()
	_, text := get(w.t, url+"/api/v10/accounts/"+strings.ReplaceAll(account, " ", "%20")+"/balances")
	_, rest, _ := strings.Cut(text, `"asset":"AUR","amount":`)
	amount, _, _ := strings.Cut(rest, "}")
	return amount
}

const (
	submitAt  = "/api/v10/transactions"
	fromAlice = `{"from":"AUR-alice","to":"AUR-carol","amount":1}`
	fromBob   = `{"from":"AUR-bob","to":"AUR-carol","amount":1}`
)

// TestHomeOnce: what debits an account of V10's is done there, once, and answered in V10's own words; a repeat under its key by either door is
// the same.
func TestHomeOnce(t *testing.T) { byEachDoor(t, homeOnce) }

func homeOnce(t *testing.T, w *twoLedgers) {
	for i, c := range []struct{ path, body string }{
		{submitAt, fromAlice},
		{"/api/v10/assets/AUR/transfer", fromAlice},
		{"/api/node/transactions", `{"id":"x","from":"AUR-alice","to":"AUR-carol","amount":1}`},
		{submitAt + "/batch", `{"transactions":[` + fromAlice + `]}`},
		{submitAt, `{"from":"AUR-alice","to":"AUR-carol","amount":100000000}`},
		{"/api/v10/assets", `{"issuer":"AUR-alice","code":"NEU","name":"New","decimals":2}`},
		{"/api/v10/assets/NEU/issue", `{"issuer":"AUR-alice","to":"AUR-alice","amount":5}`},
		{submitAt, `{"from":"AUR-alice","to":"AUR-bob","amount":1.5,"currency":"NEU"}`},
		{"/api/v10/assets/NEU/redeem", `{"issuer":"AUR-alice","amount":1}`},
	} {
		key := fmt.Sprint("key-", i)
		code, text, header := w.ask(w.v11, c.path, c.body, "Idempotency-Key", key)
		again, sameText, _ := w.ask(w.v11, c.path, c.body, "Idempotency-Key", key)
		direct, itsText, itsHeader := w.ask(w.v10, c.path, c.body, "Idempotency-Key", key)
		if again != code || sameText != text || direct != code || itsText != text || header.Get("Content-Type") != itsHeader.Get("Content-Type") || header.Get("Etag") != itsHeader.Get("Etag") {
			t.Errorf("%s: %d %s, again %d %s, V10 itself %d %s", c.path, code, text, again, sameText, direct, itsText)
		}
		if want := map[bool]int{true: 400, false: 200}[i == 4]; code != want {
			t.Errorf("%s: %d %s", c.path, code, text)
		}
	}
	if v10, v11 := w.holds(w.v10, "AUR-alice"), w.holds(w.v11, "AUR-alice"); v10 != "999996" || v11 != "1000000" {
		t.Errorf("alice has %s at V10 and %s at V11", v10, v11)
	}
	if _, text, _ := w.ask(w.v11, "/api/v10/accounts", `{"account":"`+freshV10Name+`"}`); !strings.Contains(text, `"created":true`) {
		t.Error(text)
	}
	if code, _ := get(t, w.v10+"/api/v10/accounts/Neue%20Kundin"); code != 200 {
		t.Errorf("V10 did not open what was asked for: %d", code)
	}
	if code, _ := get(t, w.v11+"/api/v10/accounts/Neue%20Kundin"); code != 404 {
		t.Errorf("V11 opened it itself: %d", code)
	}
}

// TestHomeProxyID: what a proxy sends again under its id is made once, also where no client gave a key.
func TestHomeProxyID(t *testing.T) { byEachDoor(t, homeProxyID) }

func homeProxyID(t *testing.T, w *twoLedgers) {
	batch := `{"transactions":[` + fromBob + `,` + fromAlice + `]}`
	stream := fromBob + "\n" + fromAlice + "\n"
	for path, body := range map[string]string{submitAt: fromAlice, submitAt + "/batch": batch, submitAt + "/stream": stream} {
		_, first, _ := w.ask(w.v11, path, body, "X-Aurigraph-Request-Id", "id-of"+path)
		_, again, _ := w.ask(w.v11, path, body, "X-Aurigraph-Request-Id", "id-of"+path)
		if first != again || !strings.Contains(first, "submitted") {
			t.Errorf("%s: %s, then %s", path, first, again)
		}
	}
	if a, b := w.holds(w.v10, "AUR-alice"), w.holds(w.v11, "AUR-bob"); a != "999997" || b != "999998" {
		t.Errorf("alice has %s at V10, bob %s at V11", a, b)
	}
	if code, text, _ := w.ask(w.v11, submitAt, fromBob, "Idempotency-Key", "X-Aurigraph-Request-Id:x"); code != 400 {
		t.Errorf("a client gave a key of the proxies': %d %s", code, text)
	}
}

// TestHomeBatch: a batch of several homes is made at both, answered in its order, and a repeat finds the same answers. So is a stream.
func TestHomeBatch(t *testing.T) { byEachDoor(t, homeBatch) }

func homeBatch(t *testing.T, w *twoLedgers) {
	for i, c := range []struct{ path, body, split string }{
		{submitAt + "/batch", `{"transactions":[` + fromBob + `,` + fromAlice + `,{},` + fromBob + `,{"from":"AUR-alice","to":"x","amount":1,"currency":"NONE"},` + fromAlice + `]}`, "results"},
		{submitAt + "/stream", strings.Join([]string{fromBob, fromAlice, "{}", fromBob, `{"from":"AUR-alice","to":"x","amount":1,"currency":"NONE"}`, fromAlice}, "\n"), ""},
	} {
		key := fmt.Sprint("key-", i)
		code, text, _ := w.ask(w.v11, c.path, c.body, "Idempotency-Key", key)
		_, again, _ := w.ask(w.v11, c.path, c.body, "Idempotency-Key", key)
		if code != 200 || again != text {
			t.Errorf("%s: %d %s, then %s", c.path, code, text, again)
		}
		results := resultsOf(t, c.split, text)
		if len(results) != 6 {
			t.Fatalf("%s: %s", c.path, text)
		}
		for at, want := range []string{w.v11, w.v10, "refused", w.v11, "refused", w.v10} {
			if want == "refused" {
				if results[at].Status != want {
					t.Errorf("%s: item %d: %+v", c.path, at, results[at])
				}
				continue
			}
			if code, _ := get(t, want+submitAt+"/"+results[at].ID); code != 200 {
				t.Errorf("%s: item %d, %+v, is not at %s", c.path, at, results[at], want)
			}
		}
		if results[4].Error != "Asset not found" {
			t.Errorf("%+v", results[4])
		}
		if c.split != "" && !strings.Contains(text, `"accepted":4,"refused":2,"total":6}`) {
			t.Error(text)
		}
	}
	if a, b := w.holds(w.v10, "AUR-alice"), w.holds(w.v11, "AUR-bob"); a != "999996" || b != "999996" {
		t.Errorf("alice has %s at V10, bob %s at V11", a, b)
	}
	if a, b := w.holds(w.v11, "AUR-alice"), w.holds(w.v10, "AUR-bob"); a != "1000000" || b != "1000000" {
		t.Errorf("alice has %s at V11, bob %s at V10", a, b)
	}
}

type itemResult struct {
	ID     string `json:"transaction_id"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

// resultsOf reads the results of a batch, or the lines of a stream.
func resultsOf(t *testing.T, member, text string) (out []itemResult) {
	t.Helper()
	if member == "" {
		text = `{"results":[` + strings.ReplaceAll(strings.TrimSpace(text), "\n", ",") + `]}`
	}
	var all struct{ Results []itemResult }
	must(t, json.Unmarshal([]byte(text), &all))
	return all.Results
}

// TestHomeNotTwice: what was sent on before is not sent on again.
func TestHomeNotTwice(t *testing.T) { byEachDoor(t, homeNotTwice) }

func homeNotTwice(t *testing.T, w *twoLedgers) {
	for path, body := range map[string]string{submitAt: fromAlice, "/api/v10/assets": `{"issuer":"AUR-alice","code":"NEU","name":"New"}`, "/api/v10/accounts": `{"account":"` + freshV10Name + `"}`} {
		code, text, header := w.ask(w.v11, path, body, hop.Header, "1")
		if code != 503 || text != `{"error":"The account is being served by the other ledger"}` || header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	_, text, _ := w.ask(w.v11, submitAt+"/batch", `{"transactions":[`+fromBob+`,`+fromAlice+`]}`, hop.Header, "1")
	if r := resultsOf(t, "results", text); len(r) != 2 || r[0].Status != "submitted" || r[1].Status != "refused" {
		t.Error(text)
	}
	if has := w.holds(w.v10, "AUR-alice"); has != "1000000" {
		t.Error(has)
	}
}

// TestHomeGone: V10 cannot be reached, so nothing was done; it took the request and hung up, so nobody knows.
func TestHomeGone(t *testing.T) { byEachDoor(t, homeGone) }

func homeGone(t *testing.T, w *twoLedgers) {
	address := strings.TrimPrefix(w.v10, "http://")
	w.stopV10()
	if code, text, header := w.ask(w.v11, submitAt, fromAlice); code != 503 || header.Get("Retry-After") == "" || !strings.Contains(text, "nothing was done") {
		t.Errorf("%d %s", code, text)
	}
	if code, text, _ := w.ask(w.v11, submitAt, fromBob); code != 200 {
		t.Errorf("V11's own: %d %s", code, text)
	}
	batch := `{"transactions":[` + fromBob + `,` + fromAlice + `]}`
	_, text, _ := w.ask(w.v11, submitAt+"/batch", batch)
	if r := resultsOf(t, "results", text); r[0].Status != "submitted" || r[1].Status != "refused" {
		t.Error(text)
	}
	l, err := net.Listen("tcp", address)
	must(t, err)
	asked := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			asked <- struct{}{}
			_ = c.Close()
		}
	}()
	defer l.Close()
	if code, text, _ := w.ask(w.v11, submitAt, fromAlice, "Idempotency-Key", "k"); code != 504 || len(asked) != 1 {
		t.Errorf("%d %s, asked %d times", code, text, len(asked))
	}
	_, text, _ = w.ask(w.v11, submitAt+"/batch", batch, "Idempotency-Key", "l")
	if r := resultsOf(t, "results", text); r[0].Status != "submitted" || r[1].Status != "unknown" || len(asked) != 2 {
		t.Errorf("%s, asked %d times", text, len(asked))
	}
	_, text, _ = w.ask(w.v11, submitAt+"/stream", fromBob+"\n"+fromAlice, "Idempotency-Key", "m")
	if r := resultsOf(t, "", text); r[0].Status != "submitted" || r[1].Status != "unknown" || len(asked) != 3 {
		t.Errorf("%s, asked %d times", text, len(asked))
	}
}
