// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// codeOf is the one table from kinds to gRPC codes; docs/errors.md shows it. The kind travels too, as a Fault detail.
var codeOf = map[fault.Kind]codes.Code{
	fault.Internal:    codes.Internal,
	fault.Invalid:     codes.InvalidArgument,
	fault.Denied:      codes.PermissionDenied,
	fault.NotFound:    codes.NotFound,
	fault.Conflict:    codes.Aborted,
	fault.Refused:     codes.FailedPrecondition,
	fault.TryLater:    codes.ResourceExhausted,
	fault.Unavailable: codes.Unavailable,
	fault.Timeout:     codes.DeadlineExceeded,
	fault.Pruned:      codes.OutOfRange,
	fault.Corrupt:     codes.DataLoss,
	fault.Halted:      codes.Unavailable, // another node may serve; the detail says that this one will not
}

// faultOf is err as it leaves the node.
func faultOf(err error) *ledgerv1.Fault {
	return &ledgerv1.Fault{Kind: fault.KindOf(err).String(), Reason: fault.ReasonOf(err), Text: fault.Public(err)}
}

// statusOf is err as the status of a call. What gRPC itself says of a stream (a client that left, a message over its
// bound) has a code already and passes as it is.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	var e *fault.Error
	if !errors.As(err, &e) {
		if _, own := err.(interface{ GRPCStatus() *status.Status }); own {
			return err
		}
		if errors.Is(err, context.Canceled) {
			return status.Error(codes.Canceled, "the call was cancelled")
		}
	}
	f := faultOf(err)
	s := status.New(codeOf[fault.KindOf(err)], f.Text)
	if detailed, err := s.WithDetails(f); err == nil {
		s = detailed
	}
	return s.Err()
}
