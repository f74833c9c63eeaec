// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/query"
)

func TestAccount(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r := w.Batch(pay(house, alice, gold, 5), pay(alice, ported, silver, 7))
		a, err := w.Account(ctx, query.AccountName{Number: alice}, 0)
		if err != nil || a.Height < r.Location.Height || a.Number != alice || a.Institution != historytest.Governance || a.Slot != chain.SlotNone {
			t.Errorf("%+v %v", a, err)
		}
		holdings := []query.Holding{
			{Asset: gold, Code: "GOLD", Scale: 3, Amount: chain.Units(1005)}, {Asset: silver, Code: "SILVER", Scale: 2, Amount: chain.Units(993)},
		}
		if !reflect.DeepEqual(a.Holdings, holdings) {
			t.Errorf("%+v", a.Holdings)
		}
		for name, by := range map[string]query.AccountName{"address": {Address: chain.Address{19: 9}}, "alias": {AliasTag: historytest.PortedTag}} {
			b, err := w.Account(ctx, by, silver)
			if err != nil || b.Number != ported || b.Slot != historytest.PortedSlot || len(b.Holdings) != 1 || b.Holdings[0].Amount != chain.Units(7) {
				t.Errorf("by %s: %+v %v", name, b, err)
			}
		}
		if b, err := w.Account(ctx, query.AccountName{Number: carol}, gold); err != nil || b.Key != historytest.CarolKey || !b.Holdings[0].Amount.IsZero() {
			t.Errorf("%+v %v", b, err)
		}
		for name, c := range map[string]struct {
			by    query.AccountName
			asset chain.AssetNo
			kind  fault.Kind
			word  string
		}{
			"nothing":       {query.AccountName{}, 0, fault.Invalid, "number, address or alias"},
			"number":        {query.AccountName{Number: 999}, 0, fault.NotFound, "no account 999"},
			"address":       {query.AccountName{Address: chain.Address{1}}, 0, fault.NotFound, "no such account"},
			"alias":         {query.AccountName{AliasTag: chain.Hash{1}}, 0, fault.NotFound, "no such account"},
			"unknown asset": {query.AccountName{Number: alice}, 99, fault.NotFound, "no asset 99"},
		} {
			_, err := w.Account(ctx, c.by, c.asset)
			want(t, name, err, c.kind, c.word)
			_, err = w.AccountProof(ctx, c.by, c.asset)
			want(t, name+", proved", err, c.kind, c.word)
		}
	})
}

func TestAssetAndInstitution(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		signed, _ := w.Tx(house, govKey, &chain.Issue{To: bob, Asset: silver, Amount: chain.Units(9)})
		r := w.Txs(signed)
		a, err := w.Asset(ctx, silver)
		if err != nil || a.Height < r.Location.Height || a.Code != "SILVER" || a.Name != "Silver" || a.Scale != 2 || a.Issuer != house || a.Supply != chain.Units(1009) {
			t.Errorf("%+v %v", a, err)
		}
		if a, err = w.AssetByCode(ctx, "GOLD"); err != nil || a.Number != gold || a.Flags != chain.AssetDense|chain.AssetVersioned {
			t.Errorf("%+v %v", a, err)
		}
		_, err = w.Asset(ctx, 9)
		want(t, "asset", err, fault.NotFound, "no such asset")
		_, err = w.AssetByCode(ctx, "LEAD")
		want(t, "code", err, fault.NotFound, "no such asset")
		w.Batch(pay(house, alice, gold, 1))
		in, err := w.Institution(ctx, historytest.Governance, 0)
		if err != nil || in.Name != "governance" || in.House != house || in.ChannelSequence != 1 || len(in.Keys) != 1 || in.Keys[0].Number != govKey || !in.Keys[0].Active || in.Height == 0 {
			t.Errorf("%+v %v", in, err)
		}
		if in, err = w.Institution(ctx, historytest.Governance, 1); err != nil || in.ChannelSequence != 0 {
			t.Errorf("another channel: %+v %v", in, err)
		}
		_, err = w.Institution(ctx, 9, 0)
		want(t, "institution", err, fault.NotFound, "no institution 9")
	})
}

// An answer holds at the height it says, whatever goes on meanwhile: each block moves 1 from house to alice, so what both
// have together never changes, and what alice has tells the height.
func TestReadsBesideBlocks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const blocks = 50
		at := map[chain.Height]uint64{} // what alice got up to a height
		done := make(chan map[chain.Height]uint64)
		go func() {
			got := map[chain.Height]uint64{}
			for {
				a, err := w.Account(t.Context(), query.AccountName{Number: alice}, gold)
				if err != nil {
					t.Error(err)
				}
				if h := w.Loop.Height(); err != nil || h < a.Height {
					t.Errorf("the answer is of height %d, certified is %d", a.Height, h)
				}
				amount := a.Holdings[0].Amount.Lo - 1000
				got[a.Height] = amount
				if amount == blocks {
					done <- got
					return
				}
				<-time.After(time.Millisecond)
			}
		}()
		for i := range uint64(blocks) {
			at[w.Batch(pay(house, alice, gold, 1)).Location.Height] = i + 1
		}
		reads := <-done
		for h, amount := range reads {
			below := h
			for at[below] == 0 && below > 0 {
				below--
			}
			if at[below] != amount {
				t.Errorf("at height %d alice had got %d, not %d", h, at[below], amount)
			}
		}
		if len(reads) < 10 {
			t.Errorf("only %d heights were read", len(reads))
		}
	})
}

