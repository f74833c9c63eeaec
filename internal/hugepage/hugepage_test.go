// SPDX-License-Identifier: Apache-2.0

package hugepage

import (
	"testing"
	"unsafe"
)

func TestAlloc(t *testing.T) {
	for _, n := range []int{1, Bytes, Bytes + 1} {
		mem, err := Alloc(n)
		if err != nil {
			t.Fatal(err)
		}
		if len(mem) < n || len(mem)%Bytes != 0 || uintptr(unsafe.Pointer(&mem[0]))%Bytes != 0 {
			t.Errorf("%d bytes asked: %d given at %p", n, len(mem), &mem[0])
		}
		mem[0], mem[len(mem)-1] = 1, 1
	}
	if _, err := Alloc(1 << 60); err == nil {
		t.Error("an exabyte was given")
	}
}
