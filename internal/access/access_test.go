// SPDX-License-Identifier: Apache-2.0

package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// rig is a guard over files in a folder, with its log.
type rig struct {
	*Guard
	dir string
	log bytes.Buffer
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir()}
	cfg := Config{Keys: filepath.Join(r.dir, "access", "keys.json"), Users: filepath.Join(r.dir, "access", "users.json")}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg, Parts{Log: slog.New(slog.NewTextHandler(&r.log, nil)), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	r.Guard = g
	return r
}

func (r *rig) key(t *testing.T, g Grant) (id, text string) {
	t.Helper()
	k, text, err := NewKey(r.cfg.Keys, "test", g)
	if err != nil {
		t.Fatal(err)
	}
	r.look()
	return k.ID, text
}

func (r *rig) refusals(why refusal) float64 {
	return testutil.ToFloat64(r.metrics.refused.WithLabelValues(string(why)))
}

func bearer(text string) Headers { return Headers{Authorization: []string{"Bearer " + text}} }

func mustBe(t *testing.T, err error, k fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, k) || (reason != "" && fault.ReasonOf(err) != reason) {
		t.Fatalf("%v (%v, %s), must be %v, %s", err, fault.KindOf(err), fault.ReasonOf(err), k, reason)
	}
}

var payer = Grant{Roles: []string{"payer"}, Accounts: []string{"alice"}, Prefixes: []string{"acme/"}}

// A key lets its caller in by either header, and everything else is refused for a reason that only the counter tells.
func TestIdentifyByKey(t *testing.T) {
	r := newRig(t, nil)
	id, text := r.key(t, payer)
	other, _ := newSecret()
	wrong := text[:len(text)-1] + "a"
	if wrong == text {
		wrong = text[:len(text)-1] + "q"
	}
	for _, x := range []struct {
		name string
		h    Headers
		why  refusal
	}{
		{"api key", Headers{APIKey: []string{text}}, ""},
		{"spaces", Headers{APIKey: []string{" " + text + "\t"}}, ""},
		{"bearer", bearer(text), ""},
		{"case of the scheme", Headers{Authorization: []string{"bEARER  " + text}}, ""},
		{"nothing", Headers{}, refusedMissing},
		{"both", Headers{APIKey: []string{text}, Authorization: []string{"Bearer " + text}}, refusedAmbiguous},
		{"twice", Headers{APIKey: []string{text, text}}, refusedAmbiguous},
		{"empty", Headers{APIKey: []string{""}}, refusedMalformed},
		{"upper case", Headers{APIKey: []string{strings.ToUpper(text)}}, refusedMalformed},
		{"longer", Headers{APIKey: []string{text + "a"}}, refusedMalformed},
		{"basic", Headers{Authorization: []string{"Basic " + text}}, refusedScheme},
		{"bare", Headers{Authorization: []string{text}}, refusedScheme},
		{"rubbish", bearer("a.b"), refusedMalformed},
		{"huge", bearer(strings.Repeat("a", credentialBytesMax) + "..."), refusedMalformed},
		{"wrong secret", bearer(wrong), refusedKey},
		{"another id", bearer(keyPrefix + other + text[len(keyPrefix)+idChars:]), refusedKey},
	} {
		t.Run(x.name, func(t *testing.T) {
			before := r.refusals(x.why)
			c, err := r.Identify(t.Context(), x.h)
			if x.why == "" {
				if err != nil || c.ID() != "key/"+id {
					t.Fatal(c, err)
				}
				return
			}
			mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
			if r.refusals(x.why) != before+1 || v10.ProblemOf(err).Code != http.StatusUnauthorized {
				t.Error("not counted as", x.why, err)
			}
		})
	}
}

