// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// noncesMax is how often an asset is tried to be made while others act for its issuer.
const noncesMax = 8

// makeAssets finds each asset of V10's in V11, or makes it there, as its issuer: portable, because V10 has it. An issuer makes his one
// after the other.
func (s *session) makeAssets(ctx context.Context) ([]chain.AssetNo, error) {
	numbers := make([]chain.AssetNo, len(s.survey.assets))
	of := map[chain.AccountNo][]int{}
	for i := range s.survey.assets {
		issuer := s.issuer(i)
		of[issuer] = append(of[issuer], i)
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(readersMax)
	var mu sync.Mutex // guards numbers
	for issuer, assets := range of {
		group.Go(func() error {
			for _, i := range assets {
				no, err := s.asset(inner, i, issuer)
				if err != nil {
					return err
				}
				mu.Lock()
				numbers[i] = no
				mu.Unlock()
			}
			return nil
		})
	}
	return numbers, group.Wait()
}

// asset finds one, or makes it.
func (s *session) asset(ctx context.Context, i int, issuer chain.AccountNo) (chain.AssetNo, error) {
	a := &s.survey.assets[i]
	flags := chain.AssetPortable
	if s.survey.dense(i) {
		flags |= chain.AssetDense
	}
	for range noncesMax {
		found, err := s.Client.AssetByCode(ctx, a.Code)
		if err == nil {
			return found.Number, s.same(found, a, issuer)
		}
		if !fault.Is(err, fault.NotFound) {
			return 0, err
		}
		made, err := s.create(ctx, a, issuer, flags)
		switch {
		case err != nil:
			return 0, err
		case made.Outcome == chain.OK:
			return chain.AssetNo(made.Result), nil
		case made.Outcome == chain.LimitReached && flags&chain.AssetDense != 0:
			flags &^= chain.AssetDense
		case made.Outcome != chain.NonceUsed && made.Outcome != chain.CodeTaken && made.Outcome != chain.Expired:
			return 0, fault.Reasoned(fault.Refused, ReasonRefused, "V11 does not make V10's asset %s: %s; docs/outcomes.md says what that means", a.Code, made.Outcome)
		}
	}
	return 0, fault.Reasoned(fault.TryLater, "nonce_used", "others act for the issuer of asset %s again and again", a.Code)
}

// same says how an asset that V11 has differs from V10's, nil if in nothing.
func (s *session) same(found *client.Asset, a *assetRow, issuer chain.AccountNo) error {
	if found.Issuer != issuer || found.Scale != a.Scale || !found.Portable {
		return fault.Reasoned(fault.Conflict, ReasonAssetDiffers,
			"V11 has an asset %s already, with another issuer or scale, or not portable: V10's cannot be copied beside it; begin with a V11 without it", a.Code)
	}
	return nil
}

// How long a validator may be behind the one that said that an account was opened, and how often it is asked again.
const (
	behindMax  = 10 * time.Second
	behindPoll = 20 * time.Millisecond
)

// opened reads an account that some validator has opened.
func (s *session) opened(ctx context.Context, no chain.AccountNo) (*client.Account, error) {
	for end := time.Now().Add(behindMax); ; {
		account, err := s.Client.Account(ctx, client.AccountName{Number: no}, 0, false)
		if !fault.Is(err, fault.NotFound) || time.Now().After(end) {
			return account, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(behindPoll):
		}
	}
}

func (s *session) create(ctx context.Context, a *assetRow, issuer chain.AccountNo, flags chain.AssetFlags) (*client.Transaction, error) {
	account, err := s.opened(ctx, issuer)
	if err != nil {
		return nil, err
	}
	name := a.Name
	if name == "" {
		name = a.Code
	}
	signed, err := client.SignTx(s.Signer, client.Tx{
		Chain: s.Trust.ChainID, Sender: issuer, Key: s.inbox.Key, Nonce: account.Nonce + 1 + rand.Uint64N(nonceStepMax), ValidUntil: account.Height + validBlocks,
		Body: &client.CreateAsset{Code: a.Code, Name: name, Scale: a.Scale, Flags: flags},
	})
	if err != nil {
		return nil, err
	}
	return s.Client.SubmitTx(ctx, signed)
}

// compareSums wants V11 to answer the supply that V10's accounts hold, for each asset. Of V11's own, supply and balances are one
// invariant of the ledger.
func (s *session) compareSums(ctx context.Context) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(readersMax)
	for i := range s.survey.assets {
		group.Go(func() error {
			a := &s.survey.assets[i]
			found, err := s.Client.AssetByCode(inner, a.Code)
			if err != nil {
				return err
			}
			if found.Supply != a.Supply.Amount {
				return fault.Reasoned(fault.Refused, ReasonSums, "of asset %s V11 has %s units and V10 had %s: the copy is not ended; V11 has to begin anew",
					a.Code, found.Supply, a.Supply)
			}
			return nil
		})
	}
	return group.Wait()
}
