// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/control"
)

// Applier makes V10's changes. Run is called once; the rest is safe for any number.
type Applier struct {
	cfg     Config
	parts   Parts
	metrics *metrics
	rate    *control.Rate
	known   Known         // owned by the session that runs
	retry   chan struct{} // of one place: a person asks

	mu     sync.Mutex // guards all below
	status Status
	lag    control.Lag
	flow   control.Flow
	reader Reader    // of the session that runs
	since  time.Time // it goes on without trouble
}

// New makes an applier. Invalid: something is missing.
func New(cfg Config, parts Parts) (*Applier, error) {
	if err := cfg.check(&parts); err != nil {
		return nil, err
	}
	if parts.Log == nil {
		parts.Log = slog.New(slog.DiscardHandler)
	}
	return &Applier{
		cfg: cfg, parts: parts, metrics: newMetrics(), rate: control.NewRate(), retry: make(chan struct{}, 1), status: Status{State: StateStarting, Since: time.Now()},
		known: Known{
			AliasKey: cfg.AliasKey, Accounts: map[string]chain.AccountNo{}, Assets: map[string]chain.AssetNo{},
			RefusedAccounts: map[string]chain.Outcome{}, RefusedAssets: map[string]chain.Outcome{},
		},
	}, nil
}

// Rate bounds the changes that are applied a second.
func (a *Applier) Rate() *control.Rate { return a.rate }

// Run applies until ctx ends; once the migration is closed it only waits for that. Whatever goes wrong is in Status and is tried again.
func (a *Applier) Run(ctx context.Context) error {
	unregister, err := obs.Register(a.parts.Metrics, "the applier of V10's changes", a.metrics.all(a)...)
	if err != nil {
		return err
	}
	defer unregister()
	for try := 0; ctx.Err() == nil; try++ {
		before := a.Status().Position
		err := a.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if a.Status().Position != before {
			try = 0
		}
		var h *holdError
		switch {
		case errors.As(err, &h):
			a.hold(ctx, h)
		case errors.Is(err, errOver):
			a.noteClosed()
			<-ctx.Done()
		case (errors.Is(err, errElsewhere) || errors.Is(err, errClosed)) && try == 0:
			// somebody else applied it, or the inbox is not for us any more: it is read again at once
		default:
			a.trouble(err)
			pause(ctx, try)
		}
	}
	return nil
}

// Retry asks for another try of the change that waits for a person, and reports whether one does.
func (a *Applier) Retry() bool {
	if a.Status().State != StateHeld {
		return false
	}
	select {
	case a.retry <- struct{}{}:
	default: // asked already
	}
	return true
}

// hold tries a change again in a moment, or waits for a person.
func (a *Applier) hold(ctx context.Context, h *holdError) {
	held := a.noteTry(h)
	if held.Tries < HoldTriesMax {
		pause(ctx, held.Tries)
		return
	}
	control.Await(ctx, control.Wait{
		Park:  func(ctx context.Context) error { return a.park(ctx, &held) },
		Told:  func(parked bool) { a.noteHeld(&held, parked) },
		Retry: a.retry,
		Passed: func(ctx context.Context) bool {
			in, err := a.parts.Chain.Inbox(ctx)
			return err == nil && (in.Closed || in.Life != h.life || !in.Position.Before(chain.SyncPosition(h.record.Position)))
		},
	})
	a.release()
}

func (a *Applier) park(ctx context.Context, h *Held) error {
	if a.parts.Park == nil {
		return nil
	}
	err := a.parts.Park(ctx, h)
	if err != nil {
		a.parts.Log.Warn("the letter of a change that cannot be made is not in its topic yet", slog.String(obs.KeyReason, fault.ReasonOf(err)), obs.Err(err))
	}
	return err
}

// inbox reads the inbox, and waits while the initial copy is under way: its changes are the copier's, and V10's own come behind its end.
func (a *Applier) inbox(ctx context.Context) (*Inbox, error) {
	for {
		in, err := a.parts.Chain.Inbox(ctx)
		switch {
		case err != nil:
			return nil, err
		case in.Closed:
			return nil, errOver
		case !in.copying():
			return in, nil
		}
		a.noteCopying(in)
		timer := time.NewTimer(copyPoll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// pause waits before another try: from half of a time that doubles, to all of it.
func pause(ctx context.Context, try int) {
	d := min(pauseMin<<min(try, 10), pauseMax)
	select {
	case <-ctx.Done():
	case <-time.After(d/2 + rand.N(d/2)):
	}
}

// The ends of a session that are not errors of a part.
var (
	errElsewhere = fault.Reasoned(fault.Conflict, "inbox_elsewhere", "the inbox has moved on: somebody else applies, or a batch was executed late")
	errClosed    = fault.Reasoned(fault.Refused, chain.InboxClosed.String(), "the ledger refused a sync batch: %s", chain.InboxClosed)
	errOver      = errors.New("the migration is closed")
	errNotOpen   = fault.Reasoned(fault.Unavailable, "inbox_closed", "the inbox was never opened: governance opens it (OpenInbox)")
)
