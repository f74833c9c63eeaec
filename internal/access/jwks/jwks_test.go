// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// The keys of RFC 7517, appendix A.1, and of RFC 8037, appendix A.2.
const (
	rfcEC  = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}`
	rfcRSA = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	rfcOKP = `{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
)

func set(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func TestParse(t *testing.T) {
	sig := strings.Replace(rfcEC, `"enc"`, `"sig"`, 1)
	s, err := Parse(set(rfcEC, rfcRSA, rfcOKP, sig, `{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T","kid":"shared"}`, `7`))
	if err != nil || len(s.keys) != 3 {
		t.Fatal(s, err)
	}
	for kid, algorithms := range map[string]string{"1": "ES256", "2011-04-29": "RS256", "ed": "EdDSA", "shared": "", "": "ES256 RS256 EdDSA"} {
		for _, algorithm := range append(Algorithms(), "HS256", "none", "") {
			_, ok := s.find(kid, algorithm)
			if ok != (algorithm != "" && strings.Contains(" "+algorithms+" ", " "+algorithm+" ")) {
				t.Errorf("key %q for %q: %v", kid, algorithm, ok)
			}
		}
	}
	two, err := Parse(set(rfcOKP, strings.Replace(rfcOKP, `"ed"`, `"other"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := two.find("", "EdDSA"); ok {
		t.Error("which of two keys is meant must be said")
	}
}

func TestParseRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	for name, text := range map[string][]byte{
		"no JSON":      []byte("x"),
		"empty":        set(),
		"no list":      []byte(`{}`),
		"small RSA":    set(fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB"}`, b64(small.N.Bytes()))),
		"exponent 1":   set(strings.Replace(rfcRSA, `"AQAB"`, `"AQ"`, 1)),
		"even":         set(strings.Replace(rfcRSA, `"AQAB"`, `"AQAA"`, 1)),
		"alg of other": set(strings.Replace(rfcRSA, "RS256", "ES256", 1)),
		"unknown alg":  set(strings.Replace(rfcRSA, "RS256", "HS256", 1)),
		"not on curve": set(`{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyN"}`),
		"short":        set(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg"}`),
		"X25519":       set(strings.Replace(rfcOKP, "Ed25519", "X25519", 1)),
		"encryption":   set(rfcEC),
		"signs only":   set(strings.Replace(rfcOKP, `"kid"`, `"key_ops":["sign"],"kid"`, 1)),
		"too many":     set(strings.Split(strings.Repeat(rfcOKP+"|", KeysMax)+rfcOKP, "|")...),
		"too large":    append(set(rfcOKP), make([]byte, SetBytesMax)...),
	} {
		if s, err := Parse(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func TestCheckSource(t *testing.T) {
	for source, good := range map[string]bool{
		"keys.json": true, "/etc/keys.json": true, "https://id.example.com/keys": true, "http://127.0.0.1:8080/k": true, "http://[::1]/k": true, "http://localhost/k": true,
		"": false, "http://id.example.com/keys": false, "ftp://x/k": false, "https://user:secret@id/k": false, "https:///k": false, "://": false,
		"http://localhost.example.com/k": false, "http://127.0.0.1.example.com/k": false,
	} {
		err := CheckSource(source)
		if (err == nil) != good {
			t.Errorf("%q: %v", source, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error("the error holds a password")
		}
	}
}

func TestFetch(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/keys":
			_, _ = w.Write(set(rfcOKP))
		case "/large":
			_, _ = w.Write(make([]byte, SetBytesMax+100))
		case "/away":
			http.Redirect(w, r, "http://id.example.com/keys", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}
	s := httptest.NewServer(http.HandlerFunc(answer))
	defer s.Close()
	path := filepath.Join(t.TempDir(), "set.json")
	if err := os.WriteFile(path, set(rfcOKP), 0o600); err != nil {
		t.Fatal(err)
	}
	for source, good := range map[string]bool{
		s.URL + "/keys": true, path: true, s.URL + "/large": false, s.URL + "/away": false, s.URL + "/round": false, s.URL + "/none": false, path + "x": false,
	} {
		k, err := New(Config{Source: source})
		if err != nil {
			t.Fatal(err)
		}
		if err := k.refresh(t.Context()); (err == nil) != good {
			t.Errorf("%s: %v", source, err)
		}
		if _, err := k.Key("ed", "EdDSA"); (err == nil) != good {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// What fails keeps the set, is told, and is tried again after RefreshMin; what goes well is enough for RefreshEvery.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards at and told
		var at []time.Duration
		var told []error
		began, failing := time.Now(), errors.New("no route")
		k, err := New(Config{Source: "x", Done: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, err)
		}, Fetch: func(context.Context, string) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(began))
			if len(at) == 2 {
				return nil, failing
			}
			return set(rfcOKP), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Key("ed", "EdDSA"); !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { k.Run(ctx); close(ended) }()
		<-time.After(2*RefreshEvery + RefreshMin + time.Second)
		mu.Lock()
		want := []time.Duration{0, RefreshEvery, RefreshEvery + RefreshMin, 2*RefreshEvery + RefreshMin}
		if fmt.Sprint(at) != fmt.Sprint(want) || len(told) != 4 || !errors.Is(told[1], failing) {
			t.Errorf("fetched at %v, must be %v; told %v", at, want, told)
		}
		mu.Unlock()
		if _, err := k.Key("ed", "EdDSA"); err != nil {
			t.Error(err)
		}
		if _, err := k.Key("new", "EdDSA"); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		<-time.After(RefreshMin)
		mu.Lock()
		if len(at) != 5 {
			t.Error("an unknown key must be asked for:", at)
		}
		mu.Unlock()
		cancel()
		<-ended
	})
}

func FuzzParse(f *testing.F) {
	f.Add(set(rfcEC, rfcRSA, rfcOKP))
	f.Add(set(`{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}`))
	f.Add([]byte(`{"keys":[null,{},[],"x"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		for i := range s.keys {
			if k := &s.keys[i]; k.public == nil || len(k.algorithms) == 0 || len(k.id) > kidBytesMax {
				t.Fatalf("%+v", k)
			}
		}
	})
}
