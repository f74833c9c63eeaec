// SPDX-License-Identifier: Apache-2.0

package move

import (
	"fmt"
	"strings"
)

var actionNames = map[uint16]string{
	actThrough: "the guard lets payment %d into V10", actTaken: "V11 executes payment %d", actAdmit: "V10 compares the generation of payment %d on arrival",
	actExecute: "V10 executes payment %d", actTimeout: "the guard stops waiting for payment %d", actCrash: "the guard crashes",
	actRestart: "the guard restarts, knowing the homes of height %d", actRestartV10: "V10 restarts", actClose: "the guard closes",
	actBarrier: "the guard writes the barrier of a fence of slot %d through V10", actSign: "the guard signs the fence of", actUndo: "the guard undoes the fence of",
	actFollow: "the guard takes the homes of height %d", actMoveIn: "MoveSlots to V11 with the fence of",
	actMoveOut: "MoveSlots to V10, slot %d", actAbort: "AbortMove, slot %d", actCertify: "height %d is certified and published",
	actSyncRight: "sync brings position %d to V11", actSyncLeft: "sync brings height %d to V10", actStuck: "V11 stops for ever",
	actSealUnchanged: "seal at height %d, slots unchanged", actSealToV10: "seal at height %d, all slots to V10",
	actSealOpen: "seal at height %d, no verdict", actResume: "V11 restarts from the seal", actFailback: "the guard opens all slots on the seal",
	actSend: "the client sends payment %d", actForward: "payment %d reaches the wrong side and is forwarded",
	actRefuse: "payment %d reaches the wrong side again, and is refused for now", actLose: "a request of payment %d is lost",
	actDouble: "a request of payment %d is doubled", actMark: "a mark of a close is written through V10", actEnd: "CloseMigration",
	actNative: "an account that V10 cannot name pays slot %d",
}

// name tells a step, and what is remarkable about it: an outcome, a generation, a position.
func (m *model) name(action uint16, from, to *State) string {
	text := actionNames[action&actKind]
	argument := action &^ actKind
	if action&actKind == actSyncRight {
		argument++
	}
	if strings.Contains(text, "%d") {
		text = fmt.Sprintf(text, argument)
	}
	var v view
	m.derive(from, &v)
	switch action & actKind {
	case actThrough:
		return fmt.Sprintf("%s, home_version %d", text, v.guard.version)
	case actTaken:
		if to.Length == from.Length {
			return fmt.Sprintf("V11 answers payment %d again", argument)
		}
		if to.Log[from.Length]&entryKind == entryRefused {
			return fmt.Sprintf("V11 refuses payment %d: insufficient", argument)
		}
	case actExecute:
		return m.nameExecution(text, uint8(argument), from, to)
	case actClose, actUndo, actSign, actMoveIn:
		slot, version := slotOf(uint8(argument)), versionOf(uint8(argument))
		text = fmt.Sprintf("%s slot %d at home_version %d", text, slot, version)
		if action&actKind == actSign {
			text = fmt.Sprintf("%s, position %d", text, from.Barrier[slot]-1)
		}
	}
	return text
}

func (m *model) nameExecution(text string, payment uint8, from, to *State) string {
	switch {
	case to.Position > from.Position && to.Captured[from.Position]&recordKind == recordPaid:
		return text
	case to.Position > from.Position || to.Told != from.Told:
		return fmt.Sprintf("V10 refuses payment %d: insufficient", payment)
	}
	return fmt.Sprintf("V10 ends payment %d: a repeat, or of an old generation", payment)
}
