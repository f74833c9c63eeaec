// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"fmt"

	"github.com/aurigraph/aurigraph/model/check"
)

const (
	actLeft uint16 = iota << 8
	actRight
	actSynced
	actCapture
	actCrash
	actSyncRight
	actSyncOld
	actSyncLeft
	actDurable
	actMoveIn
	actMoveOut
	actServe
	actBackup
	actRestore
	actInbox
	actReconcile
)

func name(action uint16, _, to *state) string {
	texts := []string{
		"V10 executes payment %d", "V11 executes payment %d", "V10's log is on disk", "capture reads position %d", "V10 crashes",
		"V11 applies position %d", "V11 applies position %d of the old incarnation", "V10 applies V11's payment number %d",
		"what V10 applied is on disk", "the slot moves to V11", "the slot moves to V10", "the guard opens the slot",
		"a backup of V10 is taken", "V10 is restored from the backup", "governance opens the inbox for the new incarnation",
		"each ledger is brought what only the other has",
	}
	text := texts[action>>8]
	switch action &^ 0xFF {
	case actLeft, actRight, actCapture, actSyncRight, actSyncOld, actSyncLeft:
		return fmt.Sprintf(text, action&0xFF)
	case actCrash:
		return fmt.Sprintf("%s, and has %d records and %d applied payments", text, to.Count, to.Rows)
	}
	return text
}

type stepper struct {
	m    model
	from *state
	out  []check.Step[state]
}

func (x *stepper) add(action uint16, argument uint8, fault bool, change func(to *state)) {
	to := *x.from
	change(&to)
	x.out = append(x.out, check.Step[state]{To: to, Action: action | uint16(argument), Fault: fault})
}

// payments: clients send any payment to either side, and again whenever they like.
func (x *stepper) payments() {
	s := x.from
	left, right := s.left(), s.right()
	for p := range uint8(payments) {
		if s.Serves == 1 && left[p] == 0 && s.Count < recordsN {
			x.add(actLeft, p, false, func(to *state) {
				to.Records[to.Count] = p + 1
				to.Count++
			})
		}
		if s.Owner == 1 && right[p] == 0 && s.PaidCount < payments {
			x.add(actRight, p, false, func(to *state) {
				to.Paid[to.PaidCount] = p + 1
				to.PaidCount++
			})
		}
	}
}

func (x *stepper) disk() {
	s := x.from
	if s.Synced < s.Count {
		x.add(actSynced, 0, false, func(to *state) { to.Synced = to.Count })
	}
	if s.Durable < s.Rows {
		x.add(actDurable, 0, false, func(to *state) { to.Durable = to.Rows })
	}
	upTo := s.Synced
	if !x.m.rules[CaptureSynced] {
		upTo = s.Count
	}
	if s.Captured < upTo {
		x.add(actCapture, s.Captured+1, false, func(to *state) {
			to.Captures |= bitOf(to.Records[to.Captured])
			to.Captured++
		})
	}
	if s.Crashes > 0 && (s.Synced < s.Count || s.Durable < s.Rows) {
		x.add(actCrash, 0, true, func(to *state) {
			to.Crashes--
			clear(to.Records[to.Synced:])
			to.Count, to.Rows = to.Synced, to.Durable
			to.Captured = min(to.Captured, to.Count)
			if x.m.rules[AppliedWithRows] {
				to.Applied = to.Rows
			}
		})
	}
}

func (x *stepper) sync() {
	s := x.from
	checked := x.m.rules[IncarnationChecked]
	book := func(record uint8) func(*state) {
		return func(to *state) {
			to.BySync[record-1]++
			to.Position++
		}
	}
	if (!checked || s.Inbox == s.Incarnation) && s.Position < s.Captured {
		x.add(actSyncRight, s.Position+1, false, book(s.Records[s.Position]))
	}
	if (!checked || s.Inbox != s.Incarnation) && s.Position < s.OldCount {
		x.add(actSyncOld, s.Position+1, false, book(s.Old[s.Position]))
	}
	if s.Applied < s.PaidCount {
		x.add(actSyncLeft, s.Applied+1, false, func(to *state) {
			to.Applied++
			to.Rows++
		})
	}
}

