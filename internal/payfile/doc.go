// SPDX-License-Identifier: Apache-2.0

// Package payfile imports a file of payments: it reads and validates the file as a whole, plans it into signed chunks,
// journals them, sends them, and writes one outcome per line. Interrupted at any moment, the same call carries on without
// paying a line twice.
//
//	f, err := payfile.Parse("salaries.csv", r, payfile.DefaultLimits())
//	plan, err := payfile.NewPlan(ctx, f, resolver)
//	j, err := payfile.OpenJournal(payfile.OSDisk{}, "salaries.csv", f, chainID, channel)
//	defer j.Close()
//	report, err := payfile.Run(ctx, plan, j, sender, payfile.Options{})
//
// The package knows no network: the caller's Resolver names accounts and assets, its Sender signs, sends and looks up.
//
// # Files
//
// CSV (RFC 4180, UTF-8, with or without byte order mark): from,to,amount[,asset][,reference], separated by commas or
// semicolons. A first line with the words from, to and amount is a header and may order the columns as it likes. An ISO
// 20022 credit transfer, pain.001.001.03 or pain.001.001.09: DbtrAcct and CdtrAcct with Id/Othr/Id, InstdAmt with the
// asset's code as Ccy, EndToEndId as the reference. An IBAN is an error, because no account here has one. Counts and control
// sums, of the group and of each PmtInf, must fit. The requested execution date is not looked at: a payment is sent when
// the file is. Amounts are plain decimals with a point. Nothing is sent while any line is wrong; the error lists the first
// 20 of them.
//
// # Chunks
//
// Payments of custodial accounts go as best-effort client batches of one institution, up to 8,192 legs; payers with their
// own key as single transactions, 512 a message. Within such a group lines keep their order; between groups they do not.
// A reference of up to 32 bytes travels as it is, a longer one as its BLAKE3.
//
// # Journal
//
// FILE.journal is append-only. The first entry names the file's BLAKE3, the chain and the channel; then there is an entry
// with the exact signed bytes of each chunk, and one with its outcomes. Entries carry a checksum and say how far the file
// was durable when they were written, so that a torn tail, which was never sent, is told from damage in the middle, which
// stops the import. Rot of the very last entry with nothing behind it looks like a torn tail.
//
// Invariants:
//
//  1. Bytes are sent only after the entry that holds them is durable. A lost answer is repaired by sending the same bytes:
//     the ledger executes them at most once and answers with the first receipt.
//  2. A line is signed a second time only when its first bytes can never execute and did not: the executed sequence or
//     height has passed them, or the certified outcome says that their nonce is gone, and after that the ledger still does
//     not know their id.
//  3. One process at a time has a journal, by a file lock. A changed file, another chain or a foreign file in the journal's
//     place is a Conflict, and nothing is overwritten.
//  4. A timeout stops the import. It is never an outcome.
package payfile
