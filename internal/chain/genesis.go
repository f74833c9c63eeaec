// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/hex"
	"encoding/json"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// HexBytes are bytes written as hex in JSON.
type HexBytes []byte

// MarshalJSON writes lower-case hex.
func (b HexBytes) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(b)) }

// UnmarshalJSON reads hex of either case.
func (b *HexBytes) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	raw, err := hex.DecodeString(s)
	*b = raw
	return err
}

// Genesis is what all nodes of a network agree on before its first block. It is kept as JSON; its hash is that of its
// canonical encoding (package codec) and stands as Previous in the executed header of height 1.
//
// Numbers follow from the order of the lists: institution i+1 is Institutions[i] and owns house account i+1; the next
// account numbers are Accounts in order; asset i+1 is Assets[i]. Institution 1 is governance.
type Genesis struct {
	Chain        ChainID              `json:"chain_id"`
	Name         string               `json:"name"`
	TimeUs       uint64               `json:"time_us"`
	Validators   []GenesisValidator   `json:"validators"`
	Institutions []GenesisInstitution `json:"institutions"`
	Accounts     []GenesisAccount     `json:"accounts,omitempty"`
	Assets       []GenesisAsset       `json:"assets,omitempty"`
	Holdings     []GenesisHolding     `json:"holdings,omitempty"`
	V10Slots     []SlotRange          `json:"v10_slots,omitempty"` // slots that V10 owns; the rest are V11's
	AccountsMax  uint32               `json:"accounts_max"`
	// IdempotencyKeysMax bounds the idempotency keys that live at a time; 0 is IdempotencyKeysDefault.
	IdempotencyKeysMax uint32 `json:"idempotency_keys_max,omitempty"`
}

// GenesisValidator names a validator and pins both its public keys (without scheme byte).
type GenesisValidator struct {
	Name    string   `json:"name"`
	Ed25519 HexBytes `json:"ed25519"`
	MLDSA65 HexBytes `json:"ml_dsa_65"`
}

// GenesisInstitution is an institution with its first keys (scheme byte, key), of which those of DelegatedKeys may sign no more
// than AddDelegate says. An institution's keys are numbered in this order, Keys before DelegatedKeys.
type GenesisInstitution struct {
	Name          string     `json:"name"`
	Keys          []HexBytes `json:"keys"`
	DelegatedKeys []HexBytes `json:"delegated_keys,omitempty"`
}

// GenesisAccount opens an account: self-owned when PublicKey is set, else under Institution.
type GenesisAccount struct {
	Institution InstitutionNo `json:"institution"`
	PublicKey   HexBytes      `json:"public_key,omitempty"`
	AliasTag    HexBytes      `json:"alias_tag,omitempty"` // 32 bytes, with Address and Slot (see OpenAccount)
	Address     HexBytes      `json:"address,omitempty"`
	Slot        uint16        `json:"slot"`
}

// GenesisAsset makes an asset whose issuer is account Issuer.
type GenesisAsset struct {
	Code   string     `json:"code"`
	Name   string     `json:"name"`
	Scale  uint8      `json:"scale"`
	Flags  AssetFlags `json:"flags"`
	Issuer AccountNo  `json:"issuer"`
}

// GenesisHolding issues Amount (smallest units, decimal) of Asset to Account.
type GenesisHolding struct {
	Account AccountNo `json:"account"`
	Asset   AssetNo   `json:"asset"`
	Amount  string    `json:"amount"`
}

// SlotRange is the slots From..To, both included.
type SlotRange struct {
	From uint16 `json:"from"`
	To   uint16 `json:"to"`
}

// Bounds of a genesis.
const (
	ValidatorsMax      = 64
	GenesisListMax     = 1 << 20
	AccountsMaxDefault = 16 << 20
	AccountsMaxMax     = 64 << 20
)

