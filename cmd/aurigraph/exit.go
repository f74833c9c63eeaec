// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

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
	Tx     string `json:"tx,omitempty"`  // of an unknown outcome
	Ask    string `json:"ask,omitempty"` // the command that finds it out
}

func (a *app) printError(err error) {
	e := errorJSON{Kind: fault.KindOf(err).String(), Reason: fault.ReasonOf(err), Text: err.Error()}
	var unknown *client.UnknownOutcomeError
	var bad *usageError
	switch {
	case errors.As(err, &unknown):
		e.Tx = chain.Hash(unknown.ID).String()
		e.Ask = a.askCommand(e.Tx)
		e.Text = fmt.Sprintf("the outcome of transaction %s is unknown, it may have been done or not; find out before you do it again: %v", e.Tx, unknown.Cause)
	case errors.As(err, &bad):
		e.Kind, e.Reason = fault.Invalid.String(), "usage"
	}
	if !a.json {
		fmt.Fprintf(a.err, "aurigraph: %s\n", e.Text)
		if e.Ask != "" {
			fmt.Fprintf(a.err, "find out: %s\n", e.Ask)
		}
		return
	}
	text, encodeErr := json.Marshal(map[string]errorJSON{"error": e})
	if encodeErr == nil {
		fmt.Fprintln(a.out, string(text))
	}
}

// askCommand is the command line that looks a transaction up where it was sent to.
func (a *app) askCommand(tx string) string {
	words := []string{a.self, "tx", "show", tx}
	if a.endpoint == "" {
		if a.network != networkDefault {
			words = append(words, "--network", a.network)
		}
		return shellLine(words...)
	}
	words = append(words, "--endpoint", a.endpoint, "--trust", a.trust)
	if a.ca != "" {
		words = append(words, "--ca", a.ca)
	}
	return shellLine(words...)
}

// shellLine writes words as a POSIX shell reads them back.
func shellLine(words ...string) string {
	for i, w := range words {
		if !plainWord.MatchString(w) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// refused is a certified outcome that is not ok.
func refused(id fmt.Stringer, o chain.Outcome) error {
	return fault.Reasoned(fault.Refused, o.String(), "refused with %s: %s (transaction %s)", o, adviceOf(o), id)
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
	case chain.CodeTaken:
		return "an asset has this code already; choose another"
	case chain.AddressTaken, chain.AliasTaken:
		return "an account has it already; see `aurigraph account show`"
	case chain.NotHome:
		return "the account's home is the V10 ledger; pay there"
	case chain.NotPortable:
		return "the asset only lives in accounts with a V10 name until the migration closes; pay one of those"
	case chain.Overflow:
		return "the sum would pass 128 bits; take a smaller amount"
	case chain.LimitReached:
		return "a bound of the ledger is reached; tell the operator"
	case chain.WrongEpoch, chain.EpochEnding:
		return "the membership has changed meanwhile; make the change anew for the present epoch, and have it approved again"
	case chain.NotApproved:
		return "a quorum of the present validators must approve the change"
	case chain.NonceUsed:
		return "nothing was paid by this transaction; another command line acts for this account, run the command again"
	}
	return "see docs/outcomes.md"
}
