// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// BytesPerSecondDefault is the write rate that leaves a log on the same disk its syncs.
const BytesPerSecondDefault = 256 << 20

const (
	suffix       = ".ckpt"
	tmpSuffix    = ".tmp"
	anchorPrefix = "anchor-"
)

// bufferNames are the two files that Write fills in turn.
var bufferNames = [2]string{"a" + suffix, "b" + suffix}

// Config is what a Store is told once.
type Config struct {
	Chain          chain.ChainID       // checkpoints of other chains are refused
	BytesPerSecond int64               // bound of the write rate; 0 means BytesPerSecondDefault
	NewSpace       func() *pages.Space // makes the Space that LoadVerified fills; nil means pages.NewSpace
}

// Store is the checkpoints in one folder, which nothing else may write to. One goroutine uses it.
//
// At every moment one of the two buffers that was finished stays untouched: keep. It is the one written last, or, after
// a load, the one that was loaded, because a newer one may be of a history that was never certified.
type Store struct {
	dir  string
	fs   FS
	cfg  Config
	keep int         // index of the buffer that Write may not touch; -1 if none is finished
	have [2]*content // what this process knows to be in the buffers
}

// Open opens the checkpoints in an existing folder. It removes unfinished anchors. What it cannot read is Unavailable;
// checkpoints of another chain are Conflict.
func Open(dir string, fs FS, cfg Config) (*Store, error) {
	if cfg.BytesPerSecond == 0 {
		cfg.BytesPerSecond = BytesPerSecondDefault
	}
	if cfg.BytesPerSecond < 0 {
		return nil, fault.New(fault.Invalid, "a checkpoint rate of %d bytes per second is negative", cfg.BytesPerSecond)
	}
	if cfg.NewSpace == nil {
		cfg.NewSpace = pages.NewSpace
	}
	s := &Store{dir: dir, fs: fs, cfg: cfg, keep: -1}
	if err := s.removeUnfinished(); err != nil {
		return nil, err
	}
	var newest chain.Height
	for i, name := range bufferNames {
		meta, err := s.readMeta(name)
		switch {
		case err == nil && (s.keep < 0 || meta.Height > newest):
			s.keep, newest = i, meta.Height
		case err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Corrupt):
			// A file that is sound perhaps, or another chain's, would be overwritten.
			return nil, err
		}
	}
	return s, nil
}

func (s *Store) removeUnfinished() error {
	names, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read the checkpoint folder")
	}
	for _, name := range names {
		if strings.HasSuffix(name, suffix+tmpSuffix) {
			if err := s.fs.Remove(s.path(name)); err != nil {
				return fault.Wrap(fault.Unavailable, err, "remove the unfinished %s", name)
			}
		}
	}
	return nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// Write makes sn the newest checkpoint, in the buffer that does not hold the last one. It writes the pages that changed
// since that buffer was written by this process, else all. meta.Root must be sn's root. The snapshot stays the caller's.
//
// A failed write or sync is Halted; an ended ctx is Timeout and leaves the last checkpoint as it was; a meta that cannot
// be written is Invalid.
func (s *Store) Write(ctx context.Context, sn *pages.Snapshot, meta Meta) (Written, error) {
	return s.write(ctx, sn, meta, s.cfg.BytesPerSecond)
}

// idleFactor is how much faster is written while the log waits for the checkpoint, instead of sharing the disk with it.
const idleFactor = 4

// WriteIdle is Write for who does nothing else meanwhile: it goes at idleFactor times the rate.
func (s *Store) WriteIdle(ctx context.Context, sn *pages.Snapshot, meta Meta) (Written, error) {
	return s.write(ctx, sn, meta, idleFactor*s.cfg.BytesPerSecond)
}

func (s *Store) write(ctx context.Context, sn *pages.Snapshot, meta Meta, bytesPerSecond int64) (Written, error) {
	if err := s.check(meta); err != nil {
		return Written{}, err
	}
	target := 0
	if s.keep == 0 {
		target = 1
	}
	c := s.have[target]
	s.have[target] = nil // until the file is whole again
	w := &writer{ctx: ctx, pace: pace{bytesPerSecond: bytesPerSecond}}
	if !c.extends(sn) {
		c, w.written.Full = newContent(sn.Space()), true
	}
	err := s.writeFile(w, bufferNames[target], func() error {
		if err := w.invalidate(); err != nil {
			return err
		}
		if w.written.Full {
			if err := s.fs.SyncDir(s.dir); err != nil {
				return fault.Halt(err, "sync the checkpoint folder")
			}
		}
		return w.fill(c, sn, meta)
	})
	if err == nil {
		s.have[target], s.keep = c, target
	}
	return w.written, err
}

