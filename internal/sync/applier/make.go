// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// ready looks up and makes what records need, until nothing is needed, or what is needed was refused.
func (s *session) ready(ctx context.Context, records []*envelope.Record) error {
	if len(s.known.Accounts) > CacheMax {
		clear(s.known.Accounts)
	}
	for range needStepsMax {
		n := NeedOf(records, &s.known)
		if n.Empty() {
			return nil
		}
		if err := s.meet(ctx, &n); err != nil {
			return err
		}
	}
	return fault.Reasoned(fault.TryLater, "needs_change", "accounts and assets of V10's changes did not come to rest in %d steps", needStepsMax)
}

func (s *session) meet(ctx context.Context, n *Need) error {
	for some := range slices.Chunk(n.Names, LookMax) {
		if err := s.look(ctx, some); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(n.Codes, LookMax) {
		found, err := s.parts.Chain.Assets(ctx, some)
		if err != nil {
			return err
		}
		for i, code := range some {
			s.known.Assets[code] = found[i].Number
		}
	}
	for some := range slices.Chunk(n.Open, OpensMax) {
		if err := s.open(ctx, some); err != nil {
			return err
		}
	}
	for _, c := range n.Create {
		if err := s.create(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// look finds accounts by their names, and keeps the names of those that are there.
func (s *session) look(ctx context.Context, names []string) error {
	tags := make([]chain.Hash, len(names))
	for i, name := range names {
		tags[i] = s.cfg.AliasKey.Tag(name)
	}
	found, err := s.parts.Chain.Accounts(ctx, tags)
	if err != nil {
		return err
	}
	keep := make(map[chain.AccountNo]string, len(names))
	for i, name := range names {
		if no := found[i].Number; no != 0 {
			if found[i].Address != keys.AliasAddress(name) {
				return fault.Reasoned(fault.Corrupt, "other_account", "account %d has the tag of a V10 name, and an address that does not follow from it", no)
			}
			keep[no] = name
		}
	}
	return s.remember(ctx, keep, names)
}

// remember puts names into the vault, and only then takes the accounts as known: what is paid has a name that can be shown. Those of
// all that are not kept nobody has.
func (s *session) remember(ctx context.Context, keep map[chain.AccountNo]string, all []string) error {
	if len(keep) > 0 {
		if err := s.parts.Vault.Put(ctx, keep); err != nil {
			return err
		}
	}
	for _, name := range all {
		s.known.Accounts[name] = 0
	}
	for no, name := range keep {
		s.known.Accounts[name] = no
	}
	return nil
}

// open opens accounts in the custody of the institution. One that somebody else opened meanwhile is looked up again.
func (s *session) open(ctx context.Context, names []string) error {
	bodies := make([]chain.Body, len(names))
	for i, name := range names {
		bodies[i] = &chain.OpenAccount{AliasTag: s.cfg.AliasKey.Tag(name), Address: keys.AliasAddress(name), Slot: s.cfg.AliasKey.Slot(name)}
	}
	answers, err := s.act(ctx, s.house, bodies)
	if err != nil {
		return err
	}
	keep, opened := map[chain.AccountNo]string{}, []string(nil)
	var failed error
	for i, a := range answers {
		switch {
		case a.Err != nil:
			failed = a.Err
		case a.Outcome == chain.OK && a.Result != 0:
			keep[chain.AccountNo(a.Result)] = names[i]
			opened = append(opened, names[i])
		case again(a.Outcome) || a.Outcome == chain.AliasTaken:
			delete(s.known.Accounts, names[i])
		default:
			s.known.RefusedAccounts[names[i]] = a.Outcome
		}
	}
	s.metrics.opened.Add(float64(len(keep)))
	if err := s.remember(ctx, keep, opened); err != nil {
		return err
	}
	return failed
}

// again reports an outcome that says nothing of what was asked for.
func again(o chain.Outcome) bool {
	switch o {
	case chain.NonceUsed, chain.FutureSequence, chain.Stale, chain.Expired:
		return true
	}
	return false
}

// create makes an asset whose issuer is here.
func (s *session) create(ctx context.Context, c *envelope.AssetCreated) error {
	body := &chain.CreateAsset{Code: c.Code, Name: cmp.Or(c.Name, c.Code), Scale: c.Scale, Flags: chain.AssetPortable}
	answers, err := s.act(ctx, s.known.Accounts[c.Issuer], []chain.Body{body})
	if err != nil {
		return err
	}
	switch a := answers[0]; {
	case a.Err != nil:
		return a.Err
	case a.Outcome == chain.OK && a.Result != 0:
		s.known.Assets[c.Code] = chain.AssetNo(a.Result)
	case again(a.Outcome) || a.Outcome == chain.CodeTaken:
		delete(s.known.Assets, c.Code)
	default:
		s.known.RefusedAssets[c.Code] = a.Outcome
	}
	return nil
}

// act submits transactions of an account, in the order of their nonces, and waits for their fates. Anything but success makes the
// next act ask for the nonce anew.
func (s *session) act(ctx context.Context, sender chain.AccountNo, bodies []chain.Body) ([]TxAnswer, error) {
	height, err := s.parts.Chain.Height(ctx)
	if err != nil {
		return nil, err
	}
	nonce, known := s.nonces[sender]
	if !known {
		if nonce, err = s.parts.Chain.Nonce(ctx, sender); err != nil {
			return nil, err
		}
		nonce += rand.Uint64N(nonceStepMax)
	}
	signed := make([][]byte, len(bodies))
	for i, body := range bodies {
		nonce++
		tx := chain.Tx{Chain: s.cfg.Chain, Sender: sender, Key: s.inbox.Key, Nonce: nonce, ValidUntil: height + validityBlocks, Body: body}
		if err := tx.Validate(); err != nil {
			return nil, err
		}
		signature, err := s.cfg.Signer.Sign(keys.TxMessage(tx.Chain, codec.TxID(&tx)))
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "sign a transaction")
		}
		signed[i] = codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: signature})
	}
	s.nonces[sender] = nonce
	answers := s.parts.Chain.SubmitTxs(ctx, signed)
	if len(answers) != len(bodies) {
		return nil, fault.New(fault.Timeout, "%d transactions have %d answers", len(bodies), len(answers))
	}
	for i := range answers {
		if answers[i].Err != nil || answers[i].Outcome != chain.OK {
			delete(s.nonces, sender)
		}
	}
	return answers, nil
}
