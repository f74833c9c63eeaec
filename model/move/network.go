// SPDX-License-Identifier: Apache-2.0

package move

// put changes one copy of a request and nothing else.
func (x *moves) put(action uint16, p uint8, i int, c uint16) {
	x.add(action|uint16(p), false, func(s *State) string {
		s.Copies[i] = c
		return ""
	})
}

// travel makes the steps of a request that is on the way: it is lost, doubled, or reaches the side that it was sent to, which takes it,
// forwards it once, or refuses it for now. V11 takes nothing while it is stopped or at its bound of uncertified heights.
func (x *moves) travel(p uint8, i int, c uint16) {
	x.put(actLose, p, i, copyGone)
	if i > 0 && x.m.paymentOf(i-1) == int(p) && x.from.Copies[i-1] == copyUnsent {
		x.put(actDouble, p, i-1, c)
	}
	slot := x.m.config.Payers[p]
	home, other := x.m.open(x.from, &x.v, slot), copyToV11
	if c&copyToV11 != 0 {
		if !x.mayDecide() {
			return
		}
		home, other = x.v.tip.owner[slot] == v11, copyToV10
	} else if x.from.Down == 1 {
		return
	}
	switch repeat := x.v.right.key[p] != keyNone && x.m.has(RepeatsAnswered); {
	case !home && c&copyForwarded == 0:
		x.put(actForward, p, i, other|copyForwarded)
	case !home:
		x.put(actRefuse, p, i, copyGone)
	case c&copyToV10 != 0:
		x.through(p, i)
	case repeat:
		x.put(actTaken, p, i, copyGone)
	default:
		x.taken(p, i)
	}
}
