// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"context"
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Where damage is planted.
const (
	InV10    = "v10"
	InIndex  = "index"
	InCopied = "copied history"
	InTopics = "topics"
)

// TopicKind begins the name of a finding about a record of a topic; the flaw follows.
const TopicKind = "topics/records/"

// Kind is a kind of damage. Together are those of one Group: none of them hides another.
type Kind struct {
	ID      string   `json:"id"`
	What    string   `json:"what"`
	Where   string   `json:"where"`
	Group   int      `json:"group"`
	Finding string   `json:"finding"` // that names it, SIDE/TABLE/CLASS
	Also    []string `json:"also,omitempty"`

	plant plant
}

// plant plants a kind of damage, and returns the keys of the rows.
type plant func(ctx context.Context, p *Planter) (keys []string, err error)

// What follows from others.
var (
	unsound       = []string{"v10/rounds/hash", "v10/rounds/count"}
	counted10     = []string{"v10/totals/count"}
	byParty       = []string{"v10/parties/missing", "v10/parties/extra"}
	byPartyOfV11  = []string{"v10/applied_parties/missing", "v10/applied_parties/extra"}
	byAccount     = []string{"v11/index_by_account/missing", "v11/index_by_account/extra"}
	gapAndLack    = []string{"v11/index_transfers/gap", "v11/index_by_account/extra"}
	roundFollows  = []string{"v10/rounds/previous_hash", "v10/round_hashes/missing", "v10/round_hashes/extra"}
	blockFollows  = []string{"v10/applied_blocks/previous_hash"}
	indexReplaced = []string{"v11/index_transfers/missing", "v11/index_by_account/missing", "v11/index_by_account/extra"}
)

func also(lists ...[]string) []string { return slices.Concat(lists...) }

// Kinds lists what can be planted.
func Kinds() []Kind { return kinds }

