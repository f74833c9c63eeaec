// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// TestClose: the end of the migration is a version like any other, of which V10 learns too, and a guard that starts again stands there.
func TestClose(t *testing.T) {
	w := newWorld(t)
	w.guard()
	all := chain.SlotRange{From: 0, To: chain.SlotsMax - 1}
	w.fences(1, all)
	w.moves.make(ToV11, 3, all)
	version := w.moves.make(Over, 5)
	for range 2 {
		w.until("closed", func() bool { return w.Status().HomeVersion == version })
		if a := w.pay(alice, "shop"); a.code != 200 || a.header.Get("X-From") != "v11" || w.balance("shop") != "0" {
			t.Errorf("%+v", a)
		}
		w.until("V10 knows", func() bool { told, err := w.port.homes(t.Context()); return err == nil && told == version })
		must(t, w.end())
		w.guard()
	}
	if err := (&Move{Version: 2, Kind: Over, Slots: []chain.SlotRange{all}}).check(); err == nil {
		t.Error("a close that moves slots")
	}
	if err := (&Move{Version: 2, Kind: Aborted}).check(); err == nil {
		t.Error("an abort of nothing")
	}
}
