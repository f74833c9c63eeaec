// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// line is one line of V10's port: of the stream of changes, or an answer.
type line struct {
	Position   string   `json:"position"`
	Origin     []byte   `json:"origin"`
	Ops        []Op     `json:"ops"`
	Head       string   `json:"head"`
	Generation uint64   `json:"generation"`
	Inbox      *inbox   `json:"inbox"`
	Height     uint64   `json:"height"`
	Error      *trouble `json:"error"`

	Resolutions []Resolution `json:"resolutions"`
}

// Resolution is what a person decided of a record that V10 could not apply.
type Resolution struct {
	Kind     string `json:"kind"`
	Origin   string `json:"origin"`
	Life     uint32 `json:"life"`
	Position string `json:"position"`
	Tag      string `json:"tag"`
	Change   string `json:"change"`
	Reason   string `json:"reason"`
	By       string `json:"by"`
	Ms       uint64 `json:"ms"` // since 1970
}

// Op is a changed row of V10: its family, key and value, in the format of the V10 reference ledger.
type Op struct {
	Family string `json:"family"`
	Key    []byte `json:"key"`
	Value  []byte `json:"value"`
	Delete bool   `json:"delete"`
}

// Batch is what V10 wrote in one step.
type Batch struct {
	Sequence uint64 // its place in V10's order of writes
	Origin   []byte // the mark of who wrote it; none: V10's own clients did
	Ops      []Op
}

type trouble struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
	At     string `json:"at"`
}

// err is the fault that V10 told of.
func (t *trouble) err() error {
	for _, k := range fault.Kinds() {
		if k.String() == t.Kind {
			return fault.Reasoned(k, t.Reason, "V10: %s", t.Text)
		}
	}
	return fault.Reasoned(fault.Internal, t.Reason, "V10: %s", t.Text)
}

// inbox is envelope.Start on the wire.
type inbox struct {
	Ledger      string          `json:"ledger"`
	Origin      envelope.Origin `json:"origin"`
	Life        uint32          `json:"life"`
	Incarnation string          `json:"incarnation"`
	Position    string          `json:"position"`
	Tag         string          `json:"tag"`
}

func inboxOf(s *envelope.Start) inbox {
	return inbox{
		Ledger: s.Source.Ledger.String(), Origin: s.Source.Origin, Life: s.Source.Life, Incarnation: s.Source.Incarnation.String(),
		Position: s.Position.String(), Tag: s.Tag.String(),
	}
}

func (in *inbox) start() (s envelope.Start, err error) {
	s.Source.Origin, s.Source.Life = in.Origin, in.Life
	if s.Position, err = envelope.ParsePosition(in.Position); err != nil {
		return s, err
	}
	for _, part := range []struct {
		dst  []byte
		text string
	}{{s.Source.Ledger[:], in.Ledger}, {s.Source.Incarnation[:], in.Incarnation}, {s.Tag[:], in.Tag}} {
		raw, err := hex.DecodeString(part.text)
		if err != nil || copy(part.dst, raw) != len(raw) || len(raw) != len(part.dst) {
			return s, fault.New(fault.Corrupt, "V10's inbox: %.80q is not %d bytes of hex", part.text, len(part.dst))
		}
	}
	return s, s.Source.Check()
}

// parsePlace reads INCARNATION:SEQUENCE.
func parsePlace(text string) (life envelope.Incarnation, sequence uint64, err error) {
	id, number, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(id)
	if err == nil && len(raw) == len(life) {
		copy(life[:], raw)
		sequence, err = strconv.ParseUint(number, 10, 64)
	}
	if err != nil || life.String()+":"+strconv.FormatUint(sequence, 10) != text {
		return life, 0, fault.New(fault.Corrupt, "V10's position %.80q is not INCARNATION:SEQUENCE", text)
	}
	return life, sequence, nil
}
