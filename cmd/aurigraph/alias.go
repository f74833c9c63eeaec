// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// aliasKeyName is where a network's folder has the key of its V10 names.
const aliasKeyName = "keys/alias.key"

// aliasFolder is where a network's folder keeps the names of the accounts that were opened here, a file each, so that one
// can be forgotten by deleting it. The ledger knows none of them.
const aliasFolder = "aliases"

func (s *session) aliasKeyPath() (string, error) {
	switch {
	case s.app.aliasKey != "":
		return s.app.aliasKey, nil
	case s.network == nil:
		return "", fault.New(fault.Invalid, "a V10 name needs the network's alias key: give it with --alias-key FILE")
	}
	return s.network.Path(aliasKeyName), nil
}

// aliasTag is the name under which the ledger knows a V10 name.
func (s *session) aliasTag(alias string) (chain.Hash, error) {
	key, err := s.keyOf(alias)
	if err != nil {
		return chain.Hash{}, err
	}
	return key.Tag(alias), nil
}

// keyOf is the network's alias key, for a V10 name.
func (s *session) keyOf(alias string) (*keys.AliasKey, error) {
	if err := keys.CheckAlias(alias); err != nil {
		return nil, err
	}
	path, err := s.aliasKeyPath()
	if err != nil {
		return nil, err
	}
	key, err := keys.ReadAliasKey(path)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "there is no alias key %s: open the first account with a V10 name by `aurigraph account new --alias NAME`, or give the key with --alias-key FILE", path)
	}
	return key, err
}

// openAlias is the body that opens an account with a V10 name. The network's first one makes the alias key.
func (s *session) openAlias(alias string) (*chain.OpenAccount, error) {
	path, err := s.aliasKeyPath()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && s.app.aliasKey == "" {
		if err := keys.WriteAliasKey(path, rand.Reader); err != nil && !fault.Is(err, fault.Conflict) {
			return nil, err
		}
	}
	key, err := s.keyOf(alias)
	if err != nil {
		return nil, err
	}
	return &chain.OpenAccount{AliasTag: key.Tag(alias), Address: keys.AliasAddress(alias), Slot: key.Slot(alias)}, nil
}

// checkAlias makes sure that the node answered with the account that was named: its address follows from the name.
func checkAlias(text string, acc *client.Account) error {
	alias, ok := strings.CutPrefix(text, aliasPrefix)
	if !ok || acc.Address == keys.AliasAddress(alias) {
		return nil
	}
	return fault.Reasoned(fault.Corrupt, "other_account", "the node says that %s is account %d, but its address %s does not follow from that name: do not use it, report it", text, acc.Number, acc.Address)
}

func (s *session) aliasFile(a chain.Address) string {
	return filepath.Join(s.network.Dir, aliasFolder, a.String())
}

// rememberAlias keeps the name of an account that was opened here.
func (s *session) rememberAlias(a chain.Address, alias string) error {
	path := s.aliasFile(a)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "remember the V10 name")
	}
	return fault.Wrap(fault.Unavailable, os.WriteFile(path, []byte(alias), 0o600), "remember the V10 name")
}

// recallAlias is an account's V10 name if it is known here, else "".
func (s *session) recallAlias(a chain.Address) string {
	if s.network == nil {
		return ""
	}
	text, err := os.ReadFile(s.aliasFile(a))
	if err != nil || keys.AliasAddress(string(text)) != a {
		return "" // it is shown only where it is known for sure
	}
	return string(text)
}
