// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// sealed is the nth record of the test's ledger, as a reader has it.
func (w *world) sealed(t *testing.T, n uint64) *envelope.Record {
	t.Helper()
	keys, err := w.cfg.Keys()
	if err != nil {
		t.Fatal(err)
	}
	source := w.source
	source.Life = 1
	r := &envelope.Record{
		Source: source, Previous: envelope.Position{Major: n}, Since: n, Position: envelope.Position{Major: n + 1}, HomeVersion: 1,
		Change: &envelope.Barrier{Generation: n + 1, TimeMs: 5},
	}
	if _, err := envelope.Seal(&keys[0], r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestLetters: a letter keeps the record and why it is there; the same record twice is one letter, as of the last try.
func TestLetters(t *testing.T) {
	w := newWorld(t, startDev(t))
	list, err := Letters(t.Context(), w.cfg, envelope.V10)
	if err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	held := time.UnixMilli(1_700_000_000_000)
	first, second := w.sealed(t, 1), w.sealed(t, 2)
	for _, l := range []*Letter{
		{Record: first, Reason: "insufficient_funds", Text: "the ledger cannot make the change", Tries: 3, HeldAt: held, Applier: "node0"},
		{Record: second, Reason: "diverged", Tries: 3, HeldAt: held.Add(time.Minute), Applier: "node0"},
		{Record: first, Reason: "unknown_asset", Tries: 6, HeldAt: held.Add(time.Hour), Applier: "node1"},
	} {
		if err := PutLetter(t.Context(), w.cfg, l); err != nil {
			t.Fatal(err)
		}
	}
	w.Restart(t)
	list, err = Letters(t.Context(), w.cfg, envelope.V10)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	l := list[0]
	if l.Record.Tag != first.Tag || l.Reason != "unknown_asset" || l.Tries != 6 || !l.HeldAt.Equal(held) || l.Applier != "node1" {
		t.Errorf("%+v", l)
	}
	if l := list[1]; l.Record.Position != second.Position || l.Reason != "diverged" || l.Tries != 3 {
		t.Errorf("%+v", l)
	}
	if other, err := Letters(t.Context(), w.cfg, envelope.V11); err != nil || len(other) != 0 {
		t.Error(other, err)
	}
}

// TestLettersRefusals: what is no letter is not shown as one, and brokers that are away are said to be.
func TestLettersRefusals(t *testing.T) {
	w := newWorld(t, startDev(t))
	stranger := w.cfg
	stranger.KeyFiles = []string{keyFile(t, 9)}
	r := w.sealed(t, 1)
	if err := PutLetter(t.Context(), stranger, &Letter{Record: r}); fault.ReasonOf(err) != envelope.ReasonUnknownKey {
		t.Error("a record is put under a key that did not make it:", err)
	}
	if err := PutLetter(t.Context(), w.cfg, &Letter{Record: r, HeldAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := Letters(t.Context(), stranger, envelope.V10); fault.ReasonOf(err) != envelope.ReasonUnknownKey {
		t.Error(err)
	}
	w.deleteTopics(t, w.cfg.LetterTopic(envelope.V10))
	if _, err := Letters(t.Context(), w.cfg, envelope.V10); fault.ReasonOf(err) != ReasonTopicMissing {
		t.Error(err)
	}
	gone := w.cfg
	gone.Brokers = []string{"127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := PutLetter(ctx, gone, &Letter{Record: r, HeldAt: time.Now()}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
