// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/hop"
)

// scriptedHome is a V10 that answers as it is told, and notes what it is asked.
type scriptedHome struct {
	mu     sync.Mutex // guards all below
	code   int
	body   string
	bodies []string
}

func (h *scriptedHome) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, string(body))
	w.Header().Set("Retry-After", "7")
	w.WriteHeader(h.code)
	_, _ = w.Write([]byte(h.body))
}

func (h *scriptedHome) say(code int, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.code, h.body, h.bodies = code, body, nil
}

func (h *scriptedHome) asked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bodies
}

// startWithHome serves before a scripted V10. Names that begin with v10- are its own; so are those with moved-, which the desk knows only
// when it is asked to pay.
func startWithHome(t *testing.T, more func(*Config, *Parts)) (*world, *scriptedHome) {
	t.Helper()
	h := &scriptedHome{code: 200}
	s := httptest.NewServer(h)
	c, err := hop.New(hop.Config{URL: s.URL})
	must(t, err)
	w := start(t, func(cfg *Config, p *Parts) {
		p.Home = c
		if more != nil {
			more(cfg, p)
		}
	})
	t.Cleanup(func() { w.end(); c.Close(); s.Close() })
	return w, h
}

// TestHomePassesOn: V10's answer is passed on whole, and the trail has its status.
func TestHomePassesOn(t *testing.T) {
	var notes noteTrail
	w, h := startWithHome(t, func(_ *Config, p *Parts) { p.Trail = &notes })
	for _, code := range []int{200, 400, 409, 500, 503, 504} {
		h.say(code, `{"odd": "spacing" }`)
		resp, body := w.ask("POST", submitPath, payment("v10-x", "bob", 1))
		if resp.StatusCode != code || body != `{"odd": "spacing" }` || resp.Header.Get("Retry-After") != "7" {
			t.Errorf("%d: %d %s", code, resp.StatusCode, body)
		}
	}
	resp, body := w.ask("POST", submitPath, payment("moved-x", "bob", 1)) // the desk says so only when it is to pay
	if resp.StatusCode != 504 || len(h.asked()) != 2 {
		t.Error(resp.StatusCode, body)
	}
	got := strings.Join(notes.results(), " ")
	if got != "v10_200 v10_400 v10_409 v10_500 v10_503 v10_504 v10_504" {
		t.Error(got)
	}
	if n := testutil.ToFloat64(w.server.metrics.sentOn.WithLabelValues("refused")); n != 6 {
		t.Error(n)
	}
}

// noteTrail keeps what is written down.
type noteTrail struct {
	mu    sync.Mutex
	lines []string
}

func (*noteTrail) Ready() error { return nil }

func (n *noteTrail) Append(e *trail.Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, e.Result)
	return nil
}

func (n *noteTrail) results() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lines
}

// TestHomeBatchNumbers: an item has the number at V10 that it has in the client's request, whatever is made here; what moves meanwhile is
// sent after.
func TestHomeBatchNumbers(t *testing.T) {
	w, h := startWithHome(t, nil)
	h.say(200, `{"results":[{"status":"refused","error":"from is required"},{"transaction_id":"A","status":"submitted"},{"status":"refused","error":"x"},{"status":"unknown","error":"later"}],"accepted":1}`)
	items := []string{payment("alice", "bob", 1), payment("v10-x", "bob", "\"1.50\""), payment("nobody", "bob", 1), payment("v10-y", "bob", 2), payment("alice", "bob", 1)}
	_, body := w.ask("POST", submitPath+"/batch", `{"transactions":[`+strings.Join(items, ",")+`]}`)
	if got := h.asked(); len(got) != 1 || got[0] != `{"transactions":[{},{"from":"v10-x","to":"bob","amount":"1.50"},{},{"from":"v10-y","to":"bob","amount":2}]}` {
		t.Errorf("%q", got)
	}
	if !strings.Contains(body, `},{"transaction_id":"A","status":"submitted"},{"status":"refused","error":"Account not found"},{"status":"unknown","error":"later"},{`) || !strings.HasSuffix(body, `"accepted":3,"refused":1,"total":5}`) {
		t.Error(body)
	}
	h.say(200, `{"results":[{"transaction_id":"A","status":"submitted"},{"transaction_id":"B","status":"submitted"}]}`)
	_, body = w.ask("POST", submitPath+"/batch", `{"transactions":[`+payment("v10-x", "bob", 1)+`,`+payment("moved-y", "bob", 1)+`]}`)
	if got := h.asked(); len(got) != 2 || got[1] != `{"transactions":[{},{"from":"moved-y","to":"bob","amount":1}]}` || !strings.Contains(body, `"status":"unknown"`) || !strings.Contains(body, `"B"`) {
		t.Errorf("%q %s", got, body) // one answer of two does not fit the first request
	}
	_, body = w.ask("POST", submitPath+"/batch", `{"transactions":[`+payment("alice", "bob", 1)+`,`+payment("moved-y", "bob", 1)+`]}`)
	if !strings.Contains(body, `"B"`) || !strings.HasSuffix(body, `"accepted":2,"refused":0,"total":2}`) {
		t.Error(body)
	}
}

// TestHomeBatchRefused: what V10 says of a batch holds for each of its items; what it broke off is unknown.
func TestHomeBatchRefused(t *testing.T) {
	w, h := startWithHome(t, nil)
	batch := `{"transactions":[` + payment("alice", "bob", 1) + `,` + payment("v10-x", "bob", 1) + `]}`
	for code, want := range map[int]string{
		503: `{"status":"refused","error":"it is full"}`, 413: `{"status":"refused","error":"it is full"}`, 500: `"status":"unknown"`, 504: `"status":"unknown"`, 302: `"status":"unknown"`,
	} {
		h.say(code, `{"error":"it is full"}`)
		if _, body := w.ask("POST", submitPath+"/batch", batch); !strings.Contains(body, want) || !strings.Contains(body, `"submitted"`) {
			t.Errorf("%d: %s", code, body)
		}
	}
	h.say(429, "no JSON")
	if _, body := w.ask("POST", submitPath+"/batch", batch); !strings.Contains(body, `{"status":"refused","error":"Too Many Requests"}`) {
		t.Error(body)
	}
	h.say(200, "no JSON")
	if _, body := w.ask("POST", submitPath+"/batch", batch); !strings.Contains(body, `"status":"unknown"`) {
		t.Error(body)
	}
	_, body := w.ask("POST", submitPath+"/stream", payment("alice", "bob", 1)+"\n"+payment("moved-x", "bob", 1))
	if !strings.Contains(body, `{"line":2,"status":"refused","error":"The account is being served by the other ledger"}`) {
		t.Error(body)
	}
	if n := testutil.ToFloat64(w.server.metrics.notSentOn.WithLabelValues(notSentMoved)); n != 1 {
		t.Error(n)
	}
}

// TestHomeUnknown: nobody told the server where V10 is.
func TestHomeUnknown(t *testing.T) {
	w := start(t, nil)
	for path, body := range map[string]string{submitPath: payment("v10-x", "bob", 1), "/api/node/transactions": `{"id":"x","from":"v10-x","to":"bob","amount":1}`} {
		if resp, text := w.ask("POST", path, body); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(text, "The account is being served by the other ledger") {
			t.Error(resp.StatusCode, text)
		}
	}
	if n := testutil.ToFloat64(w.server.metrics.notSentOn.WithLabelValues(notSentNoHome)); n != 2 {
		t.Error(n)
	}
}
