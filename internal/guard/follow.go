// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// walk makes the newest home table from the genesis's, move by move. It is at least at a version.
func (g *Guard) walk(ctx context.Context, atLeast uint64) (*Record, error) {
	r := first(g.cfg.Genesis)
	for {
		m, err := g.move(ctx, r.Version+1)
		switch {
		case err == nil:
			r.follow(m)
		case fault.Is(err, fault.NotFound) && r.Version >= atLeast:
			return r, nil
		default:
			return nil, mustBeThere(err)
		}
	}
}

// mustBeThere is the error of a move that V11 made, since V10 knows it: who was asked lags.
func mustBeThere(err error) error {
	if fault.Is(err, fault.NotFound) {
		return fault.Wrap(fault.Unavailable, err, "V10 knows a later home table than V11 tells")
	}
	return err
}

// move asks V11 for a move, and looks at it.
func (g *Guard) move(ctx context.Context, version uint64) (*Move, error) {
	m, err := g.cfg.Homes.Move(ctx, version)
	if err != nil {
		return nil, err
	}
	if m.Version != version {
		return nil, fault.New(fault.Corrupt, "V11 told move %d where %d was asked for", m.Version, version)
	}
	return m, m.check()
}

// tell has V10 learn what it does not know yet of the home table, version by version.
func (g *Guard) tell(ctx context.Context, a *tell) error {
	r := &a.record
	if a.told == 0 {
		return g.patiently(ctx, "V10 is told the home table", func() error { return g.port.tell(ctx, r, nil, g.cfg.Named.Last()) })
	}
	for version := a.told + 1; version <= r.Version; version++ {
		err := g.patiently(ctx, "V10 is told the home table", func() error {
			m := r.Last
			if m == nil || m.Version != version {
				var err error
				if m, err = g.move(ctx, version); err != nil {
					return mustBeThere(err)
				}
			}
			return g.port.tell(ctx, r, m, g.cfg.Named.Last())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// follow brings moves to the loop, one after the other.
func (g *Guard) follow(ctx context.Context) error {
	for {
		s := g.current.Load()
		m, err := g.move(ctx, s.Version+1)
		switch {
		case err == nil:
			g.note(nil)
			select {
			case g.follows <- m:
			case <-ctx.Done():
				return nil
			}
			// The loop has the move; its view comes, also if it does not open anything.
			for g.current.Load().Version < m.Version {
				if !pause(ctx, followSoon, g.current.Load().changed) {
					return nil
				}
			}
			continue
		case ctx.Err() != nil:
			return nil
		}
		every := followEvery
		switch {
		case !fault.Is(err, fault.NotFound):
			g.metrics.troubles.WithLabelValues(fault.ReasonOf(err)).Inc()
			g.note(err) // whoever tells lies, or nothing, costs V10's own slots nothing
		case s.count[closed] > 0:
			g.note(nil)
			every = followSoon
		default:
			g.note(nil)
		}
		if !pause(ctx, every, g.soon) {
			return nil
		}
	}
}

// watchApplied brings V10's heights to the loop while slots wait for them.
func (g *Guard) watchApplied(ctx context.Context) error {
	for {
		s := g.current.Load()
		if !s.waits {
			select {
			case <-s.changed:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		height, err := g.port.applied(ctx)
		if err == nil {
			select {
			case g.heights <- height:
			case <-ctx.Done():
				return nil
			}
		}
		if !pause(ctx, appliedEvery, nil) {
			return nil
		}
	}
}
