// SPDX-License-Identifier: Apache-2.0

// Package contracttest is the contract of the V10 dialect: requests and answers written by hand from what V10's clients see, kept
// as files under scenarios, and a runner that plays them against a server. V11's edge and the V10 reference ledger run the
// same files, which is what makes them the same to a client.
//
//	contracttest.Run(t, contracttest.World{URL: "http://127.0.0.1:8080", Accounts: accounts})
//
// A file is a scenario: exchanges that are played in order.
//
//	# What this is about
//	needs: auth
//
//	POST /api/v10/transactions
//	Content-Type: application/json
//
//	{"from":"$A1","to":"bob-$RUN","amount":1}
//	---
//	200
//	Content-Type: application/json; charset=utf-8
//
//	{"transaction_id":"<txid:T1>","status":"submitted","timestamp":"<iso>","...":""}
//	===
//	GET /api/v10/transactions/$T1
//	---
//	…
//
// Lines before the first request are comments, or name what the server must have (needs). Of the answer, the headers that stand
// there are checked, "<none>" wants one absent, and the body must be equal but for its matchers; see match.go. In a request
// <<repeat 5 [>> and <<bytes ff fe>> stand for what cannot be typed; "@until: 10s" plays an exchange again until it matches, for
// what may lag by design; "@events: 1" reads that many server-sent events and takes the data of the last for the body.
//
// $A1, $A2, $A3 are funded accounts, $RUN is a word that no other run has used, and a matcher that ends in :NAME captures what
// it found as $NAME.
//
// A served row of the table without an exchange that succeeds fails the suite: see Covered.
package contracttest
