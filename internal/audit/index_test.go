// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	indexdb "github.com/aurigraph/aurigraph/internal/index/sqlite"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/seal"
)

// upTo is an index that ends its follower when it has a height.
type upTo struct {
	*indexdb.DB
	height chain.Height
	end    context.CancelFunc
}

func (w upTo) Apply(g *index.Group) error {
	err := w.DB.Apply(g)
	if w.DB.Position().Complete() >= w.height {
		w.end()
	}
	return err
}

// openIndex opens the node's index.
func (n *network) openIndex() *indexdb.DB {
	n.t.Helper()
	db, err := indexdb.Open(n.data("index"), testChain, codec.GenesisHash(n.genesis))
	must(n.t, err)
	return db
}

// follow brings an index up to the height that the node has.
func (r *running) follow(db *indexdb.DB) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	h := history.New(r.store, func(l chain.Location) ([]byte, error) {
		return r.lane.ReadPayload(posOf(l))
	})
	head := r.loop.Height()
	must(r.t, index.NewFollower(h, upTo{db, head, cancel}, head, 1<<40, obs.NewRegistry()).Run(ctx))
}

// still waits until the node makes no more blocks: the state after its last entry stands in a certified header.
func (r *running) still() {
	r.t.Helper()
	for last := chain.Height(0); last != r.loop.Height() || !r.settled(); {
		last = r.loop.Height()
		<-time.After(20 * time.Millisecond)
	}
	genesis, err := store.ReadMeta(r.store, metaGenesis)
	must(r.t, err)
	var same store.Changes // nothing at all would not be written, and so flush nothing
	store.WriteMeta(&same, metaGenesis, genesis)
	must(r.t, r.store.Apply(&same, true)) // what the engine took is in its files
}

func (r *running) settled() bool {
	r.t.Helper()
	root, _ := r.loop.Root()
	for h := r.loop.Height(); h > root; h-- {
		raw, err := store.ReadHeader(r.store, h)
		must(r.t, err)
		header, err := codec.DecodeHeader(raw)
		must(r.t, err)
		if len(header.Batches) > 0 {
			return false
		}
	}
	return true
}

// indexed makes the folder of a node that was stopped cleanly, with an index of all its heights.
func indexed(t testing.TB) *network {
	t.Helper()
	n := newNetwork(t)
	r := n.run(small)
	n.life(r)
	r.still()
	db := n.openIndex()
	r.follow(db)
	must(t, db.Close())
	r.close()
	return n
}

func wantNote(t testing.TB, r *Report, text string) {
	t.Helper()
	if !strings.Contains(strings.Join(r.Notes, "\n"), text) {
		t.Errorf("no note says %q: %q", text, r.Notes)
	}
}

// TestSoundIndex proves indexes that are whole, behind, left by a kill, and not there.
func TestSoundIndex(t *testing.T) {
	n := newNetwork(t)
	r := n.run(small)
	n.life(r)
	r.still()
	db := n.openIndex()
	r.follow(db)
	whole, killed := r.loop.Height(), r.killed()
	must(t, db.Close())
	closed := r.killed()
	n.life(r)
	r.close()
	behind := verify(t, n.dir)
	wantOK(t, behind)
	wantNote(t, behind, "the query index ends at height")
	if len(behind.Notes) != 1 {
		t.Errorf("%q", behind.Notes)
	}
	for dir, notes := range map[string][]string{
		killed: {"nothing vouches for its bytes"},
		closed: nil,
	} {
		report := verify(t, dir)
		wantOK(t, report)
		for _, note := range notes {
			wantNote(t, report, note)
		}
		if report.Height != whole || strings.Contains(strings.Join(report.Notes, ""), "index ends") {
			t.Errorf("height %d, index at %d: %q", report.Height, whole, report.Notes)
		}
	}
	must(t, os.RemoveAll(n.data("index")))
	if report := verify(t, n.dir); !report.OK || len(report.Notes) > 0 {
		t.Errorf("without an index: %+v", report)
	}
}

