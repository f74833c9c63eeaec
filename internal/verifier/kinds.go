// SPDX-License-Identifier: Apache-2.0

package verifier

// Sides.
const (
	SideV10  = "v10"
	SideV11  = "v11"
	SideBoth = "both"
)

// Tables, as findings name them.
const (
	TableAccounts     = "accounts"
	TableNumbers      = "account_numbers"
	TableHeld         = "held_assets" // which assets an account ever held
	TableTransactions = "transactions"
	TableParties      = "parties"
	TableAssets       = "assets"
	TableAssetNumbers = "asset_numbers"
	TableBalances     = "balances"
	TableRounds       = "rounds"
	TableHashes       = "round_hashes"
	TableTotals       = "totals"
	TableKeys         = "idempotency_keys"
	TableApplied      = "applied_transactions" // V11's, as V10 has them
	TableAppliedParts = "applied_parties"
	TableAppliedBlock = "applied_blocks"
	TableIndex        = "index_transfers"
	TableIndexBlocks  = "index_blocks"
	TableIndexListed  = "index_by_account"
	TableIndexMeta    = "index_meta"
	TableImported     = "imported_transactions"
	TableImportRounds = "imported_rounds"
	TableImportMeta   = "imported_meta"
	TableState        = "state"
)

// What can be wrong with a row or a sum.
const (
	classMissing     = "missing"
	classExtra       = "extra"
	classDuplicated  = "duplicated"
	classReordered   = "reordered"
	classCutOff      = "cut_off"
	classZeroByte    = "zero_byte"
	classSpelling    = "spelling"
	classUnreadable  = "unreadable"
	classAmount      = "amount"
	classOffByOne    = "amount_off_by_one"
	classTimesTen    = "amount_power_of_ten"
	classTooLarge    = "amount_too_large"
	classNegative    = "amount_negative"
	classPayer       = "payer"
	classPayee       = "payee"
	classSwapped     = "payer_and_payee_swapped"
	classAsset       = "asset"
	classKind        = "kind"
	classOutcome     = "outcome"
	classTime        = "time"
	classZone        = "time_zone"
	classReference   = "reference"
	classHash        = "hash"
	classPrevious    = "previous_hash"
	classLeader      = "leader"
	classVotes       = "votes"
	classCount       = "count"
	classNumber      = "number"
	classScale       = "scale"
	className        = "name"
	classIssuer      = "issuer"
	classSupply      = "supply"
	classSumOff      = "sum"
	classOnce        = "applied_twice"
	classNever       = "never_applied"
	classCancelling  = "cancelling"
	classGap         = "gap"
	classOrphan      = "without_round"
	classSlot        = "slot"
	classAddress     = "address"
	classCustody     = "custody"
	classFlags       = "flags"
	classHeight      = "height"
	classItems       = "items"
	classIncomplete  = "incomplete"
	classTransaction = "leads_nowhere"
	classAgeing      = "without_age"
)

// Kind is something that the verifier can find and tells from everything else.
type Kind struct {
	Class string `json:"class"`
	Side  string `json:"side"`
	Table string `json:"table"`
	What  string `json:"what"`
}

// Name is how a kind is written: side, table and class.
func (k *Kind) Name() string { return k.Side + "/" + k.Table + "/" + k.Class }

// what says in words what a class means; %s is the table.
var what = map[string]string{
	classMissing:     "a row is not there",
	classExtra:       "a row is there that has no counterpart",
	classDuplicated:  "a row is there twice",
	classReordered:   "a row stands at another place in the order",
	classCutOff:      "a row ends early",
	classZeroByte:    "a row has a zero byte in it",
	classSpelling:    "a row is spelled otherwise than its ledger spells it",
	classUnreadable:  "a row cannot be read",
	classAmount:      "another amount",
	classOffByOne:    "an amount that is one unit off",
	classTimesTen:    "an amount that is off by a power of ten",
	classTooLarge:    "an amount beyond 128 bits",
	classNegative:    "an amount below zero",
	classPayer:       "another payer",
	classPayee:       "another payee",
	classSwapped:     "payer and payee are exchanged",
	classAsset:       "another asset",
	classKind:        "another kind",
	classOutcome:     "another outcome",
	classTime:        "another time",
	classZone:        "a time that is off by quarters of an hour",
	classReference:   "another reference",
	classHash:        "a hash that its rows do not have",
	classPrevious:    "it does not follow the one before",
	classLeader:      "another leader",
	classVotes:       "other votes",
	classCount:       "a count that the rows do not have",
	classNumber:      "another number",
	classScale:       "another scale",
	className:        "another name",
	classIssuer:      "another issuer",
	classSupply:      "a supply that the holdings do not have",
	classSumOff:      "it is not the sum of its entries",
	classOnce:        "an entry counts twice in it",
	classNever:       "an entry does not count in it",
	classCancelling:  "it is not the sum of its entries, and others differ by as much the other way",
	classGap:         "a number is left out",
	classOrphan:      "a transaction of no round",
	classSlot:        "another slot than follows from the name",
	classAddress:     "another address than follows from the name",
	classCustody:     "nobody has it in custody",
	classFlags:       "it is not portable",
	classHeight:      "a height that does not fit",
	classItems:       "more transfers than the block has items",
	classIncomplete:  "it was never finished",
	classTransaction: "it leads to no transaction",
	classAgeing:      "it would never end",
}

