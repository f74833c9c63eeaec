// SPDX-License-Identifier: Apache-2.0

package ledger

import "fmt"

// sectionNames say what a section is, and what numbers its records.
var sectionNames = map[uint32][2]string{
	sectionMeta:         {"height, time and counts", "record"},
	sectionAccounts:     {"accounts", "account"},
	sectionWords:        {"debit words", "account"},
	sectionAliases:      {"aliases", "alias"},
	sectionKeys:         {"keys", "key"},
	sectionLargeKeys:    {"large keys", "large key"},
	sectionInstitutions: {"institutions", "institution"},
	sectionChannels:     {"channel sequences", "institution * 256 + channel"},
	sectionNonces:       {"nonces", "account"},
	sectionAssets:       {"assets", "asset"},
	sectionHomes:        {"homes", "slot / 64"},
	sectionHolds:        {"holds", "hold slot"},
	sectionLanes:        {"lanes", "validator"},
	sectionValidators:   {"validators", "validator"},
	sectionSparseKeys:   {"sparse holdings", "sparse holding"},
	sectionSparse:       {"sparse balances", "sparse holding"},
	sectionKeyedTotals:  {"counts of idempotency keys", "record"},
	sectionKeyed:        {"idempotency keys", "place in the ring"},
	sectionInbox:        {"the other ledger's changes", "record"},
	sectionFrozenSlots:  {"frozen slots", "slot / 64"},
	sectionMover:        {"who moves slots", "record"},
	sectionHomeMoves:    {"moves of slots", "version of the home table - 2"},
	sectionSlotSince:    {"versions of homes", "slot"},
}

// SectionName says what a section of the state holds, and by what its records are numbered, for people who look for a
// difference. FORMAT.md has the fields.
func SectionName(section uint32) (name, record string) {
	if n, ok := sectionNames[section]; ok {
		return n[0], n[1]
	}
	if section > sectionDense {
		return fmt.Sprintf("balances of asset %d", section-sectionDense), "account"
	}
	return fmt.Sprintf("section %d", section), "record"
}
