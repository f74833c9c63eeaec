// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// Contents is the index in a folder that no node uses, read without a change to the folder. One goroutine uses it.
type Contents struct {
	conn    *sqlite.Conn
	scratch string // folder of a copy; empty: none was needed
	empty   bool   // the file has no tables yet
	next    index.Position
	seq     int64
}

var _ index.Contents = (*Contents)(nil)

// ReadContents opens the index in dir. NotFound means that there is none, Conflict that it is of another chain or version,
// Corrupt that it cannot be read. What a crash left in a journal has to be played back, so then a copy in the system's
// temporary folder is opened. The statements end when ctx does.
func ReadContents(ctx context.Context, dir string, id chain.ChainID, genesis chain.Hash) (*Contents, error) {
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.NotFound, "there is no index in %s", dir)
		}
		return nil, fault.Wrap(fault.Unavailable, err, "find the index")
	}
	c := &Contents{next: index.Start(), seq: 1}
	if err := c.open(path); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.conn.SetInterrupt(ctx.Done())
	if err := c.prepare(id, genesis); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Contents) open(path string) (err error) {
	journal, err := os.Stat(path + "-wal")
	if err != nil || journal.Size() == 0 {
		// Without a journal the file alone is the index. immutable: no lock, no file beside it.
		if path, err = filepath.Abs(path); err != nil { // a relative one would begin with a host
			return fault.Wrap(fault.Unavailable, err, "find the index")
		}
		uri := url.URL{Scheme: "file", Path: path, RawQuery: "immutable=1"}
		c.conn, err = sqlite.OpenConn(uri.String(), sqlite.OpenReadOnly|sqlite.OpenURI)
		return translate(err, "open the index")
	}
	if c.scratch, err = os.MkdirTemp("", "aurigraph-index-"); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make a folder for a copy of the index")
	}
	if err := os.CopyFS(c.scratch, os.DirFS(filepath.Dir(path))); err != nil {
		return fault.Wrap(fault.Unavailable, err, "copy the index to %s: is there room? TMPDIR names another place", c.scratch)
	}
	c.conn, err = sqlite.OpenConn(filepath.Join(c.scratch, FileName), sqlite.OpenReadWrite)
	return translate(err, "open the copy of the index")
}

func (c *Contents) prepare(id chain.ChainID, genesis chain.Hash) (err error) {
	if err := pragmas(c.conn, readerCacheKiB); err != nil {
		return translate(err, "open the index")
	}
	if c.empty, err = isEmpty(c.conn); err != nil || c.empty {
		return err
	}
	c.next, c.seq, err = readMeta(c.conn, id, genesis)
	return err
}

// Close releases the file and removes the copy.
func (c *Contents) Close() error {
	var err error
	if c.conn != nil {
		c.conn.SetInterrupt(nil)
		err = c.conn.Close()
		c.conn = nil
	}
	if c.scratch != "" {
		err = errors.Join(err, os.RemoveAll(c.scratch))
		c.scratch = ""
	}
	return err
}

// Position is what has been applied.
func (c *Contents) Position() index.Position { return c.next }

// Blocks are the blocks, by height.
func (c *Contents) Blocks() iter.Seq2[index.Block, error] {
	return rows(c, selectBlocks, blockColumns[:], readBlock)
}

// Gaps are the gaps, by where they begin.
func (c *Contents) Gaps() iter.Seq2[index.Gap, error] {
	return rows(c, selectGaps, gapColumns[:], func(s *sqlite.Stmt) index.Gap {
		return index.Gap{From: index.Position{Height: chain.Height(s.ColumnInt64(0)), Batch: uint32(s.ColumnInt64(1))}, To: chain.Height(s.ColumnInt64(2))}
	})
}

// Transfers are the transfers, by their number. The one that is passed is used again for the next.
func (c *Contents) Transfers() iter.Seq2[*history.Transfer, error] {
	var t history.Transfer
	return rows(c, selectInOrder, transferColumns[:], func(s *sqlite.Stmt) *history.Transfer {
		t = readTransfer(s)
		return &t
	})
}

// rows are the rows of a query, read strictly: a value that no engine of this package writes is Corrupt.
func rows[T any](c *Contents, query string, columns []column, read func(*sqlite.Stmt) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if c.empty {
			return
		}
		var none T
		s, _, err := c.conn.PrepareTransient(query)
		if err != nil {
			yield(none, translate(err, "read the index"))
			return
		}
		defer func() { _ = s.Finalize() }() // repeats the error of the last step
		for {
			ok, err := s.Step()
			if err == nil && ok {
				err = strict(s, columns)
			}
			if err != nil {
				yield(none, translate(err, "read the index"))
				return
			}
			if !ok || !yield(read(s), nil) {
				return
			}
		}
	}
}
