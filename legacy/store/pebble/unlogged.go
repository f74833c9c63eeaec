// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	engine "github.com/cockroachdb/pebble/v2"

	"github.com/aurigraph/aurigraph/legacy/store"
)

// WriteUnlogged changes rows behind the change log's back, as a fault of the disk or a program of somebody else would: no tail sees it,
// and the position stays. It is for tests of who must find such a thing.
func (s *Store) WriteUnlogged(b *store.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err(); err != nil {
		return err
	}
	return s.write(func(w *engine.Batch) error {
		for _, op := range b.Ops() {
			var err error
			if key := familyKey(op.Family, op.Key); op.Delete {
				err = w.Delete(key, nil)
			} else {
				err = w.Set(key, op.Value, nil)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
