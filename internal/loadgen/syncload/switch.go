// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Bounds of a bench of moves.
const (
	CyclesMax        = 100_000
	switchPayersMax  = 1024
	switchMoveMax    = 90 * time.Second // of one move, with all that is killed meanwhile
	switchSettleMax  = 60 * time.Second // until all goes on after a kill
	switchKillWithin = 250 * time.Millisecond
	switchBegin      = 2 * time.Second // of payments before the first move
	switchRest       = 150 * time.Millisecond
)

// SwitchConfig is what a bench of moves does.
type SwitchConfig struct {
	Cycles int             // there and back
	Slots  chain.SlotRange // that move
	Payers int             // clients whose accounts are in those slots
	Kills  bool            // during every second move something is killed
	Seed   uint64
}

// Validate says why it cannot be.
func (c *SwitchConfig) Validate() error {
	switch {
	case c.Cycles < 1 || c.Cycles > CyclesMax:
		return fault.New(fault.Invalid, "1 to %d cycles", CyclesMax)
	case c.Payers < 2 || c.Payers > switchPayersMax:
		return fault.New(fault.Invalid, "2 to %d payers", switchPayersMax)
	case c.Slots.From > c.Slots.To || c.Slots.To >= chain.SlotsMax:
		return fault.New(fault.Invalid, "the slots are a range within 0 to %d", chain.SlotsMax-1)
	}
	return nil
}

// SwitchTarget is a running pair in which slots move.
type SwitchTarget struct {
	Target
	Edge string // where clients pay, host:port
	// Move brings the slots to a side once, by a process that kill kills. An error leaves them anywhere; it is called again.
	Move func(ctx context.Context, toV11 bool, slots chain.SlotRange) (wait func() error, kill func())
	// Kill kills a role's process at once; it is started again by itself. False: it does not run now.
	Kill  func(role string) (bool, error)
	Roles []string
	// Settled says why the pair is not at rest, or nil: nothing closed, both directions in step.
	Settled func(ctx context.Context) error
	// Differences counts what the verifier confirms when all is at rest.
	Differences func(ctx context.Context) (int, error)
}

// Controller is the role of who moves: its process is the one that Move started.
const Controller = "controller"

// window is a move by a client's clock.
type window struct {
	begin, end time.Duration
	killed     bool
}

// switching is a bench of moves in progress.
type switching struct {
	run
	cfg     SwitchConfig
	target  *SwitchTarget
	payers  *payers
	random  *rand.Rand
	windows []window
	kills   map[string]int
	retries int // of moves
}

// Switch moves slots there and back under payments. The caller stops the target.
func Switch(ctx context.Context, cfg SwitchConfig, target *SwitchTarget, progress Progress) (*SwitchReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &switching{cfg: cfg, target: target, random: rand.New(rand.NewPCG(cfg.Seed, 3)), kills: map[string]int{}}
	s.run = run{target: &target.Target, progress: progress, began: time.Now(), port: port{target.Changes}, rows: map[arrival]uint64{}, accounts: switchAccounts(&cfg, target.Funder)}
	s.payers = newPayers(s.accounts, target.Edge, cfg.Seed, s.since)
	var err error
	if s.v11, err = dialV11(ctx, &target.Target); err != nil {
		return nil, err
	}
	defer s.v11.close()
	return s.measure(ctx)
}

// switchAccounts are so many whose slots move, and as many whose slots stay; all are paid, those that move pay.
func switchAccounts(cfg *SwitchConfig, funder string) *accounts {
	a := &accounts{payers: cfg.Payers, number: map[string]uint32{}}
	var stay []string
	for i := 0; len(a.names) < cfg.Payers || len(stay) < cfg.Payers; i++ {
		name := fmt.Sprintf("MOVE-%06d", i)
		slot := keys.AliasSlot(name)
		switch moves := slot >= cfg.Slots.From && slot <= cfg.Slots.To; {
		case moves && len(a.names) < cfg.Payers:
			a.names = append(a.names, name)
		case !moves && len(stay) < cfg.Payers:
			stay = append(stay, name)
		}
	}
	a.names = append(append(a.names, stay...), funder)
	for i, name := range a.names {
		a.number[name] = uint32(i)
	}
	return a
}

