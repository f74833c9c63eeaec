// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// side is a ledger that answers what it is told to, the last of it for ever.
type side struct {
	*httptest.Server
	mu      sync.Mutex
	bodies  []string
	status  int
	hangs   bool
	heard   []*http.Request
	release chan struct{}
}

func newSide(t testing.TB, bodies ...string) *side {
	s := &side{bodies: bodies, status: http.StatusOK, release: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { close(s.release); s.Close() })
	return s
}

func (s *side) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.hangs {
		<-s.release
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	body := s.bodies[min(len(s.heard), len(s.bodies)-1)]
	s.heard = append(s.heard, r)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(s.status)
	_, _ = w.Write([]byte(body))
}

func (s *side) asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// world is a shadow between two sides.
type world struct {
	*Shadow
	v10, v11 *side
	told     chan router.Outcome
	log      *bytes.Buffer // to be read after the end
	end      func()
}

func newWorld(t testing.TB, v10, v11 *side, change func(*Config)) *world {
	t.Helper()
	w := &world{v10: v10, v11: v11, told: make(chan router.Outcome, 100), log: &bytes.Buffer{}}
	cfg := Config{
		V10: v10.URL, V11: []string{v11.URL}, ShareBP: wholeBP, Workers: 1, PerSecondMax: 100_000, Told: func(o *router.Outcome) { w.told <- *o },
		Log: slog.New(slog.NewJSONHandler(w.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	w.Shadow, err = New(cfg)
	must(t, err)
	w.pauses = []time.Duration{1, 1, 1, 1}
	return w
}

// run compares until the test ends, or w.end is called.
func (w *world) run(t testing.TB) *world {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = w.Run(ctx) }) // it has no error
	w.end = func() { cancel(); done.Wait() }
	t.Cleanup(w.end)
	return w
}

// until waits for a report.
func (w *world) until(t testing.TB, what string, ok func(*Report) bool) *Report {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		r := w.Report()
		if ok(r) {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v", what, r)
		}
		<-time.After(time.Millisecond)
	}
}

const path = "/api/v10/accounts/secret-name/balances"

var fromV11 = router.Way{Side: router.V11, By: router.BySlot, Slot: 17}

func balances(amount int) string {
	return fmt.Sprintf(`{"account":"secret-name","balances":[{"asset":"AUR","amount":%d}]}`, amount)
}

