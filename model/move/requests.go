// SPDX-License-Identifier: Apache-2.0

package move

// Actions, as step.Action = kind<<8 | argument.
const (
	actThrough uint16 = iota << 8 // payment
	actTaken
	actAdmit
	actExecute
	actTimeout
	actCrash
	actRestart
	actRestartV10
	actClose
	actBarrier
	actSign
	actUndo
	actFollow
	actMoveIn
	actMoveOut
	actAbort
	actCertify
	actSyncRight
	actSyncLeft
	actStuck
	actSealUnchanged // height
	actSealToV10
	actSealOpen
	actResume
	actFailback
	actSend // payment
	actForward
	actRefuse
	actLose
	actDouble
	actMark
	actEnd
	actNative
	actKind uint16 = 0xFF00
)

// request makes the steps of one copy.
func (x *moves) request(p uint8, i int) {
	switch c := x.from.Copies[i]; {
	case c == copyGone:
	case c == copyUnsent:
		first := i%int(x.m.config.Sends) == 0 || x.from.Copies[i-1] != copyUnsent
		switch {
		case first && x.m.config.Network:
			x.put(actSend, p, i, copyToV10)
			x.put(actSend, p, i, copyToV11)
		case first:
			x.through(p, i)
			x.taken(p, i)
		}
	case underWay(c):
		x.travel(p, i, c)
	default:
		x.inside(p, i, c)
	}
}

// through: the request reaches the guard, which lets it into V10.
func (x *moves) through(p uint8, i int) {
	if !x.m.open(x.from, &x.v, x.m.config.Payers[p]) {
		return
	}
	x.add(actThrough|uint16(p), false, func(s *State) string {
		c := copyInside | uint16(s.Lease)<<copyGenShift | uint16(x.v.guard.version)<<copyVerShift
		if x.m.counts() {
			c |= copyTracked
		}
		s.Copies[i] = c
		return ""
	})
}

func (x *moves) mayDecide() bool {
	return x.from.Mode == running && x.from.Length-x.from.Cert < x.m.config.Depth
}

// taken: the request reaches V11, which executes it, or answers a repeat.
func (x *moves) taken(p uint8, i int) {
	slot := x.m.config.Payers[p]
	repeat := x.v.right.key[p] != keyNone
	if !x.mayDecide() || x.v.tip.owner[slot] != v11 || (repeat && x.m.has(RepeatsAnswered)) {
		return // a repeat that finds its first answer changes nothing
	}
	x.add(actTaken|uint16(p), false, func(s *State) string {
		s.Copies[i] = copyGone
		if x.v.right.balance[slot] > 0 {
			return x.m.decide(s, entryPaid|p)
		}
		return x.m.decide(s, entryRefused|p)
	})
}

// inside: V10 executes the request, or ends it because it is a repeat or of an old generation.
func (x *moves) inside(p uint8, i int, c uint16) {
	if x.from.Timeouts > 0 && c&copyTracked != 0 {
		x.add(actTimeout|uint16(p), true, func(s *State) string {
			s.Timeouts--
			s.Copies[i] &^= copyTracked
			return ""
		})
	}
	if !x.m.has(GenerationAtExecution) && c&copyAdmitted == 0 {
		x.add(actAdmit|uint16(p), false, func(s *State) string {
			s.Copies[i] |= copyAdmitted
			if copyGeneration(c) < s.Generation {
				s.Copies[i] = copyGone
			}
			return ""
		})
		return
	}
	x.add(actExecute|uint16(p), false, func(s *State) string {
		s.Copies[i] = copyGone
		if x.v.left.key[p] != keyNone || !x.m.executes(x.from, c) {
			return ""
		}
		if !x.m.config.Foreign {
			s.Generation = max(s.Generation, copyGeneration(c))
		}
		version := copyHomeVersion(c)
		if x.v.left.balance[x.m.config.Payers[p]] > 0 {
			s.tell(p, toldPaid)
			return capture(s, record(recordPaid, p, version))
		}
		s.tell(p, toldRefused)
		if !x.m.has(RefusalsTravel) {
			return ""
		}
		return capture(s, record(recordRefused, p, version))
	})
}

func (x *moves) faults() {
	from := x.from
	if from.Crashes > 0 && from.Down == 0 {
		x.add(actCrash, true, func(s *State) string {
			s.Crashes--
			s.Down, s.Barrier = 1, [2]uint8{}
			if !x.m.has(ClosedIsDurable) {
				s.Closed = [2]uint8{}
			}
			for i, c := range s.Copies {
				if inside(c) {
					s.Copies[i] = c &^ copyTracked
				}
			}
			return ""
		})
	}
	if from.Crashes > 0 && from.Generation > 0 && !x.m.has(GenerationIsDurable) {
		x.add(actRestartV10, true, func(s *State) string {
			s.Crashes--
			s.Generation = 0
			return ""
		})
	}
	if from.Stuck > 0 && from.Mode == running {
		x.add(actStuck, true, func(s *State) string {
			s.Stuck--
			s.Mode = stuck
			return ""
		})
	}
	if from.Down == 1 {
		x.restart()
	}
}

// restart: the guard starts, with a new generation, from the homes that it knew, or without VersionIsDurable from any older ones.
func (x *moves) restart() {
	for known := range x.from.Known + 1 {
		older := known == 0 || isHomes(x.from.Log[max(known, 1)-1])
		if known < x.from.Known && (x.m.has(VersionIsDurable) || !older) {
			continue
		}
		x.add(actRestart|uint16(known), false, func(s *State) string {
			s.Down, s.Known = 0, known
			if x.m.config.Foreign {
				return ""
			}
			s.Lease++
			if x.m.has(Barrier) {
				s.Lease = max(s.Lease, s.Generation+1)
				s.Generation = s.Lease
			}
			return ""
		})
	}
}

func isHomes(entry uint8) bool {
	k := entry & entryKind
	return k == entryMoveIn || k == entryMoveOut || k == entryAbort || k == entryFailback || k == entryEnd
}
