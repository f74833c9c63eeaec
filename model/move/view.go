// SPDX-License-Identifier: Apache-2.0

package move

const (
	v10      = uint8(0)
	v11      = uint8(1)
	notEnded = ^uint8(0)

	keyNone    = uint8(0)
	keyPaid    = uint8(1)
	keyRefused = uint8(2)
)

// homes is the slot table at a height.
type homes struct {
	owner   [2]uint8
	version uint8
	since   [2]uint8 // height that gave the slot to V10
	changed [2]uint8 // version since which the slot has its owner
}

// ledger is what payments see of one side.
type ledger struct {
	balance [2]int8
	key     [paymentsMax]uint8
}

// view is what follows from a state by replaying V11's log.
type view struct {
	tip     homes
	guard   homes // as the guard knows them
	left    ledger
	right   ledger // V11
	told    ledger // V11, as of the newest height that V10 is told of
	end     uint8  // height at which the way back ended, 0: it did not
	applied uint8  // of V10's positions, by V11
	paid    [paymentsMax]uint8
	owners  [versionsMax + 1][2]uint8
	ended   [2][versionsMax + 1]uint8 // by slot and version: last position at which V10 still owned it
}

func (m *model) start() (l ledger, h homes) {
	for i := range l.balance {
		l.balance[i] = int8(m.config.Balance[i])
		if m.config.V11Owns[i] {
			h.owner[i] = v11
		}
	}
	return l, h
}

func (m *model) derive(s *State, v *view) {
	l, h := m.start()
	*v = view{tip: h, guard: h, left: l, right: l, told: l}
	for i := range v.ended[0] {
		v.ended[0][i], v.ended[1][i] = notEnded, notEnded
	}
	v.owners[0] = h.owner
	for i := range s.Length {
		m.replay(s, v, i)
		if v.end == 0 || v.end == i+1 || !m.has(CloseEndsCapture) {
			v.told = v.right
		}
		if i+1 == s.Known {
			v.guard = v.tip
		}
	}
	for _, r := range s.Captured[:s.Position] {
		if r&recordKind == recordPaid {
			v.paid[recordPayment(r)]++
		}
		m.book(&v.left, r, true)
	}
	if s.Stray[0] != 0 {
		v.guard = homes{
			owner: [2]uint8{s.Stray[1] & 1, s.Stray[1] >> 1}, version: s.Stray[0] - 1, since: [2]uint8{s.Stray[2], s.Stray[3]},
		}
	}
	if s.Sealed == statementTaken {
		v.guard.owner, v.guard.since = [2]uint8{}, [2]uint8{s.Cert, s.Cert}
	}
}

// replay makes the entry at height i+1.
func (m *model) replay(s *State, v *view, i uint8) {
	e := s.Log[i]
	switch p := e &^ entryKind; e & entryKind {
	case entryPaid:
		v.paid[p]++
		m.pay(&v.right, p)
		v.right.key[p] = keyPaid
		if i < s.Applied {
			m.pay(&v.left, p)
			if m.has(KeysTravel) {
				v.left.key[p] = keyPaid
			}
		}
	case entryRefused:
		v.right.key[p] = keyRefused
		if i < s.Applied && m.has(KeysTravel) {
			v.left.key[p] = keyRefused
		}
	case entrySync:
		m.book(&v.right, s.Captured[v.applied], m.has(KeysTravel))
		v.applied++
	case entryNative:
		v.right.balance[slotOf(e)]++
	default:
		m.moveHomes(s, v, i)
	}
}

func (m *model) moveHomes(s *State, v *view, i uint8) {
	h := &v.tip
	e := s.Log[i]
	slot := slotOf(e)
	switch e & entryKind {
	case entryMoveIn:
		for u := range h.version + 1 {
			if v.ended[slot][u] == notEnded {
				v.ended[slot][u] = s.Fences[slot][versionOf(e)] - 1
			}
		}
		h.owner[slot] = v11
	case entryMoveOut:
		h.owner[slot], h.since[slot] = v10, i+1
	case entryFailback:
		h.owner, h.since, h.changed = [2]uint8{}, [2]uint8{i + 1, i + 1}, [2]uint8{h.version + 1, h.version + 1}
	case entryAbort:
		if !m.has(AbortRaisesVersion) {
			return
		}
	case entryEnd:
		v.end = i + 1
	}
	h.version++
	h.changed[slot] = h.version
	v.owners[h.version] = h.owner
}

func (m *model) pay(l *ledger, payment uint8) {
	from := m.config.Payers[payment]
	l.balance[from]--
	l.balance[1-from]++
}

func (m *model) book(l *ledger, r uint8, keys bool) {
	p := recordPayment(r)
	switch r & recordKind {
	case recordPaid:
		m.pay(l, p)
		if keys {
			l.key[p] = keyPaid
		}
	case recordRefused:
		if keys {
			l.key[p] = keyRefused
		}
	}
}

// open says whether the guard lets debits of a slot through.
func (m *model) open(s *State, v *view, slot uint8) bool {
	closed := s.Closed[slot] == v.guard.version+1
	applied := !m.has(OpenAfterApplied) || s.Applied >= v.guard.since[slot]
	return s.Down == 0 && v.guard.owner[slot] == v10 && !closed && applied
}

// executes says whether V10 would execute a request that is inside it, whatever its key says.
func (m *model) executes(s *State, c uint16) bool {
	switch {
	case m.config.Foreign:
		return true
	case !m.has(GenerationAtExecution):
		return c&copyAdmitted != 0 || copyGeneration(c) >= s.Generation
	}
	return copyGeneration(c) >= s.Generation
}

// acceptsV10 says whether a new debit of the slot could happen on V10.
func (m *model) acceptsV10(s *State, v *view, slot uint8) bool {
	if m.open(s, v, slot) {
		return true
	}
	for i, c := range s.Copies {
		if p := m.paymentOf(i); p >= 0 && inside(c) && m.config.Payers[p] == slot && v.left.key[p] == keyNone && m.executes(s, c) {
			return true
		}
	}
	return false
}

func acceptsV11(s *State, v *view, slot uint8) bool {
	return s.Mode == running && v.tip.owner[slot] == v11
}

// rest: nothing is on the way, and everybody knows what the others know.
func (m *model) rest(s *State, v *view) bool {
	for _, c := range s.Copies {
		if inside(c) || underWay(c) {
			return false
		}
	}
	known := s.Sealed == 0 || s.Sealed == statementTaken
	synced := v.applied == s.Position || v.end > 0 && !s.untold(v.applied)
	return s.Mode == running && s.Down == 0 && s.Cert == s.Length && s.Applied == m.told(s) && synced &&
		v.guard.version == v.tip.version && known
}
