// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"testing"

	"github.com/aurigraph/aurigraph/internal/pages"
)

// TestSectionNames wants a name of its own for every section that a ledger has.
func TestSectionNames(t *testing.T) {
	space := pages.NewSpace()
	New(space, nil)
	sn := space.Snapshot()
	defer sn.Release()
	used := map[string]bool{}
	for _, v := range sn.Sections() {
		name, record := SectionName(v.Section)
		if used[name] || record == "" || name == fmt.Sprintf("section %d", v.Section) {
			t.Errorf("section %d is called %q, of records %q", v.Section, name, record)
		}
		used[name] = true
	}
	if name, record := SectionName(sectionDense + 7); name != "balances of asset 7" || record != "account" {
		t.Errorf("%q, %q", name, record)
	}
	if name, _ := SectionName(999); name != "section 999" {
		t.Errorf("%q", name)
	}
}
