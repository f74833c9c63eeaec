// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/access/jwks"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// idp is an identity provider with one Ed25519 and one P-256 key.
type idp struct {
	ed  ed25519.PrivateKey
	ec  *ecdsa.PrivateKey
	bad atomic.Bool // cannot be reached
}

const (
	idpIssuer   = "https://id.example.com"
	idpAudience = "ledger"
)

func newIDP(t *testing.T) *idp {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &idp{ed: ed, ec: ec}
}

func (i *idp) fetch(context.Context, string) ([]byte, error) {
	if i.bad.Load() {
		return nil, fault.New(fault.Unavailable, "no route")
	}
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := i.ec.PublicKey.Bytes()
	return fmt.Appendf(nil, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","x":%q},{"kty":"EC","crv":"P-256","kid":"ec","use":"sig","x":%q,"y":%q}]}`,
		b64(i.ed.Public().(ed25519.PublicKey)), b64(point[1:33]), b64(point[33:])), err
}

// claims are good ones.
func (i *idp) claims() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": idpIssuer, "aud": idpAudience, "sub": "erika", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(),
		"aurigraph_roles": []string{"payer", "admin"}, "aurigraph_accounts": []string{"alice"}, "aurigraph_account_prefixes": []string{"acme/"},
	}
}

func signed(t *testing.T, m jwt.SigningMethod, key crypto.PrivateKey, header map[string]any, c jwt.Claims) string {
	t.Helper()
	token := jwt.NewWithClaims(m, c)
	for name, v := range header {
		token.Header[name] = v
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// withProvider runs a guard that takes the tokens of a provider, in a bubble.
func withProvider(t *testing.T, do func(t *testing.T, g *Guard, i *idp)) {
	synctest.Test(t, func(t *testing.T) {
		i := newIDP(t)
		g, err := New(Config{Providers: []Provider{{Name: "corp", Issuer: idpIssuer, Audience: idpAudience, KeySet: "set"}}},
			Parts{Fetch: i.fetch, Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Identify(t.Context(), bearer(signed(t, jwt.SigningMethodEdDSA, i.ed, map[string]any{"kid": "ed"}, i.claims())))
		mustBe(t, err, fault.Unavailable, "key_set_missing") // not fetched yet
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		synctest.Wait()
		do(t, g, i)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestProviderToken(t *testing.T) {
	withProvider(t, func(t *testing.T, g *Guard, i *idp) {
		for _, text := range []string{
			signed(t, jwt.SigningMethodEdDSA, i.ed, map[string]any{"kid": "ed"}, i.claims()),
			signed(t, jwt.SigningMethodES256, i.ec, map[string]any{"kid": "ec"}, i.claims()),
			signed(t, jwt.SigningMethodES256, i.ec, nil, i.claims()), // the only key that fits
		} {
			c, err := g.Identify(t.Context(), bearer(text))
			if err != nil {
				t.Fatal(err)
			}
			// The provider may not make administrators.
			if c.ID() != "jwt/corp/erika" || c.Roles() != Payer || c.May("alice") != nil || c.May("acme/1") != nil || c.May("bob") == nil {
				t.Error(c.ID(), c.Roles().Names())
			}
			if clear, person := c.Who(); clear != "jwt" || person != "corp/erika" {
				t.Error(clear, person)
			}
			_, err = g.Refresh(t.Context(), text)
			mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		}
	})
}

// Each way in which a token can be wrong is refused.
func TestProviderTokenRefused(t *testing.T) {
	withProvider(t, func(t *testing.T, g *Guard, i *idp) {
		other := newIDP(t)
		ed := map[string]any{"kid": "ed"}
		with := func(name string, v any) jwt.MapClaims {
			c := i.claims()
			if c[name] = v; v == nil {
				delete(c, name)
			}
			return c
		}
		now := time.Now()
		good := signed(t, jwt.SigningMethodEdDSA, i.ed, ed, i.claims())
		head, rest, _ := strings.Cut(good, ".")
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
		for name, text := range map[string]string{
			"another's key":     signed(t, jwt.SigningMethodEdDSA, other.ed, ed, i.claims()),
			"no such key":       signed(t, jwt.SigningMethodEdDSA, i.ed, map[string]any{"kid": "x"}, i.claims()),
			"key of other type": signed(t, jwt.SigningMethodES256, i.ec, ed, i.claims()),
			"shared secret":     signed(t, jwt.SigningMethodHS256, []byte(i.ed.Public().(ed25519.PublicKey)), ed, i.claims()),
			"no signature":      none + "." + rest[:strings.Index(rest, ".")+1],
			"cut signature":     good[:len(good)-4],
			"changed":           head + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+idpIssuer+`","sub":"root"}`)) + rest[strings.Index(rest, "."):],
			"critical":          signed(t, jwt.SigningMethodEdDSA, i.ed, map[string]any{"kid": "ed", "crit": []string{"exp"}}, i.claims()),
			"expired":           signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("exp", now.Add(-leewayDefault-time.Second).Unix())),
			"without end":       signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("exp", nil)),
			"not yet":           signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("nbf", now.Add(leewayDefault+2*time.Second).Unix())),
			"of the future":     signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("iat", now.Add(leewayDefault+2*time.Second).Unix())),
			"for others":        signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("aud", "shop")),
			"for nobody":        signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("aud", nil)),
			"unknown issuer":    signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("iss", idpIssuer+"/")),
			"as if ours":        signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("iss", localIssuer)),
			"no subject":        signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("sub", nil)),
			"long subject":      signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("sub", strings.Repeat("x", subjectBytesMax+1))),
			"no roles":          signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("aurigraph_roles", nil)),
			"unknown role":      signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("aurigraph_roles", []string{"payer", "king"})),
			"forbidden role":    signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("aurigraph_roles", []string{"admin"})),
			"empty prefix":      signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("aurigraph_account_prefixes", []string{""})),
		} {
			c, err := g.Identify(t.Context(), bearer(text))
			if !fault.Is(err, fault.Denied) || fault.ReasonOf(err) != v10.ReasonUnauthenticated {
				t.Errorf("%s: %v %v", name, c, err)
			}
		}
		if _, err := g.Identify(t.Context(), bearer(signed(t, jwt.SigningMethodEdDSA, i.ed, ed, with("exp", now.Add(-leewayDefault/2).Unix())))); err != nil {
			t.Error("within the leeway:", err)
		}
	})
}

