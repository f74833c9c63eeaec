// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const payPath = "/api/v10/transactions"

// sides are two ledgers that say who they are.
func sides(t testing.TB, handle func(side string) http.HandlerFunc) Config {
	cfg := Config{Dir: t.TempDir()}
	for _, side := range []string{"v10", "v11"} {
		s := httptest.NewServer(handle(side))
		t.Cleanup(s.Close)
		if side == "v10" {
			cfg.V10 = s.URL
		} else {
			cfg.V11 = []string{s.URL}
		}
	}
	return cfg
}

func says(side string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, side)
	}
}

func newProxy(t testing.TB, cfg Config) *Proxy {
	t.Helper()
	cfg.Metrics = prometheus.NewRegistry()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func post(body string) *http.Request {
	return httptest.NewRequest("POST", payPath, strings.NewReader(body))
}

func do(p http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

// TestBounds: beyond each bound a client is told so, nothing reaches a ledger, and it is counted; afterwards all is free again.
func TestBounds(t *testing.T) {
	var asked atomic.Int64
	entered, release := make(chan struct{}), make(chan struct{})
	cfg := sides(t, func(string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			asked.Add(1)
			if r.URL.Path == "/slow" {
				entered <- struct{}{}
				<-release
			}
		}
	})
	cfg.UnderWayMax, cfg.BodiesBytesMax = 2, 1000
	p := newProxy(t, cfg)
	refused := func(r *http.Request, code int, reason string) {
		t.Helper()
		before := asked.Load()
		w := do(p, r)
		if w.Code != code || !strings.HasPrefix(w.Body.String(), `{"error":"`) || asked.Load() != before || testutil.ToFloat64(p.metrics.failures.WithLabelValues(reason)) != 1 {
			t.Errorf("%s: %d %s", reason, w.Code, w.Body)
		}
	}
	refused(post(strings.Repeat("x", 1000)), http.StatusServiceUnavailable, reasonBodies)
	refused(post(strings.Repeat("x", v10.BodyBytesMax+1)), http.StatusRequestEntityTooLarge, v10.ReasonTooLarge)
	chunked := post("")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader("x")), -1 // may be of any length
	before := p.bodies.Load()
	if w := do(p, chunked); w.Code != http.StatusServiceUnavailable || before != 0 || p.bodies.Load() != 0 {
		t.Errorf("%d, %d bytes are counted", w.Code, p.bodies.Load())
	}
	cut := post("")
	cut.Body, cut.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("x"), broken{})), 10
	refused(cut, http.StatusBadRequest, reasonCut)
	done := make(chan int, 2)
	for range 2 {
		go func() { done <- do(p, httptest.NewRequest("GET", "/slow", nil)).Code }()
		<-entered
	}
	refused(httptest.NewRequest("GET", "/health", nil), http.StatusServiceUnavailable, reasonFull)
	close(release)
	for range 2 {
		if code := <-done; code != http.StatusOK {
			t.Error(code)
		}
	}
	if w := do(p, post("{}")); w.Code != http.StatusOK || p.bodies.Load() != 0 || p.underWay.Load() != 0 {
		t.Errorf("%d; %d bytes, %d requests are left", w.Code, p.bodies.Load(), p.underWay.Load())
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestNextServer: a server of V11 that takes no connection is passed over, with and without a body that was gathered.
func TestNextServer(t *testing.T) {
	cfg := sides(t, says)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.V11 = append(cfg.V11, "http://"+l.Addr().String())
	_ = l.Close()
	p := newProxy(t, cfg)
	var m router.Map
	m.Version = 1
	_ = m.V11.Set(chain.SlotRange{From: 0, To: chain.SlotsMax - 1}) // in range
	if err := router.Apply(t.Context(), p, m); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		r := post(`{"from":"alice"}`)
		if i%2 == 0 {
			r = httptest.NewRequest("POST", "/api/v10/transactions/batch", strings.NewReader("a batch"))
		}
		if w := do(p, r); w.Code != http.StatusOK || w.Body.String() != "v11" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if n := testutil.ToFloat64(p.metrics.requests.WithLabelValues("v11", "slot")); n != 4 {
		t.Errorf("%v payments are counted", n)
	}
	if n := testutil.ToFloat64(p.metrics.requests.WithLabelValues("v11", "whole")); n != 4 {
		t.Errorf("%v batches are counted", n)
	}
}

// TestClientLeaves: what a client does not wait for is told to nobody, and counted.
func TestClientLeaves(t *testing.T) {
	entered, gone := make(chan struct{}), make(chan struct{})
	p := newProxy(t, sides(t, func(string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(entered)
			<-r.Context().Done()
			close(gone)
		}
	}))
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { do(p, post(`{"from":"alice"}`).WithContext(ctx)); close(done) }()
	<-entered
	leave()
	<-done
	<-gone
	if n := testutil.ToFloat64(p.metrics.failures.WithLabelValues(reasonGoneAway)); n != 1 {
		t.Errorf("counted %v times", n)
	}
}

