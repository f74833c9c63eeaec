// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// FuzzCursor: a cursor is refused as Invalid, or is exactly the one that an answer gave.
func FuzzCursor(f *testing.F) {
	index := &fakeIndex{next: 1 << 40}
	q := query.New(query.Parts{Index: index})
	p, err := q.ListTransfers(f.Context(), 3, 2, 1, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.Next)
	f.Add(p.Next[1:])
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		index.before = 0
		_, err := q.ListTransfers(t.Context(), 3, 2, 1, cursor)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", cursor, err)
			}
			return
		}
		index.next = index.before
		if p, err := q.ListTransfers(t.Context(), 3, 2, 1, ""); err != nil || p.Next != cursor {
			t.Errorf("%q was taken, %q is given for the same place; %v", cursor, p.Next, err)
		}
	})
}
