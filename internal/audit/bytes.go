// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// soundness says of which parts every byte is as written.
type soundness struct{ blocks, lane, order, votes, index bool }

// held is a checkpoint file whose bytes and root are sound.
type held struct {
	path   string
	anchor bool
	meta   checkpoint.Meta
	lane   lane.Position
	floor  commit.Floor
}

func (a *audit) checkBytes(ctx context.Context) (s soundness, err error) {
	if s.blocks, err = a.checkBlocks(ctx); err != nil {
		return s, err
	}
	if err := a.checkCheckpoints(ctx); err != nil {
		return s, err
	}
	if s.lane, err = a.checkLog(ctx, StageLane, "lane"); err != nil {
		return s, err
	}
	if s.order, err = a.checkOrders(ctx); err != nil {
		return s, err
	}
	if a.several() {
		if s.votes, err = a.checkLog(ctx, StageVotes, "votes"); err != nil {
			return s, err
		}
	}
	s.index, err = a.checkIndexBytes(ctx)
	return s, err
}

// checkLog reads a segment log whole. What a crash may have torn off its end is tolerated unless the node was stopped
// cleanly.
func (a *audit) checkLog(ctx context.Context, stage, name string) (sound bool, err error) {
	dir := a.cfg.Data(name)
	r, err := seglog.Verify(ctx, nil, dir, func(done, total int64) { a.progress(stage, done, total) })
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		a.problem(dir, "", "%v", err)
		return false, nil
	}
	for _, f := range r.Files {
		a.file(f.Path, f.Used)
	}
	sound = true
	for _, p := range r.Problems {
		switch {
		case !p.Torn:
			sound = false
			a.problem(p.Path, fmt.Sprintf("byte %d", p.Offset), "%s", p.Text)
		case a.sealed:
			a.problem(p.Path, fmt.Sprintf("byte %d", p.Offset), "%s, although the node was stopped cleanly", p.Text)
		default:
			a.note("%s is torn at byte %d, as a crash leaves it: the node cuts it off when it starts", a.relative(p.Path), p.Offset)
		}
	}
	return sound, nil
}

// checkOrders reads the newest ordering log whole. The node removes those of epochs that ended when it starts, and uses nothing
// of them: a crash may have left a part of one.
func (a *audit) checkOrders(ctx context.Context) (sound bool, err error) {
	if len(a.orders) == 0 {
		return false, nil
	}
	last := len(a.orders) - 1
	for _, old := range a.orders[:last] {
		if err := a.listFiles(a.cfg.Data(old.name)); err != nil {
			return false, fault.Wrap(fault.Unavailable, err, "list the ordering log of epoch %d", old.epoch)
		}
		a.note("data/%s is of epoch %d, which has ended: it was not examined, and the node removes it", old.name, old.epoch)
	}
	return a.checkLog(ctx, StageOrder, a.orders[last].name)
}

// checkBlocks reads the block store whole, and lists its files.
func (a *audit) checkBlocks(ctx context.Context) (sound bool, err error) {
	dir := a.cfg.Data("blocks")
	if err := a.listFiles(dir); err != nil {
		a.problem(dir, "", "%v", err)
		return false, nil
	}
	r, err := pebblestore.Verify(ctx, dir, func(done, total int64) { a.progress(StageBlocks, done, total) })
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	a.sealed = r.Sealed
	if r.Note != "" {
		a.note("data/blocks: %s", r.Note)
	}
	if err != nil {
		a.problem(dir, "", "%v", err)
		return false, nil
	}
	return a.sealed || a.knownBlockFiles(dir), nil
}

// engineFiles are the names that the block store's engine gives.
var engineFiles = regexp.MustCompile(`^(LOCK|CURRENT|SEAL(\.tmp)?|(MANIFEST|OPTIONS)-\d+|\d+\.(sst|log|blob)|marker\..+)$`)

// knownBlockFiles looks for additional files in a store without a seal, which would list them.
func (a *audit) knownBlockFiles(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		a.problem(dir, "", "%v", err)
		return false
	}
	for _, e := range entries {
		if !engineFiles.MatchString(e.Name()) {
			a.problem(filepath.Join(dir, e.Name()), "", "no part of the node knows this file")
		}
	}
	return true
}

// listFiles lists every file below a folder whole.
func (a *audit) listFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			a.file(path, info.Size())
		}
		return err
	})
}

// checkCheckpoints reads every checkpoint file, and keeps what the sound ones are of.
func (a *audit) checkCheckpoints(ctx context.Context) error {
	dir := a.cfg.Data("checkpoints")
	entries, err := os.ReadDir(dir)
	if err != nil {
		a.problem(dir, "", "%v", err)
		return nil
	}
	present := map[string]bool{}
	for i, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		present[e.Name()] = true
		a.checkCheckpoint(filepath.Join(dir, e.Name()), e.Name())
		a.progress(StageCheckpoints, int64(i+1), int64(len(entries)))
	}
	if present[bufferB] && !present[bufferA] {
		a.problem(filepath.Join(dir, bufferA), "", "the file is missing: a node fills it before %s", bufferB)
	}
	return nil
}

// The names of checkpoint files.
const (
	bufferA = "a.ckpt"
	bufferB = "b.ckpt"
)

var anchorName = regexp.MustCompile(`^anchor-\d{20}\.ckpt$`)

func (a *audit) checkCheckpoint(path, name string) {
	anchor := anchorName.MatchString(name)
	switch {
	case anchor || name == bufferA || name == bufferB:
	case anchorName.MatchString(strings.TrimSuffix(name, ".tmp")):
		a.file(path, 0) // was not finished; the node removes it when it starts
		return
	default:
		a.problem(path, "", "no part of the node knows this file")
		return
	}
	r, err := checkpoint.Verify(checkpoint.OS{}, path)
	a.file(path, r.Used)
	if fault.Is(err, fault.NotFound) && !anchor {
		return // was not finished
	}
	if err != nil {
		a.problem(path, "", "%v", err)
		return
	}
	h := held{path: path, anchor: anchor, meta: r.Meta}
	if h.lane, err = commit.ParsePosition(r.Meta.Blob); err == nil {
		h.floor, err = commit.ParseFloor(r.Meta.Blob)
	}
	if err != nil {
		a.problem(path, at(r.Meta.Height), "%v", err)
		return
	}
	if anchor && name != fmt.Sprintf("anchor-%020d.ckpt", r.Meta.Height) {
		a.problem(path, at(r.Meta.Height), "the file was renamed: it is of height %d", r.Meta.Height)
	}
	a.checkpoints = append(a.checkpoints, h)
}

// takesState reports whether a peer's state is being taken: its anchor comes before its checkpoint.
func (a *audit) takesState() bool {
	entries, err := os.ReadDir(a.cfg.Data("catchup"))
	return err == nil && len(entries) > 0
}

// buffersKeepUp wants one finished buffer at or above the newest anchor: an anchor is written after the buffer of its
// height, and the last finished buffer is never given up before the next one is finished.
func (a *audit) buffersKeepUp() {
	var anchor, buffer chain.Height
	for _, c := range a.checkpoints {
		if c.anchor {
			anchor = max(anchor, c.meta.Height)
		} else {
			buffer = max(buffer, c.meta.Height)
		}
	}
	if buffer < anchor && !a.takesState() {
		a.problem(a.cfg.Data("checkpoints"), at(anchor), "the checkpoint of the newest anchor's height, or a later one, is missing")
	}
}
