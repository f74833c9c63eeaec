// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of bodies, in bytes. More is 413 before anything is read.
const (
	BodyBytesMax   = 1 << 20
	BatchBytesMax  = 4 << 20 // POST /api/v10/transactions/batch
	LineBytesMax   = 8 << 10 // one line of POST /api/v10/transactions/stream
	BatchItemsMax  = chain.BatchLegsMax
	StreamLinesMax = 1 << 20 // lines of one request
)

// Submit is a payment as POST /api/v10/transactions takes it. Other members that V10's clients send (zkProof, quantumSafe)
// are ignored.
type Submit struct {
	From     string  `json:"from"`
	To       string  `json:"to"`
	Amount   Decimal `json:"amount"`
	Currency string  `json:"currency,omitempty"` // code of an asset; empty means DefaultAsset
}

// Asset is the code of the asset to pay with.
func (p *Submit) Asset() string {
	if p.Currency == "" {
		return DefaultAsset
	}
	return p.Currency
}

// Check says whether p can be a payment, as far as that can be known without the ledger: the amount's decimals are for
// Decimal.Units, which knows the scale.
func (p *Submit) Check() error {
	if err := CheckName("from", p.From); err != nil {
		return err
	}
	if err := CheckName("to", p.To); err != nil {
		return err
	}
	if p.Currency != "" {
		if err := CheckCode("currency", p.Currency); err != nil {
			return err
		}
	}
	if _, err := p.Amount.mantissa(); err != nil {
		return err
	}
	if p.From == p.To {
		return fault.Reasoned(fault.Invalid, "same_account", "from and to are the same account")
	}
	return nil
}

// DecodeSubmit reads and checks the body of one payment. Invalid: it is no JSON object in UTF-8, one of the four members
// comes twice or has a wrong type, or the payment fails Check. The strings share one copy of the body.
func DecodeSubmit(body []byte) (Submit, error) {
	s, err := newScanner(body)
	if err != nil {
		return Submit{}, err
	}
	var p Submit
	if s.peek() != '{' {
		return p, s.notObject()
	}
	if err := s.submit(&p); err != nil {
		return p, err
	}
	if err := s.end(); err != nil {
		return p, err
	}
	return p, p.Check()
}

// notObject says why a body that does not begin with { is refused.
func (s *scanner) notObject() error {
	if err := s.skip(1); err != nil {
		return err
	}
	return errNotObject
}

// The members of a payment, as bits of those seen.
const (
	seenFrom = 1 << iota
	seenTo
	seenAmount
	seenCurrency
)

// submit reads one payment. It is members without the calls: this is the hottest loop of the edge.
func (s *scanner) submit(p *Submit) error {
	s.at++ // the caller saw the brace
	if s.peek() == '}' {
		s.at++
		return nil
	}
	seen := 0
	for {
		name, err := s.string()
		if err != nil {
			return err
		}
		if err := s.want(':'); err != nil {
			return err
		}
		bit := 0
		switch name {
		case "from":
			bit = seenFrom
			p.From, err = s.field(name)
		case "to":
			bit = seenTo
			p.To, err = s.field(name)
		case "amount":
			bit = seenAmount
			p.Amount, err = s.decimal(name)
		case "currency":
			bit = seenCurrency
			p.Currency, err = s.field(name)
		default:
			err = s.skip(2)
		}
		if err != nil {
			return err
		}
		if seen&bit != 0 {
			return twice(name)
		}
		seen |= bit
		if more, err := s.more('}'); !more {
			return err
		}
	}
}

func twice(name string) error {
	return fault.Reasoned(fault.Invalid, "duplicate_member", "%s is given twice", name)
}

// BatchItem is a payment of a batch, or why it is none: a batch is best effort, so one bad item refuses itself alone.
type BatchItem struct {
	Submit
	Err error
}

// DecodeBatch reads {"transactions":[…]}. The items' own faults (missing fields, wrong types, a member twice) are in the items;
// Invalid is a body that is no JSON, lacks the list, has none or more than BatchItemsMax, or whose list holds what is no
// object. items is used for the result if it has room. The strings share one copy of the body.
func DecodeBatch(items []BatchItem, body []byte) ([]BatchItem, error) {
	s, err := newScanner(body)
	if err != nil {
		return nil, err
	}
	if s.peek() != '{' {
		return nil, s.notObject()
	}
	items = items[:0]
	seen := false
	err = s.members(func(name string) error {
		if name != "transactions" {
			return s.skip(2)
		}
		if seen {
			return twice(name)
		}
		seen = true
		return s.items(&items)
	})
	if err == nil {
		err = s.end()
	}
	switch {
	case err != nil:
		return nil, err
	case !seen:
		return nil, fault.Reasoned(fault.Invalid, "transactions_missing", "transactions is required")
	case len(items) == 0:
		return nil, fault.Reasoned(fault.Invalid, "batch_empty", "transactions holds no transaction")
	}
	return items, nil
}

func (s *scanner) items(items *[]BatchItem) error {
	if s.peek() != '[' {
		if err := s.skip(2); err != nil {
			return err
		}
		return wrongType("transactions", "a list")
	}
	return s.elements(func() error {
		if len(*items) == BatchItemsMax {
			return fault.Reasoned(fault.Invalid, "batch_oversized", "transactions holds more than %d", BatchItemsMax)
		}
		if s.peek() != '{' {
			if err := s.skip(3); err != nil {
				return err
			}
			return wrongType("each of transactions", "an object")
		}
		*items = append(*items, BatchItem{})
		return s.item(&(*items)[len(*items)-1])
	})
}

// item reads one payment. What is wrong with it alone stays with it; what is wrong with the JSON ends the batch.
func (s *scanner) item(item *BatchItem) error {
	start := s.at
	if err := s.submit(&item.Submit); err != nil {
		s.at = start
		if broken := s.skip(3); broken != nil {
			return broken
		}
		item.Err = err
		return nil
	}
	item.Err = item.Check()
	return nil
}
