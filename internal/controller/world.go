// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/router"
)

// World is what a migration is about. All but Look and Requests may take long and end with ctx; each may be called again after any error.
type World interface {
	// Look says how things stand: all of the facts but time, verdict, alerts, how long V11 has stood and what is under way. What does not answer is in them as that.
	Look(ctx context.Context) Sight
	// Alerts says why the alarms are not ready for the cutover; empty: they are.
	Alerts(ctx context.Context, want *migration.AlertsPlan) string
	// Requests hands over the requests that ended since the last call, oldest first.
	Requests(each func(*router.Outcome))
	// Weigh moves slots until V11 has a share of the hash slots, and of the slots of named accounts just these.
	Weigh(ctx context.Context, bp int, named []chain.SlotRange) error
	// Drill gives slots of V11's, whose share is bp, to V10 and takes them back.
	Drill(ctx context.Context, bp, slots int) (Drilled, error)
	// Raise has a validator show the alarm of a drill, whose number is that of the entry which asked for it, and returns which one does.
	Raise(ctx context.Context, drill uint64) (string, error)
	// Seal has V11 end its epoch with all slots V10's, and without some validators. That V11 has no slots is no error: nothing is done.
	Seal(ctx context.Context, without []string) (string, error)
	// Compare compares both ledgers whole. Differences are no error.
	Compare(ctx context.Context) (Compared, error)
	// Usage says what each validator needs of its machine.
	Usage(ctx context.Context) []migration.Usage
	// PutAway archives V10, and returns what the archive is known by.
	PutAway(ctx context.Context, how migration.ArchivePlan) (string, error)
	// EndWayBack has the ledger end the migration.
	EndWayBack(ctx context.Context) error
	// Notify gives notice to those who call V10, which may be off from endMs on. It returns what came of each that was tried, also beside an error.
	Notify(ctx context.Context, how migration.DecommissionPlan, due []migration.Due, endMs uint64) ([]Noticed, error)
	// SwitchOff has V10 end for good, and all that only it needs.
	SwitchOff(ctx context.Context) error
}

// Noticed is what came of a notice.
type Noticed struct {
	Caller  string
	Refused string // why who passes notices on does not take it; empty: it does
}

// Sight is what there was to be seen.
type Sight struct {
	migration.Facts
	Health canary.Health // of V11's door
	Vitals Vitals
}

// Vitals are what V11's validators say of themselves.
type Vitals struct {
	Members int // 0: nobody says it
	Answer  int // of them
	Led     bool
	Height  uint64 // the newest that any of them has certified
	Decided uint64 // and that any of them knows to be decided
}

// Drilled is how a drill went.
type Drilled struct {
	Back, Forward time.Duration
}

// Compared is how a comparison went.
type Compared struct {
	Rows, Differences uint64
	Report            string // its id
}
