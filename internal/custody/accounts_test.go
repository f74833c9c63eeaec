// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// TestNames finds names, shows accounts by them, and lives without the vault.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		defer w.close()
		alice := w.fake.fund("alice", 10)
		hex := w.fake.fund("0x00000000000000000000000000000000000000aa", 10)
		other := w.fake.fund("other", 10)
		r, err := w.desk.Open(t.Context(), "bob")
		if err != nil || !r.New {
			t.Errorf("%+v, %v", r, err)
		}
		if r2, err := w.desk.Open(t.Context(), "bob"); err != nil || r2.New || r2.Number != r.Number {
			t.Errorf("%+v, %v", r2, err)
		}
		for name, want := range map[string]chain.AccountNo{
			"alice": alice, "0x00000000000000000000000000000000000000aa": hex, keys.AliasAddress("other").String(): other,
		} {
			if no, err := w.desk.Resolve(t.Context(), name); err != nil || no != want {
				t.Errorf("%s: %d, %v", name, no, err)
			}
		}
		for _, name := range []string{"nobody", "0x00000000000000000000000000000000000000bb"} {
			if _, err := w.desk.Resolve(t.Context(), name); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		synctest.Wait()
		ask := []chain.AccountNo{alice, other, r.Number, 999, alice}
		want := map[chain.AccountNo]string{alice: "alice", r.Number: "bob", other: keys.AliasAddress("other").String()}
		if have, err := w.desk.Names(t.Context(), ask); err != nil || !maps.Equal(have, want) {
			t.Errorf("%v, %v", have, err)
		}
		w.vault.err = fault.New(fault.Unavailable, "the disk is full")
		want[alice], want[r.Number] = keys.AliasAddress("alice").String(), keys.AliasAddress("bob").String()
		delete(w.vault.names, alice)
		delete(w.vault.names, r.Number)
		if have, err := w.desk.Names(t.Context(), ask); err != nil || !maps.Equal(have, want) {
			t.Errorf("%v, %v", have, err)
		}
		if _, err := w.desk.Open(t.Context(), "carol"); err != nil {
			t.Errorf("without a vault: %v", err)
		}
		synctest.Wait()
		if testutil.ToFloat64(w.desk.metrics.forgotten.WithLabelValues("vault_write")) != 1 {
			t.Error("a name that did not reach the vault was not counted")
		}
	})
}

// TestOpenTogether opens the same and other names from many callers, and meets another desk that acts for the same account.
func TestOpenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		defer w.close()
		w.fake.accounts[house].nonce = 1000
		var wg sync.WaitGroup
		var mu sync.Mutex
		numbers := map[string]chain.AccountNo{}
		for i := range 60 {
			name := fmt.Sprint("name", i%20)
			if i == 30 {
				w.fake.mu.Lock()
				w.fake.accounts[house].nonce += 5000
				w.fake.mu.Unlock()
			}
			wg.Go(func() {
				r, err := w.desk.Open(t.Context(), name)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if had, ok := numbers[name]; ok && had != r.Number {
					t.Errorf("%s is %d and %d", name, had, r.Number)
				}
				numbers[name] = r.Number
			})
		}
		wg.Wait()
		if len(w.fake.tags) != 20 {
			t.Errorf("%d accounts", len(w.fake.tags))
		}
	})
}

// TestAssets issues and redeems for the account that is the issuer.
func TestAssets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		defer w.close()
		issuer := w.fake.fund("issuer", 10)
		no, r, err := w.desk.CreateAsset(t.Context(), "issuer", NewAsset{Code: "GOLD", Name: "Gold", Scale: 2})
		if err != nil || no != 2 || r.Outcome != chain.OK {
			t.Errorf("%d, %+v, %v", no, r, err)
		}
		if _, _, err := w.desk.CreateAsset(t.Context(), "issuer", NewAsset{Code: "gold", Name: "Gold"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("a bad code: %v", err)
		}
		if r, err := w.desk.Issue(t.Context(), "issuer", "bob", "AUR", chain.Units(5)); err != nil || r.Outcome != chain.OK || w.fake.balance(issuer+1) != 5 {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := w.desk.Redeem(t.Context(), "issuer", "", chain.Units(4)); err != nil || r.Outcome != chain.OK || w.fake.balance(issuer) != 6 {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := w.desk.Redeem(t.Context(), "issuer", "", chain.Units(40)); err != nil || r.Outcome != chain.InsufficientFunds {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := w.desk.Redeem(t.Context(), "nobody", "", chain.Units(4)); !fault.Is(err, fault.NotFound) {
			t.Errorf("nobody: %v", err)
		}
		if _, err := w.desk.Issue(t.Context(), "issuer", "bob", "NONE", chain.Units(4)); fault.ReasonOf(err) != "unknown_asset" {
			t.Errorf("no asset: %v", err)
		}
	})
}
