// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// openStore opens a copy of the block store, because the engine writes into the folder that it opens. The copy lies in the
// system's temporary folder. What cannot be opened, although its bytes are sound, is a problem and leaves a.store nil.
func (a *audit) openStore(ctx context.Context) (closeStore func() error, err error) {
	scratch, err := os.MkdirTemp("", "aurigraph-verify-")
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make a folder for a copy of the block store")
	}
	if err := copyFiles(ctx, a.cfg.Data("blocks"), scratch); err != nil {
		return nil, errors.Join(err, os.RemoveAll(scratch))
	}
	s, err := pebblestore.Open(scratch, pebblestore.Options{})
	if err != nil {
		a.problem(a.cfg.Data("blocks"), "", "%v", err)
		return nil, os.RemoveAll(scratch)
	}
	a.store = s
	return func() error { return errors.Join(s.Close(), os.RemoveAll(scratch)) }, nil
}

// copyFiles copies the files of a folder that has no folders in it.
func copyFiles(ctx context.Context, from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "list %s", from)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.Type().IsRegular() {
			continue
		}
		if err := copyFile(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return fault.Wrap(fault.Unavailable, err, "copy the block store to %s: is there room? TMPDIR names another place", to)
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// readHead finds the newest published height.
func (a *audit) readHead() error {
	h, _, err := store.LastHeader(a.store)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	a.head = h
	a.report.Height = h
	return nil
}

func (a *audit) readHeader(h chain.Height) (*chain.ExecutedHeader, error) {
	raw, err := store.ReadHeader(a.store, h)
	if err != nil {
		return nil, err
	}
	return codec.DecodeHeader(raw)
}
