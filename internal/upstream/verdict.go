// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// verdict is what an attempt's end means.
type verdict struct {
	outcome outcome
	undone  bool // it certainly did nothing
	worth   bool // another attempt may end otherwise
}

// again reports whether a call may be sent again after an attempt that ended so.
func (v verdict) again(r Retry) bool {
	switch r {
	case RetrySafe:
		return v.worth
	case RetryUnsent:
		return v.worth && v.undone
	}
	return false
}

// judge reads an attempt's error. caller is why the caller's context has ended, if it has; long, that the attempt had the time that
// the pool gives one, or AttemptMin.
func judge(err, caller error, long bool) verdict {
	if err == nil {
		return verdict{outcome: well}
	}
	if errors.Is(caller, context.Canceled) {
		return verdict{}
	}
	s, ok := statusOf(err)
	if !ok {
		return verdict{} // do's own
	}
	switch s.Code() {
	case codes.Unavailable:
		return verdict{outcome: faulty, worth: true, undone: saysUndone(s)}
	case codes.Canceled: // the connection was closed under it
		return verdict{outcome: faulty, worth: true}
	case codes.DeadlineExceeded:
		if !long {
			return verdict{worth: true} // a caller without patience says nothing of the validator
		}
		return verdict{outcome: faulty, worth: true}
	case codes.ResourceExhausted:
		undone := saysUndone(s) // gRPC says the same of a message that is too large
		return verdict{outcome: well, worth: undone, undone: undone}
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return verdict{outcome: faulty}
	}
	return verdict{outcome: well}
}

// statusOf is the status in an error, which a context's end has too.
func statusOf(err error) (*status.Status, bool) {
	if s, ok := status.FromError(err); ok {
		return s, true
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, err.Error()), true
	case errors.Is(err, context.Canceled):
		return status.New(codes.Canceled, err.Error()), true
	}
	return nil, false
}

// saysUndone reports whether a validator itself says that it did nothing. Without its word nobody knows.
func saysUndone(s *status.Status) bool {
	for _, d := range s.Details() {
		if f, ok := d.(*ledgerv1.Fault); ok {
			return f.Kind == fault.TryLater.String() || f.Kind == fault.Unavailable.String()
		}
	}
	return false
}
