// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// What every simulated network begins with: one institution, its accounts, a dense asset and a sparse one, and a V10 that owns some slots,
// in which nobody has an account.
const (
	simChain      chain.ChainID       = 404
	simEpoch      chain.Epoch         = 1 // the first one, and in which the first lanes begin
	simClient     chain.InstitutionNo = 2
	simKey        chain.KeyNo         = 2
	simAccounts                       = 6 // of the institution, after the two house accounts
	simFirst      chain.AccountNo     = 3
	simAssets                         = 2
	simHolding                        = 300 // of each account and asset: some payments fail for want of it
	genesisTimeUs                     = 1_700_000_000_000_000
	validityMax   chain.Height        = 90_000
	slotsOfV10                        = 10 // from 0 on

	governance    chain.AccountNo = 1 // the house account of governance, and its key
	governanceKey chain.KeyNo     = 1
)

func newGenesis(validators int) *chain.Genesis {
	key := func(n byte) chain.HexBytes { k := make(chain.HexBytes, 33); k[0], k[1] = 1, n; return k }
	g := &chain.Genesis{
		Chain: simChain, Name: "sim", TimeUs: genesisTimeUs, AccountsMax: 100,
		V10Slots:     []chain.SlotRange{{From: 0, To: slotsOfV10 - 1}},
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{key(1)}}, {Name: "bank", Keys: []chain.HexBytes{key(2)}}},
		Assets: []chain.GenesisAsset{
			{Code: "GOLD", Name: "Gold", Flags: chain.AssetDense, Issuer: 2},
			{Code: "BOND", Name: "Bond", Issuer: 2},
		},
	}
	for v := range validators {
		k := validatorKeys()[v]
		g.Validators = append(g.Validators, chain.GenesisValidator{Name: fmt.Sprintf("v%d", v), Ed25519: k.ed25519, MLDSA65: k.mldsa65})
	}
	for i := range simAccounts {
		g.Accounts = append(g.Accounts, chain.GenesisAccount{Institution: simClient, Slot: chain.SlotNone})
		for asset := range simAssets {
			g.Holdings = append(g.Holdings, chain.GenesisHolding{
				Account: simFirst + chain.AccountNo(i), Asset: chain.AssetNo(asset + 1), Amount: fmt.Sprint(simHolding),
			})
		}
	}
	return g
}

// Of a simulated network, at most.
const (
	validatorsMax = 7                          // that it begins with
	keysMax       = validatorsMax + changesMax // pairs of keys: each change of the membership may bring one
)

// validatorKey is what a validator signs headers, roots and seals with, and both its public keys. They are the same in all runs:
// to make them costs more than a run may.
type validatorKey struct {
	header, root     keys.Signer
	ed25519, mldsa65 chain.HexBytes
}

var validatorKeys = sync.OnceValue(func() (list []validatorKey) {
	for v := range keysMax {
		header, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{1, byte(v)})
		fault.Invariant(err == nil, "key %d of a validator: %v", v, err)
		root, err := keys.FromSeed(keys.MLDSA65, [keys.SeedBytes]byte{2, byte(v)})
		fault.Invariant(err == nil, "key %d of a validator: %v", v, err)
		list = append(list, validatorKey{header, root, header.Public().Bytes()[1:], root.Public().Bytes()[1:]})
	}
	return list
})

// addressOf stands for package keys: no account of a simulation has a key of its own.
func addressOf(public []byte) (a chain.Address, ok bool) {
	sum := codec.Sum(public)
	copy(a[:], sum[:])
	return a, true
}
