// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestNamedSlots: who is named has the slot of the place, everybody else the hash's, and the file says the same when it is read.
func TestNamedSlots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alias.key")
	names := []string{"acme bank", "0x01", "Z\u00fcrich", strings.Repeat("x", chain.AliasBytesMax), "a\nb"}
	if err := WriteAliasKey(path, bytes.NewReader(make([]byte, AliasKeyBytes)), names...); err != nil {
		t.Fatal(err)
	}
	k, err := ReadAliasKey(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if got := k.Slot(name); int(got) != chain.SlotsMax+i {
			t.Errorf("%.20q has slot %d, not that of place %d", name, got, i)
		}
		if k.Tag(name) != (&AliasKey{}).Tag(name) {
			t.Errorf("%.20q has another tag because it is named", name)
		}
	}
	if got := k.Slot("somebody"); got != AliasSlot("somebody") {
		t.Error(got)
	}
	if k.Named.Last() != chain.SlotsMax+4 || Named(nil).Last() != chain.SlotsMax-1 || Named(nil).Slot("acme bank") != AliasSlot("acme bank") {
		t.Error("the last slot, or nobody's")
	}
}

// TestNamedChanged: names that were added, left out, swapped or replaced after the file was made are found.
func TestNamedChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alias.key")
	if err := WriteAliasKey(path, bytes.NewReader(make([]byte, AliasKeyBytes)), "a", "b"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for name, changed := range map[string]string{
		"swapped":     lines[0] + lines[2] + lines[1] + lines[3],
		"left out":    lines[0] + lines[1] + lines[3],
		"added":       lines[0] + lines[1] + lines[2] + "63\n" + lines[3],
		"replaced":    lines[0] + lines[1] + "63\n" + lines[3],
		"without sum": lines[0] + lines[1] + lines[2],
		"no hex":      lines[0] + "acme\n" + lines[3],
		"other key":   strings.Repeat("1", 2*AliasKeyBytes) + "\n" + lines[1] + lines[2] + lines[3],
	} {
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAliasKey(path); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "names")
	many := strings.Builder{}
	for i := range NamedMax + 1 {
		fmt.Fprintln(&many, "customer", i)
	}
	for text, want := range map[string][]string{
		"":                        nil,
		"acme bank\r\n\nold bank": {"acme bank", "old bank"},
		" spaces count ":          {" spaces count "},
		"a\nb\na\n":               {"!"},
		"\xff\n":                  {"!"},
		strings.Repeat("x", 257):  {"!"},
		many.String():             {"!"},
		strings.Repeat("\n", aliasFileBytesMax) + "a": {"!"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadNames(path)
		if bad := slices.Equal(want, []string{"!"}); bad != fault.Is(err, fault.Invalid) || !bad && (err != nil || !slices.Equal(got, want)) {
			t.Errorf("%.30q: %.30q, %v", text, got, err)
		}
	}
	if _, err := ReadNames(path + ".not"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if err := WriteAliasKey(path+".key", bytes.NewReader(make([]byte, AliasKeyBytes)), "a", "a"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestNamedRanges(t *testing.T) {
	n, err := NameAll([]string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(n, Named{"a": 10_000, "b": 10_001, "c": 10_002}) {
		t.Error(n)
	}
	has := map[uint16]bool{10_001: true}
	if got := n.Except(func(s uint16) bool { return has[s] }); !slices.Equal(got, []chain.SlotRange{{From: 10_000, To: 10_000}, {From: 10_002, To: 10_002}}) {
		t.Error(got)
	}
	if got := n.Except(func(uint16) bool { return false }); !slices.Equal(got, []chain.SlotRange{{From: 10_000, To: 10_002}}) {
		t.Error(got)
	}
	whole := chain.SlotRange{From: 0, To: chain.SlotsMax - 1}
	for _, c := range []struct {
		genesis []chain.SlotRange
		fits    bool
	}{
		{[]chain.SlotRange{whole}, false},
		{[]chain.SlotRange{{From: 0, To: 10_002}}, true},
		{[]chain.SlotRange{whole, {From: 10_000, To: 10_001}, {From: 10_002, To: 10_002}}, true},
		{[]chain.SlotRange{{From: 0, To: 10_003}}, false},
		{nil, false},
	} {
		if err := n.Fit(c.genesis); (err == nil) != c.fits || err != nil && fault.ReasonOf(err) != ReasonNamed {
			t.Errorf("%v: %v", c.genesis, err)
		}
	}
	if err := Named(nil).Fit([]chain.SlotRange{whole}); err != nil {
		t.Error(err)
	}
}
