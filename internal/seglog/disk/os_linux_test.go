// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bytes"
	"testing"
)

func TestRest(t *testing.T) {
	parts := [][]byte{[]byte("ab"), []byte("cde"), []byte("f")}
	for n := range 7 {
		if got := bytes.Join(rest(parts, n), nil); string(got) != "abcdef"[n:] {
			t.Errorf("%d: %s", n, got)
		}
	}
	if string(bytes.Join(parts, nil)) != "abcdef" {
		t.Error("the caller's parts changed")
	}
}
