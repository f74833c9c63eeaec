// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/server"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/changefeed"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tape keeps a history in memory, as an engine does: it survives whoever writes.
type tape struct {
	mu       sync.Mutex // guards all below
	id       imported.Identity
	rows     []imported.Row
	rounds   []imported.Round
	finished int
}

func (w *tape) open(_ context.Context, id imported.Identity) (imported.Writer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.id != (imported.Identity{}) && w.id != id {
		return nil, fault.New(fault.Conflict, "another history")
	}
	w.id = id
	return w, nil
}

func (w *tape) Next(context.Context) (seq, round uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.rounds); n > 0 {
		round = w.rounds[n-1].Number + 1
	}
	return uint64(len(w.rows)) + 1, round, nil
}

func (w *tape) Rows(ctx context.Context, rows []imported.Row) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, r := range rows {
		switch have := uint64(len(w.rows)); {
		case r.Seq > have+1:
			return fault.New(fault.Conflict, "row %d behind %d", r.Seq, have)
		case r.Seq == have+1:
			w.rows = append(w.rows, r)
		}
	}
	return nil
}

func (w *tape) Rounds(ctx context.Context, rounds []imported.Round) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.rounds = append(w.rounds, rounds...)
	return nil
}

func (w *tape) Finish(context.Context) error { w.finished++; return nil }
func (w *tape) Close() error                 { return nil }

// vault keeps names in memory.
type vault struct {
	mu    sync.Mutex // guards names
	names map[chain.AccountNo]string
}

func (v *vault) Put(_ context.Context, names map[chain.AccountNo]string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for no, name := range names {
		if have, there := v.names[no]; there && have != name {
			return fault.New(fault.Conflict, "account %d has another name", no)
		}
	}
	maps.Copy(v.names, names)
	return nil
}

// oldLedger is a V10 that runs.
type oldLedger struct {
	store  store.Store
	ledger *ledger.Ledger
	url    string
}

func newOld(t testing.TB) *oldLedger {
	t.Helper()
	s, err := legacy.OpenStore(legacy.EnginePebble, filepath.Join(t.TempDir(), "v10"), 0, slog.New(slog.DiscardHandler))
	must(t, err)
	l, err := ledger.Open(s, ledger.Config{Genesis: []ledger.Holding{{Account: "alice", Units: chain.Units(5_000_000)}}})
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	ended := make([]error, 2)
	all.Go(func() { ended[0] = l.Run(ctx) })
	all.Go(func() { ended[1] = changefeed.Serve(ctx, listener, changefeed.Config{Store: s, Ledger: l}) })
	t.Cleanup(func() {
		cancel()
		all.Wait()
		must(t, errors.Join(errors.Join(ended...), s.Close()))
	})
	return &oldLedger{s, l, "http://" + listener.Addr().String()}
}

// some has it execute random orders, of which some are refused and some have keys.
func (o *oldLedger) some(t testing.TB, r *rand.Rand, n int) {
	t.Helper()
	assets := []string{v10.DefaultAsset}
	name := func() string { return fmt.Sprintf("Kunde ü/%d", r.IntN(300)) }
	for n > 0 {
		batch := make([]ledger.Order, 1+r.IntN(20))
		for i := range batch {
			asset := assets[r.IntN(len(assets))]
			one := ledger.Order{Kind: ledger.Transfer, From: "alice", To: name(), Asset: asset, Units: chain.Units(1 + r.Uint64N(5000))}
			switch r.IntN(12) {
			case 0:
				one = ledger.Order{Kind: ledger.OpenAccount, To: name()}
			case 1:
				one = ledger.Order{Kind: ledger.CreateAsset, From: "alice", Asset: fmt.Sprintf("A.%d", r.IntN(9)), Title: "Title", Scale: 3}
				assets = append(assets, one.Asset)
			case 2, 3:
				one.Kind = ledger.Issue
			case 4:
				one.Kind, one.To = ledger.Redeem, ""
			case 5:
				one.From = "nobody <at all>"
			case 6, 7:
				one.From = name() + " x"
			}
			if r.IntN(4) == 0 {
				one.Key = &ledger.Key{Caller: "till", Key: fmt.Sprint("key-", r.IntN(500)), Item: uint32(r.IntN(2))}
			}
			if one.From != one.To {
				batch[i] = one
			} else {
				batch[i] = ledger.Order{Kind: ledger.OpenAccount, To: "same"}
			}
		}
		n -= len(batch)
		_, err := o.ledger.Submit(t.Context(), batch)
		must(t, err)
	}
}

const testChain chain.ChainID = 77

// newLedger is a V11 of one node in this process.
type newLedger struct {
	t       testing.TB
	cfg     config.Node
	genesis *chain.Genesis
	trust   *client.Trust
	node    *node.Node
	stop    func()
	nonce   uint64
}

func seeded(t testing.TB, s keys.Scheme, n byte) keys.Signer {
	t.Helper()
	k, err := keys.FromSeed(s, [keys.SeedBytes]byte{n})
	must(t, err)
	return k
}

