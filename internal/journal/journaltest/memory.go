// SPDX-License-Identifier: Apache-2.0

package journaltest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// Memory is a journal in memory: all who are to share it use the same one. It goes by time.Now, and so by a synctest bubble's clock. Close closes nothing.
type Memory struct {
	mu       sync.Mutex
	entries  [][]byte
	lease    journal.Lease
	snapshot []byte
	windows  []journal.Window
}

var _ journal.Journal = (*Memory)(nil)

// lock takes the journal for one call, unless its caller's patience is over.
func (m *Memory) lock(ctx context.Context) (unlock func(), err error) {
	if ctx.Err() != nil {
		return func() {}, fault.Wrap(fault.Timeout, ctx.Err(), "use the journal")
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// Read returns the entries behind seq.
func (m *Memory) Read(ctx context.Context, seq uint64) (all []migration.Entry, err error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	for at := seq; err == nil && at < uint64(len(m.entries)); at++ {
		var e migration.Entry
		e, err = journal.Decode(at+1, m.entries[at], "it is memory")
		all = append(all, e)
	}
	return all, err
}

// Append adds an entry.
func (m *Memory) Append(ctx context.Context, seq, term uint64, e migration.Entry) (migration.Entry, error) {
	text, err := journal.Encode(seq+1, &e)
	if err != nil {
		return e, err
	}
	unlock, err := m.lock(ctx)
	defer unlock()
	if err == nil {
		err = m.mayWrite(term)
	}
	if err == nil {
		err = journal.Follows(uint64(len(m.entries)), seq)
	}
	if err == nil {
		m.entries = append(m.entries, text)
	}
	return e, err
}

func (m *Memory) mayWrite(term uint64) error { return m.lease.MayWrite(term, time.Now().UnixMilli()) }

// Lease takes or renews the lease.
func (m *Memory) Lease(ctx context.Context, holder string, length time.Duration) (uint64, error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	if err != nil {
		return 0, err
	}
	m.lease, err = m.lease.Take(holder, length, time.Now().UnixMilli())
	return m.lease.Term, err
}

// Driver is who has it.
func (m *Memory) Driver(ctx context.Context) (holder string, left time.Duration, err error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	if err != nil {
		return "", 0, err
	}
	holder, left = m.lease.Driver(time.Now().UnixMilli())
	return holder, left, nil
}

// Release gives it back.
func (m *Memory) Release(ctx context.Context, term uint64) error {
	unlock, err := m.lock(ctx)
	defer unlock()
	if err == nil && term == m.lease.Term {
		m.lease.UntilMs = 0
	}
	return err
}

// SaveSnapshot replaces it.
func (m *Memory) SaveSnapshot(ctx context.Context, term uint64, text []byte) error {
	if err := journal.CheckSnapshot(text); err != nil {
		return err
	}
	unlock, err := m.lock(ctx)
	defer unlock()
	if err == nil {
		err = m.mayWrite(term)
	}
	if err == nil {
		m.snapshot = append([]byte{}, text...)
	}
	return err
}

// Snapshot returns it.
func (m *Memory) Snapshot(ctx context.Context) ([]byte, error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	return slices.Clone(m.snapshot), err
}

// AddWindow adds one, and thins out where there are too many.
func (m *Memory) AddWindow(ctx context.Context, w journal.Window) error {
	if _, err := json.Marshal(&w); err != nil {
		return fault.Wrap(fault.Invalid, err, "a window that cannot be written")
	}
	unlock, err := m.lock(ctx)
	defer unlock()
	if err != nil {
		return err
	}
	at, is := slices.BinarySearchFunc(m.windows, w.AtMs, func(have journal.Window, ms uint64) int { return int(have.AtMs) - int(ms) })
	if is {
		m.windows[at] = w
		return nil
	}
	m.windows = slices.Insert(m.windows, at, w)
	if n := len(m.windows); n > journal.WindowsMax {
		kept := m.windows[:0]
		for i, w := range m.windows {
			if i >= n/2 || i%2 == 0 {
				kept = append(kept, w)
			}
		}
		m.windows = kept
	}
	return nil
}

// Windows returns those that are kept.
func (m *Memory) Windows(ctx context.Context) ([]journal.Window, error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	return slices.Clone(m.windows), err
}

// Close closes nothing.
func (m *Memory) Close() error { return nil }