// TestIndexOfRecycledPayloads proves an index that has more than is retained, and one that came too late.
func TestIndexOfRecycledPayloads(t *testing.T) {
	n := newNetwork(t)
	r := n.run(tight)
	n.life(r)
	db := n.openIndex()
	r.follow(db)
	first := db.Position().Complete()
	n.fill(r)
	n.life(r)
	r.still()
	r.follow(db)
	must(t, db.Close())
	r.close()
	report := verify(t, n.dir)
	wantOK(t, report)
	if report.FromHeight <= first || len(report.Notes) > 0 {
		t.Fatalf("retained from %d, indexed first up to %d: %q", report.FromHeight, first, report.Notes)
	}
	for _, c := range []struct{ edit, where, text string }{
		{"UPDATE transfers SET outcome = outcome + 1 WHERE height = 1", "height 1", "the outcome is"},
		{"DELETE FROM transfers WHERE height = 1 AND item = 3", "height 1, batch 0, item 3", "does not have this transfer"},
		{"UPDATE blocks SET hash = zeroblob(32) WHERE height = 1", "height 1", "the index has block"},
		{"DELETE FROM gaps", "height", "does not have"},
		{"UPDATE gaps SET to_height = to_height + 5", "height", "cannot have"},
		{"UPDATE gaps SET from_batch = from_batch + 1", "height", "does not have"},
		{"UPDATE transfers SET amount_lo = amount_lo + 1 WHERE seq = (SELECT max(seq) FROM transfers)", "height", "the amount is"},
	} {
		dir := copied(t, n.dir)
		editIndex(t, dir, c.edit)
		wantIndexProblem(t, verify(t, dir), c.where, c.text)
	}
}

// editIndex runs SQL in the file of an index, and seals it again.
func editIndex(t testing.TB, dir string, statements ...string) {
	t.Helper()
	folder := filepath.Join(dir, "data/index")
	c, err := sqlite.OpenConn(filepath.Join(folder, indexdb.FileName), sqlite.OpenReadWrite)
	must(t, err)
	for _, s := range statements {
		must(t, sqlitex.ExecuteScript(c, s, nil))
	}
	must(t, c.Close())
	must(t, seal.Write(folder))
}

// TestEditedIndex changes rows through the index's own engine, in a sealed and, in turn, in an unsealed folder.
func TestEditedIndex(t *testing.T) {
	n := indexed(t)
	sound := verify(t, n.dir)
	wantOK(t, sound)
	if len(sound.Notes) > 0 {
		t.Fatalf("%q", sound.Notes)
	}
	for i, c := range []struct{ name, edit, where, text string }{
		{"amount", "UPDATE transfers SET amount_lo = amount_lo + 1 WHERE height = 1 AND item = 7", "height 1, batch 0, item 7", "the amount is"},
		{"high half of an amount", "UPDATE transfers SET amount_hi = 1 WHERE height = 1 AND item = 7", "height 1, batch 0, item 7", "the amount is"},
		{"outcome", "UPDATE transfers SET outcome = 0 WHERE height = 1 AND item = 9", "height 1, batch 0, item 9", "the outcome is"},
		{"payer", "UPDATE transfers SET payer = 1 WHERE seq = 1", "item 0", "the payer is"},
		{"payee", "UPDATE transfers SET payee = 1 WHERE seq = 1", "item 0", "the payee is"},
		{"asset", "UPDATE transfers SET asset = 2 WHERE seq = 1", "item 0", "the asset is"},
		{"kind", "UPDATE transfers SET kind = 1 WHERE seq = 1", "item 0", "the kind is"},
		{"reference", "UPDATE transfers SET reference = randomblob(32) WHERE seq = 1", "item 0", "the reference is"},
		{"time", "UPDATE transfers SET time_us = 1 WHERE seq = 1", "item 0", "the time is"},
		{"missing row", "DELETE FROM transfers WHERE height = 1 AND item = 7", "height 1, batch 0, item 7", "does not have this transfer"},
		{"extra row", "INSERT INTO transfers SELECT 1 + max(seq), 1, 0, 200, id, payer, payee, asset, amount_lo, amount_hi, kind, outcome, reference, time_us, NULL, NULL, NULL FROM transfers", "height 1, batch 0, item 200", "twice, or behind"},
		{"row of a block without any", "UPDATE transfers SET height = (SELECT min(height) FROM blocks WHERE items = 0) WHERE seq = (SELECT max(seq) FROM transfers)", ", batch 0, item 1", "the index has"}, // twice, or one that it cannot have: that block may lie before the row's own or behind it
		{"rows swapped", "UPDATE transfers SET seq = -1 WHERE seq = 5; UPDATE transfers SET seq = 5 WHERE seq = 6; UPDATE transfers SET seq = 6 WHERE seq = -1", "height 1, batch 0, item 4", "twice, or behind"},
		{"contents swapped", "UPDATE transfers SET item = -1 WHERE seq = 5; UPDATE transfers SET item = 4 WHERE seq = 6; UPDATE transfers SET item = 5 WHERE seq = 5", "item 4", "twice, or behind"},
		{"no rows", "DELETE FROM transfers; DELETE FROM by_account; UPDATE meta SET seq = 1", "height 1, batch 0, item 0", "does not have"},
		{"account list", "DELETE FROM by_account WHERE seq = 5", "lists by account", "height 1, batch 0, item 4 is not in the lists"},
		{"block's hash", "UPDATE blocks SET hash = zeroblob(32) WHERE height = 2", "height 2", "the index has block"},
		{"block's items", "UPDATE blocks SET items = items + 1 WHERE height = 2", "height 2", "items"},
		{"block missing", "DELETE FROM blocks WHERE height = 2", "height 2", "does not have the block"},
		{"gap", "INSERT INTO gaps VALUES (1, 0, 2)", "gap from height 1", "is retained"},
		{"gap backward", "INSERT INTO gaps VALUES (2, 0, 1)", "gap from height 2", "no such gap"},
		{"position ahead", "UPDATE meta SET height = height + 1000", "height", "the chain ends at"},
		{"position behind", "UPDATE meta SET height = 1, batch = 0", "height 1, batch 0, item 0", "cannot have"},
		{"another chain", "UPDATE meta SET chain = 1", "", "of another chain"},
		{"another table", "CREATE TABLE more (x)", "tables", "other tables"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			dir := copied(t, n.dir)
			editIndex(t, dir, c.edit)
			if i%2 == 0 {
				wantIndexProblem(t, verify(t, dir), c.where, c.text)
				return
			}
			must(t, seal.Remove(filepath.Join(dir, "data/index")))
			unsealed := verify(t, dir)
			wantIndexProblem(t, unsealed, c.where, c.text)
			wantNote(t, unsealed, "nothing vouches for its bytes")
		})
	}
}

