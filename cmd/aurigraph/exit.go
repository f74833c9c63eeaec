// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Exit codes.
const (
	exitDone    = 0
	exitFailed  = 1
	exitRefused = 2
	exitUnknown = 3
)

// exitCode maps an error to the program's exit code; docs/errors.md has the table.
func exitCode(err error) int {
	var usage *usageError
	var unknown *client.UnknownOutcomeError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitRefused
	case errors.As(err, &unknown):
		return exitUnknown
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Denied, fault.Conflict, fault.Refused, fault.TryLater:
		return exitRefused
	case fault.Timeout:
		return exitUnknown
	}
	return exitFailed
}

type errorJSON struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

func (a *app) printError(err error) {
	if !a.json {
		fmt.Fprintf(a.err, "aurigraph: %v\n", err)
		return
	}
	text, encodeErr := json.Marshal(map[string]errorJSON{"error": {fault.KindOf(err).String(), fault.ReasonOf(err), err.Error()}})
	if encodeErr == nil {
		fmt.Fprintln(a.out, string(text))
	}
}

// refused is a certified outcome that is not ok.
func refused(id fmt.Stringer, o chain.Outcome) error {
	return fault.Reasoned(fault.Refused, o.String(), "%s was executed and refused: %s — %s", id, o, adviceOf(o))
}

// adviceOf says what to do about an outcome.
func adviceOf(o chain.Outcome) string {
	switch o {
	case chain.InsufficientFunds:
		return "the payer holds less than the amount; see `aurigraph account show`"
	case chain.UnknownAccount:
		return "open the account first, or check the number"
	case chain.UnknownAsset:
		return "see `aurigraph asset list` for the assets there are"
	case chain.NotAuthorized:
		return "sign with the account's own key, or with one of its custodian"
	case chain.FrozenAccount, chain.FrozenAsset:
		return "it is frozen; its custodian, issuer or governance can lift that"
	case chain.Expired, chain.Stale:
		return "nothing was paid; sign again"
	case chain.CodeTaken, chain.AddressTaken, chain.AliasTaken:
		return "it exists already; choose another"
	}
	return "see docs/outcomes.md"
}
