// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/query"
)

// TestDrillsAlarm is shown for a while, the newest one, and is about nobody else.
func TestDrillsAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drilled
		if _, is := d.shown(2); is {
			t.Error("nobody raised it")
		}
		d.raise(7)
		time.Sleep(drillShown / 2)
		d.raise(9)
		time.Sleep(drillShown - 1)
		if e, is := d.shown(2); !is || e != (query.Evidence{Kind: query.EvidenceDrill, Validator: 2, From: 2, Sequence: 9}) {
			t.Errorf("%+v, %v", e, is)
		}
		time.Sleep(1 * time.Nanosecond)
		if _, is := d.shown(2); is {
			t.Error("it is shown for ever")
		}
	})
}
