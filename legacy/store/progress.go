// SPDX-License-Identifier: Apache-2.0

package store

import "sync"

// Progress holds an engine's Head and wakes those who wait for it to move. It is safe for concurrent use.
type Progress struct {
	mu     sync.Mutex
	head   Position
	waiter chan struct{} // closed and replaced at each Advance; nil while nobody waits
}

// NewProgress begins at head.
func NewProgress(head Position) *Progress { return &Progress{head: head} }

// Head implements ChangeLog.
func (p *Progress) Head() Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.head
}

// Advance moves the head to sequence, which is synced.
func (p *Progress) Advance(sequence uint64) Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.head.Sequence = sequence
	if p.waiter != nil {
		close(p.waiter)
		p.waiter = nil
	}
	return p.head
}

var already = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Advanced implements ChangeLog.
func (p *Progress) Advanced(from Position) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.head.Sequence > from.Sequence {
		return already
	}
	if p.waiter == nil {
		p.waiter = make(chan struct{})
	}
	return p.waiter
}
