// SPDX-License-Identifier: Apache-2.0

package sqlitefault

import (
	"errors"
	"io/fs"
	"syscall"

	"zombiezen.com/go/sqlite"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Wrap says of an error what was tried, and if the file is damaged what to do. Nil stays nil. Corrupt: the file is damaged or another
// program's. TryLater: another connection holds a lock. Timeout: the call's context ended. Unavailable: the disk failed, or is full.
func Wrap(err error, what, ifCorrupt string) error {
	if own := (*fault.Error)(nil); err == nil || errors.As(err, &own) {
		return err
	}
	code := sqlite.ErrCode(err).ToPrimary()
	if isSystem(err) { // SQLite has no code for it, and would say ERROR
		code = sqlite.ResultIOErr
	}
	switch code {
	case sqlite.ResultCorrupt, sqlite.ResultNotADB, sqlite.ResultError, sqlite.ResultConstraint, sqlite.ResultMismatch:
		return fault.Wrap(fault.Corrupt, err, "%s (%s)", what, ifCorrupt)
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return fault.Wrap(fault.TryLater, err, "%s", what)
	case sqlite.ResultInterrupt:
		return fault.Wrap(fault.Timeout, err, "%s", what)
	}
	return fault.Wrap(fault.Unavailable, err, "%s", what)
}

// isSystem reports whether an error is of the operating system.
func isSystem(err error) bool {
	var path *fs.PathError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &number)
}