// The numbers of the genesis below: the inbox's key is delegated by the institution that has V10's accounts.
const (
	bank     = chain.InstitutionNo(2)
	inboxKey = chain.KeyNo(3)
)

func newNew(t testing.TB) *newLedger {
	t.Helper()
	cfg := config.Default()
	cfg.Dir, cfg.GRPC, cfg.Metrics = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	cfg.Commit.SegmentBytes, cfg.Commit.RetainBytes = 16<<20, 1<<30
	header, root := seeded(t, keys.Ed25519, 1), seeded(t, keys.MLDSA65, 2)
	must(t, os.MkdirAll(cfg.Path("keys"), 0o700))
	must(t, keys.WriteFile(cfg.Path(cfg.Keys.Validator), header, nil))
	must(t, keys.WriteFile(cfg.Path(cfg.Keys.Root), root, nil))
	_, _, err := server.DevTLS(cfg.Path("tls"), []string{"127.0.0.1"})
	must(t, err)
	public := func(k keys.Signer) chain.HexBytes { return k.Public().Bytes() }
	n := &newLedger{t: t, cfg: cfg, genesis: &chain.Genesis{
		Chain: testChain, Name: "copy", TimeUs: 1_000_000,
		Validators: []chain.GenesisValidator{{Name: "v0", Ed25519: public(header)[1:], MLDSA65: public(root)[1:]}},
		Institutions: []chain.GenesisInstitution{
			{Name: "governance", Keys: []chain.HexBytes{public(seeded(t, keys.Ed25519, 3))}},
			{Name: "bank", Keys: []chain.HexBytes{public(seeded(t, keys.Ed25519, 4))}, DelegatedKeys: []chain.HexBytes{public(seeded(t, keys.Ed25519, 5))}},
		},
		V10Slots:    []chain.SlotRange{{From: 0, To: chain.SlotsMax / 2}}, // those of V11 are copied too
		AccountsMax: 1 << 21,
	}}
	text, err := json.Marshal(n.genesis)
	must(t, err)
	must(t, os.WriteFile(cfg.Path(cfg.Genesis), text, 0o644))
	n.trust = client.TrustGenesis(n.genesis)
	n.start()
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *newLedger) start() {
	n.t.Helper()
	var err error
	n.node, err = node.Open(n.t.Context(), n.cfg, slog.New(slog.DiscardHandler))
	must(n.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(n.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.node.Run(ctx) }()
	select {
	case <-n.node.Ready():
	case err := <-ended:
		n.t.Fatal(err)
	}
	n.stop = func() {
		cancel()
		must(n.t, errors.Join(<-ended, n.node.Close()))
	}
}

func (n *newLedger) dial() *client.Client {
	n.t.Helper()
	c, err := client.Dial(n.t.Context(), client.Config{Endpoints: []string{n.node.GRPCAddress()}, CAFile: n.cfg.Path("tls/ca.pem"), Trust: n.trust})
	must(n.t, err)
	n.t.Cleanup(func() { _ = c.Close() })
	return c
}

// opens has governance open the inbox for a life of V10.
func (n *newLedger) opens(c *client.Client, o *oldLedger, at chain.SyncPosition) {
	n.t.Helper()
	n.nonce++
	signed, err := client.SignTx(seeded(n.t, keys.Ed25519, 3), client.Tx{Chain: testChain, Sender: 1, Key: 1, Nonce: n.nonce, ValidUntil: 90_000, Body: &client.OpenInbox{
		Ledger: chain.Hash{1}, Incarnation: o.store.Head().Incarnation, Life: 1, Institution: bank, Key: inboxKey, Position: at,
	}})
	must(n.t, err)
	got, err := c.SubmitTx(n.t.Context(), signed)
	must(n.t, err)
	if got.Outcome != chain.OK {
		n.t.Fatal(got.Outcome)
	}
}

// world is both, and what a copy between them needs.
type world struct {
	old    *oldLedger
	new    *newLedger
	client *client.Client
	tape   tape
	vault  vault
	alias  keys.AliasKey
	cfg    Config
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{old: newOld(t), new: newNew(t), alias: keys.AliasKey{Secret: [keys.AliasKeyBytes]byte{7}, Named: keys.Named{ledger.Treasury: chain.SlotsMax}}, vault: vault{names: map[chain.AccountNo]string{}}}
	w.client = w.new.dial()
	w.cfg = Config{
		Changes: w.old.url, Dir: t.TempDir(), Open: func(dir string) (Rows, error) { return legacy.OpenRows(legacy.EnginePebble, dir, nil) },
		Client: w.client, Trust: w.new.trust, Signer: seeded(t, keys.Ed25519, 5), Channel: 200, AliasKey: &w.alias, Shared: custody.SharedKeys{Alias: &w.alias},
		Vault: &w.vault, History: w.tape.open,
		HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	return w
}
