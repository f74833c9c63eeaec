// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// memoryBytesMin is the room that the folders of these tests need.
const memoryBytesMin = 1 << 30

// TestMain puts the folders in memory where the machine allows it. What is tested is their content: whether a disk keeps it
// is tested where it is written.
func TestMain(m *testing.M) {
	const memory = "/dev/shm"
	var room unix.Statfs_t
	if os.Getenv("TMPDIR") == "" && unix.Statfs(memory, &room) == nil && int64(room.Bavail)*room.Bsize >= memoryBytesMin {
		_ = os.Setenv("TMPDIR", memory)
	}
	goleak.VerifyTestMain(m)
}

const (
	testChain    chain.ChainID = 4711
	testAccounts               = 100
	bankHouse                  = chain.AccountNo(2)
)

// network is a genesis with the keys behind it, and the folder of one node.
type network struct {
	t       testing.TB
	dir     string
	no      chain.ValidatorNo
	genesis *chain.Genesis
	adopted chain.Height // of a peer's state that it went on from

	header, root keys.Signer // the validator's
	bank         keys.Signer // ML-DSA-65: key 2, of institution 2, for batches and its house account
	person       keys.Signer // Ed25519: key 3, of account 3

	sequence, bankNonce, personNonce, governanceNonce uint64

	clock atomic.Int64 // the proposer's, in milliseconds
}

// now is a clock that moves when it is looked at, so that a state root is due after ten blocks: not while an earlier one is
// on its way, or an idle node would not come to rest.
func (n *network) now() time.Time { return time.UnixMilli(n.clock.Add(11)) }

func signer(t testing.TB, s keys.Scheme, n byte) keys.Signer {
	t.Helper()
	k, err := keys.FromSeed(s, [keys.SeedBytes]byte{n})
	must(t, err)
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newNetwork makes a node's folder as it is before its first start.
func newNetwork(t testing.TB) *network {
	t.Helper()
	n := newFolder(t, 0)
	n.genesis = n.newGenesis(n)
	n.write(config.Default())
	return n
}

// newFolder makes the folder and the keys of a validator.
func newFolder(t testing.TB, no chain.ValidatorNo) *network {
	t.Helper()
	n := &network{
		t: t, dir: t.TempDir(), no: no,
		header: signer(t, keys.Ed25519, 10+byte(no)), root: signer(t, keys.MLDSA65, 30+byte(no)),
		bank: signer(t, keys.MLDSA65, 3), person: signer(t, keys.Ed25519, 4),
	}
	n.clock.Store(1000)
	return n
}

// newGenesis makes a genesis. Asset 1 is dense, 2 sparse, 3 versioned.
func (n *network) newGenesis(validators ...*network) *chain.Genesis {
	governance := signer(n.t, keys.Ed25519, 5)
	g := &chain.Genesis{
		Chain: testChain, Name: "audit", TimeUs: 1_000_000,
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{governance.Public().Bytes()}}, {Name: "bank", Keys: []chain.HexBytes{n.bank.Public().Bytes()}}},
		Accounts:     []chain.GenesisAccount{{PublicKey: n.person.Public().Bytes(), Slot: chain.SlotNone}},
		Assets: []chain.GenesisAsset{
			{Code: "GOLD", Name: "Gold", Scale: 2, Flags: chain.AssetDense, Issuer: bankHouse},
			{Code: "SILVER", Name: "Silver", Scale: 2, Issuer: bankHouse},
			{Code: "BOND", Name: "Bond", Scale: 2, Flags: chain.AssetVersioned, Issuer: bankHouse},
		},
		AccountsMax: 1 << 20,
	}
	for i, v := range validators {
		g.Validators = append(g.Validators, chain.GenesisValidator{Name: fmt.Sprintf("v%d", i), Ed25519: v.header.Public().Bytes()[1:], MLDSA65: v.root.Public().Bytes()[1:]})
	}
	for range testAccounts {
		g.Accounts = append(g.Accounts, chain.GenesisAccount{Institution: 2, Slot: chain.SlotNone})
	}
	for i := range testAccounts + 1 {
		for asset := chain.AssetNo(1); asset <= 3; asset++ {
			g.Holdings = append(g.Holdings, chain.GenesisHolding{Account: chain.AccountNo(3 + i), Asset: asset, Amount: "1000000"})
		}
	}
	return g
}

// write writes the genesis and the settings.
func (n *network) write(cfg config.Node) {
	n.t.Helper()
	text, err := json.MarshalIndent(n.genesis, "", "  ")
	must(n.t, err)
	must(n.t, os.WriteFile(filepath.Join(n.dir, "genesis.json"), append(text, '\n'), 0o644))
	must(n.t, config.Write(n.dir, cfg))
}

func (n *network) data(name string) string { return filepath.Join(n.dir, "data", name) }

// batch signs a client batch of transfers among the bank's accounts; every tenth asks for too much.
func (n *network) batch(legs int) lane.Item {
	n.sequence++
	list := make([]chain.Leg, legs)
	for i := range list {
		from := chain.AccountNo(4 + (i*7+int(n.sequence))%testAccounts)
		to := chain.AccountNo(4 + (i*13+int(n.sequence)+1)%testAccounts)
		if to == from {
			to = 4 + (to-3)%testAccounts
		}
		list[i] = chain.Leg{From: from, To: to, Asset: chain.AssetNo(1 + i%3), Amount: chain.Units(uint64(1 + i%5))}
		if i%10 == 9 {
			list[i].Amount = chain.Units(1 << 50)
		}
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: testChain, Institution: 2, Key: 2, Sequence: n.sequence, ValidUntil: 90_000}, list)
	must(n.t, err)
	id := codec.Sum(b.Bytes())
	sig, err := n.bank.Sign(keys.BatchMessage(testChain, id))
	must(n.t, err)
	return lane.Item{Kind: chain.PayloadBatch, ID: id, Key: 2, Signature: sig, Payload: buffer(n.t, b.Bytes())}
}

// buffer puts a payload in memory of a pool of its own.
func buffer(t testing.TB, payload []byte) *seglog.Buffer {
	t.Helper()
	b, err := seglog.NewPool(1<<20, 0).Get(t.Context(), len(payload))
	must(t, err)
	copy(b.Payload(), payload)
	return b
}

// txs signs single transactions and cuts them into one payload.
func (n *network) txs(bodies ...chain.Body) lane.Item {
	var signed [][]byte
	for _, body := range bodies {
		tx := chain.Tx{Chain: testChain, ValidUntil: 90_000, Body: body}
		k := n.bank
		switch body.(type) {
		case *chain.ChangeValidator:
			n.governanceNonce++
			k, tx.Sender, tx.Key, tx.Nonce = signer(n.t, keys.Ed25519, 5), 1, 1, n.governanceNonce
		case *chain.Transfer, *chain.Hold:
			n.personNonce++
			k, tx.Sender, tx.Key, tx.Nonce = n.person, 3, 3, n.personNonce
		default:
			n.bankNonce++
			tx.Sender, tx.Key, tx.Nonce = bankHouse, 2, n.bankNonce
		}
		sig, err := k.Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
		must(n.t, err)
		signed = append(signed, codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig}))
	}
	payload := codec.AppendTxBatch(nil, signed)
	return lane.Item{Kind: chain.PayloadTxs, ID: codec.Sum(payload), Payload: buffer(n.t, payload)}
}
