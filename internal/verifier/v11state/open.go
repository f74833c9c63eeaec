// SPDX-License-Identifier: Apache-2.0

package v11state

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of Open.
const (
	// TriesMax is how often a reader that was overtaken begins again.
	TriesMax   = 5
	lookPause  = 50 * time.Millisecond
	copyChunk  = 64 << 20
	anchorName = "anchor-"
	suffix     = ".ckpt"
)

// The reasons for which there is no state to read.
const (
	ReasonOvertaken = "checkpoint_overtaken" // the validator wrote faster than could be copied
	ReasonTooOld    = "checkpoint_too_old"   // no checkpoint of the wanted height came in time
)

// Config says what to read.
type Config struct {
	// Dir is the folder of a validator's checkpoints: "checkpoints" of its data.
	Dir string
	// Work is where copies lie while they are read, as large as the state; empty: the system's folder for such.
	Work string
	// Chain is whose checkpoints they must be; 0: any.
	Chain chain.ChainID
	// AtLeast is the height that is wanted, or a newer one; 0: the newest.
	AtLeast chain.Height
	// Wait is how long to wait for it.
	Wait time.Duration
	// Certified is asked whether validators certified a root for a height; an error of it ends Open. It may be nil.
	Certified func(ctx context.Context, h chain.Height, root chain.Hash) error
}

// Open pins the newest state of a folder and proves it. TryLater: there is none of the wanted height, or it was overtaken each time.
// Corrupt: what is there is damaged.
func Open(ctx context.Context, cfg Config) (*State, error) {
	deadline := time.Now().Add(cfg.Wait)
	for try := 1; ; {
		found, damaged, err := cfg.find()
		if err != nil {
			return nil, err
		}
		s, err := cfg.first(ctx, found)
		switch {
		case err == nil && s != nil:
			return s, nil
		case err != nil && !fault.Is(err, fault.NotFound):
			return nil, err
		case err != nil: // overtaken
			if try++; try > TriesMax {
				return nil, fault.Reasoned(fault.TryLater, ReasonOvertaken, "the validator wrote over its checkpoint %d times while it was copied: read a machine with a faster disk, or one that stands still", TriesMax)
			}
		case time.Now().After(deadline) && damaged != nil && len(found) == 0:
			return nil, damaged
		case time.Now().After(deadline):
			return nil, cfg.tooOld(found)
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

func (cfg *Config) tooOld(found []candidate) error {
	if len(found) == 0 {
		return fault.Reasoned(fault.TryLater, ReasonTooOld, "no finished checkpoint lies in %s: the validator writes one within seconds of its first blocks", cfg.Dir)
	}
	return fault.Reasoned(fault.TryLater, ReasonTooOld, "the newest checkpoint is of height %d, and %d is wanted: wait longer, or see why the validator writes none",
		found[0].header.height, cfg.AtLeast)
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(lookPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "wait for a checkpoint")
	}
}

// candidate is a file whose header is intact.
type candidate struct {
	name   string
	header header
}

// find lists the finished checkpoints, newest first. Files that are being written are left out, damaged ones named.
func (cfg *Config) find() (found []candidate, damaged, err error) {
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Unavailable, err, "read the folder of checkpoints")
	}
	for _, e := range entries {
		name := e.Name()
		if name != "a"+suffix && name != "b"+suffix && !isAnchor(name) {
			continue
		}
		h, err := cfg.head(name)
		switch {
		case err == nil && cfg.Chain != 0 && h.chain != cfg.Chain:
			return nil, nil, fault.New(fault.Conflict, "%s is a checkpoint of chain %d, not of %d", name, h.chain, cfg.Chain)
		case err == nil:
			found = append(found, candidate{name, h})
		case !fault.Is(err, fault.NotFound):
			damaged = errors.Join(damaged, err)
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.header.height, a.header.height) })
	return found, damaged, nil
}

func isAnchor(name string) bool {
	return strings.HasPrefix(name, anchorName) && strings.HasSuffix(name, suffix)
}

