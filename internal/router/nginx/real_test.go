// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/router"
)

const payPath = "/api/v10/transactions"

// server is one that answers by its name, notes ids, and can be told to refuse.
type server struct {
	*httptest.Server
	name   string
	mu     sync.Mutex
	ids    []string
	refuse int
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, r.Header.Get(router.RequestIDHeader))
	if s.refuse != 0 {
		w.WriteHeader(s.refuse)
	}
	_, _ = io.WriteString(w, s.name)
}

func (s *server) address() string { return s.Listener.Addr().String() }

func (s *server) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.ids
	s.ids = nil
	return ids
}

func newServer(t testing.TB, name string) *server {
	s := &server{name: name}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func secureServer(t testing.TB, h http.Handler) *httptest.Server {
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return s
}

// writePair writes a server's certificate and key for nginx.
func writePair(t testing.TB, dir string, s *httptest.Server) (certificate, key string) {
	t.Helper()
	pair := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	certificate, key = filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")
	must(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return certificate, key
}

func start(t testing.TB, c Config) *Router {
	t.Helper()
	need(t)
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	c.Listen = []string{free(t)}
	if c.Admin == "" {
		c.Admin = free(t)
	}
	r, err := Start(context.WithoutCancel(t.Context()), c)
	must(t, err)
	t.Cleanup(func() { must(t, r.Stop()) })
	return r
}

func post(t testing.TB, client *http.Client, url, body string) (int, string) {
	t.Helper()
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

func toV11(version uint64) router.Map {
	m := router.Map{Version: version}
	_ = m.V11.Set(chain.SlotRange{From: 0, To: chain.SlotsMax - 1}) // in range
	return m
}

// TestSeveralServers: what one server of V11 refuses before it begins is given to the next under the same id, a payment as well as a read; what
// has no second time is not; and a server that is gone costs nobody a request.
func TestSeveralServers(t *testing.T) {
	need(t)
	v10, a, b := newServer(t, "v10"), newServer(t, "a"), newServer(t, "b")
	r := start(t, Config{Workers: 1, V10: Upstream{Servers: []string{v10.address()}}, V11: Upstream{Servers: []string{a.address(), b.address()}}})
	must(t, router.Apply(t.Context(), r, toV11(1)))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	a.refuse = http.StatusServiceUnavailable
	for range 4 {
		if code, text := post(t, client, "http://"+r.Address()+payPath, `{"from":"alice"}`); code != 200 || text != "b" {
			t.Error(code, text)
		}
	}
	at, then := a.taken(), b.taken()
	if len(at) == 0 || len(then) != 4 {
		t.Errorf("%d were refused, %d answered", len(at), len(then))
	}
	for _, id := range at {
		if len(id) != 32 || !strings.Contains(strings.Join(then, " "), id) {
			t.Errorf("%s came under another id: %v", id, then)
		}
	}
	codes := map[int]int{}
	for range 4 {
		code, _ := post(t, client, "http://"+r.Address()+"/api/v10/assets/X/issue", `{"issuer":"alice"}`)
		codes[code]++
	}
	if codes[503] == 0 || codes[200]+codes[503] != 4 || len(a.taken())+len(b.taken()) != 4 {
		t.Errorf("an issue was asked for again: %v", codes)
	}
	a.Close()
	for range 4 {
		if code, text := post(t, client, "http://"+r.Address()+"/api/v10/assets/X/issue", `{"issuer":"alice"}`); code != 200 || text != "b" {
			t.Error(code, text)
		}
	}
	if n := len(v10.taken()); n != 0 {
		t.Errorf("V10 was asked %d times", n)
	}
}

// TestSecure: TLS to clients and to V11, whose certificate is checked, and the map over a socket.
func TestSecure(t *testing.T) {
	need(t)
	v10 := newServer(t, "v10")
	v11 := secureServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "v11") }))
	for _, c := range []struct {
		name string
		code int
	}{{"example.com", 200}, {"other.example.org", 502}} {
		dir := t.TempDir()
		cfg := Config{
			Dir: dir, V10: Upstream{Servers: []string{v10.address()}}, Workers: 2, Admin: "unix:" + filepath.Join(dir, "admin.sock"),
			V11: Upstream{Servers: []string{v11.Listener.Addr().String()}, Name: c.name},
		}
		cfg.Certificate, cfg.Key = writePair(t, dir, v11)
		cfg.V11.CA = cfg.Certificate
		r := start(t, cfg)
		client := v11.Client()
		for version := range uint64(6) {
			m, side, code := toV11(version+1), "v11", c.code
			if version%2 == 0 {
				m, side, code = router.Map{Version: version + 1}, "v10", 200
			}
			must(t, router.Apply(t.Context(), r, m))
			got, text := post(t, client, "https://"+r.Address()+payPath, `{"from":"alice"}`)
			if code == 200 && (got != 200 || text != side) || code != 200 && got < 500 {
				t.Errorf("%s, version %d: %d %s", c.name, version+1, got, text)
			}
		}
		client.CloseIdleConnections()
	}
}

