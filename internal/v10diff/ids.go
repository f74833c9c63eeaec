// SPDX-License-Identifier: Apache-2.0

package v10diff

// idsMax bounds the pairs of ids that are remembered; those beyond are compared by their form alone.
const idsMax = 1 << 20

// ids is which id of A is which of B, one to one.
type ids struct {
	ofA, ofB map[string]string
}

func newIDs() *ids { return &ids{map[string]string{}, map[string]string{}} }

// fit reports whether a of A and b of B may stand for the same, by what is known: known is false for a pair of which neither was
// seen.
func (s *ids) fit(a, b string) (fits, known bool) {
	x, hasA := s.ofA[a]
	y, hasB := s.ofB[b]
	if !hasA && !hasB {
		return true, false
	}
	return hasA && hasB && x == b && y == a, true
}

func (s *ids) learn(a, b string) {
	if len(s.ofA) < idsMax {
		s.ofA[a], s.ofB[b] = b, a
	}
}

func (s *ids) merge(from *ids) {
	for a, b := range from.ofA {
		s.learn(a, b)
	}
}
