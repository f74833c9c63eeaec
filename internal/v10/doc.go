// SPDX-License-Identifier: Apache-2.0

// Package v10 is the dialect that clients of Aurigraph V10 speak: which endpoints there are, what their requests and answers
// look like to the byte, and which errors they expect. V11's REST edge and the V10 reference ledger both stand on it, so that
// the words cannot drift apart; what the words do is each server's own.
//
// Everything follows from one table, Endpoints: the router (Match), the documents (Markdown, OpenAPI), the list that a server
// publishes, and the contract suite in contracttest, which plays hand-written requests against a server and fails if a served
// row is not among them.
//
//	e, params, err := v10.Match(r.Method, r.URL.EscapedPath())
//	pay, err := v10.DecodeSubmit(body)
//	units, err := pay.Amount.Units(scale)
//	out = v10.AppendSubmitAnswer(out, v10.TxID{Ms: ms, Height: h, Batch: b, Item: i})
//	if err != nil { p := v10.ProblemOf(err); out = p.Append(out, e.Errors) }
//
// Invariants:
//
//  1. Money is decimal text from end to end: no amount passes through a float, none is rounded.
//  2. A body means one thing. JSON names match case-sensitively, a member of the mapping that comes twice is refused, and so is
//     what is no UTF-8; members that nobody mapped are ignored but must be valid JSON.
//  3. A transaction id has one spelling and says where the transaction lies, so that looking it up never waits for an index.
//  4. A name is its unescaped bytes: never trimmed, never normalised, so that every machine which hashes it gets the same.
//  5. A row says served only if both its answer is real and the contract suite plays it. What has no engine answers 501 and
//     names what is missing.
//
// The package is pure. Decoders bound size and depth before they allocate. Strings that they return share the memory of the
// body: clone what outlives the request.
package v10