// homes moves the slot as the package move has checked it: closed first, everything synced, then owned.
func (x *stepper) homes() {
	s := x.from
	if s.Owner == 0 && s.Serves == 1 && s.Moves > 0 && s.Inbox == s.Incarnation && s.Position == s.Count && s.Synced == s.Count {
		x.add(actMoveIn, 0, false, func(to *state) {
			to.Moves--
			to.Owner, to.Serves = 1, 0
		})
	}
	if s.Owner == 1 && s.Moves > 0 && s.Inbox == s.Incarnation && s.Reconcile == 0 {
		x.add(actMoveOut, 0, false, func(to *state) {
			to.Moves--
			to.Owner = 0
		})
	}
	applied := s.Applied
	if x.m.rules[OpenAfterDurable] {
		applied = min(s.Applied, s.Durable)
	}
	if s.Owner == 0 && s.Serves == 0 && applied == s.PaidCount && s.Inbox == s.Incarnation && s.Reconcile == 0 {
		x.add(actServe, 0, false, func(to *state) { to.Serves = 1 })
	}
}

func (x *stepper) backup() {
	s := x.from
	if s.Backup == 0 {
		x.add(actBackup, 0, true, func(to *state) {
			to.Backup, to.BackupCount, to.BackupRows, to.BackupServes = 1, to.Synced, to.Durable, to.Serves
		})
	}
	if s.Backup == 1 {
		x.add(actRestore, 0, true, func(to *state) { x.restore(to) })
	}
	if s.Inbox == s.Incarnation {
		x.reconcile()
		return
	}
	if x.m.rules[DrainedFirst] && s.Position < s.OldCount {
		return
	}
	x.add(actInbox, 0, false, func(to *state) { to.Inbox, to.Position = to.Incarnation, 0 })
}

func (x *stepper) restore(to *state) {
	for _, r := range to.Records[:to.BackupCount] {
		to.Base |= bitOf(r)
	}
	to.Old, to.OldCount = to.Records, to.Captured
	clear(to.Old[to.Captured:])
	to.Records, to.Count, to.Synced, to.Captured = stream{}, 0, 0, 0
	to.Rows, to.Durable, to.Applied = to.BackupRows, to.BackupRows, to.BackupRows
	to.Incarnation, to.Backup, to.Reconcile = 1, 2, 1
	to.Serves = to.BackupServes // the guard's record may lie on the same disk
	if x.m.rules[RestoredClosed] {
		to.Serves = 0
	}
	if !x.m.rules[Reconciled] {
		to.Reconcile = 0
	}
}

// reconcile brings V10 what V11 has, and V11, as records of the new incarnation, what only V10 has.
func (x *stepper) reconcile() {
	s := x.from
	if s.Reconcile == 0 {
		return
	}
	have := s.bits()
	var missing uint8
	for p, n := range s.left() {
		if n > 0 {
			missing |= 1 << p &^ have
		}
	}
	if int(s.Count)+count(missing) > recordsN {
		return
	}
	x.add(actReconcile, 0, false, func(to *state) {
		to.Base = 0
		for p, n := range to.BySync {
			to.Base |= min(n, 1) << p
		}
		to.Rows, to.Durable, to.Applied, to.Reconcile = to.PaidCount, to.PaidCount, to.PaidCount, 0
		for p := range uint8(payments) {
			if missing>>p&1 == 1 {
				to.Records[to.Count] = p + 1
				to.Count++
			}
		}
		to.Synced = to.Count
	})
}

// Scenarios lists the searches that are recorded.
func Scenarios() []check.Scenario {
	return []check.Scenario{
		scenario("restore", "2 payments, 2 moves, 1 crash of V10, 1 restore", 3200, 18, Config{Crashes: 1, Moves: 2}),
		scenario("restore-v11", "the same, V11 owns first", 2597, 18, Config{Crashes: 1, Moves: 2, V11First: true}),
	}
}

func scenario(name, what string, states int64, depth int, c Config) check.Scenario {
	return check.Scenario{
		Name: name, What: what, States: states, Depth: depth, Rules: check.Strings(Rules()),
		Run: func(without []string, o check.Options) (check.Report, error) {
			rules, err := check.Names(Rules(), without)
			if err != nil {
				return check.Report{}, err
			}
			own := c
			own.Without = rules
			return check.Run(Spec(own), o)
		},
	}
}
