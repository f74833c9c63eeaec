// SPDX-License-Identifier: Apache-2.0

package move

// end makes the steps of the close: a mark is written through V10, the ledger ends the way back, and pays what V10 cannot express. Who
// closes remembers nothing either: any mark may stand in any close.
func (x *moves) end() {
	from := x.from
	owned := x.v.tip.owner == [2]uint8{v11, v11}
	owned = owned || !x.m.has(CloseOwnsNothing)
	if x.m.config.Close && x.v.end == 0 && owned && (from.Mark == 0 || from.Position > from.Mark) {
		x.add(actMark, true, func(s *State) string {
			broken := capture(s, recordBarrier) // it ends nothing that is inside V10: a fence's does
			s.Mark = s.Position
			return broken
		})
	}
	if !x.mayDecide() {
		return
	}
	marked := from.Mark > 0 && x.v.applied >= from.Mark
	if x.m.config.Close && x.v.end == 0 && owned && (marked || !x.m.has(ClosePosition)) {
		x.add(actEnd, true, func(s *State) string { return x.m.decide(s, entryEnd) })
	}
	if from.Natives > 0 && (x.v.end > 0 || !x.m.has(NativeAfterClose)) {
		x.add(actNative, true, func(s *State) string {
			s.Natives--
			return x.m.decide(s, entryNative)
		})
	}
}

// stands reports whether sync stands before a debit that V11 refuses, for a person.
func (x *moves) stands() bool { return x.m.config.Stands && x.m.refusesRecord(x.from, &x.v) != "" }

// told is the newest height that V10 is told of.
func (m *model) told(s *State) uint8 {
	for i, e := range s.Log[:s.Cert] {
		if e == entryEnd && m.has(CloseEndsCapture) {
			return uint8(i) + 1
		}
	}
	return s.Cert
}

// untold reports whether V10 did something behind a position.
func (s *State) untold(from uint8) bool {
	for _, r := range s.Captured[from:s.Position] {
		if r&recordKind != recordBarrier {
			return true
		}
	}
	return false
}
