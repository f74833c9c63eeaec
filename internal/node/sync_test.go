// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/applier"
	"github.com/aurigraph/aurigraph/internal/sync/chainlog"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const (
	syncKeyNo = chain.KeyNo(3) // the gateway institution's own key; its desk has the delegated one behind it

	syncChannel = 200
)

var syncSource = envelope.Source{Ledger: envelope.V10Ledger("old"), Origin: envelope.V10, Life: 1, Incarnation: envelope.Incarnation{7}}

// aDeed is one that V10 may say.
var aDeed = envelope.Deed{ID: v10.TxIDAt(1, 1, v10.LegacyPlaceMin)}

// v10Tape is what V10 has to tell, as a reader.
type v10Tape struct{ records []*envelope.Record }

func tapeOf(t *testing.T, changes ...envelope.Change) *v10Tape {
	k, err := envelope.NewKey(bytes.Repeat([]byte{5}, envelope.SecretBytesMin))
	must(t, err)
	p := &v10Tape{}
	before := &envelope.Record{}
	for i, c := range changes {
		r := &envelope.Record{
			Source: syncSource, Position: envelope.Position{Major: uint64(i) + 1}, Previous: before.Position, PreviousTag: before.Tag, Since: uint64(i), End: true, HomeVersion: 1, Change: c,
		}
		_, err := envelope.Seal(&k, r)
		must(t, err)
		p.records, before = append(p.records, r), r
	}
	return p
}

func (p *v10Tape) open(_ context.Context, start envelope.Start) (applier.Reader, error) {
	return &v10Tape{p.records[start.Position.Major:]}, nil
}

// Next hands out a few, so that there are batches enough to meet others.
func (p *v10Tape) Next(ctx context.Context, limit int) ([]*envelope.Record, error) {
	if n := min(limit, len(p.records), 50); n > 0 {
		out := p.records[:n]
		p.records = p.records[n:]
		return out, nil
	}
	<-ctx.Done()
	return nil, fault.Wrap(fault.Timeout, ctx.Err(), "read")
}

func (p *v10Tape) Beat() (envelope.Position, uint64) { return envelope.Position{}, 0 }

// Trouble implements applier.Reader.
func (p *v10Tape) Trouble() error { return nil }
func (p *v10Tape) Close()         {}

// told collects what V10 is told.
type told struct {
	mu     sync.Mutex // guards drafts
	drafts []chainlog.Draft
	enough func(*envelope.Transfer)
}

func (s *told) Tip() (envelope.Position, bool) { return envelope.Position{}, false }

func (s *told) Publish(_ context.Context, d chainlog.Draft) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drafts = append(s.drafts, d)
	if t, is := d.Change.(*envelope.Transfer); is {
		s.enough(t)
	}
	return nil
}

// openInbox has governance open the inbox for the gateway's own key.
func (r *running) openInbox() {
	t := r.folder.t
	t.Helper()
	tx := chain.Tx{Chain: testChain, Sender: 1, Key: 1, Nonce: 1, ValidUntil: 90_000, Body: &chain.OpenInbox{
		Ledger: chain.Hash(syncSource.Ledger), Incarnation: syncSource.Incarnation, Life: 1, Institution: 3, Key: syncKeyNo,
	}}
	sig, err := signer(t, keys.Ed25519, 3).Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
	must(t, err)
	a := deskChain{r.services.query, r.intake}.SubmitTxs(t.Context(), [][]byte{codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig})})[0]
	if a.Err != nil || a.Outcome != chain.OK {
		t.Fatalf("open the inbox: %+v", a)
	}
}

// TestSyncThroughANode: V10's records become balances that REST shows; V11's own payment is told to V10, and of V10's changes nothing
// goes back.
func TestSyncThroughANode(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	f.cfg.Rest.ChannelLast = syncChannel - 1
	alice := keys.AliasSlot("AUR-alice")
	f.genesis.V10Slots = []chain.SlotRange{{From: alice, To: alice}}
	f.writeGenesis()
	r := f.start()
	r.openInbox()
	c := r.newSyncChain()

	request := &envelope.Request{Key: chain.IdempotencyKey{1}, Body: [16]byte{2}}
	refused := envelope.Deed{ID: aDeed.ID, Outcome: chain.InsufficientFunds, Request: request}
	tape := tapeOf(t,
		&envelope.Transfer{Deed: aDeed, From: "AUR-alice", To: "AUR-bob", Asset: "AUR", Amount: chain.Units(100_000_000)},
		&envelope.Transfer{Deed: aDeed, From: "AUR-alice", To: "Neu/EUR", Asset: "AUR", Amount: chain.Units(700_000_000)},
		&envelope.Transfer{Deed: refused, From: "AUR-alice", To: "AUR-bob", Asset: "AUR", Amount: chain.Units(1)},
		&envelope.AssetCreated{Deed: aDeed, Code: "EUR.X", Name: "Euro", Scale: 2, Issuer: "AUR-alice"},
		&envelope.Issued{Deed: aDeed, Asset: "EUR.X", Issuer: "AUR-alice", To: "AUR-carol", Amount: chain.Units(950)},
		&envelope.AccountOpened{Deed: aDeed, Alias: "Zoe"},
		&envelope.Round{Number: 3, TimeMs: 9},
	)
	r.applies(t, c, chain.SyncPosition{Major: uint64(len(tape.records))}, r.newApplier(c, tape))

	base := "http://" + r.RestAddress() + "/api/v10/accounts/"
	for account, want := range map[string]string{
		"AUR-bob":   `"balances":[{"asset":"AUR","amount":1000001}]`,
		"Neu%2FEUR": `"balances":[{"asset":"AUR","amount":7}]`,
		"AUR-carol": `{"asset":"EUR.X","amount":9.5}`,
		"Zoe":       `"balances":[]`,
	} {
		if code, text := get(t, base+account+"/balances"); code != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", account, code, text)
		}
	}
	_, list := get(t, "http://"+r.RestAddress()+"/api/v10/transactions")
	if !strings.Contains(list, `"from":"AUR-alice","to":"AUR-bob","amount":0.00000001,"currency":"AUR"`) || strings.Count(list, `"status":"FAILED"`) != 1 || !strings.Contains(list, `"total":3`) {
		t.Error(list) // two payments and the refused one
	}
	r.tells(t, c)
	http.DefaultClient.CloseIdleConnections()
}