// Validate checks what can be checked without executing it. Errors are Invalid and name the field.
func (g *Genesis) Validate() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "genesis: "+format, args...)
	}
	switch {
	case g.Chain == 0:
		return bad("chain_id must not be 0")
	case !validName(g.Name):
		return bad("name: 1 to %d bytes of UTF-8", NameBytesMax)
	case len(g.Validators) == 0 || len(g.Validators) > ValidatorsMax:
		return bad("validators: %d, must be 1 to %d", len(g.Validators), ValidatorsMax)
	case len(g.Institutions) == 0:
		return bad("institutions: the first one is governance and must exist")
	case g.IdempotencyKeysMax > IdempotencyKeysMaxMax:
		return bad("idempotency_keys_max: %d, must be at most %d (0: %d)", g.IdempotencyKeysMax, IdempotencyKeysMaxMax, IdempotencyKeysDefault)
	case g.AccountsMax == 0 || g.AccountsMax > AccountsMaxMax:
		return bad("accounts_max: %d, must be 1 to %d", g.AccountsMax, AccountsMaxMax)
	case len(g.Accounts) > GenesisListMax || len(g.Assets) > GenesisListMax || len(g.Holdings) > GenesisListMax || len(g.Institutions) > GenesisListMax:
		return bad("a list is longer than %d", GenesisListMax)
	case uint64(len(g.Accounts))+uint64(len(g.Institutions)) > uint64(g.AccountsMax):
		return bad("more accounts than accounts_max")
	}
	for i, v := range g.Validators {
		if len(v.Ed25519) != 32 || len(v.MLDSA65) != 1952 || !validName(v.Name) {
			return bad("validators[%d]: needs a name, a 32-byte ed25519 and a 1952-byte ml_dsa_65 key", i)
		}
	}
	for i := range g.Institutions {
		if err := g.Institutions[i].validate(i); err != nil {
			return err
		}
	}
	if err := g.validateState(); err != nil {
		return err
	}
	for i, s := range g.V10Slots {
		if s.From > s.To || s.To == SlotNone {
			return bad("v10_slots[%d]: %d to %d", i, s.From, s.To)
		}
	}
	return nil
}

func (in *GenesisInstitution) validate(i int) error {
	if !validName(in.Name) || len(in.Keys) == 0 {
		return fault.New(fault.Invalid, "genesis: institutions[%d]: needs a name and a key", i)
	}
	if err := validKeys(i, "keys", in.Keys); err != nil {
		return err
	}
	return validKeys(i, "delegated_keys", in.DelegatedKeys)
}

func validKeys(i int, field string, list []HexBytes) error {
	for j, k := range list {
		if !validKey(k) {
			return fault.New(fault.Invalid, "genesis: institutions[%d].%s[%d]: %d bytes, must be 2 to %d (scheme byte, key)", i, field, j, len(k), PublicKeyBytesMax)
		}
	}
	return nil
}

// validateState checks the fields of accounts, assets and holdings; whether the numbers they name exist, execution says.
func (g *Genesis) validateState() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "genesis: "+format, args...)
	}
	for i, a := range g.Accounts {
		switch {
		case len(a.PublicKey) > 0 && !validKey(a.PublicKey):
			return bad("accounts[%d].public_key: %d bytes, must be 2 to %d (scheme byte, key)", i, len(a.PublicKey), PublicKeyBytesMax)
		case len(a.AliasTag) != 0 && len(a.AliasTag) != len(Hash{}):
			return bad("accounts[%d].alias_tag: %d bytes, must be %d", i, len(a.AliasTag), len(Hash{}))
		case len(a.Address) != 0 && len(a.Address) != len(Address{}):
			return bad("accounts[%d].address: %d bytes, must be %d", i, len(a.Address), len(Address{}))
		}
	}
	for i, a := range g.Assets {
		if !validCode(a.Code) || !validName(a.Name) || a.Scale > ScaleMax || !a.Flags.Known() {
			return bad("assets[%d]: needs a code (1 to %d of A-Z 0-9 . -), a name, a scale of at most %d and known flags", i, CodeBytesMax, ScaleMax)
		}
	}
	for i, h := range g.Holdings {
		if _, err := ParseAmount(h.Amount, 0); err != nil {
			return fault.Wrap(fault.Invalid, err, "genesis: holdings[%d]", i)
		}
	}
	return nil
}
