// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// session sends changes from where the inbox is until the end, or until something ends it; then the inbox is read again.
type session struct {
	*copying
	inbox    *client.Inbox
	stream   *client.BatchStream
	sequence uint64       // of the channel, last used
	height   chain.Height // certified, as of the newest answer that the producer knows
	change   uint64       // the next one's number
	previous chain.SyncPosition
	legs     []chain.Leg

	slots   chan struct{} // one for each batch under way, at most FlightsMax
	flights chan flight
	heights chan chain.Height // newest height answered; one place
}

// flight is a batch under way: its changes from first on.
type flight struct{ first, count uint64 }

// refusedError is a change that the ledger did not take; all before it are in.
type refusedError struct {
	change  uint64
	outcome chain.Outcome
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("the ledger refused change %d of the copy: %s", e.change, e.outcome)
}

// session runs one. nil: the copy has its end.
func (c *copying) session(ctx context.Context) error {
	in, err := c.Client.Inbox(ctx)
	if err != nil {
		return err
	}
	done, err := c.layout.applied(in.Position, c.saved.Sequence)
	if err != nil || done == c.layout.total() {
		return err
	}
	s := &session{
		copying: c, inbox: in, height: in.Height, change: done, previous: in.Position,
		slots: make(chan struct{}, FlightsMax), flights: make(chan flight, FlightsMax), heights: make(chan chain.Height, 1),
	}
	c.resumed(done)
	if err := c.named(ctx, done); err != nil {
		return err
	}
	if err := s.house(ctx); err != nil {
		return err
	}
	both, inner := errgroup.WithContext(ctx)
	if s.stream, err = c.Client.OpenBatchStream(inner); err != nil {
		return err
	}
	defer s.stream.Close()
	both.Go(func() error {
		if err := s.produce(inner); err != nil {
			return err
		}
		return s.stream.CloseSend()
	})
	both.Go(func() error { return s.collect(inner) })
	return both.Wait()
}

// house reads where the channel stands.
func (s *session) house(ctx context.Context) error {
	in, err := s.Client.Institution(ctx, s.inbox.Institution, s.Channel)
	if err != nil {
		return err
	}
	s.sequence = in.ChannelSequence + FlightsMax // those of a session before may still come
	return nil
}

// named has the names of the accounts put into the vault that are among the first so many changes.
func (c *copying) named(ctx context.Context, changes uint64) error {
	upTo := min(changes, c.survey.accounts)
	if upTo == 0 {
		return nil
	}
	return c.namer.tell(ctx, opened{upTo, c.saved.Runs})
}

// resumed counts what was there.
func (c *copying) resumed(done uint64) {
	m := c.meter.Load()
	for st, step := range map[stage]int{stageAccounts: stepAccounts, stageBalances: stepBalances, stageKeys: stepKeys} {
		start := c.layout.start(st)
		m.done[step].Store(min(done-min(done, start), c.layout.counts[st]))
	}
}

// emit adds a change to the batch in the making.
func (s *session) emit(ctx context.Context, leg *chain.Leg, o *chain.SyncOrigin) error {
	o.Position = s.layout.position(s.change, s.saved.Sequence)
	s.legs = append(s.legs, *leg, o.Leg())
	s.change++
	if len(s.legs) < chain.SyncRecordLegs*s.batchMax {
		return nil
	}
	return s.flush(ctx)
}

// flush sends the batch in the making, if there is anything in it.
func (s *session) flush(ctx context.Context) error {
	if len(s.legs) == 0 {
		return nil
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case s.height = <-s.heights:
	default:
	}
	b, err := s.sign()
	if err != nil {
		return err
	}
	count := uint64(len(s.legs) / chain.SyncRecordLegs)
	s.legs = s.legs[:0]
	s.previous = s.layout.position(s.change-1, s.saved.Sequence)
	s.flights <- flight{s.change - count, count}
	err = s.stream.Send(s.sequence, b)
	if errors.Is(err, io.EOF) { // who receives knows why, and ends this session
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *session) sign() (*client.SignedBatch, error) {
	s.sequence++
	h := chain.BatchHeader{
		Chain: s.Trust.ChainID, Institution: s.inbox.Institution, Key: s.inbox.Key, Channel: s.Channel,
		Sequence: s.sequence, ValidUntil: s.height + validBlocks,
	}
	b, err := chain.NewSyncBatch(h, chain.SyncHead{Life: s.inbox.Life, Previous: s.previous, HomeVersion: s.inbox.HomeVersion}, s.legs)
	if err != nil {
		return nil, err
	}
	id := codec.Sum(b.Bytes())
	signature, err := s.Signer.Sign(keys.BatchMessage(h.Chain, id))
	return &client.SignedBatch{ID: id, Bytes: b.Bytes(), Signature: signature}, fault.Wrap(fault.Unavailable, err, "sign a batch of the copy")
}

// settled waits until all that was sent is certified.
func (s *session) settled(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	for range FlightsMax {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range FlightsMax {
		<-s.slots
	}
	return nil
}

// collect takes note of what became of batches, in the order in which they were sent.
func (s *session) collect(ctx context.Context) error {
	for {
		a, err := s.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && a.Refused != nil {
			err = again(a.Refused)
		}
		if err != nil {
			return err
		}
		f := <-s.flights
		if err := s.settle(ctx, f, a.Receipt); err != nil {
			return err
		}
		select {
		case <-s.heights:
		default:
		}
		s.heights <- a.Receipt.Height
		<-s.slots
	}
}

func (s *session) settle(ctx context.Context, f flight, r *client.BatchReceipt) error {
	outcomes, err := r.Outcomes()
	if err != nil {
		return err
	}
	codes := outcomes.Codes
	if uint64(len(codes)) != f.count*chain.SyncRecordLegs {
		return fault.Reasoned(fault.Corrupt, "answer_malformed", "a batch of %d changes came back with %d outcomes", f.count, len(codes))
	}
	if whole(codes[0]) {
		return fault.Reasoned(fault.TryLater, codes[0].String(), "the ledger refused a batch of the copy: %s", codes[0])
	}
	for i := range f.count {
		if code := codes[i*chain.SyncRecordLegs]; code != chain.OK {
			if err := s.applied(ctx, f.first, i); err != nil {
				return err
			}
			return &refusedError{f.first + i, code}
		}
	}
	return s.applied(ctx, f.first, f.count)
}

// again is why a batch was not admitted, such that it is tried again: signed anew from where the inbox is then, it may be.
func again(refused error) error {
	if !fault.Is(refused, fault.Refused) {
		return refused
	}
	return &fault.Error{Kind: fault.TryLater, Reason: fault.ReasonOf(refused), Text: "a batch of the copy was not admitted", Cause: refused}
}

// whole reports an outcome of a batch that was refused whole, and used nothing up.
func whole(o chain.Outcome) bool {
	switch o {
	case chain.InboxElsewhere, chain.InboxClosed, chain.Stale, chain.Expired, chain.FutureSequence, chain.UnknownKey, chain.UnknownInstitution:
		return true
	}
	return false
}

// applied counts changes that are in the ledger. A batch has changes of several stages only behind the balances.
func (s *session) applied(ctx context.Context, first, count uint64) error {
	st, index := s.layout.at(first)
	m := s.meter.Load()
	switch st {
	case stageAccounts:
		m.done[stepAccounts].Store(index + count)
		return s.named(ctx, first+count)
	case stageBalances:
		m.done[stepBalances].Store(index + count)
	case stageKeys:
		m.done[stepKeys].Store(index + count)
	}
	return nil
}
