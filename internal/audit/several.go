// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// several reports whether the genesis names other validators: their lanes lie in this folder too, and this node's votes.
func (a *audit) several() bool { return a.genesis != nil && len(a.genesis.Validators) > 1 }

// nobody is the number of no validator.
const nobody = chain.ValidatorNo(chain.ValidatorsMax)

// findSelf finds out whose folder this is: by the public part of its key files, which needs no passphrase, else by the
// first vote in it, else by the address at which the settings say that it listens.
func (a *audit) findSelf(ctx context.Context, sound soundness) error {
	if a.self = 0; !a.several() {
		return nil
	}
	if a.cfg.Order.Engine == config.EngineSolo {
		a.problem(a.cfg.Path(config.FileName), "order.engine", "solo orders for one validator, the genesis names %d", len(a.genesis.Validators))
	}
	var known bool
	if a.self, known = a.selfByKeys(); known {
		return nil
	}
	if sound.votes {
		var err error
		if a.self, known, err = a.selfByVotes(ctx); err != nil || known {
			return err
		}
	}
	if a.self, known = a.selfByAddress(); !known {
		a.note("nothing says which of the %d validators this node is: its own lane was checked like those of the others", a.lanes)
	}
	return nil
}

// selfByKeys compares the key files with the members, the newest first. Files that cannot be read say nothing: a proof needs no secrets.
func (a *audit) selfByKeys() (self chain.ValidatorNo, known bool) {
	header, _, err := keys.Inspect(a.cfg.Path(a.cfg.Keys.Validator))
	if err != nil {
		return nobody, false
	}
	root, _, err := keys.Inspect(a.cfg.Path(a.cfg.Keys.Root))
	if err != nil {
		return nobody, false
	}
	for e := a.epochs.Current().Epoch(); e > 0; e-- {
		for _, v := range a.epochs.At(e).Membership().Members {
			if isKey(header, keys.Ed25519, v.Ed25519) && isKey(root, keys.MLDSA65, v.MLDSA65) {
				return v.No, true
			}
		}
	}
	a.problem(a.cfg.Path(a.cfg.Keys.Validator), "", "the key files are not those of a validator in the genesis or any later epoch")
	return nobody, false
}

func isKey(p keys.Public, scheme keys.Scheme, want chain.HexBytes) bool {
	return p.Scheme() == scheme && bytes.Equal(p.Bytes()[1:], want)
}

// selfByVotes takes the signer of the first vote.
func (a *audit) selfByVotes(ctx context.Context) (self chain.ValidatorNo, known bool, err error) {
	log, err := seglog.OpenReader(nil, a.cfg.Data("votes"))
	if err != nil {
		return nobody, false, err
	}
	self = nobody
	stop := errors.New("seen")
	err = log.Scan(ctx, seglog.Pos{}, func(_ seglog.Pos, rec seglog.Record) error {
		if v, err := parseVote(rec); err == nil && int(v.Validator) < a.lanes {
			self = v.Validator
		}
		return stop
	})
	if errors.Is(err, stop) || fault.Is(err, fault.Corrupt) { // checkVotes says what is wrong
		err = nil
	}
	return self, self != nobody, errors.Join(err, log.Close())
}

// selfByAddress looks for the address of this node among those of the validators.
func (a *audit) selfByAddress() (self chain.ValidatorNo, known bool) {
	for i, address := range a.cfg.Validators.Addresses {
		if address == a.cfg.Validators.Listen && i < a.lanes {
			return chain.ValidatorNo(i), true
		}
	}
	return nobody, false
}
