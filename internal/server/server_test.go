// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDevTLS(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	files, ca, err := DevTLS(dir, []string{"localhost", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(files.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal("the key must be private", info.Mode(), err)
	}
	read := func() string {
		b, err := os.ReadFile(files.Cert)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := read()
	again := func(hosts ...string) {
		t.Helper()
		if _, _, err := DevTLS(dir, hosts); err != nil {
			t.Fatal(err)
		}
	}
	again("127.0.0.1")
	if read() != first {
		t.Error("a good certificate must be kept")
	}
	again("elsewhere")
	if read() == first {
		t.Error("a certificate for other hosts must be made anew")
	}
	again("localhost", "127.0.0.1")
	second := read()
	if err := os.WriteFile(ca, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	again("localhost", "127.0.0.1")
	if read() == second {
		t.Error("a damaged authority must be made anew")
	}
	state := handshake(t, files, ca)
	if state.Version != tls.VersionTLS13 || state.CurveID != tls.X25519MLKEM768 {
		t.Errorf("version %x, key exchange %v", state.Version, state.CurveID)
	}
}

func handshake(t *testing.T, files TLSFiles, ca string) tls.ConnectionState {
	t.Helper()
	cfg, err := files.Load()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen("127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = tls.Server(c, cfg).Handshake()
			c.Close()
		}
		done <- err
	}()
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState()
}

func TestRefusals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, noHosts := DevTLS(t.TempDir(), nil)
	_, _, noFolder := DevTLS(filepath.Join(file, "tls"), []string{"localhost"})
	_, _, badHost := DevTLS(t.TempDir(), []string{"b\xffd"})
	_, noFiles := TLSFiles{Cert: file, Key: file}.Load()
	taken, err := Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, inUse := Listen(taken.Addr().String(), 1)
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"no hosts": {noHosts, fault.Invalid}, "bad host": {badHost, fault.Invalid}, "no folder": {noFolder, fault.Unavailable},
		"no files": {noFiles, fault.Invalid}, "address in use": {inUse, fault.Unavailable},
	} {
		if !fault.Is(c.err, c.kind) {
			t.Errorf("%s: %v, want %v", name, c.err, c.kind)
		}
	}
}

func TestServeHTTP(t *testing.T) {
	l, err := Listen("127.0.0.1:0", 4)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	go func() { done <- ServeHTTP(ctx, l, hello) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || string(body) != "hello" {
		t.Fatal(string(body), err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestServeHTTPEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := ServeHTTP(t.Context(), l, http.NotFoundHandler()); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	// A request that does not end is cut when its grace is over.
	if l, err = Listen("127.0.0.1:0", 4); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- ServeHTTP(ctx, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		}))
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if answer, err := client.Get("http://" + l.Addr().String()); err == nil {
		answer.Body.Close()
		t.Error("the request should have been cut")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
