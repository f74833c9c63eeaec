// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
)

// validBlocks is how far ahead the command line's signatures are valid: minutes under load, for ever when idle.
const validBlocks = 20_000

// actor is an account with a key that may act for it.
type actor struct {
	account *client.Account
	key     chain.KeyNo
	signer  client.Signer
}

// actorFor finds a key for an account: the file given, the account's own in the network's folder, or its custodian's.
func (s *session) actorFor(ctx context.Context, acc *client.Account, keyFile string) (*actor, error) {
	a := &actor{account: acc}
	own, err := s.ownKeyFile(acc, keyFile)
	if err != nil {
		return nil, err
	}
	if own != "" {
		if a.signer, err = client.ReadKeyFile(own, nil); err != nil {
			return nil, err
		}
		a.key, err = s.keyNumber(ctx, acc, a.signer)
		return a, err
	}
	in, ok := s.custodian(acc)
	if !ok {
		return nil, fault.New(fault.Denied, "there is no key for account %d (%s) in %s: give one with --key FILE", acc.Number, acc.Address, s.app.network)
	}
	if a.signer, err = client.ReadKeyFile(s.network.Path(in.KeyFile), nil); err != nil {
		return nil, err
	}
	a.key, err = s.keyNumber(ctx, acc, a.signer)
	return a, err
}

func (s *session) ownKeyFile(acc *client.Account, keyFile string) (string, error) {
	if keyFile != "" || s.network == nil {
		return keyFile, nil
	}
	if path, ok := s.network.Keys[acc.Address.String()]; ok {
		return s.network.Path(path), nil
	}
	path := filepath.Join(s.network.Dir, "keys", acc.Address.String()+".key")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fault.Wrap(fault.Unavailable, err, "look for the account's key")
	}
	return "", nil
}

func (s *session) custodian(acc *client.Account) (network.Institution, bool) {
	if s.network == nil {
		return network.Institution{}, false
	}
	for _, in := range []network.Institution{s.network.Institution, s.network.Governance} {
		if in.ID != 0 && chain.InstitutionNo(in.ID) == acc.Institution {
			return in, true
		}
	}
	return network.Institution{}, false
}

// keyNumber finds the number under which the ledger knows a signer's key: the account's own, or its custodian's.
func (s *session) keyNumber(ctx context.Context, acc *client.Account, signer client.Signer) (chain.KeyNo, error) {
	if acc.Institution != 0 {
		in, err := s.Institution(ctx, acc.Institution, 0)
		if err != nil {
			return 0, err
		}
		for _, k := range in.Keys {
			if k.Active && string(k.Public) == string(signer.Public().Bytes()) {
				return k.Number, nil
			}
		}
	}
	if acc.Key != 0 && signer.Public().Address() == acc.Address {
		return acc.Key, nil
	}
	return 0, fault.New(fault.Denied, "the key %s may not act for account %d", signer.Public().Address(), acc.Number)
}

// submitTriesMax bounds the signatures that submit makes when another command line took its nonce.
const submitTriesMax = 4

// submit signs a body for an actor and submits it. An outcome other than ok is an error of kind Refused.
func (s *session) submit(ctx context.Context, by *actor, body chain.Body) (*client.Transaction, error) {
	for try := 1; ; try++ {
		t, err := s.submitOnce(ctx, by, body)
		switch {
		case err != nil:
			return nil, err
		case t.Outcome == chain.OK:
			return t, nil
		case t.Outcome != chain.NonceUsed || try == submitTriesMax:
			return t, refused(chain.Hash(t.ID), t.Outcome)
		}
		if by.account, err = s.Account(ctx, client.AccountName{Number: by.account.Number}, 0, false); err != nil {
			return nil, err
		}
	}
}

func (s *session) submitOnce(ctx context.Context, by *actor, body chain.Body) (*client.Transaction, error) {
	status, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	// A random step ahead lets several command lines act for one account at the same time.
	tx := chain.Tx{
		Chain: s.trust.ChainID, Sender: by.account.Number, Key: by.key, Nonce: by.account.Nonce + 1 + rand.Uint64N(32),
		ValidUntil: status.Height + validBlocks, Body: body,
	}
	signed, err := client.SignTx(by.signer, tx)
	if err != nil {
		return nil, err
	}
	return s.SubmitTx(ctx, signed)
}
