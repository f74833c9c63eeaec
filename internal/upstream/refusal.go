// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Reasons of the pool's own refusals.
const (
	ReasonBusy        = "upstream_busy"    // as many calls of the group are under way as may be
	ReasonFailing     = "upstream_failing" // the group's breaker is open
	ReasonLate        = "upstream_late"    // the caller's time was over before anything was sent
	ReasonNoValidator = "no_validator"     // none is connected
)

// refusal is a fault of the pool's own: nothing was sent.
type refusal struct {
	error
	reason string
	wait   time.Duration
}

// Unwrap is the fault.
func (r *refusal) Unwrap() error { return r.error }

func refuse(k fault.Kind, reason string, wait time.Duration, format string, args ...any) *refusal {
	return &refusal{fault.Reasoned(k, reason, format, args...), reason, wait}
}

// Refused reports whether an error is the pool's own refusal: nothing was sent.
func Refused(err error) bool { return errors.As(err, new(*refusal)) }

// RetryAfter is how long a refusal of the pool asks to wait; 0 if err says nothing of it.
func RetryAfter(err error) time.Duration {
	var r *refusal
	if !errors.As(err, &r) {
		return 0
	}
	return r.wait
}
