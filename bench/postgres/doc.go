// SPDX-License-Identifier: Apache-2.0

// Package postgres measures PostgreSQL as a ledger: one call of a plpgsql function posts an array of transfers in double
// entry, in one database transaction. 1,000,000 accounts; a row for each transfer, two balances changed by it.
//
// The default variant is PostgreSQL as initdb leaves it, and a function that posts row by row, checking each payer in
// turn. The tuned ones post a whole array by set: the balance is checked after the array and not after each transfer,
// which is generous. Rows are locked in the order of their ids, so that several clients cannot deadlock.
//
// One copy is what PostgreSQL usually keeps. With standbys, a transaction is confirmed when one of two has also flushed
// it: two of three copies, the majority that a cluster of three or four has.
package postgres
