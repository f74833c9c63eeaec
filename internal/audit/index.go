// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/sqlite"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store/seal"
)

// checkIndexBytes compares the query index with the seal of the last clean stop. A node may run without an index, and
// one that was killed leaves no seal.
func (a *audit) checkIndexBytes(ctx context.Context) (sound bool, err error) {
	dir := a.cfg.Data("index")
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return true, nil
	}
	if err := a.listFiles(dir); err != nil {
		a.problem(dir, "", "%v", err)
		return false, nil
	}
	r, err := seal.Check(dir, func(done, total int64) { a.progress(StageIndex, done, total) })
	if err != nil {
		a.problem(dir, "", "%v", err)
		return false, ctx.Err()
	}
	a.indexSealed = r.Sealed
	return true, ctx.Err()
}

// checkIndex looks for files that are not the index's, and compares what the index says with the chain. Without a seal
// nothing vouches for its bytes, but its rows are compared all the same.
func (a *audit) checkIndex(ctx context.Context, sound soundness) error {
	present, err := a.checkIndexFolder()
	if err != nil || !present {
		return err
	}
	if !a.indexSealed {
		a.note("data/index: the query index was not closed cleanly, so nothing vouches for its bytes; it can be rebuilt by removing the folder")
	}
	if len(a.adopted.holes) > 0 {
		a.note("data/index: the query index was not compared with the chain, because heights of it are not here")
		return nil
	}
	if !sound.index || !sound.lane {
		a.note("data/index: the query index was not compared with the chain, because the bytes of one are damaged")
		return nil
	}
	return a.compareIndex(ctx)
}

// indexFiles are what the query index keeps in its folder.
var indexFiles = map[string]bool{sqlite.FileName: true, sqlite.FileName + "-wal": true, sqlite.FileName + "-shm": true, seal.Name: true}

func (a *audit) checkIndexFolder() (present bool, err error) {
	dir := a.cfg.Data("index")
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, fault.Wrap(fault.Unavailable, err, "list the query index")
	}
	for _, e := range entries {
		if !indexFiles[e.Name()] {
			a.problem(filepath.Join(dir, e.Name()), "", "no part of the node knows this file")
		}
	}
	return len(entries) > 0, nil
}

// compareIndex compares the rows of the index with the chain, as far as both have it.
func (a *audit) compareIndex(ctx context.Context) (err error) {
	dir := a.cfg.Data("index")
	c, err := sqlite.ReadContents(ctx, dir, a.genesis.Chain, codec.GenesisHash(a.genesis))
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case fault.Is(err, fault.Conflict) || fault.Is(err, fault.Corrupt):
		a.problem(filepath.Join(dir, sqlite.FileName), "", "%v", err)
		return nil
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	differs := func(d index.Difference) { a.problem(filepath.Join(dir, sqlite.FileName), d.Where, "%s", d.What) }
	if err := c.Check(ctx, differs); err != nil {
		return err
	}
	a.noteReach(c.Position().Complete())
	lane, err := seglog.OpenReader(nil, a.cfg.Data("lane"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lane.Close()) }()
	h := history.New(a.store, payloadsOf(lane))
	return index.Compare(ctx, c, h, a.head, differs, a.indexProgress(c.Position().Complete()))
}

func payloadsOf(lane *seglog.Reader) func(chain.Location) ([]byte, error) {
	return func(l chain.Location) ([]byte, error) {
		rec, err := lane.Read(posOf(l))
		return rec.Payload, err
	}
}

// posOf is where a payload lies.
func posOf(l chain.Location) seglog.Pos {
	return seglog.Pos{Segment: l.Segment, Offset: l.Offset, Bytes: l.Bytes, Seq: l.Seq}
}

// noteReach says how far the index and the comparison reach. An index may be ahead of the blocks after a power cut, which
// takes what the block store had not flushed, but not of the ordering log. After a clean stop it cannot be ahead at all.
func (a *audit) noteReach(complete chain.Height) {
	switch {
	case complete > a.head && (a.sealed || a.decided != 0 && complete > a.decided):
		a.problem(filepath.Join(a.cfg.Data("index"), sqlite.FileName), at(complete), "the index has this height, the chain ends at %d", max(a.head, a.decided))
	case complete > a.head:
		a.note("data/index: the query index knows height %d, the block store %d: what lies between was not compared", complete, a.head)
	case complete < a.head:
		a.note("data/index: the query index ends at height %d of %d; the node goes on with it", complete, a.head)
	}
}

func (a *audit) indexProgress(complete chain.Height) func(chain.Height) {
	total := min(complete, a.head)
	return func(h chain.Height) {
		if h%progressHeights == 0 || h == total {
			a.progress(StageIndex, int64(h), int64(total))
		}
	}
}
