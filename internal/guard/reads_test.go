// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/hop"
)

// TestReadsStay: reads are answered by V10, whoever owns the account and whether they were sent on or not. Who compares the two ledgers relies on it.
func TestReadsStay(t *testing.T) {
	w := newWorld(t)
	w.guard()
	w.fences(1, slotRange(alice))
	version := w.moves.make(ToV11, 3, slotRange(alice))
	w.until("the move", func() bool { s := w.Status(); return s.HomeVersion == version && s.V11 == 1 })
	for _, path := range []string{"/api/v10/accounts/" + alice, "/api/v10/accounts/" + alice + "/balances", "/api/v10/accounts/" + bob, "/api/v10/assets", "/api/v10/transactions"} {
		want := w.call("GET", "http://"+w.v10.Rest+path, "")
		for _, headers := range [][]string{nil, {hop.Header, "1"}} {
			if got := w.call("GET", w.rest+path, "", headers...); got.code != 200 || got.code != want.code || got.body != want.body {
				t.Errorf("%s %v: %d %s, V10 says %d %s", path, headers, got.code, got.body, want.code, want.body)
			}
		}
	}
	if heard := w.v11.heard(); len(heard) != 0 {
		t.Errorf("V11 was asked: %v", heard)
	}
}
