// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// run captures until the chain's end, or an error.
func run(t *testing.T, w *world) error {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	return capture(t, w).Run(ctx)
}

// history makes blocks of random content.
func history(t *testing.T, w *world, r *rand.Rand) {
	for range 10 {
		var batches []contents
		for range r.IntN(4) {
			var all []chain.Leg
			for range 1 + r.IntN(6) {
				all = append(all, pays(chain.AccountNo(10+r.IntN(4)), chain.AccountNo(10+r.IntN(4)), chain.AssetNo(1+r.IntN(2)), r.Uint64N(9)))
			}
			batches = append(batches, legs(t, desk, nil, all...))
		}
		w.add(batches...)
	}
}

// TestRestartsAnywhere: a capture that is stopped at every record, and begins anew there, tells the same as one that never was.
func TestRestartsAnywhere(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			whole, pieces := newWorld(), newWorld()
			history(t, whole, rand.New(rand.NewPCG(seed, 1)))
			history(t, pieces, rand.New(rand.NewPCG(seed, 1)))
			must(t, run(t, whole))
			died := errors.New("killed")
			left := 0
			pieces.fails = func() error {
				if left--; left < 0 {
					return died
				}
				return nil
			}
			for {
				left = 1 + int(seed%3)
				err := run(t, pieces)
				if err == nil {
					break
				}
				if !errors.Is(err, died) {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(text(whole.got), text(pieces.got)) || len(whole.got) < 10 {
				t.Errorf("got\n%s\nwant\n%s", text(pieces.got), text(whole.got))
			}
		})
	}
}

// TestWaitsForAName: the direction stands until a name is known, says why, and then goes on without a gap.
func TestWaitsForAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(legs(t, desk, nil, pays(11, 12, 1, 1)), legs(t, desk, nil, pays(11, 14, 1, 2)))
		w.add(legs(t, desk, nil, pays(12, 11, 1, 3)))
		c := capture(t, w)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := c.Status(); s.Reason != ReasonNameUnknown || s.Height != 0 || time.Since(s.Since) < 50*time.Second || len(w.drafts()) != 1 {
			t.Errorf("%+v, %d records", s, len(w.drafts()))
		}
		w.name(14, "late")
		time.Sleep(time.Second)
		synctest.Wait()
		if s := c.Status(); s.Reason != "" || s.Height != 2 || len(w.drafts()) != 5 {
			t.Errorf("%+v, %d records", s, len(w.drafts()))
		}
		stop()
		must(t, <-ended)
	})
}

// TestPrunedIsNeverSkipped: blocks that retention let go end the direction.
func TestPrunedIsNeverSkipped(t *testing.T) {
	w := newWorld()
	w.add(legs(t, desk, nil, pays(11, 12, 1, 1)))
	w.add(legs(t, desk, nil, pays(11, 12, 1, 1)))
	w.pruned = 1
	c := capture(t, w)
	if err := c.Run(t.Context()); !fault.Is(err, fault.Pruned) || len(w.got) != 0 || c.Status().Reason != fault.Pruned.String() {
		t.Errorf("%v, %d records, %+v", err, len(w.got), c.Status())
	}
}

// TestFactsAreAskedOnce: what is known is not asked for again.
func TestFactsAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for range 5 {
			w.add(legs(t, desk, nil, pays(11, 12, 1, 1)))
		}
		must(t, run(t, w))
		if w.asked != 1 || len(w.got) != 10 {
			t.Errorf("asked %d times for %d records", w.asked, len(w.got))
		}
	})
	if _, err := New(Config{}, Parts{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestLaterSyncKey: once governance opens the inbox for another key, what that one opens is V10's and is not told back.
func TestLaterSyncKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		open := tx{2, 8, &chain.OpenAccount{AliasTag: chain.Hash{1}, Address: chain.Address{1}}, chain.OK, 13}
		w.add(txs(open))
		w.add(txs(tx{1, 1, &chain.OpenInbox{Key: 8}, chain.NotAuthorized, 0}), txs(open))
		w.add(txs(tx{1, 1, &chain.OpenInbox{Key: 8}, chain.OK, 0}))
		w.add(txs(open))
		must(t, run(t, w))
		var heights []uint64
		for _, d := range w.got {
			if !d.End {
				heights = append(heights, d.Position.Major)
			}
		}
		if len(heights) != 2 || heights[0] != 1 || heights[1] != 2 {
			t.Errorf("V10 is told of accounts opened at %d", heights)
		}
	})
}
