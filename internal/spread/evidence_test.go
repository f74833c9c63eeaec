// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"bytes"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// testEvidence has a piece of each kind.
func testEvidence() []Evidence {
	a, b := links(3, 4), fork(3, links(3, 1), 4, 7)
	return []Evidence{
		{Kind: EvidenceFork, Lane: 3, Epoch: 1, Sequence: 2, From: 3, Ours: a[1], Theirs: b[1], Digest: digest(b[1])},
		{Kind: EvidenceParent, Lane: 3, Epoch: 1, Sequence: 3, From: 3, Ours: a[1], Theirs: b[2], Digest: digest(b[2])},
		{Kind: EvidenceAck, Lane: 3, Epoch: 1, Sequence: 2, From: 1, Ours: a[1], Digest: digest(b[1])},
		{Kind: EvidenceAhead, Lane: 3, Epoch: 1, Sequence: 9, From: 1, Digest: chain.Hash{9}},
		{Kind: EvidenceDecided, Lane: 3, Epoch: 1, Sequence: 2, From: 3, Digest: digest(b[1])},
	}
}

// evidenceReadsBack wants a record to say what was put in.
func evidenceReadsBack(t testing.TB, e Evidence) {
	t.Helper()
	if have, err := DecodeEvidence(AppendEvidence(nil, &e)); err != nil || *have != e {
		t.Fatalf("%+v came back as %+v, %v", e, have, err)
	}
}

func TestEvidenceReadsBack(t *testing.T) {
	for _, e := range testEvidence() {
		evidenceReadsBack(t, e)
	}
}

func TestEvidenceThatProvesNothing(t *testing.T) {
	list := testEvidence()
	fork, parent, ack, ahead := list[0], list[1], list[2], list[3]
	changed := func(e Evidence, change func(e *Evidence)) []byte {
		change(&e)
		return AppendEvidence(nil, &e)
	}
	good := AppendEvidence(nil, &fork)
	for name, b := range map[string][]byte{
		"nothing":               nil,
		"another version":       append([]byte{2}, good[1:]...),
		"an entry too short":    good[:len(good)-1],
		"an entry missing":      good[:len(good)-91],
		"a byte more":           append(bytes.Clone(good), 0),
		"kind 0":                changed(fork, func(e *Evidence) { e.Kind = 0 }),
		"another kind":          changed(fork, func(e *Evidence) { e.Kind = 6 }),
		"one entry twice":       changed(fork, func(e *Evidence) { e.Ours = e.Theirs }),
		"of another lane":       changed(fork, func(e *Evidence) { e.Lane = 2 }),
		"of another epoch":      changed(fork, func(e *Evidence) { e.Epoch = 2 }),
		"of another place":      changed(fork, func(e *Evidence) { e.Sequence = 3 }),
		"of another digest":     changed(fork, func(e *Evidence) { e.Digest[0]++ }),
		"of no place":           changed(ahead, func(e *Evidence) { e.Sequence = 0 }),
		"a fork without theirs": changed(fork, func(e *Evidence) { e.Theirs = chain.LaneEntry{} }),
		"the right parent":      changed(parent, func(e *Evidence) { e.Ours = links(3, 4)[0]; e.Theirs = links(3, 4)[1]; e.Digest = digest(e.Theirs) }),
		"an ack that is right":  changed(ack, func(e *Evidence) { e.Digest = digest(e.Ours) }),
	} {
		if e, err := DecodeEvidence(b); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

func FuzzDecodeEvidence(f *testing.F) {
	for _, e := range testEvidence() {
		f.Add(AppendEvidence(nil, &e))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEvidence(b)
		if err == nil && !bytes.Equal(AppendEvidence(nil, e), b) || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%x came back as %+v, %v", b, e, err)
		}
	})
}