func TestRolesAndAccounts(t *testing.T) {
	r := newRig(t, nil)
	callers := map[string]*Caller{}
	for _, role := range roleNames {
		_, text := r.key(t, Grant{Roles: []string{role}, Accounts: payer.Accounts, Prefixes: payer.Prefixes})
		c, err := r.Identify(t.Context(), bearer(text))
		if err != nil {
			t.Fatal(err)
		}
		callers[role] = c
	}
	for account, covered := range map[string]bool{"alice": true, "alice ": false, "Alice": false, "acme/": true, "acme/x": true, "acme": false, "": false} {
		for role, c := range callers {
			may := covered && (role == "payer" || role == "issuer") || role == "gateway"
			if err := c.May(account); (err == nil) != may {
				t.Errorf("%s for %q: %v", role, account, err)
			}
		}
	}
	for row, roles := range map[string]string{
		"GET /health":                         "*",
		"POST /api/v10/auth/login":            "*",
		"POST /api/v10/auth/refresh":          "*",
		"GET /api/v10/accounts/a/balances":    "reader payer issuer admin",
		"POST /api/v10/transactions/estimate": "reader payer issuer admin",
		"POST /api/v10/crypto/verify":         "reader payer issuer admin",
		"POST /api/v10/transactions":          "payer",
		"POST /api/v10/transactions/batch":    "payer",
		"POST /api/v10/transactions/stream":   "payer",
		"POST /api/v10/assets/AUR/transfer":   "payer",
		"POST /api/v10/accounts":              "payer issuer",
		"POST /api/v10/assets":                "issuer",
		"POST /api/v10/tokens/X/issue":        "issuer",
		"POST /api/v10/assets/X/redeem":       "issuer",
		"GET /api/v10/auth/keys":              "admin",
		"POST /api/v10/auth/keys":             "admin",
		"DELETE /api/v10/auth/keys/x":         "admin",
		"GET /api/v10/admin/status":           "admin",
		"POST /api/v10/vizor/metrics/record":  "admin",
		"POST /api/channels":                  "admin",
	} {
		method, path, _ := strings.Cut(row, " ")
		e, _, err := v10.Match(method, path)
		if err != nil {
			t.Fatal(row, err)
		}
		if Public(e) != (roles == "*") {
			t.Errorf("%s: public %v", row, Public(e))
		}
		for role, c := range callers {
			if err := c.Allow(e); (err == nil) != (roles == "*" || strings.Contains(roles, role)) {
				t.Errorf("%s by %s: %v", row, role, err)
			} else if err != nil {
				mustBe(t, err, fault.Denied, "role_denied")
			}
		}
	}
}

