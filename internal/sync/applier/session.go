// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"context"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// session applies from where the inbox is until something ends it; then the inbox is read again. Its producer owns all but what
// flights carry.
type session struct {
	*Applier
	inbox    *Inbox
	input    Reader
	previous chain.SyncPosition // of the last change sent
	sent     time.Time          // when the last batch was
	sequence uint64             // last used
	house    chain.AccountNo
	nonces   map[chain.AccountNo]uint64

	slots   chan struct{} // one for each batch under way, at most FlightsMax
	flights chan flight
}

// flight is a batch under way.
type flight struct {
	batch Batch
	wait  func(context.Context) ([]chain.Outcome, error)
}

// session runs one. It returns why it ended, never nil unless ctx did.
func (a *Applier) session(ctx context.Context) error {
	in, err := a.inbox(ctx)
	if err != nil {
		return err
	}
	if err := a.admitted(in); err != nil {
		return err
	}
	s := &session{
		Applier: a, inbox: in, previous: in.Position, nonces: map[chain.AccountNo]uint64{},
		slots: make(chan struct{}, FlightsMax), flights: make(chan flight, FlightsMax),
	}
	if s.sequence, s.house, err = a.parts.Chain.Channel(ctx, in.Institution, a.cfg.Channel); err != nil {
		return err
	}
	s.input, err = a.parts.Open(ctx, envelope.Start{
		Source:   envelope.Source{Ledger: envelope.LedgerID(in.Ledger), Origin: envelope.V10, Life: in.Life, Incarnation: in.Incarnation},
		Position: envelope.Position(in.Position), Tag: envelope.Tag(in.Tag),
	})
	if err != nil {
		return err
	}
	defer s.input.Close()
	a.forget()
	a.begun(in, s.input)
	defer a.ended()
	both, inner := errgroup.WithContext(ctx)
	both.Go(func() error { return s.produce(inner) })
	both.Go(func() error { return s.collect(inner) })
	both.Go(func() error { a.watch(inner); return nil })
	both.Go(func() error { return s.untilClosed(inner) })
	return both.Wait()
}

// watch notes heart-beats as they come: how late they are is what the lag's figures are made of.
func (a *Applier) watch(ctx context.Context) {
	ticks := time.NewTicker(beatPoll)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		a.mu.Lock()
		a.sample()
		a.look(time.Now())
		a.mu.Unlock()
	}
}

// untilClosed ends the session when the migration is closed, also while there is nothing to send.
func (s *session) untilClosed(ctx context.Context) error {
	ticks := time.NewTicker(closePoll)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
		if in, err := s.parts.Chain.Inbox(ctx); err == nil && in.Closed {
			return errOver
		}
	}
}

// admitted says why this applier may not bring changes.
func (a *Applier) admitted(in *Inbox) error {
	switch {
	case in.Life == 0:
		return errNotOpen
	case in.Ledger != a.cfg.Ledger:
		return fault.Reasoned(fault.Conflict, envelope.ReasonForeignLedger, "the inbox is open for another V10 ledger, %s", in.Ledger)
	}
	return nil
}

// forget drops what a session before was told is not there or cannot be made: by now it may.
func (a *Applier) forget() {
	maps.DeleteFunc(a.known.Accounts, func(_ string, no chain.AccountNo) bool { return no == 0 })
	maps.DeleteFunc(a.known.Assets, func(_ string, no chain.AssetNo) bool { return no == 0 })
	clear(a.known.RefusedAccounts)
	clear(a.known.RefusedAssets)
}

// produce reads records and sends batches.
func (s *session) produce(ctx context.Context) error {
	for {
		if err := s.pace(ctx); err != nil {
			return err
		}
		records, err := s.input.Next(ctx, s.rate.Most(WindowMax))
		if err != nil {
			return err
		}
		if err := s.ready(ctx, records); err != nil {
			return err
		}
		for len(records) > 0 {
			b, taken, stop := Cut(records, &s.known, s.cfg.BatchMax)
			if len(b.Records) > 0 {
				if err := s.send(ctx, b); err != nil {
					return err
				}
			}
			if stop != nil {
				return s.halt(ctx, records[taken], *stop)
			}
			records = records[taken:]
		}
	}
}

// pace waits until sendEvery after the last batch.
func (s *session) pace(ctx context.Context) error {
	left := sendEvery - time.Since(s.sent)
	if left <= 0 {
		return nil
	}
	select {
	case <-time.After(left):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// halt ends the session at a change that is not sent, once all before it are settled.
func (s *session) halt(ctx context.Context, r *envelope.Record, stop Stop) error {
	for range FlightsMax {
		if err := s.slot(ctx); err != nil {
			return err
		}
	}
	return &holdError{s.inbox.Life, r, stop}
}

func (s *session) slot(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send signs a batch that follows the last one, and has it admitted.
func (s *session) send(ctx context.Context, b Batch) error {
	if err := s.rate.Take(ctx, len(b.Records)); err != nil {
		return err
	}
	if err := s.slot(ctx); err != nil {
		return err
	}
	height, err := s.parts.Chain.Height(ctx)
	if err != nil {
		return err
	}
	s.sequence++
	h := chain.BatchHeader{
		Chain: s.cfg.Chain, Institution: s.inbox.Institution, Key: s.inbox.Key, Channel: s.cfg.Channel,
		Sequence: s.sequence, ValidUntil: height + validityBlocks,
	}
	made, err := chain.NewSyncBatch(h, chain.SyncHead{Life: s.inbox.Life, Previous: s.previous, HomeVersion: b.HomeVersion}, b.Legs)
	if err != nil {
		return err
	}
	signature, err := s.cfg.Signer.Sign(keys.BatchMessage(h.Chain, codec.Sum(made.Bytes())))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "sign a sync batch")
	}
	wait, err := s.parts.Chain.SubmitBatch(ctx, made.Bytes(), signature)
	if err != nil {
		return err
	}
	s.previous, s.sent = b.Last(), time.Now()
	b.Legs = nil // the node has them
	s.flights <- flight{b, wait}
	return nil
}

// collect settles batches in the order in which they were sent.
func (s *session) collect(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f := <-s.flights:
			codes, err := f.wait(ctx)
			if err != nil {
				return err
			}
			if err := s.settle(&f.batch, codes); err != nil {
				return err
			}
			<-s.slots
		}
	}
}

// settle takes note of what became of a batch. An error ends the session.
func (s *session) settle(b *Batch, codes []chain.Outcome) error {
	if len(codes) != len(b.Records)*chain.SyncRecordLegs {
		return fault.New(fault.Timeout, "a batch of %d changes came back with %d outcomes", len(b.Records), len(codes))
	}
	s.metrics.batches.WithLabelValues(codes[0].String()).Inc()
	switch codes[0] {
	case chain.InboxElsewhere:
		return errElsewhere
	case chain.InboxClosed:
		return errClosed
	case chain.InboxHeld, chain.Stale, chain.Expired, chain.FutureSequence, chain.UnknownKey, chain.UnknownInstitution:
		return fault.Reasoned(fault.Refused, codes[0].String(), "the ledger refused a sync batch: %s", codes[0])
	}
	for i, r := range b.Records {
		if code := codes[i*chain.SyncRecordLegs]; code != chain.OK {
			s.applied(b.Records[:i])
			return &holdError{s.inbox.Life, r, Stop{code, "the ledger cannot make the change"}}
		}
	}
	s.applied(b.Records)
	return nil
}
