// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"math"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// genesisBytesMax bounds every byte string of a genesis; Genesis.Validate holds each to a narrower bound of its own.
const genesisBytesMax = math.MaxUint16

// AppendGenesis appends g's canonical encoding. It is only hashed, never decoded: the kept form is JSON.
// g must have passed Validate; a byte string over 65,535 bytes breaks an invariant.
func AppendGenesis(dst []byte, g *chain.Genesis) []byte {
	w := writer{dst}
	if !needsSecondForm(g) {
		w.raw([]byte(magicGenesis))
		appendGenesisBody(&w, g)
		return w.b
	}
	w.raw([]byte(magicGenesis2))
	appendGenesisBody(&w, g)
	appendGenesisMore(&w, g)
	return w.b
}

// needsSecondForm reports whether g says what the first form has no place for. A genesis that does not keeps the hash it had
// before there was a second one.
func needsSecondForm(g *chain.Genesis) bool {
	return g.IdempotencyKeysMax != 0 || slices.ContainsFunc(g.Institutions, func(in chain.GenesisInstitution) bool { return len(in.DelegatedKeys) > 0 })
}

// appendGenesisMore appends what the second form has behind the fields of the first.
func appendGenesisMore(w *writer, g *chain.Genesis) {
	w.u32(g.IdempotencyKeysMax)
	for _, in := range g.Institutions {
		w.u32(uint32(len(in.DelegatedKeys)))
		for _, k := range in.DelegatedKeys {
			w.bytes(k, genesisBytesMax)
		}
	}
}

func appendGenesisBody(w *writer, g *chain.Genesis) {
	w.u64(uint64(g.Chain))
	w.bytes([]byte(g.Name), genesisBytesMax)
	w.u64(g.TimeUs)
	w.u32(g.AccountsMax)
	w.u32(uint32(len(g.Validators)))
	for _, v := range g.Validators {
		w.bytes([]byte(v.Name), genesisBytesMax)
		w.bytes(v.Ed25519, genesisBytesMax)
		w.bytes(v.MLDSA65, genesisBytesMax)
	}
	w.u32(uint32(len(g.Institutions)))
	for _, in := range g.Institutions {
		w.bytes([]byte(in.Name), genesisBytesMax)
		w.u32(uint32(len(in.Keys)))
		for _, k := range in.Keys {
			w.bytes(k, genesisBytesMax)
		}
	}
	w.u32(uint32(len(g.Accounts)))
	for _, a := range g.Accounts {
		w.u32(uint32(a.Institution))
		w.bytes(a.PublicKey, genesisBytesMax)
		w.bytes(a.AliasTag, genesisBytesMax)
		w.bytes(a.Address, genesisBytesMax)
		w.u16(a.Slot)
	}
	w.u32(uint32(len(g.Assets)))
	for _, a := range g.Assets {
		w.bytes([]byte(a.Code), genesisBytesMax)
		w.bytes([]byte(a.Name), genesisBytesMax)
		w.u8(a.Scale)
		w.u16(uint16(a.Flags))
		w.u32(uint32(a.Issuer))
	}
	w.u32(uint32(len(g.Holdings)))
	for _, h := range g.Holdings {
		w.u32(uint32(h.Account))
		w.u32(uint32(h.Asset))
		w.bytes([]byte(h.Amount), genesisBytesMax)
	}
	w.u32(uint32(len(g.V10Slots)))
	for _, s := range g.V10Slots {
		w.u16(s.From)
		w.u16(s.To)
	}
}

// GenesisHash identifies a network: it is Previous in the executed header of height 1, and what a client pins.
func GenesisHash(g *chain.Genesis) chain.Hash { return Sum(AppendGenesis(nil, g)) }