// TestGatewayRole: only a gateway, and anybody on an open network, speaks for others; the role goes alone, and no administrator of the
// API gives it away.
func TestGatewayRole(t *testing.T) {
	r := newRig(t, nil)
	for _, role := range roleNames {
		_, text := r.key(t, Grant{Roles: []string{role}, Accounts: []string{"alice"}})
		c, err := r.Identify(t.Context(), bearer(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Behalf(); (err == nil) != (role == "gateway") {
			t.Errorf("%s: %v", role, err)
		} else if err != nil {
			mustBe(t, err, fault.Denied, "behalf_denied")
		}
	}
	if err := newRig(t, func(c *Config) { c.Open = true }).anybody.Behalf(); err != nil {
		t.Error(err)
	}
	_, err := ParseRoles([]string{"payer", "gateway"})
	mustBe(t, err, fault.Invalid, "role_mixed")
	_, text := r.key(t, Grant{Roles: []string{"admin"}})
	admin, err := r.Identify(t.Context(), bearer(text))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.CreateKey(t.Context(), admin, &v10.CreateAPIKey{Name: "x", Roles: []string{"gateway"}})
	mustBe(t, err, fault.Denied, "role_denied")
}

// Every row that changes something wants a role, and so does one that nobody thought of.
func TestNoWriteIsPublic(t *testing.T) {
	rows := v10.Endpoints()
	for i := range rows {
		e := &rows[i]
		public := e.Group == v10.GroupPlatform || e.Path == "/api/v10/auth/login" || e.Path == "/api/v10/auth/refresh"
		if Public(e) != public {
			t.Errorf("%s %s: public %v", e.Method, e.Path, Public(e))
		}
	}
	if wants(&v10.Endpoint{Method: "POST", Group: "new"}) != Admin {
		t.Error("an unknown group must be the administrator's")
	}
}

func TestRevoked(t *testing.T) {
	r := newRig(t, nil)
	id, text := r.key(t, payer)
	token, err := r.Login(t.Context(), &v10.Login{APIKey: text})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Identify(t.Context(), bearer(token.Token)); err != nil {
		t.Fatal(err)
	}
	if err := RevokeKey(r.cfg.Keys, id); err != nil {
		t.Fatal(err)
	}
	r.look()
	_, err = r.Identify(t.Context(), bearer(text))
	mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	_, err = r.Identify(t.Context(), bearer(token.Token))
	mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	_, err = r.Refresh(t.Context(), token.Token)
	mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	mustBe(t, RevokeKey(r.cfg.Keys, id), fault.NotFound, "")
}

// A file that cannot be read changes nothing and is counted; one that is gone means nobody.
func TestBadFiles(t *testing.T) {
	r := newRig(t, nil)
	_, text := r.key(t, payer)
	good, err := os.ReadFile(r.cfg.Keys)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(good, []byte(text[len(text)-secretChars:])) {
		t.Fatal("the file holds the secret")
	}
	put := func(content []byte, mode os.FileMode) {
		if err := errors.Join(replacePrivate(r.cfg.Keys, content), os.Chmod(r.cfg.Keys, mode)); err != nil {
			t.Fatal(err)
		}
		r.look()
	}
	failed := func() float64 { return testutil.ToFloat64(r.metrics.reloads.WithLabelValues("keys", "failed")) }
	doubled := bytes.Replace(good, []byte("  ]"), append(append([]byte(","), good[bytes.Index(good, []byte("    {")):bytes.LastIndex(good, []byte("  ]"))]...), "  ]"...), 1)
	for i, bad := range [][]byte{
		[]byte("{"), []byte(`{"version":2,"keys":[]}`), append(good, good...), bytes.Replace(good, []byte("payer"), []byte("king"), 1),
		bytes.Replace(good, []byte(`"acme/"`), []byte(`""`), 1), bytes.Replace(good, []byte(`"name"`), []byte(`"nmae"`), 1), doubled,
		bytes.Replace(good, []byte(`"hash": "`), []byte(`"hash": "0`), 1),
	} {
		before := failed()
		put(bad, 0o600)
		if _, err := r.Identify(t.Context(), bearer(text)); err != nil || failed() != before+1 {
			t.Errorf("bad file %d: %v, failures %v after %v", i, err, failed(), before)
		}
	}
	put(good, 0o644)
	if failed() != 9 || !strings.Contains(r.log.String(), "chmod 600") {
		t.Error("a file that others may read was read", failed())
	}
	if strings.Contains(r.log.String(), text) {
		t.Error("the log holds a secret")
	}
	if err := os.Remove(r.cfg.Keys); err != nil {
		t.Fatal(err)
	}
	r.look()
	_, err = r.Identify(t.Context(), bearer(text))
	mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
}

func TestOpenIsLoud(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Open = true })
	c, leave, err := r.Enter(t.Context(), http.Header{})
	if err != nil || leave == nil || c.ID() != "" || c.May("anybody's") != nil || r.Mode() != "open" {
		t.Fatal(c, err)
	}
	if !strings.Contains(r.log.String(), "ACCESS IS OPEN") || testutil.ToFloat64(r.metrics.open) != 1 {
		t.Error("not loud:", r.log.String())
	}
	rows := v10.Endpoints()
	for i := range rows {
		if err := c.Allow(&rows[i]); err != nil {
			t.Error(rows[i].Path, err)
		}
	}
	token, err := r.Login(t.Context(), &v10.Login{Username: "u", Password: "p"})
	if err != nil || token.User.Username != "u" {
		t.Fatal(token, err)
	}
	if token, err = r.Refresh(t.Context(), token.Token); err != nil || !token.Success {
		t.Fatal(token, err)
	}
	required := newRig(t, nil)
	required.tokens = r.tokens
	_, err = required.Identify(t.Context(), bearer(token.Token))
	mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
}

