// SPDX-License-Identifier: Apache-2.0

package hugepage

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// residentBytes is how much memory the process has.
func residentBytes(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	n := 0
	for _, c := range bytes.Fields(text)[1] {
		n = 10*n + int(c-'0')
	}
	return n * unix.Getpagesize()
}

// TestRelease touches much memory and gives it back.
func TestRelease(t *testing.T) {
	const size = 64 * Bytes
	mem, err := Alloc(size)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < size; i += 4096 {
		mem[i] = 1
	}
	before := residentBytes(t)
	Release(mem)
	if after := residentBytes(t); before-after < size/2 {
		t.Errorf("%d bytes before, %d after %d were given back", before, after, size)
	}
	if mem[0] != 0 {
		t.Error("it still has its content")
	}
}
