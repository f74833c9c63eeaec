// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/sync/control"
)

// TestSyncClosed: two directions that were closed need nobody, also when V10's half is gone; one that is silent before does.
func TestSyncClosed(t *testing.T) {
	for _, c := range []struct {
		toV11, toV10, told string
		want               bool
	}{
		{control.StateClosed, control.StateApplying, control.StateClosed, true},
		{control.StateClosed, stateSilent, control.StateClosed, true},
		{control.StateClosed, control.StateHeld, control.StateClosed, false},
		{control.StateClosed, stateSilent, control.StateApplying, false},
		{control.StateClosed, control.StateApplying, control.StateTrouble, false},
		{stateSilent, control.StateApplying, control.StateClosed, false},
	} {
		p := syncPicture{V10ToV11: directionJSON{Apply: control.Apply{State: c.toV11}}, V11ToV10: directionJSON{Apply: control.Apply{State: c.toV10}, Capture: &control.Capture{State: c.told}}}
		if got := p.goesOn(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
