// SPDX-License-Identifier: Apache-2.0

package router

import (
	"encoding/json"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// OutcomeBytesMax bounds a line that says how a request ended.
const OutcomeBytesMax = 64 << 10

// Outcome is how a request ended, for whoever judges the sides by it. nginx writes each as a line of JSON into its access log; the router
// inside the process hands it to Config.Told. It has no name, query, key or body.
type Outcome struct {
	At      float64 `json:"at"`      // its end, in seconds since 1970
	ID      string  `json:"id"`      // the router's, as in RequestIDHeader
	Method  string  `json:"method"`  // as the client wrote it
	Path    string  `json:"path"`    // {id} in an account's place
	Side    string  `json:"side"`    // empty: it ended before it was routed
	By      string  `json:"by"`      // what decided
	Slot    uint16  `json:"slot"`    // chain.SlotNone without an account
	Map     uint64  `json:"map"`     // version of the map
	Status  int     `json:"status"`  // that the client got
	Seconds float64 `json:"seconds"` // from the request's first byte to the answer's last
	Server  string  `json:"server"`  // who was asked; several if one was not reached
	// ServerStatus is what each of them said; where it is not Status, the router itself answered.
	ServerStatus string `json:"server_status"`
	// Compared is empty for a client's request. Otherwise this is a comparison by the shadow, and how it ended. Side is then the account's home, and Status and
	// Seconds are those of the home's answer.
	Compared string `json:"compared,omitempty"`
}

// How comparisons end.
const (
	ComparedEqual   = "equal"   // also what the rules explain
	ComparedLate    = "late"    // the other side said the same a moment later
	ComparedNoise   = "noise"   // the home's own answers differ where the other side's does: nothing is proved
	ComparedDiffers = "differs" // it is not explained
)

// ReadOutcome reads a line of nginx's access log. Invalid: it is none, or longer than OutcomeBytesMax.
func ReadOutcome(line []byte) (Outcome, error) {
	var o Outcome
	if len(line) > OutcomeBytesMax {
		return o, fault.New(fault.Invalid, "a line of %d bytes, at most %d", len(line), OutcomeBytesMax)
	}
	err := json.Unmarshal(line, &o)
	return o, fault.Wrap(fault.Invalid, err, "a line of the router's log")
}

// PublicPath is a path, unescaped, without the account's name in it, for logs.
func PublicPath(path string) string {
	const before = openAccount + "/"
	if len(path) <= len(before) || !strings.EqualFold(path[:len(before)], before) {
		return path
	}
	_, after, more := strings.Cut(path[len(before):], "/")
	if more {
		after = "/" + after
	}
	return accountPath + after
}
