// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/reverse"
)

// reverseWindow is small, so that a test fills it.
const reverseWindow = 20

// progress is a V10 that says how far it has applied V11's blocks.
type progress struct {
	height atomic.Int64 // below 0: it does not answer
	*httptest.Server
}

func newProgress(t *testing.T) *progress {
	p := &progress{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if p.height.Load() < 0 {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprintf(rw, `{"inbox":null,"height":%d}`, p.height.Load())
	}))
	t.Cleanup(p.Close)
	return p
}

// startReversing runs a node of which V10 owns no slot but one of nobody's.
func startReversing(t *testing.T) (*running, *progress) {
	f, p := newFolder(t), newProgress(t)
	f.withRest()
	f.cfg.Sync.Progress = p.URL
	must(t, f.cfg.Validate())
	f.genesis.V10Slots = []chain.SlotRange{{From: 7, To: 7}}
	if keys.AliasSlot(v10Names[0]) == 7 || keys.AliasSlot(v10Names[1]) == 7 {
		t.Fatal("somebody is in the slot")
	}
	f.writeGenesis()
	r := f.start()
	r.reverse.mu.Lock()
	r.reverse.window = reverse.New(reverse.Config{BehindMax: time.Second, First: 1, LegsMin: reverseWindow})
	r.reverse.mu.Unlock()
	r.becomes(func() bool { return r.reverse.is() }, "nothing is bounded")
	return r, p
}

// becomes waits for a condition.
func (r *running) becomes(ok func() bool, otherwise string) {
	t := r.folder.t
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d owed, %+v\n%s", otherwise, r.owed(), r.reverse.assets, r.log)
		}
	}
}

// paying pays of one account.
type paying struct {
	from, to chain.AccountNo
	asset    chain.AssetNo
	key      chain.KeyNo
	signer   keys.Signer
	nonce    uint64
}

// portable pays of an account of V10's, by its custodian's key.
func (r *running) portable() *paying {
	t := r.folder.t
	t.Helper()
	alias := r.services.rest.custody.AliasKey
	found, err := r.services.query.AccountsByTag(t.Context(), []chain.Hash{alias.Tag(v10Names[0]), alias.Tag(v10Names[1])})
	must(t, err)
	asset, err := r.services.query.AssetByCode(t.Context(), "AUR")
	must(t, err)
	return &paying{from: found[0].Number, to: found[1].Number, asset: asset.Number, key: syncKeyNo, signer: signer(t, keys.Ed25519, 6)}
}

// native pays of an account that V10 cannot name. Account and key are behind those of the custodian.
func (r *running) native() *paying {
	return &paying{from: payer + 1, to: payer, asset: 1, key: syncKeyNo + 2, signer: r.folder.payer}
}

// pay pays one unit, or says why the node does not take that now.
func (p *paying) pay(r *running) error {
	t := r.folder.t
	t.Helper()
	tx := chain.Tx{Chain: testChain, Sender: p.from, Key: p.key, Nonce: p.nonce + 1, ValidUntil: 90_000, Body: &chain.Transfer{To: p.to, Asset: p.asset, Amount: chain.Units(1)}}
	sig, err := p.signer.Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
	must(t, err)
	a := deskChain{r.services.query, r.intake}.SubmitTxs(t.Context(), [][]byte{codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig})})[0]
	if a.Err == nil {
		p.nonce++
		if a.Outcome != chain.OK {
			t.Fatal(a.Outcome)
		}
	}
	return a.Err
}

func (r *running) owed() uint64 {
	r.reverse.mu.Lock()
	defer r.reverse.mu.Unlock()
	return r.reverse.window.Owed()
}

// TestPortableWaitsForV10: portable payments are let in until V10 has so much to apply, and again as it applies; native ones always are. A
// node that starts anew counts what V10 had not applied.
func TestPortableWaitsForV10(t *testing.T) {
	r, v10 := startReversing(t)
	p := r.portable()
	refused := func() bool {
		err := p.pay(r)
		if err != nil && (!fault.Is(err, fault.TryLater) || fault.ReasonOf(err) != intake.ReasonReverseRate) {
			t.Fatal(err)
		}
		return err != nil
	}
	r.becomes(refused, "nothing is refused")
	// What is spare beside the window is half of a leg a second.
	if p.nonce < reverseWindow || p.nonce > reverseWindow+12 {
		t.Errorf("%d are paid before the first is refused", p.nonce)
	}
	for native := r.native(); native.nonce < 50; {
		must(t, native.pay(r))
	}
	r.becomes(func() bool { return r.owed() == p.nonce }, "what is paid is not owed")
	v10.height.Store(int64(r.loop.Height()))
	before := p.nonce
	r.becomes(func() bool { refused(); return p.nonce > before+reverseWindow/2 }, "nothing is let in again")
	v10.height.Store(-1)
	r.becomes(refused, "nothing is refused by a node that hears nothing of V10")

	http.DefaultClient.CloseIdleConnections()
	r.halt()
	v10.height.Store(0)
	r = r.folder.start()
	r.becomes(func() bool { return r.owed() == p.nonce }, "what was paid before the restart is not owed")
	http.DefaultClient.CloseIdleConnections()
}
