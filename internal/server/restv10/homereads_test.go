// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestReadsStay: no read is sent on to V10, whoever owns the account and whether it came from there or not. Who compares the two ledgers relies on it.
func TestReadsStay(t *testing.T) {
	w, h := startWithHome(t, nil)
	fill := strings.NewReplacer("{id}", "v10-x", "{code}", "AUR", "{height}", "1", "{hash}", "0x00", "{widget}", "tps")
	all, asked := v10.Endpoints(), 0
	for i := range all {
		if e := &all[i]; e.Method == http.MethodGet && e.Content != "text/event-stream" && e.Content != "websocket" {
			w.ask(e.Method, fill.Replace(e.Path), "")
			w.ask(e.Method, fill.Replace(e.Path), "", hop.Header, "1")
			asked++
		}
	}
	if asked < 50 || len(h.asked()) != 0 {
		t.Errorf("of %d reads, asked twice, %d came to V10", asked, len(h.asked()))
	}
	if resp, _ := w.ask("POST", submitPath, payment("v10-x", "bob", 1)); resp.StatusCode != http.StatusOK || len(h.asked()) != 1 {
		t.Error("a payment of the same account is not V10's: the reads prove nothing")
	}
}
