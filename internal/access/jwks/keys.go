// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"context"
	"crypto"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Config says where a set is. It is fetched by Run.
type Config struct {
	Source string          // path, or URL
	Fetch  Fetch           // nil: files, and HTTPS
	Done   func(err error) // is told of each fetch; nil: nobody is
}

// Keys keeps a set fresh. It is safe for concurrent use.
type Keys struct {
	cfg  Config
	held atomic.Pointer[held]
	ask  chan struct{} // of one place: more requests are the same request
}

type held struct {
	set *Set
	at  time.Time
}

// New makes one that has no set yet. Invalid: the source is none, or not safe.
func New(cfg Config) (*Keys, error) {
	if err := CheckSource(cfg.Source); err != nil {
		return nil, err
	}
	if cfg.Fetch == nil {
		cfg.Fetch = fetch
	}
	if cfg.Done == nil {
		cfg.Done = func(error) {}
	}
	return &Keys{cfg: cfg, ask: make(chan struct{}, 1)}, nil
}

// Run fetches the set now, every RefreshEvery, and when a key was asked for that it does not have, until ctx ends.
func (k *Keys) Run(ctx context.Context) {
	for {
		err := k.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		k.cfg.Done(err)
		if !k.rest(ctx, err) {
			return
		}
	}
}

// rest waits for the next fetch. It is false when ctx ends.
func (k *Keys) rest(ctx context.Context, failed error) bool {
	select {
	case <-time.After(RefreshMin):
	case <-ctx.Done():
		return false
	}
	if failed != nil {
		return true
	}
	select {
	case <-k.ask:
	case <-time.After(RefreshEvery - RefreshMin):
	case <-ctx.Done():
		return false
	}
	return true
}

func (k *Keys) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	text, err := k.cfg.Fetch(ctx, k.cfg.Source)
	if err != nil {
		return err
	}
	set, err := Parse(text)
	if err != nil {
		return err
	}
	k.held.Store(&held{set: set, at: time.Now()})
	return nil
}

// Key is the key of an id for an algorithm. NotFound: the set has none; it is fetched again, so the same token may be good soon.
// Unavailable: there is no set, or none that is younger than StaleMax.
func (k *Keys) Key(kid, algorithm string) (crypto.PublicKey, error) {
	h := k.held.Load()
	if h == nil || time.Since(h.at) > StaleMax {
		return nil, fault.Reasoned(fault.Unavailable, "key_set_missing", "The identity provider's keys cannot be had now")
	}
	if public, ok := h.set.find(kid, algorithm); ok {
		return public, nil
	}
	select {
	case k.ask <- struct{}{}:
	default:
	}
	return nil, fault.New(fault.NotFound, "no such key")
}
