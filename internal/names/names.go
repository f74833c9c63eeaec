// SPDX-License-Identifier: Apache-2.0

package names

import (
	"context"
	"io"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// BatchMax bounds the names of one Put and the numbers of one Get. More are Invalid.
const BatchMax = 8192

// Vault keeps names, each of 1 to chain.AliasBytesMax bytes of any kind, of accounts whose number is not 0. It is safe for concurrent use. Errors: Invalid for what is out of bounds, Conflict for a second name of a
// number, TryLater while other processes keep it too busy, Timeout at the context's end, Corrupt for a damaged vault, Unavailable
// for all else, as a full disk.
type Vault interface {
	// Put stores names of numbers that have none, all or none of the call's. A name that is there already is left as it is.
	Put(ctx context.Context, names map[chain.AccountNo]string) error
	// Get finds the names of those numbers that have one.
	Get(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error)
	// Forget erases a number's name, and reports whether there was one. After TryLater it is not shown any more, but a file may
	// still hold its bytes: ask again.
	Forget(ctx context.Context, number chain.AccountNo) (bool, error)
	// Count is how many names there are.
	Count(ctx context.Context) (uint64, error)
	io.Closer
}

// CheckNames refuses what no Put may store, as Invalid.
func CheckNames(names map[chain.AccountNo]string) error {
	if len(names) > BatchMax {
		return tooMany(len(names))
	}
	for no, name := range names {
		if no == 0 || len(name) == 0 || len(name) > chain.AliasBytesMax {
			return fault.Reasoned(fault.Invalid, "name_malformed", "account %d with a name of %d bytes; a name has 1 to %d, and no account has number 0", no, len(name), chain.AliasBytesMax)
		}
	}
	return nil
}

// CheckNumbers refuses what no Get may ask, as Invalid.
func CheckNumbers(numbers []chain.AccountNo) error {
	if len(numbers) > BatchMax {
		return tooMany(len(numbers))
	}
	return nil
}

func tooMany(n int) error {
	return fault.Reasoned(fault.Invalid, "name_count", "%d names at once, at most %d", n, BatchMax)
}

// ErrTaken is the Conflict of a number that has another name already. It holds neither.
func ErrTaken(number chain.AccountNo) error {
	return fault.Reasoned(fault.Conflict, "name_differs", "account %d has another name in the vault than the one to put: is this the vault of another network?", number)
}
