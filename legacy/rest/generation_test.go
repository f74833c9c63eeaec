// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"fmt"
	"strings"
	"testing"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestGeneration: a guard's barrier ends what carries an older generation, whichever way a write comes; all of a batch is refused at once.
func TestGeneration(t *testing.T) {
	s := start(t)
	if _, err := s.ledger.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := s.ledger.GuardBarrier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	item := `{"from":"alice","to":"bob","amount":1}`
	newest := fmt.Sprint(b.Generation)
	writes := []struct{ path, body string }{
		{"/api/v10/transactions", item},
		{"/api/v10/transactions/batch", `{"transactions":[{},` + item + `,{"from":"nobody","to":"x","amount":1}]}`},
		{"/api/node/transactions", `{"id":"1","from":"alice","to":"bob","amount":1}`},
		{"/api/v10/accounts", `{"account":"carol"}`},
		{"/api/v10/assets", `{"code":"NEW","name":"New","issuer":"alice"}`},
		{"/api/v10/assets/AUR/transfer", item},
		{"/api/v10/tokens/AUR/issue", `{"issuer":"aurigraph-treasury","to":"bob","amount":1}`},
		{"/api/v10/assets/AUR/redeem", `{"issuer":"aurigraph-treasury","amount":1}`},
	}
	before := s.ledger.Totals()
	for _, w := range writes {
		for _, headers := range [][]string{nil, {v10.HeaderGeneration, "1"}} {
			a := s.do("POST", w.path, w.body, append([]string{"Idempotency-Key", "k"}, headers...)...)
			if a.code != 409 || a.header.Get(v10.HeaderGeneration) != newest || !strings.Contains(a.body, v10.TextOldGeneration) {
				t.Errorf("%s %v: %d %v %s", w.path, headers, a.code, a.header, a.body)
			}
		}
		if a := s.do("POST", w.path, w.body, v10.HeaderGeneration, "x"); a.code != 400 && !strings.Contains(a.body, `"success":false`) {
			t.Errorf("%s: %d %s", w.path, a.code, a.body)
		}
	}
	got := s.ledger.Totals()
	got.Ms = before.Ms
	if got != before {
		t.Errorf("%+v, before %+v", got, before)
	}
	line := s.do("POST", "/api/v10/transactions/stream", item+"\n{}\n")
	if !strings.Contains(line.body, `"line":1,`) || strings.Count(line.body, v10.TextOldGeneration) != 1 {
		t.Error(line.body)
	}
	for _, w := range writes {
		if a := s.do("POST", w.path, w.body, v10.HeaderGeneration, newest); a.code != 200 || a.header.Get(v10.HeaderGeneration) != "" {
			t.Errorf("%s: %d %s", w.path, a.code, a.body)
		}
	}
}
