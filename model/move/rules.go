// SPDX-License-Identifier: Apache-2.0

package move

// Rule is one rule of the move. Config.Without takes it away, and something must break.
type Rule uint8

// The rules, in the order of docs/move-model.md.
const (
	ClosedIsDurable       Rule = iota // a restarted guard knows which slots it closed
	VersionIsDurable                  // a restarted guard does not go back behind the home_version that it knew
	Barrier                           // each start of a guard and each fence takes a new generation from V10
	GenerationAtExecution             // V10 compares generations in the step that executes, not when the request arrives
	GenerationIsDurable               // a restart of V10 does not forget the generation
	WaitForAll                        // before a foreign V10 a fence waits for requests of earlier guards and timed-out ones too
	BarrierIsCaptured                 // the fence's position is that of the barrier, a captured record
	CompareAndSet                     // MoveSlots commits at the fence's home_version only
	OneVersion                        // home_version is one number for all slots: any move makes all fences stale
	RequiredPosition                  // MoveSlots commits only when sync has applied the fence's position
	AbortInLedger                     // a fence is undone by a transaction, not by the guard
	AbortRaisesVersion                // which makes the fence stale
	OpenAfterApplied                  // the guard opens a slot only when V10 has applied all up to the height that gave it
	PublishedHomes                    // the guard follows published heights only: one certificate is not enough
	PublishedAnswers                  // V11 answers from published heights only
	KeysTravel                        // records carry idempotency keys and answers
	RefusalsTravel                    // and final refusals too, stored like successes
	RepeatsAnswered                   // V11 answers a repeat with the first answer
	PositionChecked                   // sync refuses a debit beyond the fence that ended its side's ownership; this finds a leak, it prevents none
	SealAtPublished                   // a seal's height is not below a published one
	OneVerdict                        // a seal says once what becomes of the slots
	CloseOwnsNothing                  // CloseMigration commits only when V10 owns no slot
	ClosePosition                     // and when sync has applied the mark that was written through V10 for it; this finds a leak, it prevents none
	CloseEndsMoves                    // nothing moves after it
	CloseEndsFailback                 // a seal at or above it leaves the slots
	CloseEndsCapture                  // V10 is told what stands before it, and nothing else
	NativeAfterClose                  // before it portable money goes only where V10 can name it
	ruleCount
)

var ruleNames = [ruleCount]string{
	"closed-is-durable", "version-is-durable", "barrier", "generation-at-execution", "generation-is-durable", "wait-for-all",
	"barrier-is-captured", "compare-and-set", "one-version", "required-position", "abort-in-ledger", "abort-raises-version", "open-after-applied",
	"published-homes", "published-answers", "keys-travel", "refusals-travel", "repeats-answered",
	"position-checked", "seal-at-published", "one-verdict",
	"close-owns-nothing", "close-position", "close-ends-moves", "close-ends-failback", "close-ends-capture", "native-after-close",
}

// String is the rule's name, as the command line takes it.
func (r Rule) String() string { return ruleNames[r] }

// Rules lists all rules.
func Rules() []Rule {
	rules := make([]Rule, ruleCount)
	for i := range rules {
		rules[i] = Rule(i)
	}
	return rules
}

// Config bounds a search: how much may be tried, and which rules are gone.
type Config struct {
	Payers   []uint8  // of each payment, the slot that pays, 0 or 1; the other one is paid
	Sends    uint8    // times that each payment reaches a ledger: first attempt, repeats, duplicates
	Balance  [2]uint8 // at the start, on both sides
	V11Owns  [2]bool  // slots that V11 owns at the start
	Moves    uint8    // times that a slot may be closed or moved back
	Both     bool     // slot 1 moves too, not slot 0 alone
	Crashes  uint8    // of the guard, or of V10
	Timeouts uint8    // requests that the guard stops waiting for; only where it waits
	Stuck    uint8    // times that V11 stops for ever
	Depth    uint8    // heights executed and not yet certified
	Foreign  bool     // V10 knows no generations: fences wait
	Reverse  bool     // moving back is free, and the goal is that V10 owns all slots
	Without  []Rule   // taken away
	Network  bool     // requests on the way are state: sent to either side, lost, doubled, forwarded once
	Blind    bool     // do not stop at two homes: show what they lead to
	Stands   bool     // a debit that sync refuses makes sync stand before it, instead of ending the search
	Close    bool     // the migration may be closed
	Natives  uint8    // payments of accounts that V10 cannot name, to slot 0
}

// Bounds of the packed state; a step over one ends the search as a violation, never in silence.
const (
	paymentsMax = 3
	copiesMax   = 6
	logMax      = 16
	capturedMax = 11
	versionsMax = 8 // of home_version
	generations = 8
	overBound   = "bound of the model, raise it: "
)
