// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
)

// serveLedger runs a V10 reference ledger in which alice has money.
func serveLedger(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan legacy.Addresses, 1), make(chan error, 1)
	cfg := legacy.Config{
		Dir: t.TempDir(), Engine: legacy.EnginePebble, Listen: "127.0.0.1:0", Version: "test",
		Fund: []legacy.Fund{{Account: "alice", Units: chain.Units(1_000_000_00000000)}},
	}
	go func() { ended <- legacy.Run(ctx, cfg, func(at legacy.Addresses) { ready <- at }) }()
	select {
	case at := <-ready:
		t.Cleanup(func() {
			http.DefaultClient.CloseIdleConnections()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		return "http://" + at.Rest
	case err := <-ended:
		cancel()
		t.Fatal(err)
		return ""
	}
}

func pay(t *testing.T, ledger, to string, amount int) {
	t.Helper()
	body := fmt.Sprintf(`{"from":"alice","to":%q,"amount":%d}`, to, amount)
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ledger+"/api/v10/transactions", strings.NewReader(body))
	must(t, err)
	resp, err := http.DefaultClient.Do(q)
	must(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("a payment was answered %d", resp.StatusCode)
	}
}

// TestLedgers compares two ledgers that were told the same: every read of the dialect is equal, or noise. Then one of them is told more, which is found in what
// it changed, and nowhere else.
func TestLedgers(t *testing.T) {
	a, b := serveLedger(t), serveLedger(t)
	for _, ledger := range []string{a, b} {
		pay(t, ledger, "bob", 5)
	}
	var reads []string
	all := v10.Endpoints()
	for i := range all {
		if e := &all[i]; e.Method == http.MethodGet && !own[e.Path] && e.Content != "text/event-stream" && e.Content != "websocket" {
			reads = append(reads, strings.NewReplacer("{id}", "bob", "{code}", "AUR", "{height}", "1", "{hash}", "0x00", "{widget}", "tps").Replace(e.Path))
		}
	}
	w := newWorld(t, &side{Server: &httptest.Server{}}, &side{Server: &httptest.Server{}}, func(cfg *Config) { cfg.V10, cfg.V11, cfg.Told = a, []string{b}, nil }).run(t)
	for _, read := range reads {
		w.Offer(http.MethodGet, read, nil, router.Way{})
	}
	r := w.until(t, "all reads", func(r *Report) bool { return r.Compared == uint64(len(reads)) })
	for _, m := range r.Mismatches {
		t.Errorf("%+v", m)
	}
	t.Logf("%d reads: %d equal, %d late, %d noise", r.Compared, r.Equal, r.Late, r.Noise)
	pay(t, b, "bob", 1)
	for _, read := range []string{"/api/v10/accounts/bob", "/api/v10/accounts/bob/balances", "/api/v10/assets/AUR"} {
		w.Offer(http.MethodGet, read, nil, router.Way{})
	}
	r = w.until(t, "three more", func(r *Report) bool { return r.Compared == uint64(len(reads)+3) })
	if r.Differs != 2 || len(r.Mismatches) == 0 {
		t.Errorf("%+v", r)
	}
	for _, m := range r.Mismatches {
		if !strings.HasPrefix(m.Row, "GET /api/v10/accounts/{id}") {
			t.Errorf("%+v", m)
		}
	}
}