// TestLostMap: a damaged file is no map, and does not keep the router from its work; a folder that cannot be written keeps a map from
// coming in force.
func TestLostMap(t *testing.T) {
	cfg := sides(t, says)
	path := filepath.Join(cfg.Dir, MapFile)
	if err := os.WriteFile(path, []byte("version 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, cfg)
	if m, err := p.Get(t.Context()); err != nil || m.Version != 0 {
		t.Errorf("%d %v", m.Version, err)
	}
	if w := do(p, post(`{"from":"alice"}`)); w.Body.String() != "v10" {
		t.Error(w.Body)
	}
	if err := os.Mkdir(path+".new", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := p.Set(t.Context(), router.Map{Version: 4}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if m, _ := p.Get(t.Context()); m.Version != 0 {
		t.Error("what would not outlive a restart is in force")
	}
	if err := os.Remove(path + ".new"); err != nil {
		t.Fatal(err)
	}
	if err := router.Apply(t.Context(), p, router.Map{Version: 4}); err != nil {
		t.Error(err)
	}
	if err := p.Set(t.Context(), router.Map{Version: 3}); fault.ReasonOf(err) != router.ReasonStale || testutil.ToFloat64(p.metrics.refused.WithLabelValues(router.ReasonStale)) != 1 {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	good := Config{Dir: t.TempDir(), V10: "http://a:1", V11: []string{"https://b:2"}}
	for i, change := range []func(*Config){
		func(c *Config) { c.Dir = "" }, func(c *Config) { c.V10 = "" }, func(c *Config) { c.V10 = "a:1" }, func(c *Config) { c.V11 = nil },
		func(c *Config) { c.V11 = []string{"http://b/path"} }, func(c *Config) { c.V11 = make([]string, ServersMax+1) },
		func(c *Config) { c.UnderWayMax = -1 }, func(c *Config) { c.BodiesBytesMax = -1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d: %v", i, err)
		}
	}
	good.Metrics = prometheus.NewRegistry()
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	if _, err := New(good); !fault.Is(err, fault.Invalid) {
		t.Error("two routers count as one:", err)
	}
}

// TestServe: what is under way when the router is told to end is answered, and its metrics go with it.
func TestServe(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	cfg := sides(t, func(string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			fmt.Fprint(w, "late")
		}
	})
	reg := prometheus.NewRegistry()
	cfg.Metrics = reg
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served, got := make(chan error, 1), make(chan string, 1)
	go func() { served <- p.Serve(ctx, l) }()
	go func() {
		resp, err := http.Get("http://" + l.Addr().String() + "/health")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		got <- string(text)
	}()
	<-entered
	stop()
	close(release)
	if text := <-got; text != "late" {
		t.Error(text)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	if families, err := reg.Gather(); err != nil || len(families) != 0 {
		t.Error(families, err)
	}
}
