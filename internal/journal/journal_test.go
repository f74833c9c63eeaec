// SPDX-License-Identifier: Apache-2.0

package journal_test

import (
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
)

// TestLeaseOfAnotherClock: a holder that died before the clock went back keeps others waiting for LeaseMax at most; one that lives keeps its term.
func TestLeaseOfAnotherClock(t *testing.T) {
	const now, back, length = 1_000_000_000, 300_000, 6 * time.Second
	given, err := journal.Lease{}.Take("a", length, now)
	if err != nil || given != (journal.Lease{Term: 1, Holder: "a", UntilMs: now + 6000}) {
		t.Fatalf("%+v, %v", given, err)
	}
	if again, err := given.Take("a", length, now-back); err != nil || again.Term != 1 || again.UntilMs != now-back+6000 || again.MayWrite(1, now-back) != nil {
		t.Errorf("its holder has %+v, %v", again, err)
	}
	waits, err := given.Take("b", length, now-back)
	if fault.ReasonOf(err) != journal.ReasonLease || waits.Holder != "a" || waits.UntilMs != now-back+journal.LeaseMax.Milliseconds() {
		t.Errorf("who waits sees %+v, %v", waits, err)
	}
	if later, err := waits.Take("b", length, now-back+1); fault.ReasonOf(err) != journal.ReasonLease || later != waits {
		t.Errorf("the end moves: %+v, %v", later, err)
	}
	next, err := waits.Take("b", length, waits.UntilMs)
	if err != nil || next.Term != 2 || next.Holder != "b" {
		t.Errorf("then it has %+v, %v", next, err)
	}
	if err := next.MayWrite(1, waits.UntilMs); fault.ReasonOf(err) != journal.ReasonLease {
		t.Errorf("the term before may write: %v", err)
	}
	if short, err := given.Take("b", length, now); fault.ReasonOf(err) != journal.ReasonLease || short != given {
		t.Errorf("a lease of the same clock is changed: %+v, %v", short, err)
	}
}
