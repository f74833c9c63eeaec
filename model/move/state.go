// SPDX-License-Identifier: Apache-2.0

package move

// State is everything that the two ledgers, the guard and the network remember. What can be derived, view derives.
type State struct {
	Copies   [copiesMax]uint16     // of each payment its sends, sorted: see the copy constants
	Log      [logMax]uint8         // V11's heights, one entry each: see the entry constants
	Captured [capturedMax]uint8    // V10's captured records
	Fences   [2][versionsMax]uint8 // by slot and home_version: position+1, 0 is none. Whatever was signed may be submitted for ever
	Length   uint8                 // of Log
	Cert     uint8                 // heights certified, which are those published
	Position uint8                 // length of Captured
	Applied  uint8                 // V11's heights that V10 has applied

	Generation uint8    // that V10 compares with
	Lease      uint8    // the guard's generation
	Known      uint8    // V11's height up to which the guard knows the homes
	Closed     [2]uint8 // by slot: home_version+1 at which the guard closed it, 0 is none
	Barrier    [2]uint8 // by slot: position+1 of the barrier written for the coming fence, 0 is none
	Mode       uint8    // of V11
	Down       uint8    // 1: the guard is
	Sealed     uint8    // without OneVerdict only: see the sealed constants
	Told       uint8    // two bits a payment: paid, refused

	// Stray is what the guard believes after a seal dropped the height that it believed in: version+1, bits of the slots that
	// V11 owns, and for each slot the height that gave it to V10. Only without PublishedHomes.
	Stray [4]uint8

	Mark uint8 // length of Captured with the newest mark that was written for a close, 0: none

	Moves, Crashes, Timeouts, Stuck, Natives uint8 // left of the budgets
}

// A copy of a request is unsent, gone, or let through by the guard and inside V10. Requests on the way to a ledger need no state: see doc.go.
const (
	copyUnsent   = uint16(0)
	copyGone     = ^uint16(0)
	copyInside   = uint16(1)
	copyTracked  = uint16(2) // the guard counts it
	copyAdmitted = uint16(4) // compared on arrival; only without GenerationAtExecution
	copyGenShift = 3
	copyVerShift = 6

	// On the way, with Config.Network only.
	copyToV10     = uint16(1 << 12)
	copyToV11     = uint16(1 << 13)
	copyForwarded = uint16(1 << 14)
)

// Entries of V11's log: kind in the high half, argument in the low.
const (
	entryPaid     = uint8(0x10) // payment
	entryRefused  = uint8(0x20) // payment
	entrySync     = uint8(0x30) // the next captured record
	entryMoveIn   = uint8(0x40) // slot, and the version of the fence
	entryMoveOut  = uint8(0x50) // slot
	entryAbort    = uint8(0x60) // slot
	entryFailback = uint8(0x70)
	entryEnd      = uint8(0x80) // the way back ends
	entryNative   = uint8(0x90) // slot that is paid
	entryKind     = uint8(0xF0)
)

// Records of V10: kind, payment, home_version.
const (
	recordPaid    = uint8(0x40)
	recordRefused = uint8(0x80)
	recordBarrier = uint8(0xC0)
	recordKind    = uint8(0xC0)
)

func slotOf(entry uint8) uint8                 { return entry & 1 }
func versionOf(entry uint8) uint8              { return entry >> 1 & 7 }
func slotAndVersion(slot, version uint8) uint8 { return slot | version<<1 }

func record(kind, payment, version uint8) uint8 { return kind | payment<<4 | version }
func recordPayment(r uint8) uint8               { return r >> 4 & 3 }
func recordVersion(r uint8) uint8               { return r & 15 }

// V11's modes.
const (
	running uint8 = iota
	stuck         // certifies nothing more
	sealedUnchanged
	sealedToV10
	sealedOpen // without OneVerdict: no verdict was written
)

// What became of a seal without a verdict.
const (
	statementUnused = 1
	statementTaken  = 2 // the guard has opened all slots on it
)

const (
	toldPaid    = uint8(1)
	toldRefused = uint8(2)
)

func (s *State) tell(payment, what uint8) { s.Told |= what << (2 * payment) }
func (s *State) told(payment uint8) uint8 { return s.Told >> (2 * payment) & 3 }

// sortCopies makes copies of one payment interchangeable.
func sortCopies(c []uint16) {
	for i := 1; i < len(c); i++ {
		for j := i; j > 0 && c[j] < c[j-1]; j-- {
			c[j], c[j-1] = c[j-1], c[j]
		}
	}
}

func inside(c uint16) bool   { return c&copyInside != 0 && c != copyGone }
func underWay(c uint16) bool { return c&(copyToV10|copyToV11) != 0 && c != copyGone }

func copyGeneration(c uint16) uint8  { return uint8(c >> copyGenShift & 7) }
func copyHomeVersion(c uint16) uint8 { return uint8(c >> copyVerShift & 15) }
