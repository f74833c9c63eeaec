// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pool is the validators of a network, and connections to them that stay open. It is safe for concurrent use.
type Pool struct {
	cfg     Config
	parts   Parts
	metrics *metrics
	origin  time.Time
	lanes   map[Group]*lane
	keepers sync.WaitGroup

	mu         sync.Mutex // of Follow and Close
	validators atomic.Pointer[[]*validator]
}

// New makes a pool that follows nobody yet.
func New(cfg Config, parts Parts) *Pool {
	cfg.setDefaults()
	parts.setDefaults()
	p := &Pool{cfg: cfg, parts: parts, origin: parts.Now(), lanes: map[Group]*lane{}}
	p.validators.Store(&[]*validator{})
	for _, g := range Groups() {
		p.lanes[g] = newLane(g, &p.cfg)
	}
	p.metrics = newMetrics(p)
	return p
}

// now is the time since the pool's origin: it does not jump.
func (p *Pool) now() time.Duration { return p.parts.Now().Sub(p.origin) }

// Follow takes the list of validators as it is now. Calls at one that is not on it any more end as lost. Invalid: an address that
// cannot be one; then nothing has changed.
func (p *Pool) Follow(addresses []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.validators.Load()
	var next, fresh []*validator
	for _, a := range addresses {
		if at := slices.IndexFunc(old, func(v *validator) bool { return v.address == a }); at >= 0 {
			next = append(next, old[at])
			continue
		}
		v, err := p.open(a)
		if err != nil {
			closeAll(fresh)
			return err
		}
		next, fresh = append(next, v), append(fresh, v)
	}
	p.take(next)
	for _, v := range old {
		if !slices.Contains(next, v) {
			v.close()
			p.metrics.forget(v.address)
		}
	}
	return nil
}

func closeAll(list []*validator) {
	for _, v := range list {
		v.close()
	}
}

// take makes a list the one that is called.
func (p *Pool) take(list []*validator) {
	p.validators.Store(&list)
	for g, l := range p.lanes {
		members := make([]*health, len(list))
		for i, v := range list {
			members[i] = v.health[g]
		}
		l.mu.Lock()
		l.validators, l.group.members = list, members
		l.mu.Unlock()
	}
}

// Close ends all connections, and waits for what keeps them. Calls under way end as lost.
func (p *Pool) Close() {
	p.mu.Lock()
	old := *p.validators.Load()
	p.take(nil)
	closeAll(old)
	p.mu.Unlock()
	p.keepers.Wait()
}

// Up counts the validators that are connected and left out by no group.
func (p *Pool) Up() (n int) {
	for _, v := range *p.validators.Load() {
		if v.ready(0) != nil && !p.leftOut(v) {
			n++
		}
	}
	return n
}

// Connected reports whether any validator can be called.
func (p *Pool) Connected() bool {
	return slices.ContainsFunc(*p.validators.Load(), func(v *validator) bool { return v.ready(0) != nil })
}

func (p *Pool) leftOut(v *validator) bool {
	now := p.now()
	for g, l := range p.lanes {
		l.mu.Lock()
		out := v.health[g].out && now < v.health[g].until
		l.mu.Unlock()
		if out {
			return true
		}
	}
	return false
}

// Reached lists a connection to each validator that can be called, those last that a group leaves out.
func (p *Pool) Reached() []*Conn {
	var all, out []*Conn
	for _, v := range *p.validators.Load() {
		c := v.ready(0)
		switch {
		case c == nil:
		case p.leftOut(v):
			out = append(out, c)
		default:
			all = append(all, c)
		}
	}
	return append(all, out...)
}