// TestDamage: a damaged file is no map; a folder that the workers cannot write keeps a map from coming in force; and what is no text of a
// map is refused by nginx itself.
func TestDamage(t *testing.T) {
	need(t)
	v10, v11 := newServer(t, "v10"), newServer(t, "v11")
	c := Config{Dir: t.TempDir(), Workers: 1, V10: Upstream{Servers: []string{v10.address()}}, V11: Upstream{Servers: []string{v11.address()}}}
	must(t, os.Mkdir(filepath.Join(c.Dir, stateName), 0o755))
	damaged := toV11(5)
	must(t, os.WriteFile(filepath.Join(c.Dir, stateName, "router.map"), damaged.Text()[1:], 0o644))
	must(t, os.Mkdir(filepath.Join(c.Dir, stateName, "router.map.new"), 0o755))
	r := start(t, c)
	inForce := func(want router.Map) {
		t.Helper()
		got, err := r.Get(t.Context())
		must(t, err)
		if !got.Equal(&want) {
			t.Errorf("in force is\n%s", got.Text())
		}
	}
	inForce(router.Map{})
	err := r.Set(t.Context(), toV11(4))
	if !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != "map_not_kept" {
		t.Error(err)
	}
	inForce(router.Map{})
	must(t, os.Remove(filepath.Join(c.Dir, stateName, "router.map.new")))
	must(t, router.Apply(t.Context(), r, toV11(4)))
	sum := func(lines string) []byte {
		m := router.Map{Version: 1}
		head, _, _ := bytes.Cut(m.Text(), []byte("version"))
		return append(head, lines...)
	}
	named := router.Map{Version: 9, Cohorts: map[string]uint16{"a b": 10_000}}
	texts := [][]byte{nil, []byte("x"), sum("version 9\n"), sum("version 9\ncrc32 00000000\n"), damaged.Text()[:30], bytes.ToUpper(damaged.Text()), make([]byte, router.TextBytesMax)}
	for _, change := range []struct{ old, new string }{
		{"version 9", "version 09"}, {"version 9", "version 9007199254740992"}, {"version 9", "version"}, {"%20", " "}, {"%20", "%2"}, {"%20", "%61"}, {"10000", "9999"}, {"10000", "65535"},
		{"cohort", "v11 5-4\ncohort"}, {"cohort", "v11 0-65535\ncohort"}, {"cohort", "v11 1-2\nv11 3-4\ncohort"}, {"cohort", "words\ncohort"}, {"cohort", "version 9\ncohort"},
	} {
		texts = append(texts, resummed(bytes.Replace(named.Text(), []byte(change.old), []byte(change.new), 1)))
	}
	for _, text := range texts {
		if _, err := r.call(t.Context(), http.MethodPut, text); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != router.ReasonMalformed {
			t.Errorf("%.80q: %v", text, err)
		}
	}
	inForce(toV11(4))
	if _, err := r.call(t.Context(), http.MethodPut, resummed(named.Text())); err != nil {
		t.Error("the test's own sums are wrong:", err)
	}
	if _, err := r.call(t.Context(), http.MethodDelete, nil); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// TestTold: the counters say what was routed and what failed, a request that never came to be routed has a line too, and a router that is away
// is said to be.
func TestTold(t *testing.T) {
	need(t)
	v10, v11 := newServer(t, "v10"), newServer(t, "v11")
	c := Config{Dir: t.TempDir(), Workers: 2, V10: Upstream{Servers: []string{v10.address()}}, V11: Upstream{Servers: []string{v11.address()}}}
	r := start(t, c)
	m := router.Map{Version: 7}
	slot := keys.AliasSlot("secret-payer")
	must(t, m.V11.Set(chain.SlotRange{From: slot, To: slot}))
	must(t, router.Apply(t.Context(), r, m))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	post(t, client, "http://"+r.Address()+payPath+"", `{"from":"secret-payer"}`)
	post(t, client, "http://"+r.Address()+"/api/v10/accounts/secret-payer/balances", "")
	v10.Close()
	post(t, client, "http://"+r.Address()+"/api/v10/transactions/batch", "")
	for _, want := range []string{
		`aurigraph_router_requests_total{side="v11",by="slot"} 1` + "\n", `aurigraph_router_requests_total{side="v10",by="whole"} 2` + "\n", "aurigraph_router_map_version 7\n",
		"aurigraph_router_weight_basis_points 1\n", `aurigraph_router_failures_total{reason="router_unsent"} 1` + "\n",
		"# TYPE aurigraph_router_requests_total counter\n" + `aurigraph_router_requests_total{side="v10",by="cohort"} 0` + "\n", "# TYPE aurigraph_router_map_version gauge\n",
		`aurigraph_router_maps_refused_total{reason="stale_map"} 0` + "\n",
	} {
		// A request is counted after its answer.
		deadline := time.Now().Add(10 * time.Second)
		for text := metrics(t, r); !strings.Contains(text, want); text = metrics(t, r) {
			if time.Now().After(deadline) {
				t.Fatalf("the counters lack %sthey are\n%s", want, text)
			}
		}
	}
	raw, err := net.Dial("tcp", r.Address())
	must(t, err)
	_, err = io.WriteString(raw, "nonsense\r\n\r\n")
	must(t, err)
	_, _ = io.ReadAll(raw) // it is cut off
	_ = raw.Close()
	must(t, r.Stop())
	last := logged(t, filepath.Join(c.Dir, "access.log"))
	unrouted := slices.IndexFunc(last, func(o router.Outcome) bool { return o.Side == "" })
	if o := last[max(0, unrouted)]; len(last) != 4 || unrouted < 0 || o.Slot != chain.SlotNone || o.Map != 0 || o.Status != 400 {
		t.Errorf("%+v", last)
	}
	if _, err := r.Get(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := r.Set(gone, m); !fault.Is(err, fault.Timeout) {
		t.Error(err)
	}
	if _, err := NewDriver("10.0.0.1:80"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// logged reads the access log.
func logged(t *testing.T, path string) []router.Outcome {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(text), "secret") {
		t.Errorf("the log tells too much: %s", text)
	}
	var out []router.Outcome
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
		o, err := router.ReadOutcome(in.Bytes())
		must(t, err)
		out = append(out, o)
	}
	return out
}

func metrics(t *testing.T, r *Router) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", r.admin, time.Second)
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET /metrics HTTP/1.0\r\n\r\n")
	must(t, err)
	text, err := io.ReadAll(c)
	must(t, err)
	return string(text)
}

// TestKilled: nginx that is killed leaves nobody behind on its address, and comes back with its map.
func TestKilled(t *testing.T) {
	need(t)
	v10, v11 := newServer(t, "v10"), newServer(t, "v11")
	c := Config{Dir: t.TempDir(), Workers: 2, V10: Upstream{Servers: []string{v10.address()}}, V11: Upstream{Servers: []string{v11.address()}}}
	c.Listen, c.Admin = []string{free(t)}, free(t)
	for version := range uint64(3) {
		r, err := Start(t.Context(), c)
		must(t, err)
		if version > 0 {
			got, err := r.Get(t.Context())
			if want := toV11(version); err != nil || !got.Equal(&want) {
				t.Errorf("%v\n%s", err, got.Text())
			}
		}
		must(t, router.Apply(t.Context(), r, toV11(version+1)))
		r.Kill()
		if _, err := net.Dial("tcp", c.Listen[0]); err == nil {
			t.Fatal("somebody still serves")
		}
	}
}