// A provider that changes its keys is asked again, but not for each token; one that is gone for too long is believed no more.
func TestKeySetRefresh(t *testing.T) {
	withProvider(t, func(t *testing.T, g *Guard, i *idp) {
		next := newIDP(t)
		text := func() string {
			return signed(t, jwt.SigningMethodEdDSA, next.ed, map[string]any{"kid": "new"}, next.claims())
		}
		var fetches atomic.Int32
		old := i.fetch
		keys, err := jwks.New(jwks.Config{Source: "set", Fetch: func(ctx context.Context, s string) ([]byte, error) {
			if fetches.Add(1) == 1 {
				return old(ctx, s)
			}
			set, err := next.fetch(ctx, s)
			return []byte(strings.Replace(string(set), `"ed"`, `"new"`, 1)), err
		}})
		if err != nil {
			t.Fatal(err)
		}
		g.tokens.providers[idpIssuer].keys = keys
		go keys.Run(t.Context())
		synctest.Wait()
		for range 100 {
			_, err := g.Identify(t.Context(), bearer(text()))
			mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		}
		<-time.After(jwks.RefreshMin + time.Second)
		if _, err := g.Identify(t.Context(), bearer(text())); err != nil || fetches.Load() != 2 {
			t.Fatal(fetches.Load(), err)
		}
		next.bad.Store(true)
		<-time.After(jwks.StaleMax - time.Minute)
		if _, err := g.Identify(t.Context(), bearer(text())); err != nil {
			t.Fatal(err)
		}
		<-time.After(jwks.RefreshEvery + time.Minute)
		_, err = g.Identify(t.Context(), bearer(text()))
		mustBe(t, err, fault.Unavailable, "key_set_missing")
	})
}

