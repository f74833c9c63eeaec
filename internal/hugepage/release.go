// SPDX-License-Identifier: Apache-2.0

package hugepage

import "golang.org/x/sys/unix"

// Release gives memory of Alloc back to the machine. Whoever reads it after reads zeros, so nobody may.
func Release(mem []byte) {
	_ = unix.Madvise(mem, unix.MADV_DONTNEED) // memory that is not given back is only wasted
}

// Release gives back what is ready. What was taken is its takers'.
func (r *Reserve) Release() {
	r.mu.Lock()
	ready := r.ready
	r.ready = nil
	r.mu.Unlock()
	for _, slab := range ready {
		Release(slab)
	}
}
