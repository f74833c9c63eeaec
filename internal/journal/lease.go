// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// LeaseMax bounds a lease.
const LeaseMax = 30 * time.Second

// Lease is who may drive, as an engine keeps it. Times are ms since 1970, by the engine's clock.
type Lease struct {
	Term    uint64
	Holder  string
	UntilMs int64
}

// Take is the lease once holder has asked for it, and why it was not given: Conflict, with ReasonLease: another has it. Either way the engine keeps
// what it is now: an end that no lease has comes of a clock that went back, and is brought near, so that a holder that has died
// does not keep others waiting. One that lives renews before that.
func (l Lease) Take(holder string, length time.Duration, nowMs int64) (Lease, error) {
	if length <= 0 || length > LeaseMax {
		return l, fault.New(fault.Invalid, "a lease of %s, above 0 and at most %s", length, LeaseMax)
	}
	if nowMs < l.UntilMs && l.Holder != holder {
		l.UntilMs = min(l.UntilMs, nowMs+LeaseMax.Milliseconds())
		return l, fault.Reasoned(fault.Conflict, ReasonLease, "%s drives the migration, for %d ms at least", l.Holder, l.UntilMs-nowMs)
	}
	if nowMs >= l.UntilMs {
		l.Term++
	}
	l.Holder, l.UntilMs = holder, nowMs+length.Milliseconds()
	return l, nil
}

// MayWrite says why a term may not write; nil: it may. Operators may always.
func (l Lease) MayWrite(term uint64, nowMs int64) error {
	if term == NoTerm || term == l.Term && nowMs < l.UntilMs {
		return nil
	}
	return fault.Reasoned(fault.Conflict, ReasonLease, "the lease of term %d has ended: another controller may drive the migration", term)
}

// Driver is who has it, and for how long still; empty: nobody.
func (l Lease) Driver(nowMs int64) (holder string, left time.Duration) {
	if nowMs >= l.UntilMs {
		return "", 0
	}
	return l.Holder, time.Duration(l.UntilMs-nowMs) * time.Millisecond
}
