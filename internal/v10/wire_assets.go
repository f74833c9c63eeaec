// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// CreateAsset asks for an asset. Its issuer is debited nothing, but everything issued is its word.
type CreateAsset struct {
	Code   string `json:"code"`
	Name   string `json:"name"`
	Scale  *uint8 `json:"scale,omitempty"` // decimals; none means DefaultScale
	Issuer string `json:"issuer"`
}

// Decimals is the scale asked for.
func (r *CreateAsset) Decimals() uint8 {
	if r.Scale == nil {
		return DefaultScale
	}
	return *r.Scale
}

// Check says whether r can be meant.
func (r *CreateAsset) Check() error {
	if err := CheckCode("code", r.Code); err != nil {
		return err
	}
	if err := CheckName("issuer", r.Issuer); err != nil {
		return err
	}
	switch {
	case r.Name == "" || len(r.Name) > chain.NameBytesMax:
		return fault.Reasoned(fault.Invalid, "asset_name", "name must have 1 to %d bytes", chain.NameBytesMax)
	case r.Decimals() > chain.ScaleMax:
		return fault.Reasoned(fault.Invalid, "asset_scale", "scale must be 0 to %d", chain.ScaleMax)
	}
	return nil
}

// AssetCreated is the answer.
type AssetCreated struct {
	TransactionID string `json:"transaction_id"`
	Status        string `json:"status"` // StatusSubmitted
	Code          string `json:"code"`
	Fee           string `json:"fee"`
	Timestamp     Time   `json:"timestamp"`
}

// IssueAsset asks for new units of an asset. Issuer must be the asset's.
type IssueAsset struct {
	Issuer string  `json:"issuer"`
	To     string  `json:"to"`
	Amount Decimal `json:"amount"`
}

// Check says whether r can be meant.
func (r *IssueAsset) Check() error {
	if err := CheckName("issuer", r.Issuer); err != nil {
		return err
	}
	if err := CheckName("to", r.To); err != nil {
		return err
	}
	_, err := r.Amount.mantissa()
	return err
}

// RedeemAsset takes units out of circulation, from the issuer's own holding.
type RedeemAsset struct {
	Issuer string  `json:"issuer"`
	Amount Decimal `json:"amount"`
}

// Check says whether r can be meant.
func (r *RedeemAsset) Check() error {
	if err := CheckName("issuer", r.Issuer); err != nil {
		return err
	}
	_, err := r.Amount.mantissa()
	return err
}

// TransferAsset is a payment in the asset of the path.
type TransferAsset struct {
	From   string  `json:"from"`
	To     string  `json:"to"`
	Amount Decimal `json:"amount"`
}

// Check says whether r can be meant.
func (r *TransferAsset) Check() error {
	p := Submit{From: r.From, To: r.To, Amount: r.Amount}
	return p.Check()
}