// found are the classes that can be found, by side and table.
var found = []struct {
	side, table string
	classes     []string
}{
	{SideV10, TableTransactions, append([]string{classOrphan, classDuplicated}, append(unread, rowFields...)...)},
	{SideV10, TableTransactions, []string{classMissing, classExtra}},
	{SideV10, TableApplied, append([]string{classMissing, classExtra, classReference}, append(unread, rowFields...)...)},
	{SideV10, TableParties, []string{classMissing, classExtra, classDuplicated}},
	{SideV10, TableAppliedParts, []string{classMissing, classExtra, classDuplicated}},
	{SideV10, TableRounds, append([]string{classMissing, classHash, classPrevious, classTime, classCount, classLeader, classVotes}, unread...)},
	{SideV10, TableHashes, []string{classMissing, classExtra}},
	{SideV10, TableAppliedBlock, append([]string{classMissing, classExtra, classHash, classPrevious, classTime, classCount}, unread...)},
	{SideV10, TableAccounts, append([]string{classMissing, classExtra, classNumber}, unread...)},
	{SideV10, TableNumbers, []string{classMissing, classExtra, classGap}},
	{SideV10, TableHeld, []string{classMissing, classExtra}},
	{SideV10, TableAssets, append([]string{classMissing, classExtra, classNumber, classScale, className, classIssuer, classSupply}, unread...)},
	{SideV10, TableAssetNumbers, []string{classMissing, classExtra, classGap}},
	{SideV10, TableBalances, []string{classMissing, classSumOff, classOffByOne, classOnce, classNever, classCancelling, classUnreadable, classNegative, classTooLarge, classSpelling, classExtra}},
	{SideV10, TableTotals, append([]string{classMissing, classCount, classHash}, unread...)},
	{SideV10, TableKeys, append([]string{classTransaction, classAgeing}, unread...)},
	{SideV11, TableImported, append([]string{classMissing, classExtra, classDuplicated, classReordered, classGap, classUnreadable}, rowFields...)},
	{SideV11, TableImportRounds, []string{classMissing, classExtra, classHash, classPrevious, classTime, classCount, classLeader, classVotes, classUnreadable}},
	{SideV11, TableImportMeta, []string{classCount, classIncomplete}},
	{SideV11, TableIndex, append([]string{classMissing, classExtra, classDuplicated, classReordered, classGap, classHeight, classReference, classUnreadable}, rowFields...)},
	{SideV11, TableIndexBlocks, []string{classGap, classItems, classTime, classHash}},
	{SideV11, TableIndexListed, []string{classMissing, classExtra, classNumber}},
	{SideV11, TableIndexMeta, []string{classCount}},
	{SideV11, TableAccounts, []string{classMissing, classExtra, classSlot, classAddress, classCustody}},
	{SideV11, TableAssets, []string{classMissing, classExtra, classScale, className, classIssuer, classSupply, classFlags}},
	{SideV11, TableBalances, []string{classSumOff, classOffByOne, classOnce, classNever, classCancelling}},
}

var (
	unread    = []string{classCutOff, classZeroByte, classSpelling, classUnreadable}
	rowFields = []string{
		classAmount, classOffByOne, classTimesTen, classPayer, classPayee, classSwapped, classAsset, classKind, classOutcome, classTime, classZone,
	}
)

// Kinds lists all that the verifier tells apart.
func Kinds() (all []Kind) {
	for _, f := range found {
		for _, class := range f.classes {
			all = append(all, Kind{class, f.side, f.table, what[class]})
		}
	}
	return all
}
