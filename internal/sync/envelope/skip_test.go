// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func someSkip() *Skip {
	return &Skip{
		Source:   Source{Ledger: LedgerID{1}, Origin: V11, Life: 1, Incarnation: Incarnation{2}},
		Previous: Position{Major: 7, Minor: 3}, PreviousTag: Tag{3}, Position: Position{Major: 8}, Tag: Tag{4},
		Kind: "transfer", Reason: "both sides agree that it was taken back", By: "ops@desk",
	}
}

func skipKey(t testing.TB, fill byte) Key {
	k, err := NewKey(bytes.Repeat([]byte{fill}, SecretBytesMin))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSkip: a skip comes back as it was sealed, and nothing that is bent, foreign or a record does.
func TestSkip(t *testing.T) {
	key, other := skipKey(t, 1), skipKey(t, 2)
	wire, err := SealSkip(&key, someSkip())
	if err != nil {
		t.Fatal(err)
	}
	if s, err := OpenSkip([]Key{other, key}, wire); err != nil || *s != *someSkip() {
		t.Fatalf("%+v %v", s, err)
	}
	if _, err := OpenSkip([]Key{other}, wire); fault.ReasonOf(err) != ReasonUnknownKey {
		t.Error(err)
	}
	for i := range wire {
		bent := bytes.Clone(wire)
		bent[i] ^= 1
		if s, err := OpenSkip([]Key{key}, bent); err == nil && *s != *someSkip() {
			t.Errorf("byte %d: %+v", i, s)
		}
	}
	for name, bend := range map[string]func(*Skip){
		"no reason":       func(s *Skip) { s.Reason = "" },
		"too much reason": func(s *Skip) { s.Reason = strings.Repeat("x", SkipReasonBytesMax+1) },
		"no record":       func(s *Skip) { s.Tag = Tag{} },
		"backwards":       func(s *Skip) { s.Position = s.Previous },
		"no source":       func(s *Skip) { s.Source.Life = 0 },
		"no text":         func(s *Skip) { s.By = "\xff" },
	} {
		s := someSkip()
		bend(s)
		if _, err := SealSkip(&key, s); fault.ReasonOf(err) != ReasonMalformed {
			t.Error(name, err)
		}
	}
	s := someSkip()
	s.Reason, s.By, s.Kind = strings.Repeat("\x01", SkipReasonBytesMax), strings.Repeat("\x01", SkipByBytesMax), strings.Repeat("\x01", SkipByBytesMax)
	wire, err = SealSkip(&key, s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := OpenSkip([]Key{key}, wire); err != nil || *again != *s {
		t.Errorf("%d bytes: %v", len(wire), err)
	}
}

// A tag over the same bytes is another one for a skip than for a record: neither passes for the other.
func TestSkipIsNoRecord(t *testing.T) {
	key := skipKey(t, 1)
	if body := []byte("the same"); key.tag(Version, body) == key.tag(skipVersion, body) {
		t.Error("one tag for both")
	}
}

func FuzzOpenSkip(f *testing.F) {
	key := skipKey(f, 1)
	wire, err := SealSkip(&key, someSkip())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add([]byte(`{"key":1}`))
	f.Fuzz(func(t *testing.T, wire []byte) {
		if s, err := OpenSkip([]Key{key}, wire); err == nil && s.check() != nil {
			t.Error(s)
		}
	})
}
