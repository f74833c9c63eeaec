// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/router"
)

// TestShadow: reads that were routed are offered, as the client wrote them, with the id that the ledger saw; writes, streams and what the
// router itself answers are not.
func TestShadow(t *testing.T) {
	ids := make(chan string, 10)
	ledger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ids <- r.Header.Get(router.RequestIDHeader) }))
	defer ledger.Close()
	type offer struct {
		line, key, id string
		way           router.Way
	}
	offers, table := make(chan offer, 10), router.Compile(&router.Map{})
	_, address, stop := run(t, Config{Dir: t.TempDir(), V10: ledger.URL, V11: []string{ledger.URL}, Shadow: func(method, uri string, h http.Header, way router.Way) {
		offers <- offer{method + " " + uri, h.Get("X-API-Key"), h.Get(router.RequestIDHeader), way}
	}})
	for _, line := range []string{
		"GET /api/v10/accounts/alice%20ltd/balances?x=%2F", "POST /api/v10/transactions", "GET /api/v10/realtime", "OPTIONS /api/v10/assets", "HEAD /api/v10/assets",
	} {
		method, path, _ := strings.Cut(line, " ")
		q, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		q.Header = http.Header{"X-Api-Key": {"key"}, router.RequestIDHeader: {"a client's own"}}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		id := <-ids
		if method != http.MethodHead && !strings.HasSuffix(path, "%2F") {
			continue
		}
		want := offer{line, "key", id, table.Way("alice ltd")}
		if method == http.MethodHead {
			want.way = table.Way("")
		}
		if got := <-offers; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if len(offers) > 0 {
		t.Errorf("offered as well: %+v", <-offers)
	}
}
