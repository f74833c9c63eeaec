// SPDX-License-Identifier: Apache-2.0

// Package names says what a vault is: where a network's operators keep the V10 names of accounts, by account number.
//
// The ledger knows a V10 account by a keyed hash of its name, so that the name can be erased. Who answers V10 clients has to
// write names again, of accounts that others open and pay: that is what the vault is for, and nothing else. It heals itself:
// whoever finds an account by its name puts the name there if it is absent. So a lost vault costs names in lists until their
// owners come by, never a payment; and a name that was forgotten is shown as the account's address until its owner uses it again.
//
//	v, err := sqlite.Open(folder, chainID, genesisHash)
//	err = v.Put(ctx, map[chain.AccountNo]string{12: "ACME GmbH/EUR"})
//	known, err := v.Get(ctx, []chain.AccountNo{12, 13})
//
// Invariants:
//
//  1. A number has at most one name, for ever: a V10 name belongs to one account. A second one is a Conflict, and nothing of that
//     call is stored. The error does not hold either name.
//  2. What Put and Forget returned for is durable. After a crash there is all of a call or nothing.
//  3. A forgotten name is in no file of the vault when Forget has returned without an error.
//  4. Processes of one machine may share a vault. Each sees at once what another put or forgot.
//  5. A vault belongs to one chain: that of another is a Conflict when it is opened.
//
// Engines are children of this package, and namestest is the suite that each passes.
package names
