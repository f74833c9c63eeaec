// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// kindOfCode is for what carries no Fault: errors of gRPC itself and of the network. What is missing is Internal.
var kindOfCode = map[codes.Code]fault.Kind{
	codes.Canceled:          fault.Timeout,
	codes.DeadlineExceeded:  fault.Timeout,
	codes.InvalidArgument:   fault.Invalid,
	codes.Unimplemented:     fault.Unavailable, // an older validator
	codes.ResourceExhausted: fault.TryLater,
	codes.Unavailable:       fault.Unavailable,
}

// faultOf is a call's error as a fault. What is one stays.
func faultOf(err error) error {
	if err == nil || isFault(err) {
		return err
	}
	if f := spoken(err); f != nil {
		return refusalOf(f)
	}
	s, ok := status.FromError(err)
	if !ok {
		return fault.Wrap(fault.KindOf(err), err, "ask a validator")
	}
	return fault.Reasoned(kindOfCode[s.Code()], "no_word", "no validator answered (gRPC %s)", s.Code())
}

func isFault(err error) bool {
	var own *fault.Error
	return errors.As(err, &own)
}

// spoken is the validator's own word in an error, nil if it said none.
func spoken(err error) *ledgerv1.Fault {
	s, ok := status.FromError(err)
	if !ok {
		return nil
	}
	for _, d := range s.Details() {
		if f, ok := d.(*ledgerv1.Fault); ok {
			return f
		}
	}
	return nil
}

// refusalOf reads a validator's fault. A kind that this version does not know is Internal.
func refusalOf(f *ledgerv1.Fault) error {
	for _, k := range fault.Kinds() {
		if k.String() == f.GetKind() {
			return fault.Reasoned(k, f.GetReason(), "%s", f.GetText())
		}
	}
	return fault.Reasoned(fault.Internal, f.GetReason(), "%s: %s", f.GetKind(), f.GetText())
}

// text refuses what cannot travel as text. It is looked at before the call: a message that cannot be written fails for all who share it,
// and counts as the validator's fault.
func text(field string, values ...string) error {
	for _, v := range values {
		if !utf8.ValidString(v) {
			return fault.Reasoned(fault.Invalid, "not_utf8", "%s: is not valid UTF-8", field)
		}
	}
	return nil
}

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Corrupt, "malformed_answer", "a validator's answer: "+format, args...)
}
