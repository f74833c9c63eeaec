// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func numberText(n uint64) string { return strconv.FormatUint(n, 10) }

// asked is a gathered request of a client.
func asked(t *testing.T, body string, headers ...string) *request {
	t.Helper()
	r := httptest.NewRequest("POST", "/api/v10/a%2Fb?x=%20y", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return &request{Request: r, body: []byte(body)}
}

func wireTo(t *testing.T, address string) *wire {
	t.Helper()
	base, err := url.Parse(address)
	must(t, err)
	w := newWire(base)
	t.Cleanup(w.close)
	return w
}

func (w *wire) sends(t *testing.T, q *request) (*http.Response, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	resp, err := w.send(ctx, q, "X-More", "1")
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return resp, string(text), err
}

// TestWire: what a client wrote arrives but for its connection's headers, over one connection, also over TLS.
func TestWire(t *testing.T) {
	var connections atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, r.RequestURI, r.Host, body, r.Header.Get("X-Own"), r.Header["Idempotency-Key"], r.Header.Get("X-Hidden"), r.Header.Get("X-More"), r.Header.Get("X-Aurigraph-Hop"))
	})
	s := httptest.NewUnstartedServer(handler)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	w := wireTo(t, s.URL)
	q := asked(t, "body", "X-Own", "yes", "Idempotency-Key", "k", "Connection", "X-Hidden", "X-Hidden", "no", "X-Aurigraph-Hop", "1")
	for range 3 {
		_, text, err := w.sends(t, q)
		if want := fmt.Sprint("POST", "/api/v10/a%2Fb?x=%20y", "example.com", []byte("body"), "yes", []string{"k"}, "", "1", ""); err != nil || text != want {
			t.Errorf("%s, want %s: %v", text, want, err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	s.CloseClientConnections() // as a ledger does that is started again
	if _, _, err := w.sends(t, q); err != nil {
		t.Error(err)
	}
}

// TestWireFails: without a connection nothing was done; once something was written nobody knows, and it is not sent again.
func TestWireFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := wireTo(t, "http://"+l.Addr().String())
	var heard atomic.Int64
	answers := make(chan string, 1)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				heard.Add(1)
			}
			_, _ = io.WriteString(c, <-answers)
			_ = c.Close()
		}
	}()
	for _, test := range []struct {
		answer string
		kind   fault.Kind
	}{
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", fault.Internal}, // none; what was kept and is closed by then would never be accepted
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", fault.Internal},
		{"", fault.Timeout},
		{"HTTP/1.1 200", fault.Timeout},
		{"no HTTP\r\n\r\n", fault.Timeout},
		{"HTTP/1.1 101 Switching Protocols\r\n\r\n", fault.Timeout},
		{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", headerBytesMax) + "\r\n\r\n", fault.Timeout},
	} {
		answers <- test.answer
		before := heard.Load()
		_, text, err := w.sends(t, asked(t, ""))
		if test.kind == fault.Internal && (err != nil || text != "ok") || test.kind != fault.Internal && !fault.Is(err, test.kind) {
			t.Errorf("%.30q: %q %v", test.answer, text, err)
		}
		if n := heard.Load() - before; n != 1 {
			t.Errorf("%.30q: sent %d times", test.answer, n)
		}
	}
	must(t, l.Close())
	<-served
	_, _, err = w.sends(t, asked(t, ""))
	wants(t, err, fault.TryLater, reasonUnsent)
	if len(w.open) != 0 {
		t.Errorf("%d connections are open", len(w.open))
	}
}