// TestClasses: what a comparison ends as, and how often it asks.
func TestClasses(t *testing.T) {
	moving := make([]string, 20)
	for i := range moving {
		moving[i] = balances(i)
	}
	one, two := balances(1), balances(2)
	for _, c := range []struct {
		name, want  string
		home, other []string
		tries       int
	}{
		{"the same", router.ComparedEqual, []string{one}, []string{one}, 1},
		{"the same number", router.ComparedEqual, []string{one}, []string{strings.Replace(one, ":1", ":1.0", 1)}, 1},
		{"behind", router.ComparedLate, []string{two}, []string{one, one, two}, 3},
		{"behind until the last try", router.ComparedLate, []string{two}, []string{one, one, one, one, two}, 5},
		{"another", router.ComparedDiffers, []string{two}, []string{one}, 5},
		{"the home moves while it is asked", router.ComparedNoise, moving, []string{one}, 1},
		{"the home moves from try to try", router.ComparedNoise, []string{one, one, two, two, one, one, two, two, one, one}, []string{balances(3)}, 5},
		{"the home moved once", router.ComparedDiffers, []string{one, one, two, two}, []string{balances(3)}, 5},
		{"the home moved, the other side follows", router.ComparedLate, []string{one, one, two, two}, []string{balances(0), two}, 2},
	} {
		home, other := newSide(t, c.home...), newSide(t, c.other...)
		w := newWorld(t, other, home, nil).run(t)
		w.Offer("GET", path+"?q=secret-query", http.Header{router.RequestIDHeader: {"id-1"}}, fromV11)
		got := <-w.told
		w.end()
		want := router.Outcome{
			At: got.At, ID: "id-1", Method: "GET", Path: "/api/v10/accounts/{id}/balances", Side: "v11", By: "slot", Slot: 17, Status: 200, Seconds: got.Seconds, Compared: c.want,
		}
		if got != want || got.At == 0 || got.Seconds <= 0 {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
		if len(home.asked()) != 2*c.tries || len(other.asked()) != c.tries {
			t.Errorf("%s: %d of the home, %d of the other side, want %d tries", c.name, len(home.asked()), len(other.asked()), c.tries)
		}
		r := w.Report()
		counts := Counts{Offered: 1, Sampled: 1, Compared: 1}
		*map[string]*uint64{router.ComparedEqual: &counts.Equal, router.ComparedLate: &counts.Late, router.ComparedNoise: &counts.Noise, router.ComparedDiffers: &counts.Differs}[c.want] = 1
		if r.Counts != counts || len(r.Endpoints) != 1 || r.Endpoints[0] != (Endpoint{"GET /api/v10/accounts/{id}/balances", counts}) {
			t.Errorf("%s: %+v", c.name, r)
		}
		if (len(r.Mismatches) == 1) != (c.want == router.ComparedDiffers) {
			t.Errorf("%s: %+v", c.name, r.Mismatches)
		}
	}
}

// TestMismatches: classes are told apart by field and kind, each has its first example, and there is an end to them.
func TestMismatches(t *testing.T) {
	home := newSide(t, `{"account":"secret-name","balances":[{"asset":"AUR","amount":2}],"nonce":3,"here":true}`)
	other := newSide(t, `{"account":"secret-other","balances":[{"asset":"AUR","amount":1}],"nonce":3,"there":["x"]}`)
	w := newWorld(t, home, other, nil).run(t)
	for i := range 3 {
		w.Offer("GET", path, http.Header{router.RequestIDHeader: {fmt.Sprint("id-", i)}}, router.Way{})
	}
	r := w.until(t, "three", func(r *Report) bool { return r.Differs == 3 })
	w.end()
	row := "GET /api/v10/accounts/{id}/balances"
	example := func(home, other string) Example {
		return Example{AtMs: r.Mismatches[0].Example.AtMs, ID: "id-0", Path: "/api/v10/accounts/{id}/balances", Side: "v10", Home: home, Other: other}
	}
	want := []Mismatch{
		{row, "account", v10diff.KindValue, 3, example("a text of 11 bytes", "a text of 12 bytes")},
		{row, "balances[].amount", v10diff.KindValue, 3, example("2", "1")},
		{row, "here", v10diff.KindMissing, 3, example("true", "(absent)")},
		{row, "there", v10diff.KindExtra, 3, example("(absent)", "a list")},
	}
	if !slices.Equal(r.Mismatches, want) || r.More != 0 {
		t.Errorf("%+v", r.Mismatches)
	}
	if n := strings.Count(w.log.String(), "differently"); n != len(want) {
		t.Errorf("%d classes were told: %s", n, w.log)
	}
	full := newTally(time.Now())
	found := make([]v10diff.Difference, classesMax+5)
	for i := range found {
		found[i].Field = fmt.Sprint(i)
	}
	e := &endpoint{}
	if fresh := full.compared(&read{endpoint: e}, router.ComparedDiffers, "", found, time.Now()); len(fresh) != classesMax || full.report().More != 5 {
		t.Errorf("%d classes", len(fresh))
	}
}

// TestStatus: another status is one difference, of which only the numbers are told.
func TestStatus(t *testing.T) {
	home, other := newSide(t, balances(1)), newSide(t, `{"error":"secret-name is not found"}`)
	other.status = http.StatusNotFound
	w := newWorld(t, home, other, nil).run(t)
	w.Offer("GET", path, nil, router.Way{})
	r := w.until(t, "one", func(r *Report) bool { return r.Differs == 1 })
	if m := r.Mismatches; len(m) != 1 || m[0].Kind != v10diff.KindStatus || m[0].Example.Home != "200" || m[0].Example.Other != "404" || m[0].Field != "@status" {
		t.Errorf("%+v", m)
	}
}

// TestSilence: a side that does not answer, or says that it cannot now, is no comparison.
func TestSilence(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(v10, v11 *side)
	}{
		{"v10_unreached", func(v10, _ *side) { v10.Close() }},
		{"v11_unreached", func(_, v11 *side) { v11.Close() }},
		{"v10_timeout", func(v10, _ *side) { v10.hangs = true }},
		{"v11_timeout", func(_, v11 *side) { v11.hangs = true }},
		{"v11_busy", func(_, v11 *side) { v11.status = http.StatusServiceUnavailable }},
		{"v10_busy", func(v10, _ *side) { v10.status = http.StatusTooManyRequests }},
		{"v11_oversized", func(_, v11 *side) { v11.bodies = []string{strings.Repeat(" ", answerBytesMax+1)} }},
	} {
		v10, v11 := newSide(t, balances(1)), newSide(t, balances(2))
		c.change(v10, v11)
		w := newWorld(t, v10, v11, func(cfg *Config) {
			if v10.hangs || v11.hangs {
				cfg.AskMax = 100 * time.Millisecond
			}
		}).run(t)
		w.Offer("GET", path, nil, router.Way{})
		r := w.until(t, c.want, func(r *Report) bool { return r.Unanswered == 1 })
		w.end()
		if r.Silent[c.want] != 1 || len(r.Silent) != 1 || r.Compared != 0 || len(w.told) != 0 {
			t.Errorf("%s: %+v", c.want, r)
		}
	}
}

