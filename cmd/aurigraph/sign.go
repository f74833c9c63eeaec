// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
)

// The command line's signatures are valid for validBlocksMin blocks, minutes under load and for ever when idle, and a random
// part of validBlocksMore: two people who pay the same at the same moment must not sign the same bytes, which would be one
// payment.
const (
	validBlocksMin  = 20_000
	validBlocksMore = 1 << 16
)

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
		if a.signer, err = s.readKey(own); err != nil {
			return nil, err
		}
		a.key, err = s.keyNumber(ctx, acc, a.signer)
		return a, err
	}
	in, ok := s.custodian(acc)
	if !ok {
		return nil, fault.New(fault.Denied, "there is no key for account %d (%s) in %s: give one with `pay --key FILE`", acc.Number, acc.Address, s.place())
	}
	if a.signer, err = client.ReadKeyFile(s.network.Path(in.KeyFile), nil); err != nil {
		return nil, err
	}
	a.key, err = s.keyNumber(ctx, acc, a.signer)
	return a, err
}

// readKey reads a key file, with the passphrase of --passphrase-file if there is one.
func (s *session) readKey(path string) (client.Signer, error) {
	if s.app.passphrase == "" {
		signer, err := client.ReadKeyFile(path, nil)
		if _, encrypted, inspectErr := keys.Inspect(path); inspectErr == nil && encrypted {
			return nil, fault.New(fault.Denied, "%s is encrypted: give its passphrase with --passphrase-file FILE", path)
		}
		return signer, err
	}
	text, err := os.ReadFile(s.app.passphrase)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read --passphrase-file")
	}
	defer clear(text)
	return client.ReadKeyFile(path, bytes.TrimRight(text, "\r\n"))
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
	return 0, fault.New(fault.Denied, "the key of address %s may not act for account %d (%s): sign with %s", signer.Public().Address(), acc.Number, acc.Address, signersOf(acc))
}

// signersOf says whose keys act for an account.
func signersOf(acc *client.Account) string {
	switch {
	case acc.Institution == 0:
		return "its own key"
	case acc.Key == 0:
		return fmt.Sprintf("a key of its custodian, institution %d", acc.Institution)
	}
	return fmt.Sprintf("its own key or one of its custodian, institution %d", acc.Institution)
}

// submitTriesMax bounds the signatures that submit makes when another command line took its nonce.
const submitTriesMax = 4

// submit signs a body for an actor and submits it. An outcome other than ok is an error of kind Refused.
func (s *session) submit(ctx context.Context, by *actor, body chain.Body) (*client.Transaction, error) {
	bar := s.app.newBar()
	defer bar.clear()
	bar.spin("waiting for the certificate")
	for try := 1; ; try++ {
		signed, err := s.sign(by, body)
		if err != nil {
			return nil, err
		}
		t, err := s.settled(ctx, signed)
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

func (s *session) sign(by *actor, body chain.Body) ([]byte, error) {
	return client.SignTx(by.signer, chain.Tx{
		Chain: s.trust.ChainID, Sender: by.account.Number, Key: by.key,
		// A random step ahead lets several command lines act for one account at the same time.
		Nonce:      by.account.Nonce + 1 + rand.Uint64N(32),
		ValidUntil: by.account.Height + validBlocksMin + chain.Height(rand.Uint64N(validBlocksMore)), Body: body,
	})
}

// settled submits a signed transaction and returns its own fate. The client may send the same bytes twice, when an answer
// was lost; then "this nonce is used" may be the fate of the second copy, and the first was executed.
func (s *session) settled(ctx context.Context, signed []byte) (*client.Transaction, error) {
	t, err := s.SubmitTx(ctx, signed)
	if fault.Is(err, fault.Corrupt) {
		return nil, unverified(signed, err)
	}
	if err != nil || t.Outcome != chain.NonceUsed && (t.Outcome != chain.OK || t.Verified) {
		return t, err
	}
	first, err := s.Transaction(ctx, t.ID, true)
	switch {
	case fault.Is(err, fault.NotFound) && t.Outcome == chain.NonceUsed:
		return t, nil
	case err != nil:
		return nil, &client.UnknownOutcomeError{ID: t.ID, Cause: err}
	}
	return first, nil
}

// unverified is the error of an answer that proves nothing: the transaction may have been done.
func unverified(signed []byte, err error) error {
	id, _ := client.TxID(signed) // it was read before it was sent
	return &fault.Error{
		Kind: fault.Corrupt, Reason: fault.ReasonOf(err), Cause: err,
		Text: fmt.Sprintf("the answer does not verify, transaction %s may have been done or not; ask another node for it before you do it again", id),
	}
}
