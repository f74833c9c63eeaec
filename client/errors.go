// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// UnknownOutcomeError says that a submission may or may not have been accepted: the answer was lost. Its kind is Timeout.
// Ask Transaction (for a batch: Batch) with ID until it is found or its validity height has passed; sending the same
// bytes again is safe, signing anew is not.
type UnknownOutcomeError struct {
	ID    [32]byte // of the transaction or batch
	Cause error
}

// Error tells what to do.
func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("the outcome of %x is unknown (%v): look it up by this id, or send the same bytes again; do not sign it anew", e.ID, e.Cause)
}

// Unwrap gives the cause under the kind Timeout.
func (e *UnknownOutcomeError) Unwrap() error {
	return &fault.Error{Kind: fault.Timeout, Reason: "unknown_outcome", Text: "outcome unknown", Cause: e.Cause}
}

// kindOfCode is for what carries no Fault: errors of gRPC itself, of a proxy, of the network.
var kindOfCode = map[codes.Code]fault.Kind{
	codes.Canceled:           fault.Timeout,
	codes.DeadlineExceeded:   fault.Timeout,
	codes.InvalidArgument:    fault.Invalid,
	codes.Unimplemented:      fault.Invalid,
	codes.NotFound:           fault.NotFound,
	codes.AlreadyExists:      fault.Conflict,
	codes.Aborted:            fault.Conflict,
	codes.PermissionDenied:   fault.Denied,
	codes.Unauthenticated:    fault.Denied,
	codes.FailedPrecondition: fault.Refused,
	codes.ResourceExhausted:  fault.TryLater,
	codes.Unavailable:        fault.Unavailable,
	codes.OutOfRange:         fault.Pruned,
	codes.DataLoss:           fault.Corrupt,
}

// faultOf reads a call's error. spoken is true if the node itself said it, so that its word on the call is known.
func faultOf(err error) (out error, spoken bool) {
	s, ok := status.FromError(err)
	if !ok {
		return err, false
	}
	for _, d := range s.Details() {
		if f, ok := d.(*ledgerv1.Fault); ok {
			return refusalOf(f), true
		}
	}
	return fault.New(kindOfCode[s.Code()], "%s (gRPC %s)", s.Message(), s.Code()), false
}

// refusalOf reads a fault of the node. A kind that this version does not know is Internal.
func refusalOf(f *ledgerv1.Fault) error {
	for _, k := range fault.Kinds() {
		if k.String() == f.GetKind() {
			return fault.Reasoned(k, f.GetReason(), "%s", f.GetText())
		}
	}
	return fault.Reasoned(fault.Internal, f.GetReason(), "%s: %s", f.GetKind(), f.GetText())
}