// TestOffer: what cannot be compared, what the sample leaves out and what finds the queue full is counted, and nobody waits, though nobody compares.
func TestOffer(t *testing.T) {
	home, other := newSide(t, "{}"), newSide(t, "{}")
	w := newWorld(t, home, other, func(cfg *Config) { cfg.ShareBP, cfg.QueueMax = 100, 5 })
	for range 1000 {
		w.Offer("GET", path, nil, router.Way{})
	}
	w.Offer("HEAD", "/api/v10/assets?limit=1", nil, router.Way{}) // the first of its endpoint
	for _, c := range []struct{ method, target string }{
		{"POST", "/api/v10/transactions"}, {"OPTIONS", path}, {"GET", "/nowhere"}, {"GET", "http://x/api/v10/assets"}, {"GET", ""},
		{"GET", "/api/v10/ws"}, {"GET", "/api/v10/realtime"}, {"GET", "/api/v10/assets?" + strings.Repeat("x", uriBytesMax)},
		{"GET", "/api/v10/blocks/7"}, {"GET", "/api/v10/transactions?limit=1&cursor=x"},
	} {
		w.Offer(c.method, c.target, nil, router.Way{})
	}
	r := w.Report()
	if want := (Counts{Offered: 1001, Sampled: 11, Dropped: 6}); r.Counts != want {
		t.Errorf("%+v", r)
	}
	if fmt.Sprint(r.Unfit) != "map[malformed:0 oversized:1 own:2 stream:2 unknown:3 write:2]" {
		t.Error(r.Unfit)
	}
	w = newWorld(t, home, other, nil)
	w.Offer("GET", path, http.Header{"Authorization": {strings.Repeat("x", headerBytesMax+1)}}, router.Way{})
	if r := w.Report(); r.Dropped != 1 {
		t.Errorf("%+v", r)
	}
	if len(home.asked())+len(other.asked()) != 0 {
		t.Error("somebody was asked")
	}
}

// TestCredentials: both sides see who the client is, and that nothing is to be sent on; nobody else sees the one or what was asked.
func TestCredentials(t *testing.T) {
	home, other := newSide(t, balances(1)), newSide(t, balances(2))
	registry := prometheus.NewRegistry()
	w := newWorld(t, home, other, func(cfg *Config) { cfg.Metrics = registry }).run(t)
	h := http.Header{
		"Authorization": {"Bearer secret-token"}, "X-Api-Key": {"secret-key"}, "Accept": {"text/csv"}, "Cookie": {"stays"}, "If-None-Match": {`"stays"`},
		hop.Header: {"stays"}, "X-Forwarded-For": {"stays"}, router.RequestIDHeader: {"id"},
	}
	w.Offer("GET", path+"?name=secret-query", h, router.Way{})
	told := <-w.told
	families, err := registry.Gather()
	must(t, err)
	w.end()
	for _, r := range append(home.asked(), other.asked()...) {
		if r.RequestURI != path+"?name=secret-query" || r.Header.Get("Authorization") != "Bearer secret-token" || r.Header.Get("X-Api-Key") != "secret-key" || r.Header.Get("Accept") != "text/csv" {
			t.Errorf("%s %v", r.RequestURI, r.Header)
		}
		if r.Header.Get(hop.Header) != "1" || strings.Contains(fmt.Sprint(r.Header), "stays") {
			t.Errorf("%v", r.Header)
		}
	}
	report, err := json.Marshal(w.Report())
	must(t, err)
	for _, text := range []string{string(report), fmt.Sprint(told), w.log.String(), fmt.Sprint(families)} {
		if strings.Contains(text, "secret") || text == "" {
			t.Error(text)
		}
	}
	if !strings.Contains(fmt.Sprint(families), `value:"differs"`) || !strings.Contains(w.log.String(), "amount") {
		t.Error("the difference is not told")
	}
}