// A signature is not looked at twice in a short time; what the token says is, and a withdrawn key ends soon.
func TestVerifiedTokens(t *testing.T) {
	withProvider(t, func(t *testing.T, g *Guard, i *idp) {
		text := signed(t, jwt.SigningMethodEdDSA, i.ed, map[string]any{"kid": "ed"}, i.claims())
		if _, err := g.Identify(t.Context(), bearer(text)); err != nil {
			t.Fatal(err)
		}
		withdrawn, err := jwks.New(jwks.Config{Source: "set", Fetch: newIDP(t).fetch})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go withdrawn.Run(ctx)
		synctest.Wait()
		g.tokens.providers[idpIssuer].keys = withdrawn
		<-time.After(verifiedFor - time.Second)
		if _, err := g.Identify(t.Context(), bearer(text)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		_, err = g.Identify(t.Context(), bearer(text))
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		g.tokens.verified.put("short.lived.token", &claims{RegisteredClaims: jwt.RegisteredClaims{
			Issuer: idpIssuer, Audience: jwt.ClaimStrings{idpAudience}, Subject: "x", ExpiresAt: numeric(time.Now().Add(5*time.Second - leewayDefault)),
		}, Roles: []string{"reader"}}, g.tokens.providers[idpIssuer])
		if _, err := g.Identify(t.Context(), bearer("short.lived.token")); err != nil {
			t.Fatal(err)
		}
		<-time.After(6 * time.Second)
		_, err = g.Identify(t.Context(), bearer("short.lived.token"))
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	})
}

func TestVerifiedIsBounded(t *testing.T) {
	v := newVerified()
	for i := range 2 * verifiedMax {
		v.put(fmt.Sprint(i), &claims{}, nil)
		if _, ok := v.get(fmt.Sprint(i)); !ok {
			t.Fatal("forgotten at once:", i)
		}
	}
	if n := len(v.young) + len(v.old); n > verifiedMax {
		t.Error(n)
	}
}

// The key of a file is made once, and shared; what is none is refused.
func TestTokenKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.pem")
	a, err := tokenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tokenKey(path)
	if err != nil || !a.Equal(b) {
		t.Fatal("another key", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err = tokenKey(path)
	mustBe(t, err, fault.Denied, "")
	if err := replacePrivate(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err = tokenKey(path)
	mustBe(t, err, fault.Corrupt, "")
}

func FuzzHeaders(f *testing.F) {
	_, text := newSecret()
	for _, seed := range []string{text, "Bearer " + text, "Bearer a.b.c", "Basic eDp5", "Bearer  ", "bearer\t" + text, ""} {
		f.Add(seed, seed)
		f.Add(seed, "")
		f.Add("", seed)
	}
	f.Fuzz(func(t *testing.T, key, authorization string) {
		var h Headers
		if key != "" {
			h.APIKey = []string{key}
		}
		if authorization != "" {
			h.Authorization = []string{authorization}
		}
		c, why := h.read()
		if (why == "") != ((c.key == "") != (c.token == "")) {
			t.Fatalf("%+v is %+v, %q", h, c, why)
		}
		if why != "" {
			return
		}
		if c.key != "" && (!isKeyText(c.key) || !strings.Contains(key+authorization, c.key)) {
			t.Fatalf("key %q of %+v", c.key, h)
		}
		if c.token != "" && (!isTokenText(c.token) || !strings.HasSuffix(strings.TrimRight(authorization, " \t"), c.token)) {
			t.Fatalf("token %q of %+v", c.token, h)
		}
	})
}

// No bytes but those that were signed are a token: whatever is made of a good one is refused, and nothing panics.
func FuzzToken(f *testing.F) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	tokens := newTokens(key)
	good, err := tokens.sign(&claims{RegisteredClaims: jwt.RegisteredClaims{
		Issuer: localIssuer, Audience: jwt.ClaimStrings{localIssuer}, Subject: "key/x", ExpiresAt: numeric(time.Now().Add(time.Hour)),
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good + "=")
	f.Add(strings.ToLower(good))
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		c, from, why, err := tokens.read(text)
		if err != nil {
			t.Fatal(err)
		}
		if (why == "") != (text == good) || from != nil {
			t.Fatalf("%q: %+v, %q", text, c, why)
		}
	})
}
