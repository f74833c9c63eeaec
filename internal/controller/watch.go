// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// watchAgain is how long the controller waits before it has the ledgers watched again.
const watchAgain = 3 * time.Second

// Watch compares both ledgers while they go on, until ctx ends, and tells after each comparison how many differences more are confirmed.
type Watch func(ctx context.Context, tell func(more uint64)) error

// watching is a watch under way. A nil one is none.
type watching struct {
	cancel    context.CancelFunc
	done      chan struct{}
	confirmed atomic.Uint64
	answered  atomic.Uint64 // of those, that something was done about
	trouble   atomic.Pointer[string]
}

// watch has the ledgers watched while slots may be V11's and V10's, and notes what was found in the facts.
func (d *driver) watch(ctx context.Context, f *migration.Facts) {
	want := d.cfg.Watch != nil && d.state.Watched()
	switch {
	case want && d.watched == nil:
		d.watched = d.beginWatch(ctx)
	case !want && d.watched != nil:
		d.watched.end()
		d.watched = nil
	}
	w := d.watched
	if w == nil {
		return
	}
	if d.state.Reversed != nil { // a person looks at it, and what comes later counts anew
		w.answered.Store(w.confirmed.Load())
	}
	f.Divergences = w.confirmed.Load() - w.answered.Load()
	if why := w.trouble.Load(); why != nil {
		f.Watch = *why
	}
}

func (d *driver) beginWatch(ctx context.Context) *watching {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			// What ended is no better for having been begun again: only a comparison shows that somebody watches.
			err := d.cfg.Watch(ctx, func(more uint64) {
				w.trouble.Store(nil)
				w.confirmed.Add(more)
			})
			if ctx.Err() != nil {
				return
			}
			why := "the watch ended by itself"
			if err != nil {
				why = err.Error()
			}
			w.trouble.Store(&why)
			d.cfg.Log.Warn("nobody watches the ledgers for a moment", obs.KeyErr, why)
			await(ctx, nil, watchAgain)
		}
	}()
	return w
}

func (w *watching) end() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}
