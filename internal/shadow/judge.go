// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// trial is the comparison of one read, try after try.
type trial struct {
	reads *v10diff.Reads
	row   string

	tries int
	last  v10diff.Answer // of the home
}

// judge takes a try: what the home answered, then the other side, then the home again. It says how the comparison would end here, in a word of
// router.Outcome, and what differs. Not settled: another try may show that the other side was only late.
func (t *trial) judge(home, other, again v10diff.Answer) (class string, settled bool, found []v10diff.Difference) {
	moving := map[string]bool{}
	t.reads.Moving(moving, t.row, home, again)
	if t.tries > 0 { // what changes at home from try to try the other side may never be seen to have in time
		t.reads.Moving(moving, t.row, t.last, home)
	}
	t.last = again
	t.tries++
	found, noise := t.reads.Compare(t.row, home, other, moving)
	switch {
	case len(found) > 0:
		return router.ComparedDiffers, false, found
	case noise > 0:
		return router.ComparedNoise, t.tries == 1, nil
	case t.tries > 1:
		return router.ComparedLate, true, nil
	}
	return router.ComparedEqual, true, nil
}
