// SPDX-License-Identifier: Apache-2.0

package cache

import "testing"

// TestCache: what is used stays, and the bound holds.
func TestCache(t *testing.T) {
	c := New[int, int](10)
	for i := range 1000 {
		c.Put(i, i)
		if v, ok := c.Get(0); !ok || v != 0 {
			t.Fatalf("what is used went after %d", i)
		}
		if n := len(c.young) + len(c.old); n > 11 {
			t.Fatalf("%d entries", n)
		}
	}
	if _, ok := c.Get(1); ok {
		t.Error("what nobody used is still there")
	}
}
