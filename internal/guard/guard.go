// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Guard stands before a V10. Make it with New, and call Run once.
type Guard struct {
	cfg     Config
	folder  *folder
	port    *port
	proxy   *proxy
	metrics *metrics
	callers *callers

	core    *core // owned by Run's goroutine
	current atomic.Pointer[served]
	asks    chan *ask
	follows chan *Move
	heights chan uint64
	soon    chan struct{} // of one place: look for a move at once

	failed  chan struct{} // closed when the guard must not go on
	failing sync.Once
	cause   error // once failed is closed
	trouble atomic.Pointer[string]
}

// served is a view, and when another one is there.
type served struct {
	View
	count   [len(sideNames)]int
	waits   bool // slots come when V10 has applied more
	changed chan struct{}
}

// nothing reports whether V10 owns no slot.
func (s *served) nothing() bool { return s.count[open]+s.count[closed]+s.count[coming] == 0 }

// ask is a fence that was asked for.
type ask struct {
	fenceAsked
	answer chan answer // of one place
}

type answer struct {
	fence *SignedFence
	err   error
}

// SignedFence is a fence with the guard's signature, as MoveSlots wants them.
type SignedFence struct {
	chain.Fence
	Signature []byte
}

// New makes a guard and takes its folder. Invalid: settings that will not do. Conflict: another guard has the folder.
func New(cfg Config) (g *Guard, err error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	g = &Guard{
		cfg: cfg, asks: make(chan *ask, asksMax), follows: make(chan *Move), heights: make(chan uint64), soon: make(chan struct{}, 1),
		failed: make(chan struct{}), callers: newCallers(time.Now()),
	}
	g.current.Store(&served{View: View{sides: new(table[side])}, changed: make(chan struct{})})
	if g.port, err = newPort(cfg.Changes); err != nil {
		return nil, err
	}
	if g.metrics, err = newMetrics(cfg.Metrics, g); err != nil {
		return nil, err
	}
	if g.proxy, err = newProxy(g); err != nil {
		return nil, err
	}
	if g.folder, err = openFolder(cfg.Dir); err != nil {
		g.metrics.unregister()
		return nil, err
	}
	return g, nil
}

// Close gives up what New took, of a guard that does not run.
func (g *Guard) Close() error {
	g.metrics.unregister()
	g.port.close()
	g.proxy.close()
	return g.folder.close()
}

// Run starts the guard, calls ready, and serves clients on rest and the controller on control until ctx ends, which is nil, or the guard
// must not go on. It closes both, and the folder. What is under way has a moment to end.
func (g *Guard) Run(ctx context.Context, rest, control net.Listener, ready func()) (err error) {
	defer func() { err = errors.Join(err, g.Close()) }()
	if err := g.start(ctx); err != nil {
		err = errors.Join(err, ignoreClosed(rest.Close()), ignoreClosed(control.Close()))
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	ready()
	return g.together(ctx, []func(context.Context) error{
		g.loop,
		g.follow,
		g.watchApplied,
		func(ctx context.Context) error { return g.serveRest(ctx, rest) },
		func(ctx context.Context) error { return g.serveControl(ctx, control) },
	})
}

// together runs parts until ctx ends, one of them fails, or the guard must not go on. All end then.
func (g *Guard) together(ctx context.Context, parts []func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	errs := make([]error, len(parts))
	for i, part := range parts {
		all.Go(func() {
			defer stop()
			defer fault.Recover(&errs[i])
			errs[i] = part(ctx)
		})
	}
	select {
	case <-ctx.Done():
	case <-g.failed:
		stop()
	}
	all.Wait()
	select {
	case <-g.failed:
		errs = append(errs, g.cause)
	default:
	}
	return errors.Join(errs...)
}

// fail ends the guard.
func (g *Guard) fail(err error) {
	g.failing.Do(func() {
		g.cfg.Log.Error("the guard ends", obs.KeyReason, fault.ReasonOf(err), obs.Err(err))
		g.cause = err
		close(g.failed)
	})
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// start takes a generation, reads the record, and follows the home table as far as it must.
func (g *Guard) start(ctx context.Context) error {
	var b begun
	steps := []func() error{
		func() (err error) { b.barrier, err = g.port.barrier(ctx, 0); return err },
		func() error { return g.proxy.probe(ctx) },
		func() (err error) { b.record, err = g.folder.read(); return err },
		func() error {
			if newborn := b.newborn(); newborn != nil {
				return g.folder.write(newborn) // so that a start which does not get further is known again
			}
			return nil
		},
		func() (err error) { b.told, err = g.port.homes(ctx); return err },
		func() (err error) {
			if b.record == nil || b.record.Version < b.told {
				b.homes, err = g.walk(ctx, b.told)
			}
			return err
		},
	}
	for _, step := range steps {
		if err := g.patiently(ctx, "the guard starts", step); err != nil {
			return err
		}
	}
	c, actions := begin(&b)
	g.core = c
	if err := g.do(ctx, actions, nil); err != nil {
		return err
	}
	g.cfg.Log.Info("the guard has begun", obs.KeyVersion, c.record.Version, obs.KeyTerm, c.generation)
	return nil
}

// patiently tries until it succeeds, ctx ends, or time does not help.
func (g *Guard) patiently(ctx context.Context, what string, try func() error) error {
	wait := backoffMin
	for {
		err := try()
		if err == nil || ctx.Err() != nil || !heals(err) {
			return err
		}
		g.note(err)
		g.cfg.Log.Warn(what+": trying again", obs.KeyReason, fault.ReasonOf(err), obs.Err(err))
		if !pause(ctx, wait, nil) {
			return ctx.Err()
		}
		wait = min(2*wait, backoffMax)
	}
}

// heals reports an error that time may mend.
func heals(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.TryLater, fault.Timeout:
		return true
	}
	return false
}

// pause waits, until sooner says that it should not, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration, sooner <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-sooner:
	case <-ctx.Done():
		return false
	}
	return true
}

