// SPDX-License-Identifier: Apache-2.0

package query

import (
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// TestHomeRanges joins neighbours, and leaves out what nobody can own.
func TestHomeRanges(t *testing.T) {
	h := Homes{}
	for _, slot := range []uint16{0, 1, 63, 64, 65, 9999, chain.SlotNone - 1, chain.SlotNone} {
		h.owned[slot/64] |= 1 << (slot % 64)
	}
	want := []chain.SlotRange{{From: 0, To: 1}, {From: 63, To: 65}, {From: 9999, To: 9999}, {From: chain.SlotNone - 1, To: chain.SlotNone - 1}}
	if got := h.ranges(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (&Homes{}).ranges(); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}
