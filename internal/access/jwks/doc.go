// SPDX-License-Identifier: Apache-2.0

// Package jwks has the keys with which an identity provider signs its tokens, as a JSON Web Key Set in a file or at a URL.
//
//	s, err := jwks.New(jwks.Config{Source: "https://id.example.com/keys"})
//	go s.Run(ctx)                  // fetches, and again from time to time
//	key, err := s.Key(kid, "ES256") // never waits for the network
//
// Invariants:
//
//  1. A request never waits for the provider, and no number of requests makes the set be fetched more often than RefreshMin.
//  2. A fetch that fails changes nothing until the set is older than StaleMax; then no key of it counts any more.
//  3. Only public keys of signature algorithms on the list of Algorithms count: no shared secrets, no RSA below 2,048 bits.
//     A key that is not understood is passed over, so that a provider may have others as well.
//  4. A key serves the algorithms that fit its type, and only the one that it names if it names one.
package jwks
