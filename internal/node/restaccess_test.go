// SPDX-License-Identifier: Apache-2.0

package node

import (
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/metadata"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/custodyapi"
)

// TestCustodyWantsARole lets each role do over gRPC what it may do over REST, and nothing else, and counts payments.
func TestCustodyWantsARole(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, access.KeysFile)
	secrets := map[string]string{}
	for _, role := range []string{"reader", "payer", "issuer", "admin", "gateway"} {
		g := access.Grant{Roles: []string{role}}
		if role == "payer" || role == "issuer" {
			g.Accounts = []string{"alice"}
		}
		_, secret, err := access.NewKey(file, role, g)
		must(t, err)
		secrets[role] = secret
	}
	guard, err := access.New(access.Config{Keys: file, Users: filepath.Join(dir, access.UsersFile), TokenKey: filepath.Join(dir, access.TokenKeyFile)},
		access.Parts{Log: newLogger(&logBook{}), Metrics: prometheus.NewRegistry()})
	must(t, err)
	door := custodyAccess{guard, func() bool { return true }}
	acts := []custodyapi.Act{custodyapi.ActRead, custodyapi.ActOpen, custodyapi.ActPay, custodyapi.ActIssue}
	for role, may := range map[string][]bool{
		"reader": {true, false, false, false}, "payer": {true, true, true, false}, "issuer": {true, true, false, true}, "admin": {true, false, false, false},
		"gateway": {true, true, true, true},
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("x-api-key", secrets[role]))
		for i, act := range acts {
			if _, err := door.Enter(ctx, act, 0); (err == nil) != may[i] || err != nil && !fault.Is(err, fault.Denied) {
				t.Errorf("%s, act %d: %v", role, act, err)
			}
		}
	}
	if _, err := door.Enter(t.Context(), custodyapi.ActRead, 0); err == nil {
		t.Error("who has no key came in")
	}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("x-api-key", secrets["payer"]))
	for n := 0; ; n++ {
		_, err := door.Enter(ctx, custodyapi.ActPay, 1<<13)
		if fault.Is(err, fault.TryLater) {
			break
		}
		if err != nil || n > 1000 {
			t.Fatalf("payment batch %d: %v", n, err)
		}
	}
}