// record is what a page says at a proof's place, of a record of some bytes.
func record(p query.PageProof, bytes int) []byte {
	at := int(p.Record%uint64(pages.PageBytes/bytes)) * bytes
	return p.Page[at : at+bytes]
}

func TestAccountProof(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Batch(pay(house, alice, gold, 5), pay(alice, bob, silver, 3))
		w.Settle()
		for _, c := range []struct {
			account chain.AccountNo
			asset   chain.AssetNo
			pages   int
			amount  uint64
		}{{alice, 0, 2, 0}, {alice, gold, 3, 1005}, {carol, gold, 3, 0}, {alice, silver, 4, 997}, {bob, silver, 4, 3}} {
			p, err := w.AccountProof(ctx, query.AccountName{Number: c.account}, c.asset)
			if err != nil || len(p.Pages) != c.pages {
				t.Fatalf("%+v: %+v %v", c, p, err)
			}
			header, err := codec.DecodeHeader(p.HeaderBytes)
			if err != nil || header.RootAt != p.RootHeight || p.RootHeight == 0 {
				t.Errorf("%+v: root of %d, header %+v, %v", c, p.RootHeight, header, err)
			}
			if cert, err := codec.DecodeCertificate(p.CertBytes); err != nil || cert.Header != codec.Sum(p.HeaderBytes) {
				t.Errorf("%+v: certificate %v", c, err)
			}
			for _, page := range p.Pages {
				path, err := pages.DecodeProof(page.Path)
				if err != nil || pages.Verify(header.StateRoot, path, page.Page) != nil || path.Section != page.Section {
					t.Errorf("%+v: section %d is not proved", c, page.Section)
				}
			}
			if p.Account.Number != c.account || p.Account.Height < p.RootHeight || [20]byte(record(p.Pages[0], 32)) != p.Account.Address {
				t.Errorf("%+v: account %+v", c, p.Account)
			}
			if c.asset != 0 {
				last := p.Pages[len(p.Pages)-1]
				if got := binary.LittleEndian.Uint64(record(last, 16)); got != c.amount || p.Account.Holdings[0].Amount != chain.Units(c.amount) {
					t.Errorf("%+v: the page says %d, the account %+v", c, got, p.Account.Holdings)
				}
			}
		}
		_, err := w.AccountProof(ctx, query.AccountName{Number: carol}, silver)
		want(t, "a sparse holding that never was", err, fault.NotFound, "no holding of asset 2 to prove")
	})
}

// What is newer than the newest state root is not proved as if it were empty, and is proved once a root covers it.
func TestProofOfWhatIsNewerThanTheRoot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Batch(pay(house, alice, gold, 5))
		w.Settle()
		w.Batch(pay(house, alice, gold, 5)) // a state root is due here, and the next one only a while later
		w.open(1)
		signed, _ := w.Tx(house, govKey, &chain.CreateAsset{Code: "LEAD", Name: "Lead", Flags: chain.AssetDense})
		opened := carol + 2
		w.Batch(pay(alice, bob, silver, 3))
		w.Txs(signed)
		proofs := map[string]func() error{
			"account":       func() error { _, err := w.AccountProof(ctx, query.AccountName{Number: opened}, 0); return err },
			"holding":       func() error { _, err := w.AccountProof(ctx, query.AccountName{Number: bob}, silver); return err },
			"dense holding": func() error { _, err := w.AccountProof(ctx, query.AccountName{Number: bob}, 3); return err },
		}
		for name, prove := range proofs {
			err := prove()
			want(t, name, err, fault.TryLater, "newer than the last state root")
			if fault.ReasonOf(err) != "newer_than_root" {
				t.Errorf("%s: reason %s", name, fault.ReasonOf(err))
			}
		}
		w.Settle()
		for name, prove := range proofs {
			if err := prove(); err != nil {
				t.Errorf("%s, later: %v", name, err)
			}
		}
	})
}

// deadState is a writer that does not answer.
type deadState struct{ err error }

func (d deadState) View(context.Context, func(*ledger.Ledger)) (chain.Height, error) { return 0, d.err }

func (d deadState) Prove(context.Context, func(*pages.Snapshot, *pages.Tree) error) (chain.Height, []byte, []byte, error) {
	return 0, nil, nil, d.err
}

// A reader's fault is the writer's.
func TestWriterGone(t *testing.T) {
	gone := errors.New("the writer has gone")
	q := query.New(query.Parts{State: deadState{gone}, Status: func() query.Status { return query.Status{} }})
	ctx := t.Context()
	for name, read := range map[string]func() error{
		"account":     func() error { _, err := q.Account(ctx, query.AccountName{Number: 1}, 0); return err },
		"proof":       func() error { _, err := q.AccountProof(ctx, query.AccountName{Number: 1}, 0); return err },
		"asset":       func() error { _, err := q.Asset(ctx, 1); return err },
		"code":        func() error { _, err := q.AssetByCode(ctx, "GOLD"); return err },
		"institution": func() error { _, err := q.Institution(ctx, 1, 0); return err },
		"accounts":    func() error { _, err := q.ListAccounts(ctx, 0, 1, ""); return err },
		"assets":      func() error { _, err := q.ListAssets(ctx, 1, ""); return err },
	} {
		if err := read(); !errors.Is(err, gone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
