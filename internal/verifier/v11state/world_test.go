// SPDX-License-Identifier: Apache-2.0

package v11state_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/verifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testChain chain.ChainID = 77

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a real ledger with real checkpoints, filled at random.
type world struct {
	t     testing.TB
	rng   *rand.Rand
	l     *ledger.Ledger
	space *pages.Space
	store *checkpoint.Store
	tree  *pages.Tree
	dir   string
	nonce uint64
}

// Of the genesis: assets 1 and 4 are dense, 3 and 5 portable.
const (
	gold, silver, note, bond, coin = 1, 2, 3, 4, 5
	firstNative                    = 3
	firstPortable                  = 103
)

func newWorld(t testing.TB, seed uint64, portable int) *world {
	t.Helper()
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), space: pages.NewSpace(), tree: pages.NewTree(), dir: t.TempDir()}
	w.l = ledger.New(w.space, func(public []byte) (a chain.Address, ok bool) {
		sum := codec.Sum(public)
		copy(a[:], sum[:])
		return a, true
	})
	must(t, w.l.InitGenesis(w.genesis(portable)))
	store, err := checkpoint.Open(w.dir, checkpoint.OS{}, checkpoint.Config{Chain: testChain, BytesPerSecond: 1 << 40})
	must(t, err)
	w.store = store
	w.l.BeginBlock(1, 10)
	code, _ := w.tx(1, &chain.OpenInbox{Ledger: chain.Hash{1}, Incarnation: [16]byte{2}, Life: 1, Institution: 1, Key: 1, Position: chain.SyncPosition{Major: 7, Minor: 3}, Tag: chain.Hash{5}})
	if code != chain.OK {
		t.Fatal("the inbox: ", code)
	}
	return w
}

func (w *world) genesis(portable int) *chain.Genesis {
	public := func(n uint32) chain.HexBytes {
		k := make(chain.HexBytes, 33)
		k[0] = 1
		binary.LittleEndian.PutUint32(k[1:], n)
		return k
	}
	g := &chain.Genesis{
		Chain: testChain, Name: "test", TimeUs: 5, AccountsMax: 1 << 20,
		Validators:   []chain.GenesisValidator{{Name: "v0", Ed25519: make(chain.HexBytes, 32), MLDSA65: make(chain.HexBytes, 1952)}},
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{public(1)}}, {Name: "bank", Keys: []chain.HexBytes{public(2)}}},
		V10Slots:     []chain.SlotRange{{From: 0, To: 4999}},
		Assets: []chain.GenesisAsset{
			{Code: "GOLD", Name: "Gold", Scale: 3, Flags: chain.AssetDense, Issuer: 1}, {Code: "SILVER", Name: "Silver", Issuer: 1},
			{Code: "NOTE", Name: "Note", Flags: chain.AssetPortable, Issuer: firstPortable}, {Code: "BOND", Name: "Bond", Flags: chain.AssetDense, Issuer: 2},
			{Code: "COIN", Name: "Coin", Scale: 18, Flags: chain.AssetPortable, Issuer: firstPortable + 1},
		},
	}
	for range firstPortable - firstNative {
		g.Accounts = append(g.Accounts, chain.GenesisAccount{Institution: chain.InstitutionNo(1 + w.rng.IntN(2)), Slot: chain.SlotNone})
	}
	for i := range portable {
		tag, address := codec.Sum([]byte(fmt.Sprint("tag", i))), codec.Sum([]byte(fmt.Sprint("address", i)))
		g.Accounts = append(g.Accounts, chain.GenesisAccount{Institution: 1, AliasTag: tag[:], Address: address[:20], Slot: uint16(w.rng.IntN(10_000))})
	}
	for a := chain.AccountNo(1); a < firstNative+50; a++ {
		for _, asset := range []chain.AssetNo{gold, silver, bond} {
			if w.rng.IntN(3) > 0 {
				g.Holdings = append(g.Holdings, chain.GenesisHolding{Account: a, Asset: asset, Amount: "340282366920938463463374607431768"})
			}
		}
	}
	for i := range portable {
		if w.rng.IntN(4) > 0 {
			g.Holdings = append(g.Holdings, chain.GenesisHolding{Account: chain.AccountNo(firstPortable + i), Asset: note, Amount: "1000"})
		}
	}
	return g
}

func (w *world) tx(sender chain.AccountNo, body chain.Body) (chain.Outcome, uint32) {
	w.nonce++
	t := &chain.Tx{Chain: testChain, Sender: sender, Key: 1, Nonce: w.nonce, ValidUntil: w.l.Height(), Body: body}
	code, result, _ := w.l.RunTx(t, codec.Sum(binary.LittleEndian.AppendUint64(nil, w.nonce)))
	return code, result
}

