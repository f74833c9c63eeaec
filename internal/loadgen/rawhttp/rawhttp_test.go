// SPDX-License-Identifier: Apache-2.0

package rawhttp

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func soon() time.Time { return time.Now().Add(10 * time.Second) }

// TestPool: what is sent arrives whole, a connection is used again, and one whose server says so is not.
func TestPool(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{} // requests by the client's address
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		seen[r.RemoteAddr]++
		mu.Unlock()
		if r.Header.Get("Bye") != "" {
			w.Header().Set("Connection", "close")
		}
		if r.URL.Path == "/teapot" {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = w.Write(append([]byte(r.Method+" "), text...))
	}))
	defer s.Close()
	address := s.Listener.Addr().String()
	p := NewPool(address, 2)
	defer p.Close()
	do := func(request []byte) (status int, body string) {
		t.Helper()
		if err := p.Do(soon(), request, func(r *Response) { status, body = r.Status, string(r.Body) }); err != nil {
			t.Fatal(err)
		}
		return status, body
	}
	if status, body := do(AppendPost(nil, address, "/", []byte(`{"a":1}`))); status != 200 || body != `POST {"a":1}` {
		t.Error(status, body)
	}
	if status, body := do(AppendPost(nil, address, "/teapot", nil, "Bye: 1")); status != 418 || body != "POST " {
		t.Error(status, body)
	}
	if p.Open() != 0 {
		t.Error("a connection is kept that the server closes")
	}
	if _, body := do(AppendGet(nil, address, "/x")); body != "GET " {
		t.Error(body)
	}
	if len(seen) != 2 || p.Open() != 1 {
		t.Error(seen, p.Open())
	}
}

// serve answers each connection with a text once it has read a request's head, and closes it.
func serve(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// TestBrokenAnswers: what is no whole answer is an error, and its connection is not used again.
func TestBrokenAnswers(t *testing.T) {
	for text, kind := range map[string]fault.Kind{
		"":                              fault.Unavailable,
		"HTTP/1.1 200 OK\r\nContent-Le": fault.Unavailable,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc":                                   fault.Unavailable,
		"HTTP/1.1 200 OK\r\n\r\n":                                                           fault.Corrupt,
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n":                                     fault.Corrupt,
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n":                            fault.Corrupt,
		"SSH-2.0-OpenSSH\r\n":                                                               fault.Corrupt,
		"HTTP/1.1 2x0 OK\r\n":                                                               fault.Corrupt,
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 100): fault.Corrupt,
	} {
		p := NewPool(serve(t, text), 1)
		err := p.Do(soon(), AppendGet(nil, "x", "/"), func(r *Response) { t.Errorf("%.40q: %+v", text, r) })
		if fault.KindOf(err) != kind || p.Open() != 0 {
			t.Errorf("%.40q: %v, %d open", text, err, p.Open())
		}
	}
}

// TestNoRetry: a request on a connection that the server closed meanwhile is lost, and not sent on another one.
func TestNoRetry(t *testing.T) {
	address := serve(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	p := NewPool(address, 4)
	lost := 0
	for range 20 {
		if p.Do(soon(), AppendGet(nil, address, "/"), func(*Response) {}) != nil {
			lost++
		}
	}
	if lost != 10 {
		t.Errorf("%d of 20 were lost: every second one meets a closed connection", lost)
	}
}

// TestPoolBound: beyond its bound a pool refuses, and a refused dial takes no place.
func TestPoolBound(t *testing.T) {
	p := NewPool("127.0.0.1:1", 1)
	for range 3 {
		if err := p.Do(soon(), nil, nil); !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
	}
	if err := NewPool("127.0.0.1:1", 0).Do(soon(), nil, nil); !fault.Is(err, fault.TryLater) {
		t.Error(err)
	}
}
