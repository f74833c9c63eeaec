// SPDX-License-Identifier: Apache-2.0

package router

import (
	"testing"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestRules: every endpoint that debits one account has a rule that finds it, and a POST is sent again only if v10's table lets a machine
// do so.
func TestRules(t *testing.T) {
	byPath := map[string]Rule{}
	for _, r := range Rules() {
		byPath[r.Method+" "+r.Path] = r
		if r.Member != "" && r.InPath {
			t.Errorf("%s %s: two places", r.Method, r.Path)
		}
	}
	for _, e := range v10.Endpoints() {
		r := byPath[e.Method+" "+e.Path]
		switch e.AccountKey {
		case v10.KeyBodyFrom:
			if r.Member != "from" {
				t.Errorf("%s %s: the payer is not found", e.Method, e.Path)
			}
		case v10.KeyBodyIssuer:
			if r.Member != "issuer" || r.Again {
				t.Errorf("%s %s: %+v", e.Method, e.Path, r)
			}
		}
		if r.Again && (e.Retry == v10.RetryNever || e.Method != "POST") {
			t.Errorf("%s %s is sent again", e.Method, e.Path)
		}
	}
	for path, want := range map[string]Rule{
		"POST /api/v10/accounts":              {Member: "account", Again: true},
		"GET /api/v10/accounts/{id}/balances": {InPath: true},
		"POST /api/v10/transactions/stream":   {Stream: true},
		"POST /api/v10/transactions/batch":    {Again: true},
		"POST /api/v10/transactions/estimate": {Member: "from", Again: true},
		"GET /api/v10/ws":                     {Stream: true},
		"GET /api/v10/realtime":               {Stream: true},
		"POST /api/v10/auth/login":            {Again: true},
		"POST /api/v10/auth/keys":             {},
		"GET /health":                         {},
	} {
		got := byPath[path]
		if got.Member != want.Member || got.InPath != want.InPath || got.Again != want.Again || got.Stream != want.Stream {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestLocate(t *testing.T) {
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/api/v10/transactions", `{"from":"a\u0062","to":"c","amount":1}`, "ab"},
		{"POST", "/api/v10/transactions/", `{"from":"a","to":"a","amount":"no"}`, "a"},
		{"POST", "/api/v10/transactions", `{"from":{"from":"a"}}`, ""},
		{"POST", "/api/v10/assets/X/issue", `{"issuer":"i","from":"f"}`, "i"},
		{"POST", "/api/v10/accounts", `{"account":"n"}`, "n"},
		{"GET", "/api/v10/accounts/a%20b", "", "a b"},
		{"HEAD", "/api/v10/accounts/a/nonce", "", "a"},
		{"GET", "/api/v10/accounts/a%2", "", ""},
		{"GET", "/api/v10/transactions", `{"from":"a"}`, ""},
		{"GET", "", "", ""},
	} {
		r, account := Locate(c.method, c.path)
		if r.Member != "" {
			account = r.AccountIn([]byte(c.body))
		}
		if account != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.method, c.path, c.body, account, c.want)
		}
	}
}
