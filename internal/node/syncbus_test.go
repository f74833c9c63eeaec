// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/applier"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

func testBus(t *testing.T) bus.Config {
	t.Helper()
	b, err := devbroker.Start(devbroker.Config{})
	must(t, err)
	t.Cleanup(b.Close)
	key := filepath.Join(t.TempDir(), "sync.key")
	must(t, os.WriteFile(key, []byte(bus.NewKeyText(bytes.Repeat([]byte{5}, envelope.SecretBytesMin))), 0o600))
	cfg := bus.Config{Brokers: []string{b.Address()}, KeyFiles: []string{key}}
	must(t, bus.Init(t.Context(), cfg, bus.DefaultSettings()))
	return cfg
}

// TestSyncOverABus: both directions over a broker, with the sync stopped and begun anew in between.
func TestSyncOverABus(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	f.cfg.Rest.ChannelLast = syncChannel - 1
	alice := keys.AliasSlot("AUR-alice")
	f.genesis.V10Slots = []chain.SlotRange{{From: alice, To: alice}}
	f.writeGenesis()
	r := f.start()
	r.openInbox()
	cfg := SyncConfig{Bus: testBus(t), Ledger: syncSource.Ledger, Signer: signer(t, keys.Ed25519, 6), Channel: syncChannel}
	p, err := bus.OpenPublisher(t.Context(), bus.PublisherConfig{Config: cfg.Bus, Source: syncSource})
	must(t, err)
	defer p.Close()
	v11 := envelope.LedgerID(codec.GenesisHash(r.genesis))
	in, err := bus.OpenReader(t.Context(), bus.ReaderConfig{Config: cfg.Bus, Start: envelope.Start{
		Source: envelope.Source{Ledger: v11, Origin: envelope.V11, Life: 1, Incarnation: envelope.V11Incarnation(v11)},
	}})
	must(t, err)
	defer in.Close()
	for round := range uint64(2) {
		s, err := r.NewSync(cfg)
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		at := envelope.Position{Major: 2 + 2*round}
		must(t, p.Publish(t.Context(), bus.Draft{Position: at, End: true, HomeVersion: 1, Change: &envelope.Transfer{Deed: aDeed, From: "AUR-alice", To: "AUR-bob", Asset: "AUR", Amount: chain.Units(300_000_000)}}))
		r.reaches(at)
		r.post(t, `{"from":"AUR-bob","to":"AUR-carol","amount":2}`)
		told := nextTransfer(t, in)
		if told.From != "AUR-bob" || told.To != "AUR-carol" || told.Amount != chain.Units(200_000_000) {
			t.Errorf("round %d: V10 is told %+v", round, told)
		}
		if got := s.Applier().Status(); got.State != applier.StateApplying || got.Applied != round+1 || s.CaptureStatus().Reason != "" {
			t.Errorf("%+v, %+v", got, s.CaptureStatus())
		}
		stop()
		must(t, <-ended)
	}
	if _, text := get(t, "http://"+r.RestAddress()+"/api/v10/accounts/AUR-bob/balances"); !strings.Contains(text, `"amount":1000002`) {
		t.Error(text)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestSyncBySettings: a node whose settings say so syncs, and goes on when it is started again.
func TestSyncBySettings(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	cfg := testBus(t)
	must(t, keys.WriteFile(f.cfg.Path("keys/inbox.key"), signer(t, keys.Ed25519, 6), nil))
	f.cfg.Rest.ChannelLast = syncChannel - 1
	f.cfg.Sync.Ledger, f.cfg.Sync.Brokers, f.cfg.Sync.Keys = "old", cfg.Brokers, cfg.KeyFiles
	f.cfg.Sync.Signer, f.cfg.Sync.Channel, f.cfg.Sync.Start = "keys/inbox.key", syncChannel, "1.0"
	must(t, f.cfg.Validate())
	f.genesis.V10Slots = []chain.SlotRange{{From: 0, To: chain.SlotsMax - 1}}
	f.writeGenesis()
	p, err := bus.OpenPublisher(t.Context(), bus.PublisherConfig{Config: cfg, Source: syncSource})
	must(t, err)
	defer p.Close()
	for round := range uint64(2) {
		r := f.start()
		if round == 0 {
			r.openInbox()
		}
		at := envelope.Position{Major: 2 + round}
		must(t, p.Publish(t.Context(), bus.Draft{Position: at, End: true, HomeVersion: 1, Change: &envelope.AccountOpened{Deed: aDeed, Alias: fmt.Sprint("Kunde ", round)}}))
		r.reaches(at)
		if code, text := get(t, "http://"+r.RestAddress()+"/api/v10/accounts/Kunde%20"+fmt.Sprint(round)+"/balances"); code != http.StatusOK {
			t.Error(code, text)
		}
		http.DefaultClient.CloseIdleConnections()
		r.halt()
	}
	must(t, os.Remove(f.cfg.Path("keys/inbox.key")))
	f.refuses(fault.NotFound, "inbox.key")
}

// reaches waits until the inbox is at a place.
func (r *running) reaches(at envelope.Position) {
	t := r.folder.t
	t.Helper()
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for range 3000 {
		<-ticks.C
		in, err := r.services.query.Inbox(t.Context())
		must(t, err)
		if envelope.Position(in.Position) == at {
			return
		}
	}
	t.Fatalf("never applied:\n%s", r.log)
}

func (r *running) post(t *testing.T, body string) {
	t.Helper()
	resp, err := http.Post("http://"+r.RestAddress()+"/api/v10/transactions", "application/json", strings.NewReader(body))
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

// nextTransfer reads V11's records up to the next payment. Nothing but blocks may come before it.
func nextTransfer(t *testing.T, in *bus.Reader) *envelope.Transfer {
	t.Helper()
	for {
		records, err := in.Next(t.Context(), 1)
		must(t, err)
		switch c := records[0].Change.(type) {
		case *envelope.Transfer:
			return c
		case *envelope.Block:
		default:
			t.Fatalf("V10 is told %T", c)
		}
	}
}

// TestSyncNeedsNames: without the dialect there are no names to sync by.
func TestSyncNeedsNames(t *testing.T) {
	r := newFolder(t).start()
	if _, err := r.NewSync(SyncConfig{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
