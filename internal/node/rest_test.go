// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/v10/contracttest"
)

// v10Names are the accounts that a test's genesis opens in the gateway's custody.
var v10Names = [3]string{"AUR-alice", "AUR-bob", "AUR-carol"}

// withRest gives a folder the V10 dialect: an institution whose delegated key is the node's, AUR, and funded accounts.
func (f *folder) withRest() {
	f.t.Helper()
	gateway, delegate := signer(f.t, keys.Ed25519, 6), signer(f.t, keys.Ed25519, 7)
	must(f.t, keys.WriteFile(f.cfg.Path("keys/gateway.key"), delegate, nil))
	aliasKey := f.cfg.Path("keys/alias.key")
	must(f.t, keys.WriteAliasKey(aliasKey, bytes.NewReader(bytes.Repeat([]byte{9}, keys.AliasKeyBytes))))
	alias, err := keys.ReadAliasKey(aliasKey)
	must(f.t, err)
	f.genesis.Institutions = append(f.genesis.Institutions, chain.GenesisInstitution{
		Name: "gateway", Keys: []chain.HexBytes{gateway.Public().Bytes()}, DelegatedKeys: []chain.HexBytes{delegate.Public().Bytes()},
	})
	const houses, others = 3, 2 // accounts before ours
	f.genesis.Assets = append(f.genesis.Assets, chain.GenesisAsset{Code: "AUR", Name: "Aurigraph", Scale: 8, Flags: chain.AssetDense | chain.AssetPortable, Issuer: 3})
	f.genesis.Holdings[0].Account++ // the third house account comes before the payer
	for i, name := range v10Names {
		tag, address := alias.Tag(name), keys.AliasAddress(name)
		f.genesis.Accounts = append(f.genesis.Accounts, chain.GenesisAccount{Institution: 3, AliasTag: tag[:], Address: address[:], Slot: keys.AliasSlot(name)})
		f.genesis.Holdings = append(f.genesis.Holdings, chain.GenesisHolding{Account: chain.AccountNo(houses + others + i + 1), Asset: 2, Amount: "100000000000000"})
	}
	f.cfg.Rest = config.Rest{
		Listen: "127.0.0.1:0", Auth: config.AuthOpen, Access: "access", Audit: "access/audit", Institution: 3, CustodyKey: "keys/gateway.key", AliasKey: "keys/alias.key", Names: "names", Accounts: v10Names[:],
	}
	f.writeGenesis()
}

// TestV10Contract plays the contract of the V10 dialect against a node that executes and certifies.
func TestV10Contract(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole node")
	}
	f := newFolder(t)
	f.withRest()
	r := f.start()
	contracttest.Run(t, contracttest.World{URL: "http://" + r.RestAddress(), Accounts: v10Names})
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

// TestV10Smoke is the first calls of a V10 client.
func TestV10Smoke(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	r := f.start()
	base := "http://" + r.RestAddress()
	if code, text := get(t, base+"/health"); code != 200 || !strings.Contains(text, `"healthy"`) {
		t.Error(code, text)
	}
	resp, err := http.Post(base+"/api/v10/transactions", "application/json", strings.NewReader(`{"from":"AUR-alice","to":"AUR-bob","amount":1}`))
	must(t, err)
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != 200 || !bytes.Contains(text, []byte("transaction_id")) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if _, text := get(t, base+"/api/v10/accounts/AUR-bob/balances"); text != `{"account":"AUR-bob","balances":[{"asset":"AUR","amount":1000001}],"total":1}` {
		t.Error(text)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestV10Required: a server that is not open asks who calls, and writes down what is done; what it was told to do when it was told to
// stop is done.
func TestV10Required(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	f.cfg.Rest.Auth = config.AuthRequired
	must(t, os.MkdirAll(f.cfg.Path("access"), 0o700))
	_, secret, err := access.NewKey(f.cfg.Path("access/keys.json"), "shop", access.Grant{Roles: []string{"payer"}, Accounts: v10Names[:1]})
	must(t, err)
	r := f.start()
	base := "http://" + r.RestAddress()
	pay := func(from, key string) int {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+"/api/v10/transactions", strings.NewReader(`{"from":"`+from+`","to":"AUR-carol","amount":1}`))
		must(t, err)
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		must(t, resp.Body.Close())
		return resp.StatusCode
	}
	for _, c := range []struct {
		from, key string
		want      int
	}{{"AUR-alice", "", 401}, {"AUR-alice", "ak_forged", 401}, {"AUR-alice", secret, 200}, {"AUR-bob", secret, 403}} {
		if code := pay(c.from, c.key); code != c.want {
			t.Errorf("%s pays with %q: %d, want %d", c.from, c.key, code, c.want)
		}
	}
	if code, _ := get(t, base+"/health"); code != 200 {
		t.Errorf("health %d", code)
	}
	if code, _ := get(t, base+"/api/v10/accounts/AUR-alice/balances"); code != 401 {
		t.Errorf("balances %d", code)
	}
	http.DefaultClient.CloseIdleConnections()
	r.halt()
	files, err := trail.Files(f.cfg.Path("access/audit"))
	must(t, err)
	report, err := trail.Verify(nil, files...)
	if err != nil || report.Lines < 3 {
		t.Errorf("%+v %v", report, err)
	}
	text, err := os.ReadFile(files[0])
	must(t, err)
	if bytes.Contains(text, []byte("AUR-alice")) || bytes.Contains(text, []byte(secret)) || !bytes.Contains(text, []byte(`"result":"account_denied"`)) {
		t.Errorf("%s", text)
	}
}
