// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// home is a V10 for tests, and a client of it.
func home(t *testing.T, cfg Config, handle http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handle)
	cfg.URL = s.URL
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c
}

func post(body string) *Request {
	return &Request{Method: "POST", Target: "/api/v10/transactions?a=b%20c", ContentType: "application/json", Body: []byte(body)}
}

// wants checks the kind and reason of an error.
func wants(t *testing.T, err error, kind fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.ReasonOf(err) != reason {
		t.Errorf("%v (%v, %s), want %v, %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}

func TestForward(t *testing.T) {
	c := home(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get(Header) == "" || r.Header.Get("Idempotency-Key") != "k" || r.Header.Get("X-Request-Id") != "r" || r.RequestURI != "/api/v10/transactions?a=b%20c" || r.ContentLength != 4 {
			t.Errorf("%s %v", r.RequestURI, r.Header)
		}
		w.Header().Set("X-Own", "yes")
		w.Header().Set("Connection", "X-Hidden")
		w.Header().Set("X-Hidden", "1")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
		_, _ = w.Write(append([]byte("got "), body...))
	})
	q := post("body")
	q.Key, q.Others = "k", http.Header{"X-Request-Id": {"r"}}
	a, err := c.Forward(t.Context(), q)
	if err != nil || a.Code != http.StatusTemporaryRedirect || string(a.Body) != "got body" {
		t.Fatalf("%+v %v", a, err)
	}
	if h := a.Header; h.Get("X-Own") != "yes" || h.Get("X-Hidden")+h.Get("Connection")+h.Get("Date")+h.Get("Content-Length") != "" || h.Get("Location") == "" {
		t.Error(a.Header)
	}
}

// TestUnreached: nobody listens, so nothing was sent.
func TestUnreached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{URL: "http://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, err = c.Forward(t.Context(), post("x"))
	wants(t, err, fault.TryLater, ReasonUnsent)
	lines := c.Lines(post(""))
	_, err = lines.Exchange(t.Context(), [][]byte{[]byte("x")})
	wants(t, err, fault.TryLater, ReasonUnsent)
	_, err = lines.Exchange(t.Context(), [][]byte{[]byte("x")})
	wants(t, err, fault.TryLater, ReasonBroken)
	lines.Close()
	if n := c.underWay.Load(); n != 0 {
		t.Errorf("%d are under way", n)
	}
}

// TestUnknown: what was sent and not answered whole is sent once, whatever key it has, also on a connection that served before.
func TestUnknown(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	defer close(release)
	answers := map[string]func(w http.ResponseWriter){
		"cut":   func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"half":  func(w http.ResponseWriter) { w.Header().Set("Content-Length", "10"); _, _ = w.Write([]byte("half")) },
		"large": func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, AnswerBytesMax+1)) },
		"slow": func(w http.ResponseWriter) {
			select {
			case <-release:
			case <-time.After(10 * time.Second):
			}
		},
		"good": func(http.ResponseWriter) {},
	}
	c := home(t, Config{TimeMax: 300 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		answers[string(body)](w)
	})
	for _, how := range []string{"cut", "half", "large", "slow"} {
		good := post("good")
		if _, err := c.Forward(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		before := asked.Load()
		q := post(how)
		q.Key = "k"
		_, err := c.Forward(t.Context(), q)
		wants(t, err, fault.Timeout, ReasonUnknown)
		if n := asked.Load() - before; n != 1 {
			t.Errorf("%s: asked %d times", how, n)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := c.Forward(gone, post("good"))
	if err == nil {
		t.Error("a caller who has left is served")
	}
}

// TestUnderWayIsBounded: more are told to come later, and nothing waits for them.
func TestUnderWayIsBounded(t *testing.T) {
	entered, release := make(chan struct{}, 3), make(chan struct{})
	c := home(t, Config{UnderWayMax: 2}, func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, err := c.Forward(t.Context(), post("x")); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	<-entered
	_, err := c.Forward(t.Context(), post("x"))
	wants(t, err, fault.TryLater, ReasonFull)
	close(release)
	all.Wait()
	if _, err := c.Forward(t.Context(), post("x")); err != nil {
		t.Error(err)
	}
}

// echo answers a line for each line, while the request still comes; after so many it hangs up.
func echo(after int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		w.Header().Set("Connection", "close")
		in := bufio.NewScanner(r.Body)
		for n := 0; in.Scan(); n++ {
			if n == after {
				if conn, _, err := control.Hijack(); err == nil {
					_ = conn.Close()
				}
				return
			}
			fmt.Fprintf(w, "%d:%s\n", n, in.Text())
			_ = control.Flush()
		}
	}
}

func TestLines(t *testing.T) {
	c := home(t, Config{}, echo(-1))
	lines := c.Lines(post(""))
	total := 0
	for _, n := range []int{1, 1000, 3} {
		out := make([][]byte, n)
		for i := range out {
			out[i] = []byte(strings.Repeat("x", 1000))
		}
		answers, err := lines.Exchange(t.Context(), out)
		if err != nil || len(answers) != n {
			t.Fatalf("%d answers: %v", len(answers), err)
		}
		for i, a := range answers {
			if !strings.HasPrefix(string(a), fmt.Sprintf("%d:xx", total+i)) {
				t.Fatalf("line %d: %.20s", total+i, a)
			}
		}
		total += n
	}
	lines.Close()
	lines.Close()
	if n := c.underWay.Load(); n != 0 {
		t.Errorf("%d are under way", n)
	}
}

func TestLinesBreak(t *testing.T) {
	c := home(t, Config{}, echo(2))
	lines := c.Lines(post(""))
	one := [][]byte{[]byte("x")}
	if _, err := lines.Exchange(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	_, err := lines.Exchange(t.Context(), [][]byte{one[0], one[0], one[0]})
	wants(t, err, fault.Timeout, ReasonUnknown)
	_, err = lines.Exchange(t.Context(), one)
	wants(t, err, fault.TryLater, ReasonBroken)
	lines.Close()

	refused := home(t, Config{}, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "full", http.StatusServiceUnavailable) })
	lines = refused.Lines(post(""))
	_, err = lines.Exchange(t.Context(), one)
	if r, ok := err.(*Refusal); !ok || r.Code != http.StatusServiceUnavailable || string(r.Body) != "full\n" {
		t.Errorf("%v", err)
	}
	lines.Close()

	hangsUp := home(t, Config{}, echo(0))
	lines = hangsUp.Lines(post(""))
	_, err = lines.Exchange(t.Context(), one)
	wants(t, err, fault.Timeout, ReasonUnknown)
	lines.Close()

	stalls := home(t, Config{TimeMax: 50 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	lines = stalls.Lines(post(""))
	_, err = lines.Exchange(t.Context(), one)
	wants(t, err, fault.Timeout, ReasonUnknown)
	lines.Close()

	ctx, cancel := context.WithCancel(t.Context())
	silent := home(t, Config{}, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		_, _ = io.Copy(io.Discard, r.Body)
	})
	lines = silent.Lines(post(""))
	_, err = lines.Exchange(ctx, one)
	wants(t, err, fault.Timeout, ReasonUnknown)
	lines.Close()
}

func TestURL(t *testing.T) {
	for text, good := range map[string]bool{
		"http://v10:9003": true, "https://v10.example": true, "http://[::1]:9003/": true,
		"": false, "v10:9003": false, "http://": false, "ftp://v10": false, "http://v10/api": false, "http://v10?x=1": false, "http://u:p@v10": false, "http://v10#x": false, "http://%zz": false,
	} {
		if _, err := New(Config{URL: text}); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := New(Config{URL: "http://v10", UnderWayMax: -1}); err == nil {
		t.Error("a bound below 1")
	}
}