func wantIndexProblem(t testing.TB, r *Report, where, text string) {
	t.Helper()
	for _, p := range r.Problems {
		if p.File == "data/index/"+indexdb.FileName && strings.Contains(p.Where, where) && strings.Contains(p.What, text) {
			return
		}
	}
	t.Errorf("no problem of the index at %q says %q: %+v", where, text, r.Problems[:min(len(r.Problems), 5)])
}

// TestIndexAheadOfBlocks proves what a power cut leaves: the newest blocks are gone from the block store, and not from the
// index. An index that knows more than was ever decided is no sound one.
func TestIndexAheadOfBlocks(t *testing.T) {
	n := newNetwork(t)
	r := n.run(settings{segmentBytes: 256 << 10, retainBytes: 1 << 30, checkpointEvery: time.Hour})
	n.life(r)
	r.still()
	early := r.killed()
	n.life(r)
	r.still()
	db := n.openIndex()
	r.follow(db)
	cut := r.killed()
	must(t, db.Close())
	r.close()
	for _, part := range []string{"blocks", "checkpoints"} {
		replaceFolder(t, filepath.Join(cut, "data", part), filepath.Join(early, "data", part))
	}
	report := verify(t, cut)
	wantOK(t, report)
	wantNote(t, report, "what lies between was not compared")
	replaceFolder(t, filepath.Join(early, "data/index"), n.data("index"))
	wantIndexProblem(t, verify(t, early), "height", "the chain ends at")
}

func replaceFolder(t testing.TB, dir, with string) {
	t.Helper()
	must(t, os.RemoveAll(dir))
	must(t, os.CopyFS(dir, os.DirFS(with)))
}

// TestDamagedIndex overwrites the file. With a seal the changed bytes are named, without one what they say.
func TestDamagedIndex(t *testing.T) {
	n := indexed(t)
	path := filepath.Join("data/index", indexdb.FileName)
	dir := copied(t, n.dir)
	flip(t, filepath.Join(dir, path), 5000)
	report := verify(t, dir)
	if report.OK {
		t.Error("a changed byte was not found")
	}
	wantNote(t, report, "was not compared with the chain")
	must(t, os.WriteFile(filepath.Join(dir, path), []byte(strings.Repeat("no database", 1000)), 0o600))
	must(t, seal.Remove(filepath.Join(dir, "data/index")))
	wantIndexProblem(t, verify(t, dir), "", "not a database")
}
