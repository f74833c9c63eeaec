// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// need skips a test aloud where nginx is not installed.
func need(t *testing.T) string {
	t.Helper()
	path, err := Find()
	if err != nil {
		t.Skipf("*** SKIPPED: %v ***", err)
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// upstream is a server that notes the requests' ids and can be told to refuse.
type upstream struct {
	*httptest.Server
	mu     sync.Mutex
	ids    []string
	bodies int
	refuse int // status; 0: it answers
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.ids, u.bodies = append(u.ids, r.Header.Get(RequestIDHeader)), u.bodies+len(text)
		if u.refuse != 0 {
			w.WriteHeader(u.refuse)
		}
		_, _ = io.WriteString(w, "answered")
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) address() string { return u.Listener.Addr().String() }

func post(t *testing.T, address string, body []byte) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/api/v10/transactions", bytes.NewReader(body))
	must(t, err)
	q.Header.Set(RequestIDHeader, "the client's own")
	r, err := http.DefaultClient.Do(q)
	must(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	must(t, err)
	return r.StatusCode, string(text)
}

// TestProxy: requests reach the upstreams with an id of nginx's; one that an upstream refuses before it begins goes to another, under the
// same id; one whose upstream is gone is not lost; large bodies go through memory.
func TestProxy(t *testing.T) {
	need(t)
	a, b := newUpstream(t), newUpstream(t)
	n, err := Start(t.Context(), Config{Dir: filepath.Join(t.TempDir(), "nginx"), Upstreams: []string{a.address(), b.address()}})
	must(t, err)
	defer func() { must(t, n.Stop()) }()
	large := bytes.Repeat([]byte("x"), 3<<20)
	if code, text := post(t, n.Address(), large); code != 200 || text != "answered" || a.bodies+b.bodies != len(large) {
		t.Error(code, text, a.bodies, b.bodies)
	}
	a.mu.Lock()
	a.refuse, a.ids = http.StatusServiceUnavailable, nil
	a.mu.Unlock()
	b.ids = nil
	for range 4 {
		if code, _ := post(t, n.Address(), []byte("{}")); code != 200 {
			t.Error(code)
		}
	}
	if len(b.ids) != 4 || len(a.ids) == 0 {
		t.Errorf("%d at the one that answers, %d at the other", len(b.ids), len(a.ids))
	}
	for i, id := range append(a.ids, b.ids...) {
		if len(id) != 32 {
			t.Errorf("%d: the id is %q", i, id)
		}
	}
	if !strings.Contains(strings.Join(b.ids, " "), a.ids[0]) {
		t.Errorf("a request that was refused came under another id: %v, %v", a.ids, b.ids)
	}
	a.Close()
	for range 4 {
		if code, _ := post(t, n.Address(), []byte("{}")); code != 200 {
			t.Error("an upstream is gone:", code)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if found, err := filepath.Glob(filepath.Join(n.dir, tmpName, "body", "*")); err != nil || len(found) > 0 {
		t.Error("a body went through a file:", found, err)
	}
}

// TestStop: nothing is left behind, and a second call is none the worse.
func TestStop(t *testing.T) {
	need(t)
	n, err := Start(t.Context(), Config{Dir: t.TempDir(), Upstreams: []string{"127.0.0.1:1"}, Workers: 2})
	must(t, err)
	if code, _ := post(t, n.Address(), nil); code != http.StatusBadGateway {
		t.Error("no upstream:", code)
	}
	http.DefaultClient.CloseIdleConnections()
	must(t, n.Stop())
	must(t, n.Stop())
	if c, err := net.Dial("tcp", n.Address()); err == nil {
		_ = c.Close()
		t.Error("it still serves")
	}
}

// TestWhyNot: a start that fails says what nginx said.
func TestWhyNot(t *testing.T) {
	binary := need(t)
	c := Config{Dir: t.TempDir(), Upstreams: []string{"no.such.host.invalid:1"}}
	c.setDefaults()
	must(t, os.Mkdir(filepath.Join(c.Dir, tmpName), 0o755))
	if n, err := start(t.Context(), binary, c); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "host not found") {
		t.Errorf("%v, %v", n, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	if !taken(fault.New(fault.Unavailable, "bind() to %s failed (98: Address already in use)", l.Addr())) || taken(fault.New(fault.Unavailable, "no")) {
		t.Error("a port that is taken is not known as such")
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		says   string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Dir = "" }, "folder"},
		{func(c *Config) { c.Upstreams = nil }, "0 upstreams"},
		{func(c *Config) { c.Upstreams = make([]string, UpstreamsMax+1) }, "65 upstreams"},
		{func(c *Config) { c.Upstreams[0] = "127.0.0.1" }, "not host:port"},
		{func(c *Config) { c.Upstreams[0] = "127.0.0.1:0" }, "not host:port"},
		{func(c *Config) { c.Upstreams[0] = ":80" }, "not host:port"},
		{func(c *Config) { c.Upstreams[0] = "x; include /etc/passwd; y:80" }, "not host:port"},
		{func(c *Config) { c.Workers = -1 }, "workers"},
		{func(c *Config) { c.TriesMax = 1 }, "second"},
	} {
		cfg := Config{Dir: "x", Upstreams: []string{"127.0.0.1:80"}}
		c.change(&cfg)
		cfg.setDefaults()
		err := cfg.validate()
		if c.says == "" && err != nil || c.says != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, must say %q", cfg, err, c.says)
		}
	}
}

// TestConf: nginx itself takes what is written, for one upstream and for many, as root and not.
func TestConf(t *testing.T) {
	binary := need(t)
	for _, upstreams := range [][]string{{"127.0.0.1:80"}, {"127.0.0.1:80", "localhost:81", "[::1]:82"}} {
		c := Config{Dir: t.TempDir(), Upstreams: upstreams}
		c.setDefaults()
		text, err := conf(c, Workers(), 1)
		must(t, err)
		must(t, os.Mkdir(filepath.Join(c.Dir, tmpName), 0o755))
		must(t, os.WriteFile(filepath.Join(c.Dir, confName), text, 0o644))
		if said, err := exec.Command(binary, "-t", "-p", c.Dir, "-c", confName, "-e", logName).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, said)
		}
		if got := bytes.Count(text, []byte("max_fails=0;")); got != len(upstreams) {
			t.Errorf("%d of %d upstreams have max_fails=0", got, len(upstreams))
		}
	}
	c := Config{Upstreams: []string{"127.0.0.1:80"}}
	c.setDefaults()
	text, err := conf(c, "", 1)
	must(t, err)
	if bytes.Contains(text, []byte("\nuser ")) {
		t.Error("a user is named that nginx could not become")
	}
}
