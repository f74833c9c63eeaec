// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// syncMax is how long a payment may take to the other ledger on a busy machine.
const syncMax = 30 * time.Second

// holds waits until an account has so many AUR at a V10 dialect.
func holdsV10(t *testing.T, url, account string, aur int) {
	t.Helper()
	want, got := `"amount":`+strconv.Itoa(aur)+"}", ""
	for deadline := time.Now().Add(syncMax); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if got = balanceV10(t, url, account); strings.Contains(got, want) {
			return
		}
	}
	t.Fatalf("%s has %s of %s, not %d", url, got, account, aur)
}

// TestWithV10 begins a network beside a V10: what V10 had is copied, what it does is on V11, what clients send to V11 for an account of
// V10's is done by V10, once, and the verifier finds the two equal. All that again after a restart.
func TestWithV10(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two networks")
	}
	for _, validators := range []int{1, 4} {
		t.Run(strconv.Itoa(validators), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "net")
			have := 1_000_000
			for range 2 {
				n := upWith(t, dir, validators, "--with-v10")
				if n.ready.V10 == "" || n.ready.REST == "" || n.ready.Sync == nil || n.ready.Sync.Kafka == "" || len(n.ready.V10Accounts) != 3 {
					t.Fatalf("%+v", n.ready)
				}
				from, to := n.ready.V10Accounts[0], n.ready.V10Accounts[1]
				holdsV10(t, n.ready.REST, to, have)
				first := payV10(t, n.ready.V10, "a"+strconv.Itoa(have), from, to)
				if again := payV10(t, n.ready.REST, "a"+strconv.Itoa(have), from, to); again != first {
					t.Errorf("V11 repeats %s, V10 said %s", again, first)
				}
				payV10(t, n.ready.REST, "b"+strconv.Itoa(have), from, to)
				have += 2
				holdsV10(t, n.ready.V10, to, have)
				holdsV10(t, n.ready.REST, to, have)
				n.run(0, "verify-sync", "run")
				n.stop()
			}
		})
	}
}
