// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// leases gives a desk's carriers channels of its own: each to one carrier, and by a lock file to one process of a machine. The lock
// ends with the process, so that nothing has to be cleaned up after a crash.
type leases struct {
	cfg *Config

	mu    sync.Mutex // guards all below
	taken map[uint8]bool
	next  int // where to look first: a channel that was lost is tried again last
}

// lease is a channel that is ours, and its next sequence. Its carrier owns it.
type lease struct {
	channel  uint8
	sequence uint64
	lock     *os.File // nil: none is needed
}

// leaseGap is how many sequences above the ledger's a new lease passes over. The process before us may have had one batch under way
// on the channel, with the next sequence: it is never used for another batch.
const leaseGap = 1

// take leases a free channel. TryLater: none is free.
func (l *leases) take(ctx context.Context, c Chain) (*lease, error) {
	got, err := l.pick()
	if err != nil {
		return nil, err
	}
	in, err := c.Institution(ctx, l.cfg.Institution, got.channel)
	if err != nil {
		l.release(got)
		return nil, err
	}
	got.sequence = in.Sequence + 1 + leaseGap
	return got, nil
}

func (l *leases) pick() (*lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int(l.cfg.ChannelLast) - int(l.cfg.ChannelFirst) + 1
	for i := range n {
		at := (l.next + i) % n
		channel := l.cfg.ChannelFirst + uint8(at)
		if l.taken[channel] {
			continue
		}
		lock, err := l.lock(channel)
		if fault.Is(err, fault.Conflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l.taken[channel], l.next = true, at+1
		return &lease{channel: channel, lock: lock}, nil
	}
	return nil, fault.Reasoned(fault.TryLater, "no_channel", "channels %d to %d of institution %d are all in use: give the desk more of them, or stop another desk", l.cfg.ChannelFirst, l.cfg.ChannelLast, l.cfg.Institution)
}

// lock takes a channel's lock file. Conflict: another process has it.
func (l *leases) lock(channel uint8) (*os.File, error) {
	if l.cfg.LockDir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(l.cfg.LockDir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the folder of the desks' locks")
	}
	f, err := os.OpenFile(filepath.Join(l.cfg.LockDir, fmt.Sprintf("institution%d-channel%d.lock", l.cfg.Institution, channel)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the lock of channel %d", channel)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		kind := fault.Unavailable
		if errors.Is(err, unix.EWOULDBLOCK) {
			kind = fault.Conflict
		}
		return nil, errors.Join(fault.Wrap(kind, err, "lock channel %d", channel), f.Close())
	}
	return f, nil
}

// release gives a channel back.
func (l *leases) release(s *lease) {
	if s == nil {
		return
	}
	if s.lock != nil {
		_ = s.lock.Close() // which gives the lock back, whatever it says
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.taken, s.channel)
}