func (s *switching) measure(ctx context.Context) (*SwitchReport, error) {
	s.say("opening %d accounts, of which %d are in the slots that move", len(s.accounts.names)-1, s.cfg.Payers)
	if err := s.payers.fund(ctx); err != nil {
		return nil, err
	}
	if err := s.inStep(ctx); err != nil {
		return nil, err
	}
	if err := s.mark(ctx); err != nil {
		return nil, err
	}
	if err := s.moveUnderLoad(ctx); err != nil {
		return nil, err
	}
	return s.compare(ctx)
}

// moveUnderLoad moves while all pay, and returns when each has the answer to its last payment.
func (s *switching) moveUnderLoad(ctx context.Context) error {
	paying, stop := context.WithCancel(ctx)
	defer stop()
	var clients errgroup.Group
	for i := range s.cfg.Payers {
		clients.Go(func() error { return s.payers.keepPaying(paying, uint32(i)) })
	}
	nap(switchBegin)
	err := s.cycles(ctx)
	stop()
	s.say("waiting for the last answers")
	return errors.Join(err, clients.Wait())
}

func (s *switching) cycles(ctx context.Context) error {
	var roles []string
	for i := range 2 * s.cfg.Cycles {
		role := ""
		if s.cfg.Kills && s.random.IntN(2) == 0 {
			if len(roles) == 0 { // each has its turn, in another order each time
				roles = slices.Clone(s.target.Roles)
				s.random.Shuffle(len(roles), func(i, j int) { roles[i], roles[j] = roles[j], roles[i] })
			}
			role, roles = roles[0], roles[1:]
		}
		if err := s.one(ctx, i%2 == 0, role); err != nil {
			return fmt.Errorf("move %d (%s killed): %w", i+1, role, err)
		}
		s.progress.Show("moving there and back", int64(i+1), int64(2*s.cfg.Cycles))
	}
	return nil
}

// one moves once, tries as often as it takes, and kills a role during the first try.
func (s *switching) one(ctx context.Context, toV11 bool, role string) error {
	ctx, cancel := context.WithTimeout(ctx, switchMoveMax)
	defer cancel()
	w := window{begin: s.since(), killed: role != ""}
	for try := 0; ; try++ {
		wait, kill := s.target.Move(ctx, toV11, s.cfg.Slots)
		if try == 0 && role != "" {
			nap(time.Duration(s.random.Int64N(int64(switchKillWithin))))
			if err := s.kill(role, kill); err != nil {
				return err
			}
		}
		err := wait()
		if err == nil {
			break
		}
		if s.retries++; ctx.Err() != nil {
			return err
		}
		nap(switchRest)
	}
	w.end = s.since()
	s.windows = append(s.windows, w)
	nap(switchRest)
	if role == "" {
		return nil
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.served(ctx)
}

// served waits until each client has been served since all goes on: what one waits for after a kill is not what the next move costs.
func (s *switching) served(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), switchSettleMax)
	defer cancel()
	for since := s.since(); !s.payers.served(s.cfg.Payers, since); nap(switchRest) {
		if ctx.Err() != nil {
			return fault.New(fault.Timeout, "not every client is served %s after a kill", switchSettleMax)
		}
	}
	return nil
}

func (s *switching) kill(role string, controllers func()) error {
	if role == Controller {
		controllers()
		s.kills[role]++
		return nil
	}
	killed, err := s.target.Kill(role)
	if killed {
		s.kills[role]++
	}
	return err
}

// settle waits until all goes on, so that the next move says what a move costs.
func (s *switching) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), switchSettleMax)
	defer cancel()
	for {
		err := s.target.Settled(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fault.Wrap(fault.Timeout, err, "the pair is not at rest %s after a kill", switchSettleMax)
		}
		nap(switchRest)
	}
}

// compare reads both ledgers back when all is at rest.
func (s *switching) compare(ctx context.Context) (*SwitchReport, error) {
	s.say("reading both ledgers back")
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	if err := s.inStep(ctx); err != nil {
		return nil, err
	}
	found, err := s.executions(ctx)
	if err != nil {
		return nil, err
	}
	r := s.report(found)
	r.Differences, err = s.target.Differences(ctx)
	return r, err
}
