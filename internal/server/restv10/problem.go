// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"errors"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// problem is an error that has its V10 form already.
type problem struct{ v10.Problem }

// Error is the text that the client gets.
func (p problem) Error() string { return p.Text }

// notFound is a 404 with one of V10's texts.
func notFound(text string) error { return problem{v10.Problem{Code: http.StatusNotFound, Text: text}} }

// outcomeError is why the ledger refused, nil if it did not.
func outcomeError(o chain.Outcome) error {
	switch o {
	case chain.OK:
		return nil
	case chain.NotHome:
		return errAway
	}
	return problem{v10.ProblemOfOutcome(o)}
}

// paymentError is why the ledger refused a payment, nil if it did not. A payee whom it would take beyond 128 bits was offered more
// than all there is, so the payer does not have it.
func paymentError(o chain.Outcome) error {
	if o == chain.Overflow {
		o = chain.InsufficientFunds
	}
	return outcomeError(o)
}

// reasonNoAsset is the desk's word for an asset that nobody knows.
const reasonNoAsset = "unknown_asset"

// reasons are faults of the desk whose V10 form package v10 cannot know, since their text is not for V10's clients.
var reasons = map[string]v10.Problem{
	custody.ReasonNotHome: {Code: http.StatusServiceUnavailable, Text: v10.ProblemOfOutcome(chain.NotHome).Text, RetryAfterS: v10.RetryAfterS},
	"unknown_payer":       {Code: http.StatusNotFound, Text: v10.TextNoAccount},
	"unknown_account":     {Code: http.StatusNotFound, Text: v10.TextNoAccount},
	reasonNoAsset:         {Code: http.StatusNotFound, Text: v10.TextNoAsset},
	"key_reused":          {Code: http.StatusConflict, Text: v10.TextKeyReused},
	"code_taken":          {Code: http.StatusConflict, Text: "Asset already exists"},
}

// problemOf is the one table from errors to answers.
func problemOf(err error) v10.Problem {
	if p := (problem{}); errors.As(err, &p) {
		return p.Problem
	}
	if p, ok := reasons[fault.ReasonOf(err)]; ok {
		return p
	}
	p := v10.ProblemOf(err)
	if after := access.RetryAfter(err); after > 0 {
		p.RetryAfterS = after
	}
	return p
}

// orNotFound gives a NotFound of the ledger V10's text, and leaves all else as it is.
func orNotFound(err error, text string) error {
	if fault.Is(err, fault.NotFound) {
		return notFound(text)
	}
	return err
}