// note keeps the newest trouble for whoever asks; nil clears it.
func (g *Guard) note(err error) {
	if err == nil {
		g.trouble.Store(nil)
		return
	}
	text := err.Error()
	g.trouble.Store(&text)
}

// loop takes one thing after another: fences, moves, V10's heights.
func (g *Guard) loop(ctx context.Context) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case q := <-g.asks:
			err = g.step(ctx, q.fenceAsked, q)
		case m := <-g.follows:
			err = g.step(ctx, moved{*m}, nil)
		case h := <-g.heights:
			err = g.step(ctx, applied{h}, nil)
		}
		if err != nil && ctx.Err() == nil {
			g.fail(err)
			return nil // whoever ended it says why
		}
	}
}

func (g *Guard) step(ctx context.Context, event any, q *ask) error {
	return g.do(ctx, g.core.step(event), q)
}

// do carries actions out, and what they lead to. An error ends the guard.
func (g *Guard) do(ctx context.Context, actions []any, q *ask) error {
	for len(actions) > 0 {
		event, err := g.act(ctx, actions[0], q)
		if err != nil {
			return err
		}
		if actions = actions[1:]; event != nil {
			fault.Invariant(len(actions) == 0, "an action that is answered is not the last")
			actions = g.core.step(event)
		}
	}
	return nil
}

// act carries one action out, and returns the event that answers it, if one does.
func (g *Guard) act(ctx context.Context, action any, q *ask) (event any, err error) {
	switch a := action.(type) {
	case serve:
		g.publish(a.View)
	case record:
		return recorded{}, g.folder.write(&a.Record)
	case bar:
		return g.port.barEvent(ctx, a.after), nil
	case tell:
		return homesTold{}, g.tell(ctx, &a)
	case sign:
		g.answer(q, &a.Fence, nil)
	case refuse:
		g.answer(q, nil, a.err)
	case end:
		return nil, a.err
	}
	return nil, nil
}

// publish serves by a view from now on.
func (g *Guard) publish(v View) {
	s := &served{View: v, waits: g.core.waits(), changed: make(chan struct{})}
	for _, side := range v.sides {
		s.count[side]++
	}
	before := g.current.Swap(s)
	close(before.changed)
	g.lookSoon()
}

// lookSoon has V11 asked at once.
func (g *Guard) lookSoon() {
	select {
	case g.soon <- struct{}{}:
	default:
	}
}

func (g *Guard) answer(q *ask, f *chain.Fence, err error) {
	var a answer
	a.err = err
	if err == nil {
		a.fence = &SignedFence{Fence: *f}
		a.fence.Signature, a.err = g.cfg.Key.Sign(keys.FenceMessage(g.cfg.Chain, codec.FenceHash(f)))
	}
	if a.err != nil {
		a.fence = nil
		g.metrics.fences.WithLabelValues(fault.ReasonOf(a.err)).Inc()
	} else {
		g.metrics.fences.WithLabelValues("signed").Inc()
	}
	q.answer <- a
}

// Fence closes slots at a version of the home table and returns the signed fence. It may be asked for again. An error leaves the slots closed
// or as they were: only the home table's next version opens what was closed.
func (g *Guard) Fence(ctx context.Context, version uint64, slots []chain.SlotRange) (*SignedFence, error) {
	q := &ask{fenceAsked{version, slots}, make(chan answer, 1)}
	select {
	case g.asks <- q:
	default:
		return nil, fault.Reasoned(fault.TryLater, "fences_waiting", "%d fences wait already", asksMax)
	}
	select {
	case a := <-q.answer:
		return a.fence, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-g.failed:
	case <-g.proxy.ending:
	}
	return nil, fault.Reasoned(fault.Unavailable, reasonEnding, "the guard ends: ask again when it is back")
}
