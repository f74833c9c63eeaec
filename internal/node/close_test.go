// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server/admin"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// closing is a node that syncs with a V10, which owns alice's slot at first and answers nothing but counts what is sent on to it.
type closing struct {
	*running
	t        *testing.T
	bus      bus.Config
	v10      *bus.Publisher
	hops     atomic.Int64
	guard    ed25519.PrivateKey
	governed uint64
	bob      chain.AccountNo
	aur      chain.AssetNo
}

func startClosing(t *testing.T) *closing {
	t.Helper()
	f := newFolder(t)
	f.withRest()
	w := &closing{t: t, bus: testBus(t), guard: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), governed: 1}
	home := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.hops.Add(1)
		rw.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(home.Close)
	must(t, keys.WriteFile(f.cfg.Path("keys/inbox.key"), signer(t, keys.Ed25519, 6), nil))
	f.cfg.Rest.ChannelLast = syncChannel - 1
	f.cfg.Sync.Ledger, f.cfg.Sync.Brokers, f.cfg.Sync.Keys, f.cfg.Sync.Home = "old", w.bus.Brokers, w.bus.KeyFiles, home.URL
	f.cfg.Sync.Signer, f.cfg.Sync.Channel, f.cfg.Sync.Start = "keys/inbox.key", syncChannel, "1.0"
	alice := keys.AliasSlot(v10Names[0])
	f.genesis.V10Slots = []chain.SlotRange{{From: alice, To: alice}}
	f.writeGenesis()
	var err error
	w.v10, err = bus.OpenPublisher(t.Context(), bus.PublisherConfig{Config: w.bus, Source: syncSource})
	must(t, err)
	t.Cleanup(w.v10.Close)
	w.running = f.start()
	w.openInbox()
	found, err := w.services.query.AccountsByTag(t.Context(), []chain.Hash{w.services.rest.custody.AliasKey.Tag(v10Names[1])})
	must(t, err)
	asset, err := w.services.query.AssetByCode(t.Context(), "AUR")
	must(t, err)
	w.bob, w.aur = found[0].Number, asset.Number
	return w
}

// does has governance do something.
func (w *closing) does(body chain.Body) {
	w.t.Helper()
	w.governed++
	w.govern(w.governed, body)
}

// moveAlice gives alice's slot to V11, and waits until a payment of hers is not sent on any more.
func (w *closing) moveAlice() {
	w.t.Helper()
	w.does(&chain.SetMover{Guard: [32]byte(w.guard.Public().(ed25519.PublicKey))})
	in, err := w.services.query.Inbox(w.t.Context())
	must(w.t, err)
	f := chain.Fence{Incarnation: in.Incarnation, HomeVersion: 1, Slots: w.genesis.V10Slots, Position: in.Position}
	w.does(&chain.MoveSlots{
		ToV11: true, HomeVersion: 1, Slots: f.Slots, Position: f.Position, Fence: ed25519.Sign(w.guard, keys.FenceMessage(testChain, codec.FenceHash(&f))),
	})
	for deadline := time.Now().Add(20 * time.Second); w.pays(fromAlice) != http.StatusOK; {
		if time.Now().After(deadline) {
			w.t.Fatal("alice's payments are sent to V10 all the time")
		}
	}
}

func (w *closing) pays(body string) (status int) {
	w.t.Helper()
	resp, err := http.Post("http://"+w.RestAddress()+submitAt, "application/json", strings.NewReader(body))
	must(w.t, err)
	must(w.t, resp.Body.Close())
	return resp.StatusCode
}

// bobPaysNative has bob's custodian pay an account that V10 cannot name.
func (w *closing) bobPaysNative(nonce uint64) chain.Outcome {
	w.t.Helper()
	tx := chain.Tx{Chain: testChain, Sender: w.bob, Key: syncKeyNo, Nonce: nonce, ValidUntil: 90_000, Body: &chain.Transfer{To: payer, Asset: w.aur, Amount: chain.Units(100_000_000)}}
	sig, err := signer(w.t, keys.Ed25519, 6).Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
	must(w.t, err)
	a := deskChain{w.services.query, w.intake}.SubmitTxs(w.t.Context(), [][]byte{codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig})})[0]
	must(w.t, a.Err)
	return a.Outcome
}

