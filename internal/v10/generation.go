// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"strconv"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// HeaderGeneration is the generation of the guard that let a request through to V10, and in a refusal the newest that there is.
const HeaderGeneration = "X-Aurigraph-Generation"

// ReasonOldGeneration is that of writes which V10 did not execute because a guard has begun, or fenced, since they were let through.
const ReasonOldGeneration = "old_generation"

// TextOldGeneration is what V10 says of such a write, also in a line of a stream, where no header can tell.
const TextOldGeneration = "Nothing was done: the request was let through before a newer barrier of a guard"

// GenerationOf reads the values of that header; without any it is 0, which is older than all.
func GenerationOf(values []string) (uint64, error) {
	if len(values) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil || len(values) > 1 {
		return 0, fault.Reasoned(fault.Invalid, "generation", "%s is one whole number", HeaderGeneration)
	}
	return n, nil
}
