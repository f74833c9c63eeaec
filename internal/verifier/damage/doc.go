// SPDX-License-Identifier: Apache-2.0

// Package damage plants faults in a V10 and a V11 that are kept in step, for who measures whether the verifier finds them. It reaches V10's
// rows over the socket of package legacy/tamper, V11's tables by SQL, and the topics as any client of the brokers.
//
//	p, err := damage.New(damage.Config{Socket: "…", Index: "…", Imported: "…"})
//	planted, err := p.Plant(ctx, "v10-amount-off-by-one")
//	err = p.Undo(ctx)
//
// kinds.go lists what can be planted and by which finding it is named. It shares no code with the verifier but the words of its findings:
// rows are spelled from the formats' descriptions, so that what the verifier reads wrong does not come out right by accident.
//
// Invariants:
//
//  1. Damage lies at random rows that are older than SettledAfter: what is on its way is nobody's fault.
//  2. No two damages that are there together lie in one round, block or account, so that none hides another.
//  3. Undo puts back the old bytes, the last first. Sealed records of the topics stay.
//  4. What a damage explains is its own finding, and those of its Also kinds that name the same rows: nothing else.
package damage
