// SPDX-License-Identifier: Apache-2.0

// Package early does what cannot wait until all packages of the program are initialized.
//
// A process of "verify-sync" promises how much memory it has at most, and initializing the program touches most of its file. Packages that need no
// others of the program are initialized first, in the order of their paths: this one, which needs but one, before nearly all.
package early

import (
	"os"

	"github.com/aurigraph/aurigraph/internal/footprint"
)

// small are the commands whose processes promise to be small.
const small = "verify-sync"

func init() {
	if len(os.Args) > 1 && os.Args[1] == small {
		footprint.Narrow()
	}
}
