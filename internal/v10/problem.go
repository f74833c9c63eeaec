// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Family is the form of an endpoint's error bodies: V10's servers had different ones.
type Family string

// The families.
const (
	FamilyPlain   Family = "plain"   // {"error":…}: servers M, Z, L
	FamilySuccess Family = "success" // {"success":false,"error":…}: management (G) and control (C) writes
)

// The texts that V10's clients compare.
const (
	TextNoEndpoint    = "Endpoint not found"
	TextNoAccount     = "Account not found"
	TextNoTransaction = "Transaction not found"
	TextNoBlock       = "Block not found"
	TextNoAsset       = "Asset not found"
	TextNoValidator   = "Validator not found"
	TextNoNode        = "Node not found"
	TextNoChannel     = "Channel not found"
	TextNoDashboard   = "Dashboard not found"
	TextNoKey         = "Key not found"
	TextNoFunds       = "Insufficient balance"
	TextKeyReused     = "Idempotency-Key was used for another request"
	TextUnauthorized  = "Access token required"
	TextTooLarge      = "Request body too large"
	TextTooMany       = "Too many requests"
	TextInternal      = "Internal server error"
	TextUnknown       = "The outcome is not known yet: send the same request with the same Idempotency-Key, or look the transaction up"
	TextStopped       = "The service is temporarily unavailable"
)

// RetryAfterS is the Retry-After that goes with 429 and 503, in seconds.
const RetryAfterS = 1

// Reasons of faults that have a code of their own; package fault has no kind for them.
const (
	ReasonUnauthenticated = "unauthenticated"    // Denied: 401
	ReasonTooLarge        = "body_oversized"     // Invalid: 413
	ReasonRate            = "rate_limited"       // TryLater: 429
	ReasonKeyReused       = "idempotency_reused" // Conflict: 409 with TextKeyReused
	ReasonNoFunds         = "insufficient_funds" // Refused: 400 with TextNoFunds
	ReasonNotImplemented  = "not_implemented"    // Unavailable: 501
	ReasonUpgrade         = "upgrade_required"   // Invalid: 426
)

// Problem is an error as a V10 client gets it.
type Problem struct {
	Code        int // HTTP status
	Text        string
	Missing     Missing // with 501
	RetryAfterS int     // with 429 and 503
}

// kindCodes is this edge's one table of kinds. A text of "" is the fault's own; the others tell nothing of the inside.
var kindCodes = map[fault.Kind]struct {
	code int
	text string
}{
	fault.Internal:    {500, TextInternal},
	fault.Invalid:     {400, ""},
	fault.Denied:      {403, ""},
	fault.NotFound:    {404, ""},
	fault.Conflict:    {409, ""},
	fault.Refused:     {400, ""},
	fault.TryLater:    {503, ""},
	fault.Unavailable: {503, TextStopped},
	fault.Timeout:     {504, TextUnknown},
	fault.Pruned:      {410, ""},
	fault.Corrupt:     {500, TextInternal},
	fault.Halted:      {503, TextStopped},
}

// reasonCodes go before kindCodes.
var reasonCodes = map[string]struct {
	code int
	text string
}{
	ReasonUnauthenticated: {401, TextUnauthorized},
	ReasonTooLarge:        {413, TextTooLarge},
	ReasonRate:            {429, TextTooMany},
	ReasonKeyReused:       {409, TextKeyReused},
	ReasonNoFunds:         {400, TextNoFunds},
	ReasonNotImplemented:  {501, ""},
	ReasonUpgrade:         {426, "Upgrade Required"},
}

// ProblemOf turns an error into what the client gets. Its text is the fault's own where the client can act on it.
func ProblemOf(err error) Problem {
	row, ok := reasonCodes[fault.ReasonOf(err)]
	if !ok {
		row = kindCodes[fault.KindOf(err)]
	}
	p := Problem{Code: row.code, Text: row.text}
	if p.Text == "" {
		p.Text = textOf(err)
	}
	if p.Code == 503 || p.Code == 429 {
		p.RetryAfterS = RetryAfterS
	}
	return p
}

// textOf is the text of the outermost fault, without its causes: those are for the log.
func textOf(err error) string {
	var e *fault.Error
	if errors.As(err, &e) && e.Text != "" {
		return e.Text
	}
	return TextInternal
}

// ProblemOfMissing is the 501 of an endpoint whose engine does not exist yet.
func ProblemOfMissing(m Missing) Problem {
	return Problem{Code: 501, Text: "Not implemented: " + missingTexts[m], Missing: m}
}

var missingTexts = map[Missing]string{
	MissingEVM:        "contracts need the EVM, which this network does not have yet",
	MissingRWA:        "the register of real-world assets does not exist yet",
	MissingBridge:     "there is no bridge to other chains yet",
	MissingAI:         "there is no AI engine yet",
	MissingManagement: "nodes and channels are not managed over REST; use the aurigraph command on the machine",
}

// ProblemOfOutcome is what a client gets for a payment that the ledger executed with an outcome other than chain.OK.
func ProblemOfOutcome(o chain.Outcome) Problem {
	if row, ok := outcomeCodes[o]; ok {
		return Problem{Code: row.code, Text: row.text}
	}
	return Problem{Code: 400, Text: "The ledger refused: " + o.String()}
}

var outcomeCodes = map[chain.Outcome]struct {
	code int
	text string
}{
	chain.BadField:          {400, "A field is out of its range"},
	chain.UnknownAccount:    {404, TextNoAccount},
	chain.UnknownAsset:      {404, TextNoAsset},
	chain.NotAuthorized:     {403, "The gateway may not debit this account"},
	chain.UnknownKey:        {403, "The gateway's key was revoked"},
	chain.InsufficientFunds: {400, TextNoFunds},
	chain.FrozenAccount:     {400, "Account is frozen"},
	chain.FrozenAsset:       {400, "Asset is frozen"},
	chain.NotHome:           {503, "The account is being served by the other ledger"},
	chain.NotPortable:       {400, "The asset only lives in V10 accounts until the migration closes"},
	chain.Overflow:          {400, "amount is too large"},
	chain.AliasTaken:        {409, "Account already exists"},
	chain.AddressTaken:      {409, "Account already exists"},
	chain.CodeTaken:         {409, "Asset already exists"},
	chain.LimitReached:      {503, "The ledger is full"},
}

// Append appends p's body in a family's form.
func (p Problem) Append(dst []byte, f Family) []byte {
	dst = append(dst, '{')
	if f == FamilySuccess {
		dst = append(dst, `"success":false,`...)
	}
	dst = append(dst, `"error":`...)
	dst = AppendString(dst, p.Text)
	if p.Missing != MissingNone {
		dst = append(dst, `,"missing":`...)
		dst = AppendString(dst, string(p.Missing))
	}
	return append(dst, '}')
}
