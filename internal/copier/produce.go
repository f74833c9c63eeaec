// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// produce makes all changes from where the session begins. Each stage is sent whole before the next one begins.
func (s *session) produce(ctx context.Context) error {
	stages := [stageCount]func(context.Context, uint64) error{
		stageAccounts: s.accounts, stageAssets: s.assets, stageBalances: s.balances, stageKeys: s.keys,
		stageTransactions: s.pieces(chain.ChunkTransactions), stageRounds: s.pieces(chain.ChunkRounds), stageEnd: s.end,
	}
	for {
		st, index := s.layout.at(s.change)
		if st == stageCount {
			return nil
		}
		if st > stageAccounts {
			if err := s.known(ctx); err != nil {
				return err
			}
		}
		if err := stages[st](ctx, index); err != nil {
			return err
		}
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
}

// known has what all later changes name: assets, and the history that names accounts and assets begins to be read.
func (s *session) known(ctx context.Context) error {
	if s.history.Load() != nil {
		return nil
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	numbers, err := s.makeAssets(ctx)
	if err != nil {
		return err
	}
	return s.begin(numbers)
}

func (s *session) accounts(ctx context.Context, index uint64) error {
	r := s.saved.Runs
	for place := index; place < s.survey.accounts; place++ {
		if place%paceRows == 0 {
			if err := s.throttle.take(ctx, paceRows); err != nil {
				return err
			}
		}
		name := string(s.survey.names.name(int(place)))
		leg := chain.Leg{Kind: chain.LegOpened, Reference: s.AliasKey.Tag(name)}
		if !r.there(place) {
			a := chain.OpenedAccount{Number: r.number(place), Tag: s.AliasKey.Tag(name), Address: keys.AliasAddress(name), Slot: s.AliasKey.Slot(name)}
			leg = a.Leg()
		}
		if err := s.emit(ctx, &leg, &chain.SyncOrigin{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) assets(ctx context.Context, index uint64) error {
	h := s.history.Load()
	for i := index; i < uint64(len(s.survey.assets)); i++ {
		a := &s.survey.assets[i]
		leg := chain.Leg{Kind: chain.LegAsset, From: s.issuer(int(i)), Asset: h.assets[i], Arg: uint32(a.Scale)}
		if err := s.emit(ctx, &leg, &chain.SyncOrigin{}); err != nil {
			return err
		}
	}
	return nil
}

// issuer is the number of who issues an asset.
func (c *copying) issuer(asset int) chain.AccountNo {
	place, _ := c.survey.names.find([]byte(c.survey.assets[asset].Issuer)) // the survey found it
	return c.saved.Runs.number(uint64(place))
}

func (s *session) balances(ctx context.Context, index uint64) error {
	h := s.history.Load()
	seen, asset, issuer := uint64(0), -1, chain.AccountNo(0)
	err := s.survey.scanBalances(s.rows, func(b *balance) error {
		if seen++; seen <= index {
			return nil
		}
		if seen%paceRows == 0 {
			if err := s.throttle.take(ctx, paceRows); err != nil {
				return err
			}
		}
		if b.asset != asset {
			asset, issuer = b.asset, s.issuer(b.asset)
		}
		leg := chain.Leg{Kind: chain.LegIssue, From: issuer, To: h.runs.number(uint64(b.account)), Asset: h.assets[b.asset], Amount: b.units}
		return s.emit(ctx, &leg, &chain.SyncOrigin{})
	})
	if err == nil && seen != s.survey.balances {
		err = inconsistent("it had %d balances and has %d", s.survey.balances, seen)
	}
	return err
}

func (s *session) keys(ctx context.Context, index uint64) error {
	seen := uint64(0)
	err := s.survey.scanKeys(s.rows, func(k *livingKey) error {
		if seen++; seen <= index {
			return nil
		}
		if err := s.throttle.take(ctx, 1); err != nil {
			return err
		}
		leg, err := s.noted(k)
		if err != nil {
			return err
		}
		return s.emit(ctx, &leg, &chain.SyncOrigin{Outcome: k.Outcome, TimeMs: k.Ms, Height: k.Round, Place: k.Place})
	})
	if err == nil && seen != s.survey.keys {
		err = inconsistent("it had %d living keys and has %d", s.survey.keys, seen)
	}
	return err
}

// noted is what V10 answered under a key, and what was asked for.
func (s *session) noted(k *livingKey) (chain.Leg, error) {
	key := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{byPlace}, k.Round), k.Place)
	value, err := s.rows.Get(famTransactions, key)
	if err != nil {
		return chain.Leg{}, errors.Join(inconsistent("an idempotency key leads to no transaction"), err)
	}
	var t transaction
	if err := readTransaction(value, &t); err != nil {
		return chain.Leg{}, err
	}
	h := s.history.Load()
	return chain.Leg{
		Kind: chain.LegNoted, Arg: chain.LegKeyed, From: h.account(t.from), To: h.account(t.to), Asset: h.asset(t.asset), Amount: t.units,
		Reference: chain.KeyedReference(s.Shared.Key(k.Caller, v10port.SharedName(k.Key, k.Item)), s.Shared.Body(string(t.from), string(t.to), string(t.asset), t.units)),
	}, nil
}

// pieces puts the pieces of a family into the chain, as they come.
func (s *session) pieces(family uint32) func(context.Context, uint64) error {
	return func(ctx context.Context, index uint64) error {
		h, st := s.history.Load(), stageTransactions
		if family == chain.ChunkRounds {
			st = stageRounds
		}
		for i := index; i < s.layout.counts[st]; i++ {
			if _, _, ready := h.look(family, i); !ready {
				if err := s.flush(ctx); err != nil {
					return err
				}
			}
			c, err := h.chunk(ctx, family, i)
			if err != nil {
				return err
			}
			leg := c.Leg()
			if err := s.emit(ctx, &leg, &chain.SyncOrigin{}); err != nil {
				return err
			}
		}
		return nil
	}
}

// end ends the copy, once all of it is there and the sums are equal.
func (s *session) end(ctx context.Context, _ uint64) error {
	if err := s.settled(ctx); err != nil {
		return err
	}
	if err := s.history.Load().finished(ctx); err != nil {
		return err
	}
	if err := s.namer.all(ctx); err != nil {
		return err
	}
	if err := s.compareSums(ctx); err != nil {
		return err
	}
	leg := chain.Leg{Kind: chain.LegBarrier, Amount: chain.Units(s.survey.totals.Generation)}
	return s.emit(ctx, &leg, &chain.SyncOrigin{})
}
