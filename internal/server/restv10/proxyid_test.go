// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
)

// keepingDesk makes once what stands under a key, as the ledger does.
type keepingDesk struct {
	*fakeLedger
	mu   sync.Mutex
	kept map[chain.IdempotencyKey]custody.Answer
}

func (d *keepingDesk) Key(caller, key string) (k chain.IdempotencyKey) {
	sum := sha256.Sum256([]byte(caller + "\x01" + key))
	copy(k[:], sum[:])
	return k
}

func (d *keepingDesk) PayMany(ctx context.Context, ps []custody.Payment) []custody.Answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]custody.Answer, len(ps))
	for i := range ps {
		first, again := d.kept[ps[i].Key]
		if out[i] = first; !again || !ps[i].Keyed {
			out[i] = d.fakeLedger.PayMany(ctx, ps[i:i+1])[0]
		}
		if ps[i].Keyed {
			d.kept[ps[i].Key] = out[i]
		}
	}
	return out
}

// startKeeping serves over a desk that keeps keys.
func startKeeping(t *testing.T) *world {
	t.Helper()
	return start(t, func(_ *Config, p *Parts) {
		ledger, _ := p.Desk.(*fakeLedger)
		p.Desk = &keepingDesk{fakeLedger: ledger, kept: map[chain.IdempotencyKey]custody.Answer{}}
	})
}

// TestProxyID: what a proxy sends again under the same id happens once and is answered the same to the byte: one payment, each of a batch, each
// line of a stream, and that of the control server.
func TestProxyID(t *testing.T) {
	w := startKeeping(t)
	batch := `{"transactions":[` + payment("alice", "bob", 1) + `,` + payment("alice", "bob", 1) + `,{"from":"nobody","to":"bob","amount":1},{"from":"alice","to":"bob","amount":0}]}`
	for path, c := range map[string]struct {
		body     string
		payments int
	}{
		submitPath:               {payment("alice", "bob", 1), 1},
		submitPath + "/batch":    {batch, 2},
		submitPath + "/stream":   {payment("alice", "bob", 1) + "\n" + payment("alice", "bob", 1) + "\nx", 2},
		"/api/node/transactions": {`{"id":"x","from":"alice","to":"bob","amount":1}`, 1},
	} {
		ask := func(id string) string {
			resp, body := w.ask("POST", path, c.body, proxyIDHeader, id)
			return fmt.Sprint(resp.StatusCode, resp.Header["Content-Type"], resp.Header["Etag"], body)
		}
		before := w.ledger.count()
		first := ask("id-of-" + path)
		if !strings.HasPrefix(first, "200") || w.ledger.count() != before+c.payments {
			t.Errorf("%s: %s, %d payments", path, first, w.ledger.count()-before)
		}
		w.ask("POST", submitPath, payment("bob", "alice", 1))
		if again := ask("id-of-" + path); again != first {
			t.Errorf("%s: %s, then %s", path, first, again)
		}
	}
}

// TestProxyIDsAreApart: an id is never a client's key, a client's key goes before it, and without an id everything is another payment.
func TestProxyIDsAreApart(t *testing.T) {
	w := startKeeping(t)
	before := w.ledger.count()
	for _, headers := range [][]string{
		{keyHeader, "k"},
		{proxyIDHeader, "k"},
		{proxyIDHeader, "k", keyHeader, "other"},
		{proxyIDHeader, "other"},
		{},
		{},
	} {
		if resp, body := w.ask("POST", submitPath, payment("alice", "bob", 1), headers...); resp.StatusCode != 200 {
			t.Error(resp.StatusCode, body)
		}
	}
	// The same under a key and other ids is a repeat, and what an item of a batch stands under is no other request's.
	w.ask("POST", submitPath, payment("alice", "bob", 1), keyHeader, "k", proxyIDHeader, "another")
	w.ask("POST", submitPath+"/batch", `{"transactions":[`+payment("alice", "bob", 1)+`]}`, proxyIDHeader, "k")
	if n := w.ledger.count() - before; n != 7 {
		t.Errorf("%d payments, want 7", n)
	}
}

// TestProxyIDIgnored: an id that is none is ignored and counted, and no row refuses one.
func TestProxyIDIgnored(t *testing.T) {
	w := startKeeping(t)
	before, ignored := w.ledger.count(), 0
	for _, id := range []string{"a b", strings.Repeat("i", proxyIDBytesMax+1), "ä"} {
		for range 2 {
			if resp, body := w.ask("POST", submitPath, payment("alice", "bob", 1), proxyIDHeader, id); resp.StatusCode != 200 {
				t.Error(resp.StatusCode, body)
			}
			ignored++
		}
	}
	if n := w.ledger.count() - before; n != ignored {
		t.Errorf("%d payments, want %d", n, ignored)
	}
	if n := testutil.ToFloat64(w.server.metrics.proxyIDs); int(n) != ignored {
		t.Errorf("%v are counted, want %d", n, ignored)
	}
	issue := `{"issuer":"alice","to":"bob","amount":1}`
	if resp, body := w.ask("POST", "/api/v10/assets/AUR/issue", issue, keyHeader, "k"); resp.StatusCode != 400 {
		t.Error(resp.StatusCode, body)
	}
	if resp, body := w.ask("POST", "/api/v10/assets/AUR/issue", issue, proxyIDHeader, "id"); resp.StatusCode == 400 {
		t.Error(resp.StatusCode, body)
	}
}

// count is how many payments there were.
func (f *fakeLedger) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.blocks)
}
