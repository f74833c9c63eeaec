// SPDX-License-Identifier: Apache-2.0

package chain

import "testing"

func TestQuorum(t *testing.T) {
	want := []int{1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 8: 6, 9: 6, 10: 7}
	for n := 1; n <= 10; n++ {
		if q := Quorum(n); q != want[n] {
			t.Errorf("Quorum(%d) = %d, want %d", n, q, want[n])
		}
	}
}

// Two quorums must share an honest validator, and the honest ones alone must be able to form one.
func TestQuorumIntersects(t *testing.T) {
	for n := 1; n <= ValidatorsMax; n++ {
		f, q := (n-1)/3, Quorum(n)
		if 2*q-n <= f {
			t.Errorf("n = %d: two quorums of %d may share only liars", n, q)
		}
		if n-f < q {
			t.Errorf("n = %d: %d honest validators make no quorum of %d", n, n-f, q)
		}
	}
}
