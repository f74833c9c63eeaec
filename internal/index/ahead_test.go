// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/index"
)

// indexed makes a chain of a head with two batches a block, and an index of it in a folder, which is whole up to complete and
// has the first batch of the block behind it.
func indexed(t testing.TB, head, complete chain.Height) (*ledger, string) {
	t.Helper()
	l, dir := newLedger(t), t.TempDir()
	for range head {
		l.block(legs(3), legs(2))
	}
	db, err := openOnce(dir)
	must(t, err)
	g := index.Group{From: index.Start(), Next: index.Position{Height: complete + 1, Batch: 1}, Rows: l.transfers(1, complete)}
	for h := chain.Height(1); h <= complete; h++ {
		g.Blocks = append(g.Blocks, l.blockRow(h))
	}
	for _, r := range l.transfers(complete+1, min(head, complete+1)) {
		if r.Index == 0 {
			g.Rows = append(g.Rows, r)
		}
	}
	must(t, db.Apply(&g))
	must(t, db.Close())
	return l, dir
}

func (l *ledger) blockRow(h chain.Height) index.Block {
	l.t.Helper()
	header, hash, err := l.history.Header(h)
	must(l.t, err)
	b := index.Block{Height: h, Hash: hash, TimeUs: header.TimeUs}
	for i := range header.Batches {
		b.Items += uint64(header.Batches[i].Legs)
	}
	return b
}

// TestIndexAhead starts after a power cut that took the newest blocks from the block store and not from the index. They are
// executed again: the index waits, repeats nothing, and goes on where it stood.
func TestIndexAhead(t *testing.T) {
	for _, left := range []chain.Height{0, 1, 7, 8, 9, 10} {
		synctest.Test(t, func(t *testing.T) {
			l, dir := indexed(t, 10, 8)
			k := l.kept(left)
			w := &writer{Writer: openIndex(t, dir)}
			f := newFollowing(t, k, w, left, generousRate)
			f.Decided(10)
			f.run()
			time.Sleep(time.Hour)
			if left <= 8 {
				f.wantLag(0, 0)
				if f.Height() != left || len(w.groups) != 0 {
					t.Errorf("the chain is at %d: the index says %d, %d groups", left, f.Height(), len(w.groups))
				}
			}
			for h := left; h < 10; h++ {
				f.Publish(l.again(k, l.headers[h]))
				time.Sleep(time.Minute)
				f.wantLag(0, 0)
			}
			f.Publish(k.block(legs(4)))
			time.Sleep(time.Minute)
			f.wantLag(0, 0)
			f.stop()
			if first := w.groups[0].From; first != (index.Position{Height: 9, Batch: 1}) {
				t.Errorf("the first group begins at %v", first)
			}
			wantAll(t, w.Writer.(index.Reader), k, 11)
		})
	}
}

// TestLagWhileAhead publishes a block of which the index has a part already.
func TestLagWhileAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, dir := indexed(t, 10, 8)
		k := l.kept(7)
		w := &writer{Writer: openIndex(t, dir), takes: time.Hour}
		f := follow(t, k, w, 7, generousRate)
		f.Publish(l.again(k, l.headers[7]))
		f.wantLag(0, 0)
		f.Publish(l.again(k, l.headers[8]))
		f.wantLag(2, 1)
		f.Publish(l.again(k, l.headers[9]))
		f.wantLag(7, 2)
		time.Sleep(10 * time.Hour)
		f.wantLag(0, 0)
		f.stop()
	})
}

// TestForkedIndex starts with the index of a chain that went another way: nothing is written, whenever that comes out.
func TestForkedIndex(t *testing.T) {
	for _, c := range []struct {
		name    string
		base    chain.Height // of the chain at the start
		decided chain.Height
	}{
		{"the chain is beyond", 10, 10},
		{"the chain gets there", 3, 10},
		{"the chain gets there, and nobody said how far it was decided", 3, 0},
		{"the chain was never decided so far", 3, 7},
		{"the chain is shorter, to the block", 7, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, dir := indexed(t, 10, 8)
				other := newLedger(t)
				other.seed = 1
				for range c.base {
					other.block(legs(3), legs(2))
				}
				w := &writer{Writer: openIndex(t, dir)}
				f := newFollowing(t, other, w, c.base, generousRate)
				f.Decided(c.decided)
				f.run()
				for c.decided != 7 && other.head() < l.head() { // else it must be found out without
					f.Publish(other.block(legs(3), legs(2)))
				}
				if err := <-f.ended; !fault.Is(err, fault.Conflict) {
					t.Error(err)
				}
				if len(w.groups) > 0 {
					t.Error("it was written to")
				}
			})
		})
	}
}

// TestNewestBehindAGap compares the newest block that the index has, not the last before its position.
func TestNewestBehindAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, dir := newLedger(t), t.TempDir()
		for range 12 {
			l.block(legs(1))
		}
		db := openIndex(t, dir)
		must(t, db.Apply(&index.Group{
			From: index.Start(), Next: index.Position{Height: 9}, Blocks: []index.Block{l.blockRow(1)}, Rows: l.transfers(1, 1),
			Gaps: []index.Gap{{From: index.Position{Height: 2}, To: 9}},
		}))
		f := follow(t, l, db, 12, generousRate)
		time.Sleep(time.Hour)
		f.wantLag(0, 0)
		f.stop()
	})
}

// TestForkInAPart starts with an index whose last block, of which it has a part, went another way.
func TestForkInAPart(t *testing.T) {
	for _, c := range []struct {
		name     string
		block    []content // 9 of the chain
		decided  chain.Height
		recycled bool
		ok       bool
	}{
		{"the same", []content{legs(3), legs(2)}, 9, false, true},
		{"another batch", []content{legs(4), legs(2)}, 9, false, false},
		{"no batch", nil, 9, false, false},
		{"not decided", []content{legs(3), legs(2)}, 8, false, false},
		{"another batch, recycled: nobody can tell", []content{legs(4), legs(2)}, 9, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, dir := indexed(t, 10, 8)
				k := l.kept(8)
				w := &writer{Writer: openIndex(t, dir)}
				f := newFollowing(t, k, w, 8, generousRate)
				f.Decided(c.decided)
				f.run()
				if c.recycled {
					k.recycle(13)
				}
				f.Publish(k.block(c.block...))
				time.Sleep(time.Hour)
				f.cancel()
				if err := <-f.ended; c.ok != (err == nil) || err != nil && !fault.Is(err, fault.Conflict) {
					t.Error(err)
				}
				if c.ok != (len(w.groups) > 0) {
					t.Errorf("%d groups were written", len(w.groups))
				}
			})
		})
	}
}
