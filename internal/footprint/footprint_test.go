// SPDX-License-Identifier: Apache-2.0

package footprint

import (
	"os"
	"slices"
	"strings"
	"testing"
)

const smaps = `00400000-01cd0000 r-xp 00000000 fe:00 100        /bin/program
Size:              25408 kB
Rss:               19000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01cd0000-03000000 r--p 018d0000 fe:00 100        /bin/program
Anonymous:             4 kB
03000000-03100000 rw-p 02c00000 fe:00 100        /bin/program
Anonymous:             0 kB
7f0000000000-7f0000100000 r--p 00000000 fe:00 101 /lib/other
Anonymous:             0 kB
7f0000200000-7f0000300000 r--p 00000000 00:00 0
Anonymous:             0 kB
`

// Only what is of the program's file, and as in the file, is let go.
func TestUntouched(t *testing.T) {
	if got, want := untouched(strings.NewReader(smaps), "/bin/program"), []mapping{{0x400000, 0x18d0000}}; !slices.Equal(got, want) {
		t.Errorf("%x, not %x", got, want)
	}
	for i := range smaps {
		if got := untouched(strings.NewReader(smaps[:i]), "/bin/program"); len(got) > 1 {
			t.Errorf("cut off at %d: %x", i, got)
		}
	}
}

// The program goes on as before in many mappings, and as often as it is told to.
func TestNarrow(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int, bytes uintptr) {
		text, err := os.Open("/proc/self/smaps")
		if err != nil {
			t.Skip("this system does not say what is mapped:", err)
		}
		defer text.Close()
		for _, m := range untouched(text, self) {
			n, bytes = n+1, bytes+m.bytes
		}
		return n, bytes
	}
	_, whole := count()
	for range 2 {
		Narrow()
		n, bytes := count()
		if bytes != whole || n < int(whole/pieceBytes)/2 || n > int(whole/pieceBytes)+8 {
			t.Errorf("%d mappings of %d bytes, %d before", n, bytes, whole)
		}
	}
}
