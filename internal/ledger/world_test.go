// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

const testChain chain.ChainID = 77

// publicKey makes the n-th key of a scheme.
func publicKey(scheme byte, n uint32) []byte {
	k := make([]byte, 1+keySizes[scheme])
	k[0] = scheme
	binary.LittleEndian.PutUint32(k[1:], n)
	return k
}

// testAddress stands for package keys: the address is a hash, and a key whose last byte is 0xFF is no key.
func testAddress(public []byte) (a chain.Address, ok bool) {
	sum := codec.Sum(public)
	copy(a[:], sum[:])
	return a, len(public) > 0 && public[len(public)-1] != 0xFF
}

// smallGenesis has two institutions (house accounts 1 and 2; keys 1, 2 and 3), account 3 under institution 1, account 4
// under 2, account 5 with its own key 4, accounts 6 and 7 portable under 1 (slots 10: V10's, 20: ours). Assets: 1 GOLD
// dense, 2 SILVER sparse, 3 NOTE portable (issuer 6's slot is V10's), 4 BOND versioned, 5 COIN portable (issuer 7).
func smallGenesis() *chain.Genesis {
	tag := func(b byte) chain.HexBytes { t := make(chain.HexBytes, 32); t[0] = b; return t }
	addr := func(b byte) chain.HexBytes { a := make(chain.HexBytes, 20); a[0] = b; return a }
	return &chain.Genesis{
		Chain: testChain, Name: "test", TimeUs: 5,
		Validators: []chain.GenesisValidator{{Name: "v0", Ed25519: make(chain.HexBytes, 32), MLDSA65: make(chain.HexBytes, 1952)}, {Name: "v1", Ed25519: make(chain.HexBytes, 32), MLDSA65: make(chain.HexBytes, 1952)}},
		Institutions: []chain.GenesisInstitution{
			{Name: "governance", Keys: []chain.HexBytes{publicKey(1, 1), publicKey(3, 2)}},
			{Name: "bank", Keys: []chain.HexBytes{publicKey(1, 3)}},
		},
		Accounts: []chain.GenesisAccount{
			{Institution: 1, Slot: chain.SlotNone}, {Institution: 2}, {PublicKey: publicKey(2, 4)},
			{Institution: 1, AliasTag: tag(1), Address: addr(1), Slot: 10}, {Institution: 1, AliasTag: tag(2), Address: addr(2), Slot: 20},
		},
		Assets: []chain.GenesisAsset{
			{Code: "GOLD", Name: "Gold", Scale: 3, Flags: chain.AssetDense, Issuer: 1},
			{Code: "SILVER", Name: "Silver", Issuer: 1},
			{Code: "NOTE", Name: "Note", Flags: chain.AssetPortable, Issuer: 6},
			{Code: "BOND", Name: "Bond", Flags: chain.AssetVersioned | chain.AssetDense, Issuer: 4},
			{Code: "COIN", Name: "Coin", Flags: chain.AssetPortable, Issuer: 7},
		},
		Holdings: []chain.GenesisHolding{
			{Account: 1, Asset: 1, Amount: "1000"}, {Account: 3, Asset: 1, Amount: "1000"}, {Account: 4, Asset: 1, Amount: "1000"},
			{Account: 5, Asset: 1, Amount: "1000"}, {Account: 3, Asset: 2, Amount: "1000"}, {Account: 4, Asset: 2, Amount: "1000"},
			{Account: 6, Asset: 3, Amount: "1000"}, {Account: 7, Asset: 3, Amount: "1000"}, {Account: 3, Asset: 4, Amount: "1000"},
			{Account: 7, Asset: 5, Amount: "1000"}, {Account: 6, Asset: 5, Amount: "1000"},
		},
		V10Slots:    []chain.SlotRange{{From: 10, To: 12}},
		AccountsMax: 1000,
	}
}

// start makes a ledger of a genesis with block 1 begun.
func start(t testing.TB, g *chain.Genesis) *Ledger {
	t.Helper()
	l := New(pages.NewSpace(), testAddress)
	if err := l.InitGenesis(g); err != nil {
		t.Fatal(err)
	}
	l.BeginBlock(1, 10)
	return l
}

// next ends the block and begins another.
func next(l *Ledger) {
	l.EndBlock()
	l.BeginBlock(l.Height()+1, l.TimeUs()+1)
}

// later ends the block and begins another, so many microseconds after it.
func later(l *Ledger, micros uint64) {
	l.EndBlock()
	l.BeginBlock(l.Height()+1, l.TimeUs()+micros)
}

// client signs for an institution: it counts its sequences and nonces.
type client struct {
	l           *Ledger
	institution chain.InstitutionNo
	key         chain.KeyNo
	nonce       uint64
}

func (c *client) batch(t testing.TB, flags chain.BatchFlags, legs ...chain.Leg) (chain.Batch, chain.Hash) {
	t.Helper()
	b, err := chain.NewBatch(chain.BatchHeader{
		Flags: flags, Chain: testChain, Institution: c.institution, Key: c.key,
		Sequence: c.l.Channel(c.institution, 0) + 1, ValidUntil: c.l.Height(),
	}, legs)
	if err != nil {
		t.Fatal(err)
	}
	return b, codec.Sum(b.Bytes())
}

func (c *client) run(t testing.TB, flags chain.BatchFlags, legs ...chain.Leg) []chain.Outcome {
	t.Helper()
	b, id := c.batch(t, flags, legs...)
	codes := make([]chain.Outcome, b.Len())
	moved, final := c.l.RunBatch(b, id, 0, codes)
	ok := 0
	for _, code := range codes {
		if code == chain.OK {
			ok++
		}
	}
	if moved != ok || !final {
		t.Fatalf("moved %d of %d OK legs, final %v", moved, ok, final)
	}
	return codes
}

// tx runs a transaction of an account under the client's key.
func (c *client) tx(sender chain.AccountNo, body chain.Body) (chain.Outcome, uint32, chain.Hash) {
	c.nonce++
	t := &chain.Tx{Chain: testChain, Sender: sender, Key: c.key, Nonce: c.nonce, ValidUntil: c.l.Height(), Body: body}
	id := chain.Hash{0xAA, byte(sender), byte(c.key), byte(c.nonce), byte(c.nonce >> 8)} // some bodies have no encoding
	code, result, _ := c.l.RunTx(t, id)
	return code, result, id
}

func units(n uint64) chain.Amount { return chain.Units(n) }

// breaks fails unless f breaks an invariant.
func breaks(t testing.TB, f func()) {
	t.Helper()
	err := func() (err error) {
		defer fault.Recover(&err)
		f()
		return nil
	}()
	if err == nil {
		t.Error("no invariant was broken")
	}
}
