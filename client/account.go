// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// AccountName names an account by exactly one of its names.
type AccountName struct {
	Number   AccountNo
	Address  Address
	AliasTag Hash
}

// Account is an account as of Height, as the node says; Proved is what the state root says.
type Account struct {
	Height      Height
	Number      AccountNo
	Address     Address
	Institution InstitutionNo // custodian, 0 = self-owned
	Key         KeyNo
	Frozen      bool
	Slot        uint16
	Nonce       uint64 // highest used
	Holdings    []Holding
	Proved      *ProvedState // nil unless asked for with Trust
}

// Holding is an account's balance of one asset. Amount.Decimal(Scale) writes it for people.
type Holding struct {
	Asset  AssetNo
	Code   string
	Scale  uint8
	Amount Amount
}

// Account finds an account. asset 0 lists all holdings (at most 1,024). With proof and Trust, the account, and the
// holding of asset if it is not 0, are proved under the newest certified state root, which may be a little older: see
// Proved. What is newer than that root is TryLater. That there is no such account, or that the account never held an asset
// which is not dense, cannot be proved: it is NotFound, on the node's word. That an alias tag is this account's is, too.
func (c *Client) Account(ctx context.Context, name AccountName, asset AssetNo, proof bool) (*Account, error) {
	q := &ledgerv1.GetAccountRequest{Asset: uint32(asset), Proof: proof}
	switch {
	case name.Number != 0:
		q.Name = &ledgerv1.GetAccountRequest_Number{Number: uint32(name.Number)}
	case !name.Address.IsZero():
		q.Name = &ledgerv1.GetAccountRequest_Address{Address: name.Address[:]}
	case !name.AliasTag.IsZero():
		q.Name = &ledgerv1.GetAccountRequest_AliasTag{AliasTag: name.AliasTag[:]}
	}
	answer, err := read(ctx, c, c.ledger.GetAccount, q)
	if err != nil {
		return nil, err
	}
	a, err := accountOf(answer.Account, answer.Holdings)
	if err != nil {
		return nil, err
	}
	a.Height = Height(answer.Height)
	if !proof {
		return a, nil
	}
	return checked(ctx, c, a, func(v *Verifier) (err error) {
		if a.Proved, err = v.State(stateProofOf(answer.Proof), a.Number, asset); err != nil {
			return err
		}
		if a.Proved.Address != a.Address || name.Number != 0 && name.Number != a.Number || !name.Address.IsZero() && name.Address != a.Address {
			return unproved("other_account", "the proof is of account %d, %s", a.Proved.Number, a.Proved.Address)
		}
		return nil
	})
}

func accountOf(a *ledgerv1.Account, holdings []*ledgerv1.Holding) (*Account, error) {
	out := &Account{
		Number: AccountNo(a.GetNumber()), Institution: InstitutionNo(a.GetInstitution()), Key: KeyNo(a.GetKey()),
		Frozen: a.GetFrozen(), Slot: uint16(a.GetSlot()), Nonce: a.GetNonce(),
	}
	if len(a.GetAddress()) != len(out.Address) {
		return nil, fault.Reasoned(fault.Corrupt, "answer_malformed", "the node's answer has an address of %d bytes", len(a.GetAddress()))
	}
	out.Address = Address(a.Address)
	for _, h := range holdings {
		amount, err := amountOf(h.Amount)
		if err != nil {
			return nil, err
		}
		out.Holdings = append(out.Holdings, Holding{Asset: AssetNo(h.Asset), Code: h.AssetCode, Scale: uint8(h.Scale), Amount: amount})
	}
	return out, nil
}

func amountOf(s string) (Amount, error) {
	a, err := chain.ParseAmount(s, 0)
	return a, fault.Wrap(fault.Corrupt, err, "the node's answer")
}

// Asset is an asset as of Height.
type Asset struct {
	Height                             Height
	Number                             AssetNo
	Code, Name                         string
	Scale                              uint8
	Portable, Versioned, Dense, Frozen bool
	Issuer                             AccountNo
	Supply                             Amount
}

// Asset finds an asset by number.
func (c *Client) Asset(ctx context.Context, no AssetNo) (*Asset, error) {
	return c.asset(ctx, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: uint32(no)}})
}

// AssetByCode finds an asset by code.
func (c *Client) AssetByCode(ctx context.Context, code string) (*Asset, error) {
	return c.asset(ctx, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Code{Code: code}})
}

func (c *Client) asset(ctx context.Context, q *ledgerv1.GetAssetRequest) (*Asset, error) {
	a, err := read(ctx, c, c.ledger.GetAsset, q)
	if err != nil {
		return nil, err
	}
	return assetOf(a)
}

func assetOf(a *ledgerv1.Asset) (*Asset, error) {
	supply, err := amountOf(a.Supply)
	return &Asset{
		Height: Height(a.Height), Number: AssetNo(a.Number), Code: a.Code, Name: a.Name, Scale: uint8(a.Scale),
		Portable: a.Portable, Versioned: a.Versioned, Dense: a.Dense, Frozen: a.Frozen, Issuer: AccountNo(a.Issuer), Supply: supply,
	}, err
}

// Institution is an institution as of Height.
type Institution struct {
	Height          Height
	Number          InstitutionNo
	Name            string
	House           AccountNo
	ChannelSequence uint64 // the last of the channel asked for: sign the next batch with a higher one
	Keys            []Key
}

// Key is a public key: scheme byte, key.
type Key struct {
	Number    KeyNo
	Public    []byte
	Active    bool
	Delegated bool // see AddDelegate
}

// Institution finds an institution, and the last sequence of one of its 256 channels.
func (c *Client) Institution(ctx context.Context, no InstitutionNo, channel uint8) (*Institution, error) {
	a, err := read(ctx, c, c.ledger.GetInstitution, &ledgerv1.GetInstitutionRequest{Number: uint32(no), Channel: uint32(channel)})
	if err != nil {
		return nil, err
	}
	out := &Institution{
		Height: Height(a.Height), Number: InstitutionNo(a.Number), Name: a.Name, House: AccountNo(a.HouseAccount), ChannelSequence: a.ChannelSequence,
	}
	for _, k := range a.Keys {
		out.Keys = append(out.Keys, Key{Number: KeyNo(k.Number), Public: k.PublicKey, Active: k.Active, Delegated: k.Delegated})
	}
	return out, nil
}
