// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// withRest is a network whose gateway serves the V10 dialect. Its validators have no custody desk: what pays is the e2e tests'.
func withRest(t *testing.T, change func(*config.GatewayRest)) *network {
	n := newNetwork(t, nil, nil)
	n.cfg.Rest.Listen, n.cfg.Rest.Auth = "127.0.0.1:0", config.AuthOpen
	change(&n.cfg.Rest)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return n.start()
}

// ask makes a request of the gateway's REST edge.
func (n *network) ask(method, path, key, body string) (*http.Response, string) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+n.gateway.RestAddress()+path, strings.NewReader(body))
	must(n.t, err)
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	must(n.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(n.t, err)
	return resp, string(text)
}

const onePayment = `{"from":"alice","to":"bob","amount":1}`

func TestRest(t *testing.T) {
	n := withRest(t, func(*config.GatewayRest) {})
	if r, text := n.ask("GET", "/api/v10/info", "", ""); r.StatusCode != http.StatusOK || !strings.Contains(text, "fake") {
		t.Errorf("%d %s", r.StatusCode, text)
	}
	if r, text := n.ask("POST", "/api/v10/transactions", "", onePayment); r.StatusCode == http.StatusOK {
		t.Errorf("a validator without a desk has paid: %s", text)
	}
	for _, s := range n.servers {
		s.stop()
	}
	n.await("no validator is reached", func() bool { return !n.gateway.pool.Connected() })
	for _, path := range []string{"/api/v10/transactions", "/health"} {
		began := time.Now()
		method := map[bool]string{true: "GET", false: "POST"}[path == "/health"]
		if r, text := n.ask(method, path, "", onePayment); r.StatusCode != http.StatusServiceUnavailable || path != "/health" && r.Header.Get("Retry-After") == "" || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %d %s, Retry-After %q, after %v", path, r.StatusCode, text, r.Header.Get("Retry-After"), time.Since(began))
		}
	}
}

// TestRestAsksWhoCalls: the gateway has callers of its own, and a trail of what they do, which names nobody.
func TestRestAsksWhoCalls(t *testing.T) {
	var secret string
	n := withRest(t, func(r *config.GatewayRest) {
		dir := t.TempDir()
		r.Auth, r.Access = config.AuthRequired, dir
		_, text, err := access.NewKey(filepath.Join(dir, access.KeysFile), "shop", access.Grant{Roles: []string{"payer"}, Accounts: []string{"alice"}})
		must(t, err)
		secret = text
	})
	if r, _ := n.ask("POST", "/api/v10/transactions", "", onePayment); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key %d", r.StatusCode)
	}
	if r, _ := n.ask("POST", "/api/v10/transactions", secret, onePayment); r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden {
		t.Errorf("with a key %d", r.StatusCode)
	}
	n.stop()
	files, err := trail.Files(n.cfg.Path(n.cfg.Rest.Audit))
	must(t, err)
	report, err := trail.Verify(nil, files...)
	if err != nil || report.Lines < 2 {
		t.Errorf("%+v %v", report, err)
	}
	text, err := os.ReadFile(files[0])
	must(t, err)
	if strings.Contains(string(text), "alice") || strings.Contains(string(text), secret) {
		t.Errorf("%s", text)
	}
	first, err := os.ReadFile(n.cfg.Path(n.cfg.Rest.AuditKey))
	must(t, err)
	if _, err := auditKey(n.cfg.Path(n.cfg.Rest.AuditKey)); err != nil {
		t.Error(err)
	}
	if again, err := os.ReadFile(n.cfg.Path(n.cfg.Rest.AuditKey)); err != nil || string(again) != string(first) {
		t.Error("the trail's key changes", err)
	}
}

// TestRestDrains: who is told to stop says so, and goes on for a while.
func TestRestDrains(t *testing.T) {
	n := withRest(t, func(*config.GatewayRest) {})
	if r, text := n.ask("GET", "/api/v10/info", "", ""); r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, text)
	}
	stopped := make(chan struct{})
	go func() { n.stop(); close(stopped) }()
	n.await("it says that it stops", func() bool {
		r, _ := n.ask("GET", "/api/v10/info", "", "")
		return r.StatusCode == http.StatusOK && r.Close
	})
	<-stopped
	if _, err := http.Get("http://" + n.gateway.RestAddress() + "/health"); err == nil {
		t.Error("it still serves")
	}
}

func TestValidatorKeyFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	for _, c := range []struct {
		path, want string
		kind       fault.Kind
	}{
		{"", "", 0}, {file("good", "ak_x\n", 0o600), "ak_x", 0}, {file("open", "ak_x", 0o644), "", fault.Denied},
		{file("empty", " \n", 0o600), "", fault.Invalid}, {file("long", strings.Repeat("x", keyFileBytesMax+1), 0o600), "", fault.Invalid},
		{filepath.Join(dir, "none"), "", fault.Invalid},
	} {
		key, err := readKey(c.path)
		if key != c.want || (c.kind == 0) != (err == nil) || err != nil && !fault.Is(err, c.kind) {
			t.Errorf("%s: %q, %v", c.path, key, err)
		}
	}
	n := newNetwork(t, nil)
	n.cfg.Rest.Listen, n.cfg.Rest.ValidatorKeyFile = "127.0.0.1:0", filepath.Join(dir, "none")
	if _, err := Open(n.cfg, n.node.Genesis, n.log()); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "--role gateway") {
		t.Error(err)
	}
}

func TestConnections(t *testing.T) {
	for _, c := range []struct {
		listen                        string
		validators, connections, want int
	}{{"", 4, 100, ConnectionsPerValidator}, {":0", 4, 10, 3}, {":0", 4, 1, ConnectionsPerValidator}, {":0", 1, 10, 10}, {":0", 64, 10, ConnectionsPerValidator}} {
		cfg := &config.Gateway{Validators: make([]string, c.validators), Rest: config.GatewayRest{Listen: c.listen, Connections: c.connections}}
		if got := connectionsPerValidator(cfg); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
