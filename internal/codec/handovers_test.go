// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzSplitHandovers splits arbitrary bytes: what came out and what is left over are all there was.
func FuzzSplitHandovers(f *testing.F) {
	f.Add(AppendHandovers(nil, []byte("one"), nil, []byte("two")))
	f.Add([]byte{255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, rest := SplitHandovers(raw)
		if again := append(AppendHandovers(nil, list...), raw[len(raw)-rest:]...); !bytes.Equal(again, raw) {
			t.Errorf("%x became %x", raw, again)
		}
	})
}

func TestSplitHandovers(t *testing.T) {
	whole := AppendHandovers([]byte{}, []byte("one"), []byte{}, []byte("two"))
	list, rest := SplitHandovers(whole)
	if rest != 0 || !slices.EqualFunc(list, [][]byte{[]byte("one"), {}, []byte("two")}, bytes.Equal) {
		t.Errorf("%q, %d left over", list, rest)
	}
	if list, rest := SplitHandovers(whole[:len(whole)-1]); len(list) != 2 || rest != 6 {
		t.Errorf("cut: %q, %d left over", list, rest)
	}
}
