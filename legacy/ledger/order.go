// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Kind is what an order does. The words are part of the rows' format.
type Kind string

// The kinds.
const (
	Transfer    Kind = "transfer" // From pays To
	OpenAccount Kind = "account"  // opens the account To
	CreateAsset Kind = "asset"    // creates Asset, issued by From
	Issue       Kind = "issue"    // new units of Asset for To; From must be its issuer
	Redeem      Kind = "redeem"   // takes units of Asset out of From's balance, who must be its issuer
)

// Order is one thing that a client asks for.
type Order struct {
	Kind     Kind
	From, To string
	Asset    string
	Units    chain.Amount
	Title    string // of a new asset, at most TitleBytesMax
	Scale    uint8  // of a new asset, at most chain.ScaleMax
	Key      *Key   // nil: two equal orders are two
	// Generation is that of the guard which let the order through, 0 for none. Once there is a guard, an older one is refused.
	Generation uint64
}

// Bounds of orders.
const (
	TitleBytesMax = chain.NameBytesMax
	KeyBytesMax   = 255 // of an Idempotency-Key, and of a caller
)

// Key makes an order happen once.
type Key struct {
	Caller, Key string            // whose key it is, and the key
	Item        uint32            // which of a batch's orders, from 1; 0: the request has only this one
	Request     [sha256.Size]byte // hash of the request: another one under the same key is refused
}

// hash is the key's place among the rows.
func (k *Key) hash() [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte("aurigraph/v10-reference/key"))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(k.Caller))))
	h.Write([]byte(k.Caller))
	h.Write(binary.BigEndian.AppendUint32(nil, k.Item))
	h.Write([]byte(k.Key))
	return [sha256.Size]byte(h.Sum(nil))
}

// Result is what became of an order. With Err it was not executed and left no trace; without, it is the transaction ID, whose
// outcome may be a refusal.
type Result struct {
	ID       v10.TxID
	Outcome  chain.Outcome
	Replayed bool // its key was used before: this is the first result
	Err      error
}

// Check returns why the order cannot be executed whatever the ledger holds; it is Invalid.
func (o *Order) Check() error {
	if o.Key != nil {
		if err := v10.CheckKey(o.Key.Key); err != nil {
			return err
		}
		if len(o.Key.Caller) > KeyBytesMax {
			return fault.Reasoned(fault.Invalid, "key_caller", "the caller of an Idempotency-Key must have at most %d bytes", KeyBytesMax)
		}
	}
	if o.needsFrom() {
		if err := v10.CheckName("from", o.From); err != nil {
			return err
		}
	}
	if o.needsTo() {
		if err := v10.CheckName("to", o.To); err != nil {
			return err
		}
	}
	if o.Kind == OpenAccount {
		return nil
	}
	if err := v10.CheckCode("asset", o.Asset); err != nil {
		return err
	}
	return o.checkAmount()
}

func (o *Order) needsFrom() bool { return o.Kind != OpenAccount }

func (o *Order) needsTo() bool { return o.Kind == Transfer || o.Kind == OpenAccount || o.Kind == Issue }

func (o *Order) checkAmount() error {
	switch o.Kind {
	case CreateAsset:
		if len(o.Title) > TitleBytesMax || o.Scale > chain.ScaleMax {
			return fault.Reasoned(fault.Invalid, "asset_field", "an asset has a name of at most %d bytes and at most %d decimals", TitleBytesMax, chain.ScaleMax)
		}
		return nil
	case Transfer:
		if o.From == o.To {
			return fault.Reasoned(fault.Invalid, "same_account", "from and to are the same account")
		}
	case Issue, Redeem:
	default:
		return fault.Reasoned(fault.Invalid, "kind", "there is no order %q", o.Kind)
	}
	if o.Units.IsZero() {
		return fault.Reasoned(fault.Invalid, "amount_zero", "amount must be greater than 0")
	}
	return nil
}

// bytesMax bounds the rows that the order adds to a round: each name stands in about five keys, and in the transaction's row, where
// a byte may need six.
func (o *Order) bytesMax() int {
	n := 1024 + 11*(len(o.From)+len(o.To)) + 8*len(o.Title)
	if o.Key != nil {
		n += 512 + 6*(len(o.Key.Key)+len(o.Key.Caller))
	}
	return n
}
