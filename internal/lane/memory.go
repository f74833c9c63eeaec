// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// lend returns a held entry whose payload is in memory, with a reference to that which the caller gives up; nil if it is
// on disk only.
func (l *Lane) lend(digest chain.Hash) (*Stored, *seglog.Buffer) {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	s := l.held[digest]
	if s == nil || s.buffer == nil {
		return nil, nil
	}
	s.buffer.Retain()
	return s, s.buffer
}

// place is where an entry lies that is on disk: held, or executed lately.
func (l *Lane) place(digest chain.Hash) (seglog.Pos, bool) {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	if s := l.held[digest]; s != nil && s.durable {
		return s.Pos, true
	}
	if s, ok := l.recent.find(digest); ok {
		return s.Pos, true
	}
	return seglog.Pos{}, false
}

// placeOfOlder is where an entry may lie that was executed long ago: what lies there tells.
func (l *Lane) placeOfOlder(digest chain.Hash) (seglog.Pos, bool) {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	return l.older.find(digest)
}

// readBack reads an entry from disk, whoever's it is.
func (l *Lane) readBack(at seglog.Pos) (*Stored, error) {
	rec, err := l.log.Read(at)
	if err != nil {
		return nil, err
	}
	return ParseRecord(at, rec)
}

// shed lets go of the memory of one entry of another's lane that is on disk and that nobody reads: the newest, which will be
// executed last. It reports whether there was one.
func (l *Lane) shed() bool {
	l.heldMu.Lock()
	var last *Stored
	for _, s := range l.held {
		if s.durable && !s.pinned && s.buffer != nil && s.Entry.Validator != l.cfg.Validator && (last == nil || s.Pos.Seq > last.Pos.Seq) {
			last = s
		}
	}
	if last == nil {
		l.heldMu.Unlock()
		return false
	}
	buf := last.buffer
	last.buffer, last.bytes = nil, nil
	l.heldMu.Unlock()
	buf.Release()
	return true
}
