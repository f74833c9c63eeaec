// SPDX-License-Identifier: Apache-2.0

package router

import "testing"

func TestWayText(t *testing.T) {
	for _, side := range Sides() {
		for _, by := range Bys() {
			want := Way{side, by, 65535}
			if got, ok := ParseWay(want.String()); !ok || got != want {
				t.Errorf("%s: %+v", want, got)
			}
		}
	}
	for _, text := range []string{"", "v11", "v12 slot 1", "v11 luck 1", "v11 slot 65536", "v11 slot -1", "v11 slot 1 ", "v11  slot 1"} {
		if w, ok := ParseWay(text); ok {
			t.Errorf("%q: %+v", text, w)
		}
	}
}
