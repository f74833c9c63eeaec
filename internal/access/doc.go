// SPDX-License-Identifier: Apache-2.0

// Package access says who calls the V10 dialect and the custody service, and what the caller may do.
//
//	g, err := access.New(access.Config{Keys: "access/keys.json"}, access.Parts{Log: log, Metrics: registry})
//	go g.Run(ctx)
//	caller, leave, err := g.Enter(ctx, request.Header) // once a request
//	defer leave()                                      // when it is over
//	err = caller.Allow(row)                            // may it use this endpoint?
//	err = caller.May("ACME GmbH/EUR")                  // may it act for this account?
//	err = caller.Pay(1)                                // is it within its payments a second?
//
// A caller shows an API key (X-API-Key, or Authorization: Bearer ak_…), a token of this server (Login), or a token of an identity
// provider whose keys package jwks has. What was done is written down by package trail.
//
// Invariants:
//
//  1. What is not granted is denied. A guard that nobody could pass, or that everybody can, must have been asked for in words.
//  2. Neither secrets nor tokens nor passwords are in logs, errors, metrics or files. A secret is shown once, when it is made.
//  3. What a token of this server may do is looked up where its key or user is now. It carries a name, no right; so a key that is
//     revoked takes its tokens with it.
//  4. A file that cannot be read changes nothing: the last good one counts, and the failure is logged and counted. A file that is
//     gone means nobody.
//  5. Nobody learns by time or by words whether a key, a user or a password was the wrong part.
//  6. Everything that callers can make grow has a bound, and a refusal at it is counted by its reason.
package access
