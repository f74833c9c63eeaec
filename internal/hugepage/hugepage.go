// SPDX-License-Identifier: Apache-2.0

// Package hugepage gives large, long-lived memory that the kernel backs with 2 MiB pages where it can.
//
// The ledger's columns are read at random: with 4 KiB pages most accesses miss the translation cache too, and inside a
// virtual machine such a miss costs more than the cache miss behind it. Memory from here lies outside Go's heap: the
// collector does not scan or count it, and it is never given back. Without huge pages it is ordinary memory.
package hugepage

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bytes is the size of a huge page.
const Bytes = 2 << 20

// Alloc maps n bytes of zeroed memory, rounded up to huge pages and aligned to them.
func Alloc(n int) ([]byte, error) {
	n = (n + Bytes - 1) / Bytes * Bytes
	mem, err := unix.Mmap(-1, 0, n+Bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "map %d bytes of memory", n)
	}
	// What lies before and after the aligned part is never touched, so it costs no memory.
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(mem))) % Bytes)
	mem = mem[skip : skip+n : skip+n]
	// A kernel without huge pages refuses the advice; the memory is as good, only slower.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
	return mem, nil
}