// block executes random transfers, holds and openings, whatever becomes of them, and ends the block.
func (w *world) block() {
	n := w.l.Counts().Accounts
	var legs []chain.Leg
	for range 1 + w.rng.IntN(200) {
		l := chain.Leg{
			From: chain.AccountNo(1 + w.rng.IntN(60)), To: chain.AccountNo(1 + w.rng.IntN(int(n))), Asset: chain.AssetNo(1 + w.rng.IntN(5)),
			Amount: chain.Amount{Lo: w.rng.Uint64N(1 << 20), Hi: w.rng.Uint64N(3)},
		}
		if l.Asset == note || l.Asset == coin {
			l.From, l.To = firstPortable+chain.AccountNo(w.rng.IntN(100)), firstPortable+chain.AccountNo(w.rng.IntN(100))
			l.Amount = chain.Units(w.rng.Uint64N(1000) + 1)
		}
		legs = append(legs, l)
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: testChain, Institution: 1, Key: 1, Sequence: w.l.Channel(1, 0) + 1, ValidUntil: w.l.Height()}, legs)
	must(w.t, err)
	w.l.RunBatch(b, codec.Sum(b.Bytes()), 0, make([]chain.Outcome, b.Len()))
	w.tx(1, &chain.Hold{To: 4, Asset: gold, Amount: chain.Units(w.rng.Uint64N(1000) + 1), Blocks: 1 + uint32(w.rng.IntN(3))})
	w.tx(1, &chain.OpenAccount{AliasTag: codec.Sum(fmt.Append(nil, w.nonce)), Address: addressOf(fmt.Sprint("opened", w.nonce)), Slot: uint16(w.rng.IntN(10_000))})
	w.l.EndBlock()
}

func addressOf(text string) (a chain.Address) {
	sum := codec.Sum([]byte(text))
	copy(a[:], sum[:])
	return a
}

func (w *world) next() { w.l.BeginBlock(w.l.Height()+1, w.l.TimeUs()+1000) }

// checkpoint writes the present state.
func (w *world) checkpoint(write func(*pages.Snapshot, checkpoint.Meta) error) chain.Hash {
	w.t.Helper()
	sn := w.space.Snapshot()
	defer sn.Release()
	root := w.tree.Update(sn)
	must(w.t, write(sn, checkpoint.Meta{Chain: testChain, Height: w.l.Height(), Root: root, Blob: []byte("whatever")}))
	return root
}

func (w *world) write(sn *pages.Snapshot, m checkpoint.Meta) error {
	_, err := w.store.Write(context.Background(), sn, m)
	return err
}

func (w *world) writeAnchor(sn *pages.Snapshot, m checkpoint.Meta) error {
	return w.store.WriteAnchor(context.Background(), sn, m)
}

// picture is all that a state says.
type picture struct {
	inbox    verifier.StateInbox
	timeUs   uint64
	accounts []verifier.StateAccount
	assets   []verifier.StateAsset
	balances map[[2]uint32]chain.Amount
}

// truth is what the ledger itself says.
func (w *world) truth() picture {
	in := w.l.Inbox()
	p := picture{timeUs: w.l.TimeUs(), balances: map[[2]uint32]chain.Amount{}, inbox: verifier.StateInbox{
		Ledger: in.Ledger, Incarnation: in.Incarnation, Life: in.Life, Position: in.Position, Tag: in.Tag, Applied: in.Applied, Skipped: in.Skipped,
		Barrier: in.Barrier, Round: in.Round,
	}}
	assets := chain.AssetNo(w.l.Counts().Assets)
	for no := chain.AssetNo(1); no <= assets; no++ {
		a, _ := w.l.Asset(no)
		p.assets = append(p.assets, verifier.StateAsset{Number: no, Code: a.Code, Name: a.Name, Scale: a.Scale, Flags: a.Flags, Issuer: a.Issuer, Supply: a.Supply})
	}
	for no := chain.AccountNo(0); no <= chain.AccountNo(w.l.Counts().Accounts); no++ {
		if a, ok := w.l.Account(no); ok && no != 0 {
			p.accounts = append(p.accounts, verifier.StateAccount{
				Number: no, Address: a.Address, Alias: a.Alias, Custodian: a.Custodian, Slot: a.Slot, Portable: a.Slot != chain.SlotNone && !a.Alias.IsZero(),
			})
		}
		for asset := chain.AssetNo(1); asset <= assets; asset++ {
			if b := w.l.Balance(no, asset); !b.IsZero() {
				p.balances[[2]uint32{uint32(no), uint32(asset)}] = b
			}
		}
	}
	return p
}

// seen is what a reader hands out.
func seen(t testing.TB, s verifier.State) picture {
	t.Helper()
	ctx := context.Background()
	p := picture{inbox: s.Inbox(), timeUs: s.TimeUs(), balances: map[[2]uint32]chain.Amount{}}
	must(t, s.Accounts(ctx, func(a *verifier.StateAccount) error { p.accounts = append(p.accounts, *a); return nil }))
	must(t, s.Assets(ctx, func(a *verifier.StateAsset) error { p.assets = append(p.assets, *a); return nil }))
	must(t, s.Balances(ctx, func(b verifier.StateBalance) error {
		at := [2]uint32{uint32(b.Account), uint32(b.Asset)}
		if _, twice := p.balances[at]; twice {
			t.Errorf("holding %v comes twice", at)
		}
		p.balances[at] = b.Amount
		return nil
	}))
	return p
}