// newApplier makes an applier of a tape.
func (r *running) newApplier(c *syncChain, tape *v10Tape) *applier.Applier {
	t := r.folder.t
	t.Helper()
	a, err := applier.New(
		applier.Config{Chain: testChain, Ledger: chain.Hash(syncSource.Ledger), Signer: signer(t, keys.Ed25519, 6), AliasKey: r.services.rest.custody.AliasKey, Channel: syncChannel},
		applier.Parts{Chain: c, Open: tape.open, Vault: r.services.rest.vault, Log: newLogger(r.log)})
	must(t, err)
	return a
}

// TestTwoAppliers: two that run at once on one channel get in each other's way, and every change is made once.
func TestTwoAppliers(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	f.cfg.Rest.ChannelLast = syncChannel - 1
	f.genesis.V10Slots = []chain.SlotRange{{From: 0, To: chain.SlotsMax - 1}}
	f.writeGenesis()
	r := f.start()
	r.openInbox()
	c := r.newSyncChain()
	var changes []envelope.Change
	for i := range 2000 {
		changes = append(changes, &envelope.Transfer{Deed: aDeed, From: "AUR-alice", To: "Kunde " + strconv.Itoa(i%40), Asset: "AUR", Amount: chain.Units(100_000_000)})
	}
	tape := tapeOf(t, changes...)
	r.applies(t, c, chain.SyncPosition{Major: uint64(len(changes))}, r.newApplier(c, tape), r.newApplier(c, tape))
	for i := range 40 {
		if _, text := get(t, "http://"+r.RestAddress()+"/api/v10/accounts/Kunde%20"+strconv.Itoa(i)+"/balances"); !strings.Contains(text, `"amount":50}`) {
			t.Error(text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// appliesMax is more than any of the tests needs on a busy machine.
const appliesMax = 2 * time.Minute

// applies runs appliers until the inbox is at a place.
func (r *running) applies(t *testing.T, c *syncChain, want chain.SyncPosition, appliers ...*applier.Applier) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	all, inner := errgroup.WithContext(ctx)
	for _, a := range appliers {
		all.Go(func() error { return a.Run(inner) })
	}
	there := errors.New("there")
	most, cancel := context.WithTimeout(t.Context(), appliesMax)
	defer cancel()
	err := c.Follow(most, c.query.Height(), func(chain.Height) error {
		in, err := c.Inbox(t.Context())
		if err == nil && in.Position == want {
			return there
		}
		return err
	})
	if !errors.Is(err, there) {
		for _, a := range appliers {
			t.Errorf("%+v", a.Status())
		}
		t.Fatalf("%v\n%s", err, r.log)
	}
	stop()
	must(t, all.Wait())
	in, err := c.Inbox(t.Context())
	must(t, err)
	if in.Applied != want.Major {
		t.Errorf("%d changes were applied, want %d", in.Applied, want.Major)
	}
}

// tells pays through REST, and wants V10 to be told of that and of nothing that it told.
func (r *running) tells(t *testing.T, c *syncChain) {
	t.Helper()
	r.post(t, `{"from":"AUR-bob","to":"Neu/EUR","amount":2}`)
	ctx, stop := context.WithCancel(t.Context())
	sink := &told{enough: func(*envelope.Transfer) { stop() }}
	capture, err := chainlog.New(chainlog.Config{Institution: 3, SyncKeys: []chain.KeyNo{syncKeyNo}}, chainlog.Parts{Chain: c, Names: r.services.rest.vault, Sink: sink})
	must(t, err)
	must(t, capture.Run(ctx))
	var changes []envelope.Change
	for _, d := range sink.drafts {
		if _, block := d.Change.(*envelope.Block); !block {
			changes = append(changes, d.Change)
		}
	}
	if len(changes) != 1 {
		t.Fatalf("V10 is told %d changes: %+v", len(changes), changes)
	}
	if p := changes[0].(*envelope.Transfer); p.From != "AUR-bob" || p.To != "Neu/EUR" || p.Asset != "AUR" || p.Amount != chain.Units(200_000_000) || p.Outcome != chain.OK {
		t.Errorf("%+v", p)
	}
}
