// SPDX-License-Identifier: Apache-2.0

package routertest

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/router"
)

// Paths that the ledgers of the suite answer in a way of their own. All else is answered by what came.
const (
	eventsPath = "/api/v10/realtime"
	socketPath = "/api/v10/ws"
	linesPath  = "/api/v10/transactions/stream"
	payPath    = "/api/v10/transactions"
	batchPath  = "/api/v10/transactions/batch"
)

// idHeader numbers the suite's requests.
const idHeader = "X-Test-Id"

// ledger is one side: it counts requests by their id.
type ledger struct {
	*httptest.Server
	side router.Side

	mu    sync.Mutex
	seen  map[string]int
	tries map[string][]string // the router's ids of a request, by the suite's
	last  *http.Request
	cut   bool          // reads a request and hangs up
	more  chan struct{} // an event is sent for each
}

func newLedger(t testing.TB, side router.Side) *ledger {
	l := &ledger{side: side, seen: map[string]int{}, tries: map[string][]string{}, more: make(chan struct{})}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *ledger) address() string { return l.Listener.Addr().String() }

func (l *ledger) count(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[id]
}

// times is how many requests of an id a ledger took for different ones: it knows those that come again under one id of the router's.
func (l *ledger) times(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(slices.Compact(slices.Clone(l.tries[id])))
}

// routerIDs are the router's ids of all requests that came.
func (l *ledger) routerIDs() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := map[string]bool{}
	for _, tries := range l.tries {
		for _, id := range tries {
			ids[id] = true
		}
	}
	return ids
}

func (l *ledger) all() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, times := range l.seen {
		n += times
	}
	return n
}

func (l *ledger) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *ledger) lastRequest() *http.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// ServeHTTP answers with the side and what came.
func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	id := r.Header.Get(idHeader)
	l.seen[id]++
	l.tries[id] = append(l.tries[id], r.Header.Get(router.RequestIDHeader))
	l.last = r
	cut := l.cut
	l.mu.Unlock()
	switch r.URL.Path {
	case eventsPath:
		l.events(w, r)
		return
	case socketPath:
		l.socket(w, r)
		return
	case linesPath:
		l.lines(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if cut || err != nil {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close() // that is the answer
		}
		return
	}
	_, _ = io.WriteString(w, answerOf(l.side, r.Method, r.RequestURI, body))
}

func answerOf(side router.Side, method, target string, body []byte) string {
	return fmt.Sprintf("%s %s %s %d %08x", side, method, target, len(body), crc32.ChecksumIEEE(body))
}

func (l *ledger) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for n := 0; ; n++ {
		_, _ = fmt.Fprintf(w, "data: %s %d\n\n", l.side, n)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-l.more:
		case <-r.Context().Done():
			return
		}
	}
}

// socket answers a handshake, then echoes: what passes after the switch is none of a router's business.
func (l *ledger) socket(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "no handshake", http.StatusBadRequest)
		return
	}
	c, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = both.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	_ = both.Flush()
	_, _ = io.Copy(c, both)
}

// lines answers each line of a request as it comes.
func (l *ledger) lines(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex()
	in := bufio.NewScanner(r.Body)
	for in.Scan() {
		_, _ = fmt.Fprintf(w, "%s %s\n", l.side, strings.ToUpper(in.Text()))
		_ = control.Flush()
	}
}