// TestHandler: what a router names there is compared, all of it; the report is there for other processes.
func TestHandler(t *testing.T) {
	home, other := newSide(t, balances(1)), newSide(t, balances(1))
	w := newWorld(t, home, other, func(cfg *Config) { cfg.ShareBP = 1 }).run(t)
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	for i, c := range []struct {
		uri, way string
		code     int
	}{{path, fromV11.String(), 204}, {path, fromV11.String(), 204}, {"/nowhere", fromV11.String(), 204}, {path, "", 400}, {"", fromV11.String(), 400}} {
		q, err := http.NewRequestWithContext(t.Context(), []string{"GET", "POST"}[i%2], server.URL+router.MirrorPath, nil)
		must(t, err)
		q.Header = http.Header{router.OriginalMethodHeader: {"GET"}, router.OriginalURIHeader: {c.uri}, router.OriginalWayHeader: {c.way}}
		resp, err := server.Client().Do(q)
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != c.code {
			t.Errorf("%+v: %d", c, resp.StatusCode)
		}
	}
	w.until(t, "two", func(r *Report) bool { return r.Equal == 2 })
	r, err := ReadReport(t.Context(), server.URL)
	must(t, err)
	if r.Offered != 2 || r.Equal != 2 || r.Unfit["malformed"] != 2 || r.Unfit["unknown"] != 1 || r.StartedMs == 0 || len(other.asked()) != 4 {
		t.Errorf("%+v", r)
	}
	for address, kind := range map[string]fault.Kind{"nonsense": fault.Invalid, home.URL: fault.Unavailable, "http://127.0.0.1:1": fault.Unavailable} {
		home.status = http.StatusNotFound
		if _, err := ReadReport(t.Context(), address); !fault.Is(err, kind) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestPace: tries are as far apart as they must be.
func TestPace(t *testing.T) {
	home, other := newSide(t, "{}"), newSide(t, "{}")
	w := newWorld(t, home, other, func(cfg *Config) { cfg.PerSecondMax, cfg.Workers = 20, 16 }).run(t)
	began := time.Now()
	for range 6 {
		w.Offer("GET", path, nil, router.Way{})
	}
	for range 6 {
		<-w.told
	}
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("six tries within %s", took)
	}
}

func TestConfig(t *testing.T) {
	good := func() Config { return Config{V10: "http://a:1", V11: []string{"http://b:1", "https://c:1"}} }
	for _, change := range []func(*Config){
		func(c *Config) { c.V10 = "" }, func(c *Config) { c.V11 = nil }, func(c *Config) { c.V11 = make([]string, ServersMax+1) },
		func(c *Config) { c.V11[1] = "c:1" }, func(c *Config) { c.ShareBP = wholeBP + 1 }, func(c *Config) { c.ShareBP = -1 }, func(c *Config) { c.QueueMax = -1 },
		func(c *Config) { c.Workers = workersMax + 1 }, func(c *Config) { c.PerSecondMax = -1 }, func(c *Config) { c.AskMax = -1 },
	} {
		cfg := good()
		change(&cfg)
		if _, err := New(cfg); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	s, err := New(good())
	must(t, err)
	one, other := s.server(router.V11), s.server(router.V11)
	if s.cfg.ShareBP != ShareBPDefault || len(s.cfg.Rules) == 0 || one == other {
		t.Error("defaults, or servers in turn")
	}
}

// TestLists: of lists that one ledger has in another order, and has more of, what both have is compared.
func TestLists(t *testing.T) {
	list := func(payments ...string) string {
		return `{"transactions":[` + strings.Join(payments, ",") + `],"total":2}`
	}
	payment := func(id string, amount int) string { return fmt.Sprintf(`{"id":%q,"amount":%d,"block":1}`, id, amount) }
	const a, b, c = "tx_1795847119137_0000q7xmo", "tx_1795847119138_0000q7xmo", "tx_1795847119139_0000q7xmo"
	for want, other := range map[string]string{
		router.ComparedEqual: list(payment(b, 2), payment(a, 1), payment(c, 3)), router.ComparedDiffers: list(payment(b, 3), payment(a, 1)),
	} {
		w := newWorld(t, newSide(t, list(payment(a, 1), payment(b, 2))), newSide(t, other), nil).run(t)
		w.Offer("GET", "/api/v10/transactions?limit=2", nil, router.Way{})
		if got := <-w.told; got.Compared != want {
			t.Errorf("%s, want %s: %+v", got.Compared, want, w.Report().Mismatches)
		}
	}
}

// TestRulesSpeakOfRows: each rule of our own is of rows that the dialect has, and own names its paths.
func TestRulesSpeakOfRows(t *testing.T) {
	rows := map[string]bool{}
	all := v10.Endpoints()
	for i := range all {
		rows[all[i].Method+" "+all[i].Path] = true
	}
	mine, err := v10diff.ReadRules(rulesText)
	must(t, err)
	for _, r := range mine {
		for _, on := range r.On {
			if !rows[on] {
				t.Errorf("%q is no row: %s", on, r.Why)
			}
		}
	}
	for path := range own {
		if !rows["GET "+path] {
			t.Errorf("%q is no path", path)
		}
	}
}
