// SPDX-License-Identifier: Apache-2.0

package v10

import (
	_ "embed" // the list of rows that the contract suite plays
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Deadlines, in ms.
const (
	readDeadlineMs   = 5_000
	writeDeadlineMs  = 30_000 // V10's promise to its clients
	streamDeadlineMs = 300_000
)

// table is every row; routes finds them.
var (
	table  = build()
	routes = buildRoutes(table)
)

// Endpoints is the table, in the order of Groups. The rows are shared: do not change them.
func Endpoints() []Endpoint { return table }

// build puts the files of rows together and fills in what follows from the method.
func build() []Endpoint {
	rows := slices.Concat(
		platformRows(), transactionRows(), blockRows(), accountRows(), assetRows("assets", GroupAssets, AssetList{}),
		assetRows("tokens", GroupTokens, TokenList{}), consensusRows(), networkRows(), vizorRows(), realtimeRows(), cryptoRows(),
		authRows(), adminRows(), managementRows(), missingRows(),
	)
	for i := range rows {
		complete(&rows[i])
	}
	return rows
}

// complete fills in what a row did not say: a GET reads, everything else writes and may be retried under a key.
func complete(e *Endpoint) {
	if e.Errors == "" {
		e.Errors = FamilyPlain
	}
	e.Status = Served
	if e.Missing != MissingNone {
		e.Status = NotImplemented
	}
	reads := e.Method == "GET" || e.Retry == RetryRead
	e.Idempotent = e.Idempotent || reads
	switch {
	case e.Retry != "":
	case reads:
		e.Retry = RetryRead
	default:
		e.Retry = RetryKeyed
	}
	switch {
	case e.DeadlineMs != 0:
	case reads || e.Status == NotImplemented:
		e.DeadlineMs = readDeadlineMs
	default:
		e.DeadlineMs = writeDeadlineMs
	}
	fault.Invariant(strings.HasPrefix(e.Path, "/") && !strings.HasSuffix(e.Path, "/"), "path %q", e.Path)
}

// testedText lists "METHOD path" of the rows that the contract suite plays; its own test writes the file.
//
//go:embed tested.txt
var testedText string

var tested = func() map[string]bool {
	t := map[string]bool{}
	for line := range strings.Lines(testedText) {
		t[strings.TrimSpace(line)] = true
	}
	return t
}()

// Tested reports whether the contract suite plays e.
func Tested(e *Endpoint) bool { return tested[e.Method+" "+e.Path] }