func TestConfig(t *testing.T) {
	good := Provider{Name: "corp", Issuer: "https://id", Audience: "ledger", KeySet: "keys.json"}
	with := func(change func(*Provider)) Config {
		p := good
		change(&p)
		return Config{Providers: []Provider{p}}
	}
	for name, cfg := range map[string]Config{
		"nobody":      {},
		"token life":  {Open: true, TokenLife: time.Millisecond},
		"session":     {Open: true, SessionLife: time.Minute},
		"limits":      {Open: true, Limits: Limits{Requests: -1}},
		"name":        with(func(p *Provider) { p.Name = "a/b" }),
		"audience":    with(func(p *Provider) { p.Audience = "" }),
		"own issuer":  with(func(p *Provider) { p.Issuer = localIssuer }),
		"leeway":      with(func(p *Provider) { p.Leeway = time.Hour }),
		"roles":       with(func(p *Provider) { p.Roles = []string{"king"} }),
		"plain http":  with(func(p *Provider) { p.KeySet = "http://id.example.com/keys" }),
		"same issuer": {Providers: []Provider{good, {Name: "b", Issuer: good.Issuer, Audience: "x", KeySet: "k"}}},
	} {
		if _, err := New(cfg, Parts{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysOverAPI(t *testing.T) {
	r := newRig(t, nil)
	_, adminText := r.key(t, Grant{Roles: []string{"admin"}})
	_, payerText := r.key(t, payer)
	admin, err := r.Identify(t.Context(), bearer(adminText))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Identify(t.Context(), bearer(payerText))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.CreateKey(t.Context(), c, &v10.CreateAPIKey{Name: "x"})
	mustBe(t, err, fault.Denied, "role_denied")
	_, err = r.Keys(t.Context(), c)
	mustBe(t, err, fault.Denied, "role_denied")
	made, err := r.CreateKey(t.Context(), admin, &v10.CreateAPIKey{Name: "shop", Accounts: []string{"bob"}})
	if err != nil || made.Key.Roles[0] != "payer" || !isKeyText(made.APIKey) {
		t.Fatal(made, err)
	}
	if c, err = r.Identify(t.Context(), bearer(made.APIKey)); err != nil || c.May("bob") != nil || c.May("alice") == nil {
		t.Fatal(c, err)
	}
	all, err := r.Keys(t.Context(), admin)
	if err != nil || len(all) != 3 || all[2].Name != "shop" || strings.Join(all[1].Accounts, " ") != "alice acme/*" {
		t.Fatal(all, err)
	}
	for _, had := range []bool{true, false} {
		if was, err := r.DeleteKey(t.Context(), admin, made.Key.ID); err != nil || was != had {
			t.Fatal(was, err)
		}
	}
	_, err = r.Identify(t.Context(), bearer(made.APIKey))
	mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
}

// Run sees what another process wrote, and ends with its context.
func TestRunRereads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		_, text, err := NewKey(r.cfg.Keys, "other", payer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Identify(t.Context(), bearer(text))
		mustBe(t, err, fault.Denied, "")
		<-time.After(lookEvery + time.Millisecond)
		if _, err := r.Identify(t.Context(), bearer(text)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
}

// A key that replaces another is the same caller, to the ledger and to the limits, and lives on when the other one is revoked.
func TestReplaceKey(t *testing.T) {
	r := newRig(t, nil)
	id, text := r.key(t, payer)
	second, secondText, err := ReplaceKey(r.cfg.Keys, id)
	if err != nil {
		t.Fatal(err)
	}
	third, thirdText, err := ReplaceKey(r.cfg.Keys, second.ID)
	if err != nil || third.Caller != id {
		t.Fatal(third, err)
	}
	r.look()
	for _, x := range []string{text, secondText, thirdText} {
		c, err := r.Identify(t.Context(), bearer(x))
		if err != nil || c.ID() != "key/"+id || c.May("alice") != nil {
			t.Fatal(c, err)
		}
		if clear, person := c.Who(); clear != "key/"+keyID(x) || person != "" {
			t.Error("the trail must name the key itself:", clear)
		}
	}
	token, err := r.Login(t.Context(), &v10.Login{APIKey: secondText})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := r.Identify(t.Context(), bearer(token.Token)); err != nil || c.ID() != "key/"+id {
		t.Fatal(c, err)
	}
	if err := RevokeKey(r.cfg.Keys, second.ID); err != nil {
		t.Fatal(err)
	}
	r.look()
	for _, x := range []string{secondText, token.Token} {
		_, err = r.Identify(t.Context(), bearer(x))
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	}
	if _, err := r.Identify(t.Context(), bearer(thirdText)); err != nil {
		t.Fatal(err)
	}
	_, _, err = ReplaceKey(r.cfg.Keys, second.ID)
	mustBe(t, err, fault.NotFound, "")
}

// Processes that make keys at once lose none.
func TestKeysAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	const n = 16
	errs := make(chan error, n)
	for range n {
		go func() {
			_, _, err := NewKey(path, "k", payer)
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	all, err := ListKeys(path)
	if err != nil || len(all) != n {
		t.Error(len(all), err)
	}
}
