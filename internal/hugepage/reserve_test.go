// SPDX-License-Identifier: Apache-2.0

package hugepage

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// TestReserve takes slabs one by one: each is another, and half as many as were taken are ready in the end.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReserve(Bytes)
		seen := map[*byte]bool{}
		for taken := 1; taken <= 2*reserveSlabsMax+2; taken++ {
			slab, err := r.Take()
			if err != nil {
				t.Fatal(err)
			}
			if at := unsafe.SliceData(slab); len(slab) != Bytes || seen[at] {
				t.Errorf("slab %d: %d bytes, given before: %v", taken, len(slab), seen[at])
			} else {
				seen[at] = true
			}
			slab[0], slab[len(slab)-1] = 1, 1
			<-time.After((reserveSlabsMax + 1) * fillPace)
			synctest.Wait()
			if want := min(taken/2, reserveSlabsMax); len(r.ready) != want || r.filling {
				t.Errorf("%d taken: %d ready, must be %d; filling %v", taken, len(r.ready), want, r.filling)
			}
		}
	})
}

func TestReserveWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReserve(1 << 60)
		for range 4 {
			if _, err := r.Take(); err == nil {
				t.Error("an exabyte was given")
			}
			<-time.After(2 * fillPace)
			synctest.Wait()
			if r.filling || len(r.ready) != 0 {
				t.Errorf("filling %v, %d ready", r.filling, len(r.ready))
			}
		}
	})
}
