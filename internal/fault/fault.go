// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// Kind says what sort of fault an error is. The numbers are stable: they travel in gRPC error details.
type Kind uint8

// The kinds. Append only.
const (
	Internal    Kind = iota // a bug or an unknown cause: report it
	Invalid                 // the request is malformed: change it
	Denied                  // the caller or its key may not do this
	NotFound                // the thing asked for does not exist
	Conflict                // it exists already, or the state moved on: read again
	Refused                 // well-formed and allowed, but the ledger's rules say no (funds, frozen, stale)
	TryLater                // a bound was reached: the same request may succeed soon
	Unavailable             // the node cannot serve now (starting, stopping, lost its disk)
	Timeout                 // the outcome is unknown: ask again with the same identifier
	Pruned                  // it existed, or may have, but was let go under retention: ask an archive node
	Corrupt                 // bytes on disk or wire fail their checksum or hash
	Halted                  // the writer stopped to keep the history safe: a person must look
	kindCount
)

var kindNames = [kindCount]string{
	"internal", "invalid", "denied", "not_found", "conflict", "refused", "try_later", "unavailable", "timeout", "pruned", "corrupt", "halted",
}

// String returns the kind's stable lower-case name, used in logs, metrics and JSON.
func (k Kind) String() string {
	if k >= kindCount {
		return kindNames[Internal]
	}
	return kindNames[k]
}

// Kinds lists every kind, for edges that test that their table is complete.
func Kinds() []Kind {
	all := make([]Kind, kindCount)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Error is an error with a kind. Reason is a stable snake_case word for counters; it may be empty.
type Error struct {
	Kind   Kind
	Reason string
	Text   string
	Cause  error
}

// Error returns the text, with the cause behind it.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Text + ": " + e.Cause.Error()
	}
	return e.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an error of a kind. The text says what is wrong and, where it helps, what to do next.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

// Reasoned is New with a stable reason word, by which refusals are counted.
func Reasoned(k Kind, reason, format string, args ...any) error {
	return &Error{Kind: k, Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// Wrap puts a kind and a text before a cause. A nil cause gives nil.
func Wrap(k Kind, cause error, format string, args ...any) error {
	if cause == nil {
		return nil
	}
	return &Error{Kind: k, Text: fmt.Sprintf(format, args...), Cause: cause}
}

// Halt wraps a cause after which the writer must stop, because memory and disk may disagree.
func Halt(cause error, format string, args ...any) error {
	return Wrap(Halted, cause, format, args...)
}

// KindOf returns the kind of the outermost *Error in err's chain; a context's end is Timeout; all else is Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Timeout
	}
	return Internal
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// ReasonOf returns the counting word of err: its reason, else its kind's name.
func ReasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Reason != "" {
		return e.Reason
	}
	return KindOf(err).String()
}

// Violation is the panic value of a broken invariant.
type Violation struct{ Text string }

// InvariantBroken begins the text of each Violation, also where nothing else of it is known.
const InvariantBroken = "invariant broken: "

// Error describes the broken invariant.
func (v *Violation) Error() string { return InvariantBroken + v.Text }

var violations atomic.Uint64

// Violations is the number of broken invariants since the process began; obs exports it.
func Violations() uint64 { return violations.Load() }

// Invariant panics with a *Violation unless cond holds.
func Invariant(cond bool, format string, args ...any) {
	if cond {
		return
	}
	violations.Add(1)
	panic(&Violation{Text: fmt.Sprintf(format, args...)})
}

// Recover turns a *Violation panic into a Halted error in *err, and lets any other panic pass. Use it deferred, in the
// loop that owns the writer.
func Recover(err *error) {
	switch p := recover().(type) {
	case nil:
	case *Violation:
		*err = &Error{Kind: Halted, Reason: "invariant", Text: "the writer stopped", Cause: p}
	default:
		panic(p)
	}
}
