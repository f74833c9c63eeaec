// SPDX-License-Identifier: Apache-2.0

package move

// slots are those that move.
func (m *model) slots() uint8 {
	if m.config.Both {
		return 2
	}
	return 1
}

// guard makes the guard's steps but for its crash: it follows the homes, and fences slots.
func (x *moves) guard() {
	if x.from.Down == 1 {
		return
	}
	x.follow()
	for slot := range x.m.slots() {
		x.close(slot)
	}
}

// close makes the steps of a fence: the slot is closed, the barrier written, the fence signed.
func (x *moves) close(slot uint8) {
	from, version := x.from, x.v.guard.version
	argument := uint16(slotAndVersion(slot, version))
	if from.Moves > 0 && from.Sealed == 0 && x.m.open(from, &x.v, slot) {
		x.add(actClose|argument, false, func(s *State) string {
			s.Moves--
			s.Closed[slot], s.Barrier[slot] = version+1, 0
			return ""
		})
	}
	if from.Closed[slot] != version+1 {
		return
	}
	if from.Fences[slot][version] == 0 && from.Barrier[slot] == 0 && x.mayFence(slot) {
		x.barrier(slot)
	}
	if from.Barrier[slot] != 0 {
		x.add(actSign|argument, false, func(s *State) string {
			s.Fences[slot][version], s.Barrier[slot] = s.Barrier[slot], 0
			return ""
		})
	}
	if !x.m.has(AbortInLedger) {
		x.add(actUndo|argument, false, func(s *State) string {
			s.Closed[slot], s.Barrier[slot] = 0, 0
			return ""
		})
	}
}

// mayFence says whether the requests that the guard must wait for have ended. With the barrier it waits for none.
func (x *moves) mayFence(slot uint8) bool {
	if !x.m.counts() {
		return true
	}
	for i, c := range x.from.Copies {
		if p := x.m.paymentOf(i); p >= 0 && inside(c) && x.m.config.Payers[p] == slot {
			if c&copyTracked != 0 || (x.m.config.Foreign && x.m.has(WaitForAll)) {
				return false
			}
		}
	}
	return true
}

func (x *moves) barrier(slot uint8) {
	x.add(actBarrier|uint16(slot), false, func(s *State) string {
		if x.m.config.Foreign || x.m.has(Barrier) {
			if broken := capture(s, recordBarrier); broken != "" {
				return broken
			}
		}
		if !x.m.config.Foreign && x.m.has(Barrier) {
			s.Lease = max(s.Lease, s.Generation) + 1
			s.Generation = s.Lease
		}
		s.Barrier[slot] = s.Position + 1
		if !x.m.has(BarrierIsCaptured) {
			// The position of V10's whole write-ahead log counts the batches of sync, which capture skips.
			for _, e := range s.Log[:s.Applied] {
				if e&entryKind == entryPaid {
					s.Barrier[slot]++
				}
			}
		}
		return ""
	})
}

// follow: the guard takes the next certificate of a height that changes homes.
func (x *moves) follow() {
	if x.from.Stray[0] != 0 {
		return // it takes certificates in the order of home_version only, and has had another of this one
	}
	upTo := x.from.Cert
	if !x.m.has(PublishedHomes) {
		upTo = x.from.Length
	}
	for i := x.from.Known; i < upTo; i++ {
		if !isHomes(x.from.Log[i]) {
			continue
		}
		entry := x.from.Log[i]
		x.add(actFollow|uint16(i+1), false, func(s *State) string {
			s.Known, s.Barrier = i+1, [2]uint8{}
			switch entry & entryKind {
			case entryAbort:
				s.Closed[slotOf(entry)] = 0
			case entryFailback:
				s.Closed = [2]uint8{}
			}
			return ""
		})
		return
	}
}

// fence makes the controllers' steps. They remember nothing: any of them may submit whatever was ever signed, at any time.
func (x *moves) fence() {
	if !x.mayDecide() || x.v.end > 0 && x.m.has(CloseEndsMoves) {
		return
	}
	for slot := range x.m.slots() {
		if x.v.tip.owner[slot] == v10 {
			x.moveIn(slot)
		} else if x.from.Moves > 0 || x.m.config.Reverse {
			x.add(actMoveOut|uint16(slot), false, func(s *State) string {
				if !x.m.config.Reverse {
					s.Moves--
				}
				return x.m.decide(s, entryMoveOut|slot)
			})
		}
	}
}