// TestCloseOverABus: governance closes the migration between two ledgers in step. Both directions end without trouble, also over a restart;
// V10 is told all up to there; V10's accounts pay here as before, nothing is sent on to V10, and their money may go anywhere.
func TestCloseOverABus(t *testing.T) {
	w := startClosing(t)
	at := envelope.Position{Major: 2}
	must(t, w.v10.Publish(t.Context(), bus.Draft{Position: at, End: true, HomeVersion: 1, Change: &envelope.Transfer{
		Deed: aDeed, From: "AUR-alice", To: "AUR-bob", Asset: "AUR", Amount: chain.Units(300_000_000),
	}}))
	w.reaches(at)
	if w.pays(fromAlice) == http.StatusOK || w.hops.Load() == 0 {
		t.Error("what V10 is the home of was not sent there")
	}
	w.moveAlice()
	if code := w.bobPaysNative(1); code != chain.NotPortable {
		t.Errorf("before the close: %v", code)
	}
	must(t, w.v10.Publish(t.Context(), bus.Draft{Position: envelope.Position{Major: 3}, End: true, HomeVersion: 1, Change: &envelope.Barrier{Generation: 4, TimeMs: 9}}))
	w.reaches(envelope.Position{Major: 3})
	hops := w.hops.Load()
	w.does(&chain.CloseMigration{HomeVersion: 2, Life: 1, Position: chain.SyncPosition{Major: 3}})

	table, err := w.services.query.HomeTable(t.Context())
	must(t, err)
	if !table.Closed || table.Version != 3 {
		t.Errorf("%+v", table)
	}
	if code := w.bobPaysNative(2); code != chain.OK {
		t.Errorf("a native payee: %v", code)
	}
	for _, body := range []string{fromAlice, fromBob} {
		if status := w.pays(body); status != http.StatusOK {
			t.Errorf("%s: %d", body, status)
		}
	}
	if n := w.hops.Load() - hops; n != 0 {
		t.Errorf("%d requests were sent to V10", n)
	}
	closed, err := w.services.query.HomeMove(t.Context(), 3)
	must(t, err)
	w.isOver(closed.Height)
	w.v10Knows(closed.Height)

	http.DefaultClient.CloseIdleConnections()
	w.halt()
	w.running = w.folder.start()
	w.isOver(closed.Height)
	must(t, w.v10.Publish(t.Context(), bus.Draft{Position: envelope.Position{Major: 4}, End: true, HomeVersion: 1, Change: &envelope.Round{Number: 5, TimeMs: 9}}))
	if status := w.pays(fromAlice); status != http.StatusOK {
		t.Errorf("after a restart: %d", status)
	}
	if in, err := w.services.query.Inbox(t.Context()); err != nil || in.Position != (chain.SyncPosition{Major: 3}) {
		t.Error(in, err)
	}
	w.isOver(closed.Height)
	http.DefaultClient.CloseIdleConnections()
}

// isOver waits until both directions say that they are, and nothing else.
func (w *closing) isOver(height chain.Height) {
	w.t.Helper()
	socket := admin.Dial(admin.SocketPath(w.folder.cfg.Dir))
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for {
		s := says(w.t, socket, control.StateClosed)
		if s.Capture.State == control.StateClosed {
			if s.Apply.Reason != "" || s.Apply.LagMs != 0 || s.Capture.Reason != "" || s.Capture.Position != uint64(height) {
				w.t.Errorf("%+v %+v", s.Apply, s.Capture)
			}
			return
		}
		select {
		case <-deadline.C:
			w.t.Fatalf("%+v", s.Capture)
		case <-ticks.C:
		}
	}
}

// v10Knows reads what V10 is told: all of the block of the close, nothing behind it, and heart-beats that say so.
func (w *closing) v10Knows(closed chain.Height) {
	w.t.Helper()
	v11 := envelope.LedgerID(codec.GenesisHash(w.genesis))
	in, err := bus.OpenReader(w.t.Context(), bus.ReaderConfig{Config: w.bus, Start: envelope.Start{
		Source: envelope.Source{Ledger: v11, Origin: envelope.V11, Life: 1, Incarnation: envelope.V11Incarnation(v11)}, Position: envelope.Position{Major: 1},
	}})
	must(w.t, err)
	defer in.Close()
	var last *envelope.Record
	for last == nil || last.Position.Major < uint64(closed) || !last.End {
		records, err := in.Next(w.t.Context(), 1)
		must(w.t, err)
		last = records[0]
	}
	ctx, stop := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer stop()
	var beats sync.WaitGroup
	beats.Go(func() {
		defer stop()
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for first := in.State().Beat; in.State().Beat <= first+1000 && ctx.Err() == nil; {
			<-ticks.C
		}
	})
	if records, err := in.Next(ctx, 1); err == nil {
		w.t.Errorf("V10 is told %+v behind the close", records[0])
	}
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	stop()
	beats.Wait()
	if s := in.State(); late || s.Stated != last.Position {
		w.t.Errorf("V10 heard last that all is told up to %s, and the close is at %s", s.Stated, last.Position)
	}
}
