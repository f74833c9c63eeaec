// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"bytes"
	"errors"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// closedAt has a chain whose third block closes the migration, with payments before and behind that in the same batch, the same block and
// the next one. What lies behind it V10 could not be told: a party is native, or a hold is made.
func closedAt(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	pay := func(n uint64, to chain.AccountNo) tx {
		return tx{11, 7, &chain.Transfer{To: to, Asset: 1, Amount: chain.Units(n)}, chain.OK, 0}
	}
	w.add(legs(t, desk, nil, pays(11, 12, 1, 1)))
	w.add(txs(pay(2, 12), tx{1, 1, &chain.CloseMigration{HomeVersion: 4}, chain.SyncBehind, 0}, pay(3, 12)))
	w.add(
		legs(t, desk, nil, pays(11, 12, 1, 4)),
		txs(pay(5, 12), tx{1, 1, &chain.CloseMigration{HomeVersion: 4}, chain.OK, 0}, pay(6, 20)),
		legs(t, desk, nil, pays(11, 21, 1, 7), chain.Leg{Kind: chain.LegHold, From: 11, To: 12, Asset: 1, Amount: chain.Units(8), Arg: 5}))
	w.add(legs(t, desk, nil, pays(20, 12, 1, 9)))
	w.closed = 3
	return w
}

// wholeStory wants all before the close to be told, and nothing behind it.
func (w *world) wholeStory(t *testing.T) {
	t.Helper()
	var amounts []byte
	for _, d := range w.got {
		if pay, is := d.Change.(*envelope.Transfer); is {
			amounts = append(amounts, byte(pay.Amount.Lo))
		}
	}
	last := w.got[len(w.got)-1]
	if !bytes.Equal(amounts, []byte{1, 2, 3, 4, 5}) || !last.End || last.Position != (envelope.Position{Major: 3, Minor: 2}) || last.HomeVersion != 5 {
		t.Errorf("told %v, and at last %+v", amounts, last)
	}
}

// TestCloseEndsIt: a capture tells all before the close and is over then, wherever it was interrupted.
func TestCloseEndsIt(t *testing.T) {
	whole := closedAt(t)
	c := capture(t, whole)
	must(t, c.Run(t.Context()))
	whole.wholeStory(t)
	if s := c.Status(); !s.Closed || s.Height != 3 || s.Reason != "" {
		t.Errorf("%+v", s)
	}
	died := errors.New("killed")
	for most := range len(whole.got) {
		w := closedAt(t)
		left := most
		w.fails = func() error {
			if left--; left < 0 {
				return died
			}
			return nil
		}
		if err := capture(t, w).Run(t.Context()); !errors.Is(err, died) {
			t.Fatal(err)
		}
		left = len(whole.got)
		c := capture(t, w)
		must(t, c.Run(t.Context()))
		if !bytes.Equal(text(w.got), text(whole.got)) || !c.Status().Closed {
			t.Errorf("interrupted after %d records, it told\n%s\nwant\n%s", most, text(w.got), text(whole.got))
		}
	}
}

// TestCloseOutlivesBlocks: when all is told, a capture is over at once, though the blocks were let go.
func TestCloseOutlivesBlocks(t *testing.T) {
	w := closedAt(t)
	must(t, capture(t, w).Run(t.Context()))
	told := len(w.got)
	w.pruned = 4
	c := capture(t, w)
	must(t, c.Run(t.Context()))
	if s := c.Status(); !s.Closed || s.Height != 3 || len(w.got) != told {
		t.Errorf("%+v, %d records more", s, len(w.got)-told)
	}
}
