// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"errors"
	"log/slog"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Rows is a checkpoint of a ledger, for who reads rows by the names of their families. It is safe for any number of goroutines.
type Rows struct{ store store.Store }

// OpenRows opens a checkpoint that a ledger with this engine wrote into dir. Nothing is written to its rows.
func OpenRows(engine, dir string, log *slog.Logger) (*Rows, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, err := OpenStore(engine, dir, 0, log)
	if err != nil {
		return nil, err
	}
	return &Rows{s}, nil
}

func family(name string) (store.Family, error) {
	for _, f := range store.Families() {
		if f.String() == name {
			return f, nil
		}
	}
	return 0, fault.New(fault.Invalid, "V10 has no rows of %q", name)
}

// Get returns a row, or NotFound.
func (r *Rows) Get(name string, key []byte) ([]byte, error) {
	f, err := family(name)
	if err != nil {
		return nil, err
	}
	return r.store.Get(f, key)
}

// Scan calls each for the rows with low <= key < high, ascending, until each has an error. Key and value are valid within the call.
func (r *Rows) Scan(name string, low, high []byte, each func(key, value []byte) error) error {
	f, err := family(name)
	if err != nil {
		return err
	}
	it, err := r.store.Iter(f, store.Range{Low: low, High: high})
	if err != nil {
		return err
	}
	for err == nil && it.Next() {
		err = each(it.Key(), it.Value())
	}
	return errors.Join(err, it.Err(), it.Close())
}

// Close closes the checkpoint.
func (r *Rows) Close() error { return r.store.Close() }