var kinds = []Kind{
	// V10's own transactions.
	{"v10-dropped", "a transaction is gone", InV10, 1, "v10/transactions/missing", also(unsound, counted10, []string{"v10/parties/extra", "v10/idempotency_keys/leads_nowhere"}), drop((*Planter).own)},
	{"v10-amount-off-by-one", "an amount is one unit more", InV10, 1, "v10/transactions/amount_off_by_one", unsound, edit((*Planter).own, amount(func(u string) string { return plus(u, 1) }))},
	{"v10-amount-trailing-zero", "an amount has a zero more", InV10, 1, "v10/transactions/amount_power_of_ten", unsound, edit((*Planter).own, amount(func(u string) string { return u + "0" }))},
	{"v10-amount", "an amount is another", InV10, 1, "v10/transactions/amount", unsound, edit((*Planter).own, amount(func(u string) string { return plus(u, 12_345) }))},
	{"v10-payer", "somebody else paid", InV10, 1, "v10/transactions/payer", also(unsound, byParty), party((*Planter).own, true)},
	{"v10-payee", "somebody else was paid", InV10, 1, "v10/transactions/payee", also(unsound, byParty), party((*Planter).own, false)},
	{"v10-swapped", "payer and payee are exchanged", InV10, 1, "v10/transactions/payer_and_payee_swapped", unsound, edit((*Planter).own, func(_ *Planter, f *found) { f.From, f.To = f.To, f.From })},
	{"v10-asset", "it was paid in another asset", InV10, 1, "v10/transactions/asset", unsound, edit((*Planter).own, func(_ *Planter, f *found) { f.Asset = "XYZ" })},
	{"v10-kind", "a payment is an issue", InV10, 1, "v10/transactions/kind", unsound, edit((*Planter).own, func(_ *Planter, f *found) { f.Kind = "issue" })},
	{"v10-outcome", "a payment is a refusal", InV10, 1, "v10/transactions/outcome", also(unsound, counted10), edit((*Planter).own, func(_ *Planter, f *found) { f.Outcome = 8 })},
	{"v10-time", "a time is 7 ms later", InV10, 1, "v10/transactions/time", unsound, edit((*Planter).own, func(_ *Planter, f *found) { f.Ms += 7 })},
	{"v10-time-zone", "a time is of another zone", InV10, 1, "v10/transactions/time_zone", unsound, edit((*Planter).own, func(_ *Planter, f *found) { f.Ms += 5.5 * 3600_000 })},
	{"v10-truncated", "a row ends early", InV10, 1, "v10/transactions/cut_off", unsound, bytesOf((*Planter).own, truncated)},
	{"v10-zero-byte", "a row has a zero byte in it", InV10, 1, "v10/transactions/zero_byte", unsound, bytesOf((*Planter).own, replace(`"units"`, "\x00units\""))},
	{"v10-spelling", "a row has a space in it", InV10, 1, "v10/transactions/spelling", unsound, bytesOf((*Planter).own, replace(`,"units"`, `, "units"`))},
	{"v10-bit-flipped", "a bit of a row is another", InV10, 1, "v10/transactions/unreadable", unsound, bytesOf((*Planter).own, replace(`{`, `[`))},
	{"v10-duplicated", "a transaction is there twice", InV10, 1, "v10/transactions/duplicated", also(unsound, counted10, []string{"v10/parties/missing"}), duplicated},
	{"v10-without-round", "a transaction is of no round", InV10, 1, "v10/transactions/without_round", also(unsound, counted10, []string{"v10/parties/missing"}), withoutRound},
	{"v10-party-lost", "a row by account is gone", InV10, 1, "v10/parties/missing", nil, partyRow((*Planter).own, 'p', true)},
	{"v10-tombstone-lost", "a row by account that nobody asked for is there again", InV10, 1, "v10/parties/extra", nil, partyRow((*Planter).own, 'p', false)},
	// V11's transactions, as V10 has them.
	{"v10-applied-dropped", "one of V11's transactions is gone", InV10, 2, "v10/applied_transactions/missing", also(counted10, []string{"v10/applied_parties/extra"}), drop((*Planter).applied)},
	{"v10-applied-off-by-one", "the amount of one of V11's is one unit more", InV10, 2, "v10/applied_transactions/amount_off_by_one", nil, edit((*Planter).applied, amount(func(u string) string { return plus(u, 1) }))},
	{"v10-applied-payee", "one of V11's paid somebody else", InV10, 2, "v10/applied_transactions/payee", byPartyOfV11, party((*Planter).applied, false)},
	{"v10-applied-time", "the time of one of V11's is 7 ms later", InV10, 2, "v10/applied_transactions/time", nil, edit((*Planter).applied, func(_ *Planter, f *found) { f.Ms += 7 })},
	{"v10-applied-outcome", "one of V11's is a refusal", InV10, 2, "v10/applied_transactions/outcome", counted10, edit((*Planter).applied, func(_ *Planter, f *found) { f.Outcome = 8 })},
	{"v10-applied-reference", "one of V11's has another reference", InV10, 2, "v10/applied_transactions/reference", nil, edit((*Planter).applied, func(_ *Planter, f *found) { f.Reference = strings.Repeat("ee", 32) })},
	{"v10-applied-truncated", "the row of one of V11's ends early", InV10, 2, "v10/applied_transactions/cut_off", nil, bytesOf((*Planter).applied, truncated)},
	{"v10-applied-twice", "one of V11's was applied twice", InV10, 2, "v10/applied_transactions/extra", also(counted10, []string{"v10/applied_parties/missing"}), appliedTwice},
	{"v10-applied-party-lost", "a row by account of one of V11's is gone", InV10, 2, "v10/applied_parties/missing", nil, partyRow((*Planter).applied, 'q', true)},
	{"v10-applied-tombstone-lost", "a row by account of one of V11's is there again", InV10, 2, "v10/applied_parties/extra", nil, partyRow((*Planter).applied, 'q', false)},
	{"v10-block-dropped", "one of V11's blocks is gone", InV10, 2, "v10/applied_blocks/missing", nil, roundRow('v', nil)},
	{"v10-block-hash", "one of V11's blocks has another hash", InV10, 2, "v10/applied_blocks/hash", blockFollows, roundRow('v', func(r *round) { r.Hash = "0x" + strings.Repeat("ab", 32) })},
	{"v10-block-time", "one of V11's blocks is a millisecond later", InV10, 2, "v10/applied_blocks/time", nil, roundRow('v', func(r *round) { r.Ms++ })},
	// V10's rounds.
	{"v10-round-dropped", "a round is gone", InV10, 3, "v10/rounds/missing", roundFollows, roundRow('r', nil)},
	{"v10-round-hash", "a round has another hash", InV10, 3, "v10/rounds/hash", roundFollows, roundRow('r', func(r *round) { r.Hash = "0x" + strings.Repeat("cd", 32) })},
	{"v10-round-previous", "a round follows another one", InV10, 3, "v10/rounds/previous_hash", []string{"v10/rounds/hash"}, roundRow('r', func(r *round) { r.Previous = "0x" + strings.Repeat("ef", 32) })},
	{"v10-round-count", "a round counts a transaction more", InV10, 3, "v10/rounds/count", []string{"v10/rounds/hash"}, roundRow('r', func(r *round) { r.Transactions++ })},
	{"v10-round-by-hash-lost", "the row by hash of a round is gone", InV10, 3, "v10/round_hashes/missing", nil, byHash(true)},
	{"v10-round-by-hash-extra", "a row by hash is of no round", InV10, 3, "v10/round_hashes/extra", nil, byHash(false)},
	// Who there is, and what he has.
	{"v10-account-truncated", "the row of an account ends early", InV10, 3, "v10/accounts/cut_off", nil, accountRow(func(row []byte) []byte { return row[:len(row)-2] })},
	{"v10-account-number-lost", "the row by number of an account is gone", InV10, 3, "v10/account_numbers/missing", []string{"v10/account_numbers/gap"}, numberRow},
	{"v10-held-lost", "the row of what an account held is gone", InV10, 3, "v10/held_assets/missing", nil, heldRow(true)},
	{"v10-held-extra", "an account has a row of what it never held", InV10, 3, "v10/held_assets/extra", nil, heldRow(false)},
	{"v10-balance-off-by-one", "a balance is one unit more", InV10, 3, "v10/balances/amount_off_by_one", []string{"v10/assets/supply"}, balance(func(u string) string { return plus(u, 1) })},
	{"v10-balance-sum", "a balance is not the sum of its entries", InV10, 3, "v10/balances/sum", []string{"v10/assets/supply"}, balance(func(u string) string { return plus(u, 1_000_003) })},
	{"v10-balance-negative", "a balance is below zero", InV10, 3, "v10/balances/amount_negative", []string{"v10/assets/supply", "v10/balances/sum"}, balance(func(string) string { return "-5" })},
	{"v10-balance-spelling", "a balance begins with a zero", InV10, 3, "v10/balances/spelling", nil, balance(func(u string) string { return "0" + u })},
	{"v10-balance-double-apply", "a payment counts twice in a balance", InV10, 3, "v10/balances/applied_twice", []string{"v10/assets/supply"}, counted(true)},
	{"v10-balance-lost", "a balance is gone", InV10, 3, "v10/balances/missing", []string{"v10/assets/supply", "v10/balances/sum"}, balance(nil)},
	{"v10-supply", "a supply is not what is held", InV10, 4, "v10/assets/supply", nil, assetRow(replace(`"supply":"1`, `"supply":"2`))},
	{"v10-cancelling-pair", "two balances differ by as much, one up and one down", InV10, 4, "v10/balances/cancelling", nil, cancelling},
	{"v10-key-leads-nowhere", "an idempotency key leads to no transaction", InV10, 4, "v10/idempotency_keys/leads_nowhere", nil, usedKey(false)},
	{"v10-key-without-age", "the row by age of an idempotency key is gone", InV10, 4, "v10/idempotency_keys/without_age", nil, usedKey(true)},
	// The query index.
	{"index-dropped-v10", "a payment of V10's is gone from the index", InIndex, 4, "v11/index_transfers/missing", gapAndLack, indexed(fromV10, nil)},
	{"index-dropped-v11", "a payment of V11's is gone from the index", InIndex, 4, "v11/index_transfers/missing", gapAndLack, indexed(fromV11, nil)},
	{"index-amount-off-by-one", "an amount in the index is one unit more", InIndex, 4, "v11/index_transfers/amount_off_by_one", nil, indexed(fromV10, add("amount_lo", 1))},
	{"index-amount-scale", "an amount in the index has a zero more", InIndex, 4, "v11/index_transfers/amount_power_of_ten", nil, indexed(fromV10, times("amount_lo", 10))},
	{"index-amount-v11", "an amount of V11's in the index is another", InIndex, 4, "v11/index_transfers/amount", nil, indexed(fromV11, add("amount_lo", 12_347))},
	{"index-payer", "the index has another payer", InIndex, 4, "v11/index_transfers/payer", byAccount, indexed(fromV10, other("payer"))},
	{"index-payee", "the index has another payee", InIndex, 4, "v11/index_transfers/payee", byAccount, indexed(fromV11, other("payee"))},
	{"index-swapped", "the index has payer and payee exchanged", InIndex, 4, "v11/index_transfers/payer_and_payee_swapped", nil, indexed(fromV10, exchange("payer", "payee"))},
	{"index-asset", "the index has another asset", InIndex, 4, "v11/index_transfers/asset", nil, indexed(fromV10, with("asset", int64(1)))},
	{"index-kind", "the index has an issue for a payment", InIndex, 4, "v11/index_transfers/kind", nil, indexed(fromV10, with("kind", int64(4)))},
	{"index-outcome", "the index has a refusal for a payment", InIndex, 4, "v11/index_transfers/outcome", nil, indexed(fromV10, with("outcome", int64(8)))},
	{"index-time", "the index has another of V10's times", InIndex, 4, "v11/index_transfers/time", nil, indexed(fromV10, add("v10_ms", 1))},
	{"index-time-zone", "the index has a time of another zone", InIndex, 4, "v11/index_transfers/time_zone", nil, indexed(fromV11, add("time_us", 3_600_000_000))},
	{"index-unreadable", "an amount in the index is text", InIndex, 4, "v11/index_transfers/unreadable", nil, indexed(fromV10, with("amount_lo", "five"))},
	{"index-duplicated", "the index has a payment twice, and not the next", InIndex, 5, "v11/index_transfers/duplicated", indexReplaced, indexedTwice},
	{"index-reordered", "two payments changed places in the index", InIndex, 5, "v11/index_transfers/reordered", byAccount, indexedElsewhere},
	{"index-block-dropped", "a block is gone from the index", InIndex, 5, "v11/index_blocks/gap", []string{"v11/index_transfers/height", "v10/applied_blocks/extra"}, indexedBlock(nil)},
	{"index-block-hash", "a block of the index has another hash", InIndex, 5, "v11/index_blocks/hash", nil, indexedBlock(flipped("hash"))},
	{"index-block-time", "a block of the index has another time", InIndex, 5, "v11/index_blocks/time", nil, indexedBlock(add("time_us", 4000))},
	{"index-block-items", "a block of the index says that it has no items", InIndex, 5, "v11/index_blocks/items", nil, indexedBlock(with("items", int64(0)))},
	{"index-listed-lost", "a row of the index by account is gone", InIndex, 5, "v11/index_by_account/missing", nil, listedRow(nil)},
	{"index-listed-extra", "the index by account has somebody who has no part", InIndex, 5, "v11/index_by_account/extra", nil, listedRow(func(v values) { v["account"] = int64(1) })},
	{"index-wrong-bucket", "a row of the index by account lies in another chunk", InIndex, 5, "v11/index_by_account/number", nil, listedRow(func(v values) { v["chunk"] = v.number("chunk") + 7 })},
	// The copied history.
	{"copied-dropped", "a row of the copied history is gone", InCopied, 5, "v11/imported_transactions/missing", []string{"v11/imported_transactions/gap"}, copied(nil)},
	{"copied-duplicated", "a row of the copied history is there twice, and the next not", InCopied, 5, "v11/imported_transactions/duplicated", []string{"v11/imported_transactions/missing"}, copiedTwice},
	{"copied-reordered", "two rows of the copied history changed places", InCopied, 5, "v11/imported_transactions/reordered", nil, copiedElsewhere},
	{"copied-amount-off-by-one", "an amount of the copied history is one unit more", InCopied, 5, "v11/imported_transactions/amount_off_by_one", nil, copied(add("amount_lo", 1))},
	{"copied-amount-scale", "an amount of the copied history has a zero more", InCopied, 5, "v11/imported_transactions/amount_power_of_ten", nil, copied(times("amount_lo", 10))},
	{"copied-payee", "the copied history has another payee", InCopied, 5, "v11/imported_transactions/payee", nil, copied(other("payee"))},
	{"copied-swapped", "the copied history has payer and payee exchanged", InCopied, 5, "v11/imported_transactions/payer_and_payee_swapped", nil, copied(exchange("payer", "payee"))},
	{"copied-time", "a time of the copied history is another", InCopied, 5, "v11/imported_transactions/time", nil, copied(add("ms", 1))},
	{"copied-time-zone", "a time of the copied history is of another zone", InCopied, 5, "v11/imported_transactions/time_zone", nil, copied(add("ms", 2*3_600_000))},
	{"copied-outcome", "the copied history has a refusal for a payment", InCopied, 5, "v11/imported_transactions/outcome", nil, copied(with("outcome", int64(8)))},
	{"copied-unreadable", "an amount of the copied history is text", InCopied, 5, "v11/imported_transactions/unreadable", nil, copied(with("amount_lo", "five"))},
	{"copied-round-dropped", "a copied round is gone", InCopied, 5, "v11/imported_rounds/missing", []string{"v11/imported_meta/count"}, copiedRound(nil)},
	{"copied-round-hash", "a copied round has another hash", InCopied, 5, "v11/imported_rounds/hash", nil, copiedRound(flipped("hash"))},
	{"copied-round-previous", "a copied round follows another one", InCopied, 5, "v11/imported_rounds/previous_hash", nil, copiedRound(flipped("previous"))},
	{"copied-round-count", "a copied round counts a transaction more", InCopied, 5, "v11/imported_rounds/count", nil, copiedRound(add("transactions", 1))},
	{"copied-round-leader", "a copied round has another leader", InCopied, 5, "v11/imported_rounds/leader", nil, copiedRound(with("leader", "nobody"))},
	{"copied-round-votes", "a copied round has no votes", InCopied, 5, "v11/imported_rounds/votes", nil, copiedRound(with("votes", "[]"))},
	{"copied-unfinished", "the copied history says that it was never finished", InCopied, 5, "v11/imported_meta/incomplete", nil, copiedMeta("finished", with("finished", int64(0)))},
	{"copied-count", "the copied history says that it has a row more", InCopied, 4, "v11/imported_meta/count", nil, copiedMeta("rows", add("rows", 1))},
	// The topics: checked by who watches, not by a scrub. What is written there stays.
	{"topic-forged", "a record whose seal somebody else made", InTopics, 0, TopicKind + "forged", nil, record(envelope.Transactions, envelope.Transactions, false, raw(func(w []byte) { w[len(w)-1] ^= 1 }))},
	{"topic-garbled", "bytes that are no record", InTopics, 0, TopicKind + "garbled", nil, record(envelope.Transactions, envelope.Transactions, false, raw(func(w []byte) { w[0] = 0xff }))},
	{"topic-unknown", "a record of a version that nobody knows", InTopics, 0, TopicKind + "unknown", nil, record(envelope.Transactions, envelope.Transactions, false, raw(func(w []byte) { w[1] = 99 }))},
	{"topic-foreign", "a record of another ledger", InTopics, 0, TopicKind + "foreign", nil, record(envelope.Transactions, envelope.Transactions, false, sealed(func(r *envelope.Record) { r.Ledger[0] ^= 1 }))},
	{"topic-other-life", "a record of another life of the ledger", InTopics, 0, TopicKind + "other_incarnation", nil, record(envelope.Transactions, envelope.Transactions, false, sealed(func(r *envelope.Record) { r.Incarnation[0] ^= 1 }))},
	{"topic-forked", "another record in the place of one", InTopics, 0, TopicKind + "forked", nil, record(envelope.Transactions, envelope.Transactions, false, sealed(func(r *envelope.Record) { r.HomeVersion++ }))},
	{"topic-wrong", "a record in another topic", InTopics, 0, TopicKind + "wrong_topic", nil, record(envelope.Transactions, envelope.Consensus, false, raw(func([]byte) {}))},
	{"topic-bad-heartbeat", "a heart-beat that names another record", InTopics, 0, TopicKind + "bad_heartbeat", nil, record(envelope.Transactions, envelope.Transactions, true, sealed(func(r *envelope.Record) { r.PreviousTag[0] ^= 1 }))},
}

func byID() map[string]*Kind {
	all := map[string]*Kind{}
	for i := range kinds {
		all[kinds[i].ID] = &kinds[i]
	}
	return all
}
