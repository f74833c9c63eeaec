// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net/http"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server/admin"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// says waits until a half is in a state, as its socket says.
func says(t *testing.T, c *admin.Client, state string) *control.Half {
	t.Helper()
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	var last *control.Half
	for range 2000 {
		<-ticks.C
		if s, err := c.SyncStatus(t.Context()); err == nil {
			if last = s; s.Apply.State == state {
				return s
			}
		}
	}
	t.Fatalf("never %s: %+v", state, last)
	return nil
}

// govern has governance do something.
func (r *running) govern(nonce uint64, body chain.Body) {
	t := r.folder.t
	t.Helper()
	tx := chain.Tx{Chain: testChain, Sender: 1, Key: 1, Nonce: nonce, ValidUntil: 90_000, Body: body}
	sig, err := signer(t, keys.Ed25519, 3).Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
	must(t, err)
	a := deskChain{r.services.query, r.intake}.SubmitTxs(t.Context(), [][]byte{codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig})})[0]
	if a.Err != nil || a.Outcome != chain.OK {
		t.Fatalf("%T: %+v", body, a)
	}
}

// TestPoison: a change of V10 that cannot be made holds the direction, over a restart too, and is a dead letter once. Another try after
// mending passes it, and governance's skip passes the next one; the changes behind are made then, and not before.
func TestPoison(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	cfg := testBus(t)
	must(t, keys.WriteFile(f.cfg.Path("keys/inbox.key"), signer(t, keys.Ed25519, 6), nil))
	f.cfg.Rest.ChannelLast = syncChannel - 1
	f.cfg.Sync.Ledger, f.cfg.Sync.Brokers, f.cfg.Sync.Keys = "old", cfg.Brokers, cfg.KeyFiles
	f.cfg.Sync.Signer, f.cfg.Sync.Channel, f.cfg.Sync.Start = "keys/inbox.key", syncChannel, "1.0"
	alice := keys.AliasSlot("AUR-alice")
	f.genesis.V10Slots = []chain.SlotRange{{From: alice, To: alice}}
	f.writeGenesis()
	p, err := bus.OpenPublisher(t.Context(), bus.PublisherConfig{Config: cfg, Source: syncSource})
	must(t, err)
	defer p.Close()
	pays := func(major uint64, amount, fee uint64) envelope.Position {
		at := envelope.Position{Major: major}
		must(t, p.Publish(t.Context(), bus.Draft{Position: at, End: true, HomeVersion: 1, Change: &envelope.Transfer{
			Deed: aDeed, From: "AUR-alice", To: "AUR-carol", Asset: "AUR", Amount: chain.Units(amount * 100_000_000), Fee: chain.Units(fee),
		}}))
		return at
	}
	r := f.start()
	r.openInbox()
	good := pays(2, 1, 0)
	r.reaches(good)
	bad := pays(3, 1_000_003, 0)
	pays(4, 2, 0)
	socket := admin.Dial(admin.SocketPath(f.cfg.Dir))
	for range 2 {
		held := says(t, socket, control.StateHeld).Apply.Held
		if held == nil || held.Position != bad.String() || held.Reason != chain.InsufficientFunds.String() || held.Tries != 3 || !held.Letter || held.Slot == nil || *held.Slot != alice {
			t.Fatalf("%+v", held)
		}
		if in, err := r.services.query.Inbox(t.Context()); err != nil || envelope.Position(in.Position) != good {
			t.Fatal(in, err)
		}
		http.DefaultClient.CloseIdleConnections()
		r.halt()
		r = f.start()
	}
	says(t, socket, control.StateHeld)
	letters, err := bus.Letters(t.Context(), cfg, envelope.V10)
	must(t, err)
	if len(letters) != 1 || letters[0].Record.Position != bad || letters[0].Reason != chain.InsufficientFunds.String() || letters[0].Applier != f.cfg.Name {
		t.Errorf("%+v", letters)
	}
	r.post(t, `{"from":"AUR-bob","to":"AUR-alice","amount":10}`)
	must(t, socket.SyncRetry(t.Context()))
	r.reaches(envelope.Position{Major: 4})
	if err := socket.SyncRetry(t.Context()); fault.ReasonOf(err) != control.ReasonNotHeld {
		t.Error(err)
	}
	fee := pays(5, 1, 7)
	last := pays(6, 1, 0)
	held := says(t, socket, control.StateHeld).Apply.Held
	tag, err := chain.ParseHash(held.Tag)
	must(t, err)
	r.govern(2, &chain.SkipSync{Life: held.Life, Position: chain.SyncPosition(fee), Tag: tag, Slot: chain.SlotNone, Reason: codec.Sum([]byte("why"))})
	r.reaches(last)
	s := says(t, socket, control.StateApplying)
	if s.Apply.Skipped != 1 || s.Apply.Held != nil || s.Capture.State != control.StateApplying || s.Ledger != "v11" || s.Apply.Direction != "v10" {
		t.Errorf("%+v %+v", s.Apply, s.Capture)
	}
	must(t, socket.SyncSet(t.Context(), control.RateName("v10"), 50))
	if s := says(t, socket, control.StateApplying); s.Apply.RateMax != 50 {
		t.Errorf("%+v", s.Apply)
	}
	if err := socket.SyncSet(t.Context(), control.RateName("v11"), 50); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}