// writeFile opens a file for writing, does something with it, and closes it.
func (s *Store) writeFile(w *writer, name string, do func() error) error {
	f, err := s.fs.Open(s.path(name), true)
	if err != nil {
		return fault.Halt(err, "open checkpoint %s", name)
	}
	w.file = f
	if err := do(); err != nil {
		return errors.Join(err, f.Close())
	}
	return fault.Halt(f.Close(), "close checkpoint %s", name)
}

func (s *Store) check(meta Meta) error {
	if meta.Chain != s.cfg.Chain {
		return fault.New(fault.Invalid, "a checkpoint of chain %d does not belong among those of chain %d", meta.Chain, s.cfg.Chain)
	}
	if len(meta.Blob) > BlobBytesMax {
		return fault.New(fault.Invalid, "a checkpoint's blob has %d bytes, more than %d", len(meta.Blob), BlobBytesMax)
	}
	return nil
}

// anchorName pads the height, so that names sort like heights.
func anchorName(h chain.Height) string {
	return fmt.Sprintf("%s%020d%s", anchorPrefix, uint64(h), suffix)
}

func anchorHeight(name string) (chain.Height, bool) {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, anchorPrefix), suffix)
	h, err := strconv.ParseUint(digits, 10, 64)
	return chain.Height(h), err == nil && name == anchorName(chain.Height(h))
}

// WriteAnchor writes sn whole to a file of its own, which stays until RemoveAnchor. Errors are those of Write, and
// Conflict if there is an anchor of this height.
func (s *Store) WriteAnchor(ctx context.Context, sn *pages.Snapshot, meta Meta) error {
	if err := s.check(meta); err != nil {
		return err
	}
	if err := s.missesAnchor(meta.Height); err != nil {
		return err
	}
	name := anchorName(meta.Height)
	w := &writer{ctx: ctx, pace: pace{bytesPerSecond: s.cfg.BytesPerSecond}}
	err := s.writeFile(w, name+tmpSuffix, func() error {
		// What a write that was given up left there may be longer than the new file.
		if err := w.file.Truncate(0); err != nil {
			return fault.Halt(err, "truncate anchor %d", meta.Height)
		}
		return w.fill(newContent(sn.Space()), sn, meta)
	})
	if err != nil {
		return err
	}
	return s.finishAnchor(meta.Height)
}

// missesAnchor is Conflict if there is an anchor of a height.
func (s *Store) missesAnchor(h chain.Height) error {
	anchors, err := s.Anchors()
	if err == nil && slices.Contains(anchors, h) {
		err = fault.New(fault.Conflict, "there is an anchor of height %d", h)
	}
	return err
}

// finishAnchor gives an anchor that is durable its name.
func (s *Store) finishAnchor(h chain.Height) error {
	name := anchorName(h)
	if err := s.fs.Rename(s.path(name+tmpSuffix), s.path(name)); err != nil {
		return fault.Halt(err, "rename anchor %d", h)
	}
	return fault.Halt(s.fs.SyncDir(s.dir), "sync the checkpoint folder")
}

// Anchors returns the heights of all anchors in ascending order.
func (s *Store) Anchors() ([]chain.Height, error) {
	names, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the checkpoint folder")
	}
	var heights []chain.Height
	for _, name := range names {
		if h, ok := anchorHeight(name); ok {
			heights = append(heights, h)
		}
	}
	return heights, nil
}

// AnchorMetas returns what the anchors are of, ascending by height. One that cannot be read is an error.
func (s *Store) AnchorMetas() ([]Meta, error) {
	heights, err := s.Anchors()
	if err != nil {
		return nil, err
	}
	metas := make([]Meta, 0, len(heights))
	for _, h := range heights {
		m, err := s.readMeta(anchorName(h))
		if err != nil {
			return nil, err
		}
		metas = append(metas, m)
	}
	return metas, nil
}

// RemoveAnchor removes the anchor of a height. It is NotFound if there is none, and Halted if it may come back.
func (s *Store) RemoveAnchor(h chain.Height) error {
	if err := s.fs.Remove(s.path(anchorName(h))); err != nil {
		if missing(err) {
			return fault.Wrap(fault.NotFound, err, "anchor %d", h)
		}
		return fault.Halt(err, "remove anchor %d", h)
	}
	return fault.Halt(s.fs.SyncDir(s.dir), "sync the checkpoint folder")
}
