// SPDX-License-Identifier: Apache-2.0

package ledger

// LaneSections are the sections that Lane reads: a ledger over a space in which only these were loaded can be asked for its
// lanes, without Attach.
func LaneSections() []uint32 { return []uint32{sectionMeta, sectionLanes} }
