// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/subtle"
	"encoding/json"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a skip.
const (
	SkipReasonBytesMax = 1024
	SkipByBytesMax     = 256
	skipBytesMax       = 16 << 10
	// skipVersion separates a skip's tag from those of records.
	skipVersion = 1<<31 | 1
)

// Skip says that one record is passed over: that at Position, which follows Previous. Who has the sync key answers for it.
type Skip struct {
	Source      Source
	Previous    Position
	PreviousTag Tag
	Position    Position
	Tag         Tag
	Kind        string // of the change, for the report
	Reason      string // why, in a person's words
	By          string // who, in his own words
}

// sealedSkip is a skip on the wire.
type sealedSkip struct {
	Key  uint64 `json:"key"`
	Body []byte `json:"body"`
	Tag  []byte `json:"tag"`
}

// SealSkip checks s and returns its bytes.
func SealSkip(k *Key, s *Skip) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return nil, malformed("a skip does not encode: %v", err)
	}
	tag := k.tag(skipVersion, body)
	wire, err := json.Marshal(sealedSkip{k.id, body, tag[:]})
	if err != nil {
		return nil, malformed("a skip does not encode: %v", err)
	}
	return wire, nil
}

// OpenSkip reads a skip; its errors are those of Open.
func OpenSkip(keys []Key, wire []byte) (*Skip, error) {
	if len(wire) > skipBytesMax {
		return nil, fault.Reasoned(fault.Invalid, ReasonOversized, "a skip of %d bytes, at most %d", len(wire), skipBytesMax)
	}
	var e sealedSkip
	if err := json.Unmarshal(wire, &e); err != nil {
		return nil, malformed("these bytes are no skip: %v", err)
	}
	for i := range keys {
		if keys[i].id != e.Key {
			continue
		}
		tag := keys[i].tag(skipVersion, e.Body)
		if subtle.ConstantTimeCompare(tag[:], e.Tag) != 1 {
			return nil, fault.Reasoned(fault.Corrupt, ReasonTampered, "a skip's tag does not follow from its bytes: somebody else wrote or changed it")
		}
		s := &Skip{}
		if err := json.Unmarshal(e.Body, s); err != nil {
			return nil, malformed("the body of a skip: %v", err)
		}
		return s, s.check()
	}
	return nil, fault.Reasoned(fault.Unavailable, ReasonUnknownKey, "a skip is made with sync key %016x, which this program was not given", e.Key)
}

func (s *Skip) check() error {
	if err := s.Source.Check(); err != nil {
		return err
	}
	switch {
	case !s.Previous.Before(s.Position) || s.Tag.IsZero():
		return malformed("a skip names a record that lies above what it follows, and its tag")
	case s.Reason == "" || len(s.Reason) > SkipReasonBytesMax || !utf8.ValidString(s.Reason):
		return malformed("a skip has a reason of 1 to %d bytes", SkipReasonBytesMax)
	case len(s.By) > SkipByBytesMax || len(s.Kind) > SkipByBytesMax || !utf8.ValidString(s.By) || !utf8.ValidString(s.Kind):
		return malformed("who skips, and what, has at most %d bytes", SkipByBytesMax)
	}
	return nil
}

// Reseal makes the bytes that a record was read from, with the key that made its tag.
func Reseal(keys []Key, r *Record) ([]byte, error) {
	for i := range keys {
		again := *r
		wire, err := Seal(&keys[i], &again)
		if err != nil {
			return nil, err
		}
		if again.Tag == r.Tag {
			return wire, nil
		}
	}
	return nil, fault.Reasoned(fault.Invalid, ReasonUnknownKey, "none of the sync keys makes the tag of the record at %s", r.Position)
}

// KindOf is a change's name in metrics and reports.
func KindOf(c Change) string {
	switch c.(type) {
	case *Transfer:
		return "transfer"
	case *AccountOpened:
		return "account"
	case *AssetCreated:
		return "asset"
	case *Issued:
		return "issue"
	case *Redeemed:
		return "redeem"
	case *Refusal:
		return "refusal"
	case *Round:
		return "round"
	case *Block:
		return "block"
	case *Barrier:
		return "barrier"
	}
	return "other"
}