func (cfg *Config) head(name string) (header, error) {
	f, err := os.Open(filepath.Join(cfg.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return header{}, fault.Wrap(fault.NotFound, err, "checkpoint %s", name)
	}
	if err != nil {
		return header{}, fault.Wrap(fault.Unavailable, err, "open checkpoint %s", name)
	}
	defer f.Close()
	_, h, err := headOf(f)
	return h, fault.Wrap(fault.KindOf(err), err, "checkpoint %s", name)
}

// headOf reads the header page of a file. A file without a whole page is not finished.
func headOf(f io.ReaderAt) (page []byte, h header, err error) {
	page = make([]byte, pageBytes)
	if _, err := f.ReadAt(page, 0); errors.Is(err, io.EOF) {
		return page, h, fault.New(fault.NotFound, "the file is not finished")
	} else if err != nil {
		return page, h, fault.Wrap(fault.Unavailable, err, "read the header")
	}
	h, err = parseHeader(page)
	return page, h, err
}

// first opens the newest candidate that is of the wanted height and sound; nil: there is none. NotFound: it was overtaken.
func (cfg *Config) first(ctx context.Context, found []candidate) (*State, error) {
	var damaged error
	for _, c := range found {
		if c.header.height < cfg.AtLeast {
			break
		}
		s, err := cfg.open(ctx, c.name)
		if fault.Is(err, fault.Corrupt) {
			damaged = errors.Join(damaged, fault.Wrap(fault.Corrupt, err, "checkpoint %s", c.name))
			continue
		}
		return s, err
	}
	return nil, damaged
}

// open pins one file and proves it.
func (cfg *Config) open(ctx context.Context, name string) (_ *State, err error) {
	f := &file{}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if f.pages, err = cfg.pin(ctx, name); err != nil {
		return nil, err
	}
	if _, f.header, err = headOf(f.pages); err != nil {
		return nil, err
	}
	info, err := f.pages.Stat()
	if err != nil || info.Size() != f.header.fileBytes() {
		return nil, fault.New(fault.Corrupt, "the file does not have the %d bytes that its header names", f.header.fileBytes())
	}
	if f.index, err = cfg.nameless(); err != nil {
		return nil, err
	}
	if err := f.readTables(); err != nil {
		return nil, err
	}
	if err := f.verify(ctx); err != nil {
		return nil, err
	}
	if cfg.Certified != nil {
		if err := cfg.Certified(ctx, f.header.height, f.header.root); err != nil {
			return nil, err
		}
	}
	return newState(f)
}

// pin returns a file that nobody will change: an anchor itself, of a buffer a copy. NotFound: it was written to meanwhile.
func (cfg *Config) pin(ctx context.Context, name string) (*os.File, error) {
	from, err := os.Open(filepath.Join(cfg.Dir, name))
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "open checkpoint %s", name)
	}
	if isAnchor(name) {
		return from, nil
	}
	defer from.Close()
	before, h, err := headOf(from)
	if err != nil {
		return nil, err
	}
	to, err := cfg.nameless()
	if err != nil {
		return nil, err
	}
	if err = copyFile(ctx, to, from, h.fileBytes()); err == nil {
		err = unchanged(from, before, h.fileBytes())
	}
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return to, nil
}

// unchanged reports whether what was read since the header was is all of that header: it goes, durably, before anything behind it changes.
func unchanged(f *os.File, before []byte, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "look at a checkpoint")
	}
	now, _, err := headOf(f)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(before, now):
		return fault.New(fault.NotFound, "the file was written to while it was copied")
	case info.Size() != size:
		return fault.New(fault.Corrupt, "the file has %d bytes, and its header names %d", info.Size(), size)
	}
	return nil
}

func copyFile(ctx context.Context, to, from *os.File, size int64) error {
	for left := size; left > 0; {
		if ctx.Err() != nil {
			return fault.Wrap(fault.Timeout, ctx.Err(), "copy a checkpoint")
		}
		n, err := io.CopyN(to, from, min(left, copyChunk))
		if left -= n; errors.Is(err, io.EOF) {
			return nil // shorter than it says, which is found out when it is read, or it is being written
		}
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "copy a checkpoint of %d bytes: name another work folder", size)
		}
	}
	return nil
}

// nameless makes a file that goes with the process.
func (cfg *Config) nameless() (*os.File, error) {
	f, err := os.CreateTemp(cfg.Work, "v11state-")
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make a file to work with")
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "make a file to work with"), f.Close())
	}
	return f, nil
}

func (f *file) close() error {
	var err error
	for _, part := range []*os.File{f.pages, f.index} {
		if part != nil {
			err = errors.Join(err, part.Close())
		}
	}
	return fault.Wrap(fault.Unavailable, err, "close a checkpoint")
}
