// SPDX-License-Identifier: Apache-2.0

package custody_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/names/sqlite"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
)

// institutionKey is the Ed25519 key of a demo network's second institution: each of the two has an ML-DSA-65 key and one of these.
const institutionKey chain.KeyNo = 4

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startNode runs a network of one validator in this process, and returns a client that verifies.
func startNode(t *testing.T) (*network.Network, *client.Client) {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "net"), network.Options{Name: "custody", Nodes: 1, Demo: true, Accounts: 1})
	must(t, err)
	cfg, err := config.Load(n.Path("node0"))
	must(t, err)
	cfg.GRPC, cfg.Metrics = "127.0.0.1:0", ""
	cfg.Commit.SegmentBytes, cfg.Commit.RetainBytes = 4<<20, 8<<20
	running, err := node.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- running.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
		must(t, running.Close())
	})
	<-running.Ready()
	trust, err := n.Trust()
	must(t, err)
	c, err := client.Dial(t.Context(), client.Config{Endpoints: []string{running.GRPCAddress()}, CAFile: n.Path(n.CA), Trust: trust})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return n, c
}

// startDesk runs a desk of the demo institution with a real names vault.
func startDesk(t *testing.T, n *network.Network, c *client.Client) *custody.Desk {
	t.Helper()
	signer, err := keys.ReadFile(n.Path(n.Institution.Ed25519KeyFile), nil)
	must(t, err)
	genesis, err := chain.ParseHash(n.GenesisHash)
	must(t, err)
	vault, err := sqlite.Open(t.Context(), filepath.Join(n.Dir, "names"), n.Chain, genesis)
	must(t, err)
	d, err := custody.New(custody.Config{
		Chain: n.Chain, Institution: chain.InstitutionNo(n.Institution.ID), Key: institutionKey, Signer: signer, AliasKey: &keys.AliasKey{Secret: [keys.AliasKeyBytes]byte{7}},
		LockDir: filepath.Join(n.Dir, "desks"),
	}, custody.Parts{Chain: sdk{c}, Vault: vault, Metrics: prometheus.NewRegistry()})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		must(t, vault.Close())
	})
	return d
}

// TestRealNode opens, issues and pays on a ledger that executes and certifies, from many callers at once, and repeats keyed payments.
func TestRealNode(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole node")
	}
	n, c := startNode(t)
	d := startDesk(t, n, c)
	ctx := t.Context()
	// The desk's institution is the issuer of the demo asset by its house account, which has no V10 name. An asset of a V10 account
	// stands in.
	_, err := d.Open(ctx, "central bank")
	must(t, err)
	gold, r, err := d.CreateAsset(ctx, "central bank", custody.NewAsset{Code: "V10", Name: "Asset of V10", Scale: 8})
	if err != nil || r.Outcome != chain.OK || gold == 0 {
		t.Fatalf("%d, %+v, %v", gold, r, err)
	}
	const payers, each = 20, 10
	for i := range payers {
		r, err := d.Issue(ctx, "central bank", fmt.Sprint("payer ", i), "V10", chain.Units(1000))
		if err != nil || r.Outcome != chain.OK {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	payAll(t, d, payers, each)
	repeatKeyed(t, d)
	shop, err := d.Resolve(ctx, "shop")
	must(t, err)
	acc, err := c.Account(ctx, client.AccountName{Number: shop}, gold, false)
	must(t, err)
	if have := acc.Holdings[0].Amount; have != chain.Units(payers*each+7) {
		t.Errorf("the shop has %s", have)
	}
	shown, err := d.Names(ctx, []chain.AccountNo{shop, 1})
	must(t, err)
	if shown[shop] != "shop" || shown[1] == "" {
		t.Errorf("%v", shown)
	}
	if s, err := c.Status(ctx); err != nil || s.Accounts > payers+10 {
		t.Errorf("%d accounts, %v", s.Accounts, err)
	}
}

func payAll(t *testing.T, d *custody.Desk, payers, each int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range payers {
		wg.Go(func() {
			for range each {
				r, err := d.Pay(t.Context(), custody.Payment{From: fmt.Sprint("payer ", i), To: "shop", Asset: "V10", Amount: chain.Units(1)})
				if err != nil || r.Outcome != chain.OK || !r.First || r.TimeUs == 0 {
					t.Errorf("%+v, %v", r, err)
				}
			}
		})
	}
	wg.Wait()
}

func repeatKeyed(t *testing.T, d *custody.Desk) {
	t.Helper()
	p := custody.Payment{From: "payer 0", To: "shop", Asset: "V10", Amount: chain.Units(7), Keyed: true, Key: d.Key("me", "rent")}
	p.Body = d.Body(&p)
	var firsts, others []custody.Result
	for _, a := range d.PayMany(t.Context(), []custody.Payment{p, p, p}) {
		must(t, a.Err)
		if a.First {
			firsts = append(firsts, a.Result)
		} else {
			others = append(others, a.Result)
		}
	}
	if len(firsts) != 1 {
		t.Fatalf("made %d times", len(firsts))
	}
	for _, r := range others {
		if r.First = true; r != firsts[0] {
			t.Errorf("a repeat answers %+v, the first did %+v", r, firsts[0])
		}
	}
	p.Amount = chain.Units(8)
	p.Body = d.Body(&p)
	if _, err := d.Pay(t.Context(), p); err == nil {
		t.Error("another payment under the key was answered")
	}
}
