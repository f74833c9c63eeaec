// SPDX-License-Identifier: Apache-2.0

package ledger

// The sections of the ledger's state; FORMAT.md has their records. Append only.
const (
	sectionMeta         = 1
	sectionAccounts     = 2
	sectionWords        = 3
	sectionAliases      = 4
	sectionKeys         = 5
	sectionLargeKeys    = 6
	sectionInstitutions = 7
	sectionChannels     = 8
	sectionNonces       = 9
	sectionAssets       = 10
	sectionHomes        = 11
	sectionHolds        = 12
	sectionLanes        = 13
	sectionValidators   = 14
	sectionSparseKeys   = 15
	sectionSparse       = 16
	sectionKeyedTotals  = 17
	sectionKeyed        = 18
	sectionInbox        = 19
	sectionFrozenSlots  = 20
	sectionMover        = 21
	sectionHomeMoves    = 22
	sectionSlotSince    = 23
	sectionLast         = sectionSlotSince
	sectionDense        = 0x10000 // + asset number
)