func (x *moves) moveIn(slot uint8) {
	from, tip := x.from, x.v.tip.version
	for version := range uint8(versionsMax) {
		position := from.Fences[slot][version]
		stale := version != tip
		if !x.m.has(OneVersion) {
			stale = version < x.v.tip.changed[slot]
		}
		stale = stale && x.m.has(CompareAndSet)
		early := x.m.has(RequiredPosition) && x.v.applied+1 < position
		if position == 0 || stale || early {
			continue
		}
		argument := slotAndVersion(slot, version)
		x.add(actMoveIn|uint16(argument), false, func(s *State) string { return x.m.decide(s, entryMoveIn|argument) })
	}
	if x.m.has(AbortInLedger) && (from.Closed[slot] == tip+1 || from.Fences[slot][tip] != 0) {
		// Progress may not count on it: a fence that can only be aborted is one that does not work.
		x.add(actAbort|uint16(slot), true, func(s *State) string { return x.m.decide(s, entryAbort|slot) })
	}
}

// ledger makes the steps of V11's quorum and of sync.
func (x *moves) ledger() {
	from := x.from
	if from.Mode == running && from.Cert < from.Length {
		x.add(actCertify|uint16(from.Cert+1), false, func(s *State) string {
			certify(s, s.Cert+1)
			return ""
		})
	}
	if x.mayDecide() && x.v.applied < from.Position && x.v.end == 0 && !x.stands() {
		x.add(actSyncRight|uint16(x.v.applied), false, func(s *State) string {
			if broken := x.m.refusesRecord(s, &x.v); broken != "" {
				return broken
			}
			return x.m.decide(s, entrySync)
		})
	}
	if from.Applied < x.m.told(from) {
		x.add(actSyncLeft|uint16(from.Applied+1), false, func(s *State) string {
			e := s.Log[s.Applied]
			s.Applied++
			if p := e &^ entryKind; e&entryKind == entryPaid && x.v.left.balance[x.m.config.Payers[p]] == 0 {
				return Negative + " (V10)"
			}
			return ""
		})
	}
}

// refusesRecord: V11 checks that the side which made a debit owned the slot then, and still did at that position.
func (m *model) refusesRecord(s *State, v *view) string {
	r := s.Captured[v.applied]
	if r&recordKind != recordPaid {
		return ""
	}
	slot, version := m.config.Payers[recordPayment(r)], recordVersion(r)
	beyond := m.has(PositionChecked) && v.applied+1 > v.ended[slot][version]
	if version > v.tip.version || v.owners[version][slot] != v10 || beyond {
		return NotOwned
	}
	if v.right.balance[slot] == 0 {
		return Negative + " (V11)"
	}
	return ""
}

// seal makes the steps after V11 has stopped for ever. How its height is agreed is the package sealing's matter.
func (x *moves) seal() {
	from := x.from
	switch {
	case from.Mode == stuck:
		lowest := from.Cert
		if !x.m.has(SealAtPublished) && lowest > 0 {
			lowest--
		}
		for height := lowest; height <= from.Length; height++ {
			if x.m.has(OneVerdict) {
				x.sealAt(actSealUnchanged, height, sealedUnchanged)
				if x.v.end == 0 || height < x.v.end || !x.m.has(CloseEndsFailback) {
					x.sealAt(actSealToV10, height, sealedToV10)
				}
			} else {
				x.sealAt(actSealOpen, height, sealedOpen)
			}
		}
	case from.Mode != running:
		x.add(actResume, false, func(s *State) string {
			s.Mode = running
			return ""
		})
	}
	if from.Sealed == statementUnused && from.Down == 0 {
		x.add(actFailback, false, func(s *State) string {
			s.Sealed, s.Closed, s.Barrier = statementTaken, [2]uint8{}, [2]uint8{}
			return ""
		})
	}
}

func (x *moves) sealAt(action uint16, height, mode uint8) {
	x.add(action|uint16(height), false, func(s *State) string {
		clear(s.Log[height:])
		s.Length, s.Mode = height, mode
		certify(s, height)
		s.Cert = height
		s.Applied = min(s.Applied, height)
		if g := x.v.guard; s.Known > height && s.Stray[0] == 0 {
			s.Stray = [4]uint8{g.version + 1, g.owner[0] | g.owner[1]<<1, g.since[0], g.since[1]}
		}
		switch mode {
		case sealedOpen:
			s.Sealed = statementUnused
		case sealedToV10:
			broken := x.m.decide(s, entryFailback)
			certify(s, s.Length)
			return broken
		}
		return ""
	})
}
