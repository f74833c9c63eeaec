// SPDX-License-Identifier: Apache-2.0

package historytest

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/lane"
)

// Chain is the id of every World.
const Chain chain.ChainID = 7

// What Genesis numbers.
const (
	Governance chain.InstitutionNo = 1
	Bank       chain.InstitutionNo = 2

	House     chain.AccountNo = 1 // of Governance; issues all assets
	BankHouse chain.AccountNo = 2
	Alice     chain.AccountNo = 3 // custodian Governance
	Bob       chain.AccountNo = 4 // custodian Bank
	Carol     chain.AccountNo = 5 // own key
	Ported    chain.AccountNo = 6 // custodian Governance, with alias and slot

	Gold   chain.AssetNo = 1 // dense, versioned
	Silver chain.AssetNo = 2 // neither

	GovernanceKey chain.KeyNo = 1
	BankKey       chain.KeyNo = 2
	CarolKey      chain.KeyNo = 3
)

// PortedSlot and PortedTag are those of Ported.
const PortedSlot = 20

// PortedTag is the alias tag of Ported.
var PortedTag = chain.Hash{0xA1}

// Genesis has two institutions, six accounts, two assets. House has 1,000,000 Gold, Alice 1,000 of both.
func Genesis() *chain.Genesis {
	key := func(n byte) chain.HexBytes { k := make(chain.HexBytes, 33); k[0], k[1] = 1, n; return k }
	header, root := validatorKeys()
	return &chain.Genesis{
		Chain: Chain, Name: "world", TimeUs: 1,
		Validators:   []chain.GenesisValidator{{Name: "v0", Ed25519: header.Public().Bytes()[1:], MLDSA65: root.Public().Bytes()[1:]}},
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{key(1)}}, {Name: "bank", Keys: []chain.HexBytes{key(2)}}},
		Accounts: []chain.GenesisAccount{
			{Institution: Governance, Slot: chain.SlotNone}, {Institution: Bank, Slot: chain.SlotNone}, {PublicKey: key(3), Slot: chain.SlotNone},
			{Institution: Governance, AliasTag: PortedTag[:], Address: append(make(chain.HexBytes, 19), 9), Slot: PortedSlot},
		},
		Assets: []chain.GenesisAsset{
			{Code: "GOLD", Name: "Gold", Scale: 3, Flags: chain.AssetDense | chain.AssetVersioned, Issuer: House},
			{Code: "SILVER", Name: "Silver", Scale: 2, Issuer: House},
		},
		Holdings: []chain.GenesisHolding{
			{Account: House, Asset: Gold, Amount: fmt.Sprint(1_000_000)}, {Account: Alice, Asset: Gold, Amount: "1000"}, {Account: Alice, Asset: Silver, Amount: "1000"},
		},
		AccountsMax: 100_000,
	}
}

// Pay is a leg that moves units of an asset.
func Pay(from, to chain.AccountNo, asset chain.AssetNo, units uint64) chain.Leg {
	return chain.Leg{From: from, To: to, Asset: asset, Amount: chain.Units(units)}
}

// Batch executes legs in one batch of Governance, which stands alone in its block, and returns its receipt.
func (w *World) Batch(legs ...chain.Leg) chain.Receipt {
	w.t.Helper()
	w.sequence++
	b, err := chain.NewBatch(chain.BatchHeader{Chain: Chain, Institution: Governance, Key: GovernanceKey, Sequence: w.sequence, ValidUntil: 50_000}, legs)
	w.fatal(err)
	return w.Payload(chain.PayloadBatch, b.Bytes())
}

// Payload executes any payload and returns its receipt.
func (w *World) Payload(kind chain.PayloadKind, raw []byte) chain.Receipt {
	w.t.Helper()
	from := w.Loop.Height()
	w.Put(kind, raw)
	id := codec.Sum(raw)
	for h := from + 1; ; h++ {
		w.fatal(w.Loop.Wait(w.t.Context(), h))
		header, _, err := w.History.Header(h)
		w.fatal(err)
		for i := range header.Batches {
			if header.Batches[i].Batch == id {
				r, err := w.History.ReceiptAt(h, uint32(i))
				w.fatal(err)
				return r
			}
		}
	}
}

// Put puts a payload on the lane and does not wait.
func (w *World) Put(kind chain.PayloadKind, raw []byte) {
	w.t.Helper()
	buf, err := w.pool.Get(w.t.Context(), len(raw))
	w.fatal(err)
	copy(buf.Payload(), raw)
	w.fatal(w.lane.Append(w.t.Context(), lane.Item{Kind: kind, ID: codec.Sum(raw), Key: GovernanceKey, Signature: []byte("signature"), Payload: buf}))
}

// Tx makes a transaction of a sender with its next nonce, and its id.
func (w *World) Tx(sender chain.AccountNo, key chain.KeyNo, body chain.Body) (signed []byte, id chain.Hash) {
	w.nonces[sender]++
	tx := chain.Tx{Chain: Chain, Sender: sender, Key: key, Nonce: w.nonces[sender], ValidUntil: 50_000, Body: body}
	return codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: []byte("signature")}), codec.TxID(&tx)
}

// Txs executes signed transactions in one batch and returns its receipt.
func (w *World) Txs(signed ...[]byte) chain.Receipt {
	w.t.Helper()
	return w.Payload(chain.PayloadTxs, codec.AppendTxBatch(nil, signed))
}

// Outcomes reads a receipt's.
func (w *World) Outcomes(r chain.Receipt) codec.Outcomes {
	w.t.Helper()
	o, err := codec.UnpackOutcomes(r.Outcomes)
	w.fatal(err)
	return o
}
