// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"log/slog"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/obs"
)

// complaintEvery is how often the same trouble is written to the log.
const complaintEvery = 10 * time.Second

// complaint is a kind of trouble. Its values are few: reasons are fixed in code, and peers are validators.
type complaint struct {
	reason string
	peer   int // -1 for a stranger
	class  Class
}

// complaints writes each kind of trouble once an interval, with how often it came meanwhile: a stranger who knocks in a
// loop must not fill the disk.
type complaints struct {
	log *slog.Logger
	mu  sync.Mutex
	// said and swallowed are guarded by mu.
	said      map[complaint]time.Time
	swallowed map[complaint]int
}

func newComplaints(log *slog.Logger) *complaints {
	return &complaints{log: log, said: map[complaint]time.Time{}, swallowed: map[complaint]int{}}
}

func (c *complaints) say(what complaint, text string, err error, attrs ...slog.Attr) {
	if c.log == nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	last, known := c.said[what]
	if known && now.Sub(last) < complaintEvery {
		c.swallowed[what]++
		c.mu.Unlock()
		return
	}
	swallowed := c.swallowed[what]
	c.said[what] = now
	delete(c.swallowed, what)
	c.mu.Unlock()

	attrs = append(attrs, slog.String(obs.KeyReason, what.reason), obs.Err(err))
	if what.peer >= 0 {
		attrs = append(attrs, slog.Int(obs.KeyPeer, what.peer))
	}
	if swallowed > 0 {
		attrs = append(attrs, slog.Int(obs.KeyCount, swallowed))
	}
	args := make([]any, len(attrs))
	for i, a := range attrs {
		args[i] = a
	}
	c.log.Warn(text, args...)
}
