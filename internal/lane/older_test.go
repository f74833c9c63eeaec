// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

func numbered(n int) (d chain.Hash) {
	binary.BigEndian.PutUint64(d[:], uint64(n))
	return d
}

// TestOlder: the newest olderMax places are known, and no other.
func TestOlder(t *testing.T) {
	var o older
	if _, ok := o.find(numbered(0)); ok {
		t.Error("an empty one knows a place")
	}
	const past = 10
	for n := range olderMax + past {
		o.add(numbered(n), seglog.Pos{Seq: uint64(n)})
	}
	for n := range olderMax + past {
		at, ok := o.find(numbered(n))
		if ok != (n >= past) || ok && at.Seq != uint64(n) {
			t.Fatalf("entry %d: %+v, %v", n, at, ok)
		}
	}
	if len(o.places) != olderMax || len(o.ring) != olderMax {
		t.Errorf("%d places, %d in the ring", len(o.places), len(o.ring))
	}
}

// TestFetchOfAnOlderEntry: an entry that was executed so long ago that only its place is known still reaches a peer that lacks
// it. Where another one lies, nothing is sent.
func TestFetchOfAnOlderEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		c.cut.Store([2]chain.ValidatorNo{0, 3}, true)
		settle(100 * time.Millisecond)
		c.members[0].put("withheld", 1000)
		c.members[0].put("another", 1000)
		settle(time.Second)
		offered := c.members[1].offers()
		for _, m := range c.members[:3] {
			var executed []*Stored
			for _, d := range offered {
				s, err := m.Fetch(context.Background(), d)
				if err != nil {
					t.Fatal(err)
				}
				executed = append(executed, s)
			}
			m.Executed(executed)
			for _, d := range offered {
				m.Forget(d)
			}
			m.heldMu.Lock()
			m.recent = recent{} // as if many more had been executed since
			if m.no == 1 {
				m.older.places[beginning(offered[0])] = executed[1].Pos
			}
			m.heldMu.Unlock()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		late := c.members[3]
		late.Want(offered)
		for _, d := range offered {
			s, err := late.Fetch(ctx, d)
			if err != nil || s.Digest != d || codec.Sum(s.Payload()) != s.Entry.Payload {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}
