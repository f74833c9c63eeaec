// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
)

// session is a connection, and the network's folder when there is one.
type session struct {
	*client.Client
	app     *app
	trust   *client.Trust
	network *network.Network // nil with --endpoint
}

func (a *app) dial(ctx context.Context) (*session, error) {
	s := &session{app: a}
	cfg := client.Config{CAFile: a.ca}
	if a.endpoint != "" {
		cfg.Endpoints = []string{a.endpoint}
		if a.trust == "" {
			return nil, fault.New(fault.Invalid, "--endpoint needs --trust GENESIS: without it no receipt can be verified")
		}
		text, err := os.ReadFile(a.trust)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "read --trust")
		}
		if s.trust, err = client.ReadTrust(text); err != nil {
			return nil, err
		}
	} else {
		var err error
		if s.network, err = network.Open(a.network); err != nil {
			return nil, err
		}
		if s.trust, err = s.network.Trust(); err != nil {
			return nil, err
		}
		cfg.Endpoints, cfg.CAFile = s.network.Endpoints(), s.network.Path(s.network.CA)
	}
	cfg.Trust = s.trust
	var err error
	s.Client, err = client.Dial(ctx, cfg)
	if fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout) {
		return nil, fault.New(fault.Unavailable, "no node answers at %s: is the network running? (`aurigraph up --network %s`): %v", strings.Join(cfg.Endpoints, ", "), a.network, err)
	}
	return s, err
}

// accountName reads an account as people write it: 0x… or a number.
func accountName(text string) (client.AccountName, error) {
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		address, err := chain.ParseAddress(text)
		return client.AccountName{Address: address}, err
	}
	no, err := strconv.ParseUint(text, 10, 32)
	if err != nil || no == 0 {
		return client.AccountName{}, fault.New(fault.Invalid, "%q is no account: write 0x and 40 hex digits, or the account's number", text)
	}
	return client.AccountName{Number: chain.AccountNo(no)}, nil
}

// account finds an account as people write it.
func (s *session) account(ctx context.Context, text string) (*client.Account, error) {
	name, err := accountName(text)
	if err != nil {
		return nil, err
	}
	acc, err := s.Account(ctx, name, 0, false)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "there is no account %s here", text)
	}
	return acc, err
}

// assetOr finds an asset by code; an empty code is the network's demo asset.
func (s *session) assetOr(ctx context.Context, code string) (*client.Asset, error) {
	if code == "" && s.network != nil {
		code = s.network.Asset
	}
	if code == "" {
		return nil, fault.New(fault.Invalid, "name the asset with --asset CODE")
	}
	asset, err := s.AssetByCode(ctx, code)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "there is no asset %s: see `aurigraph asset list`", code)
	}
	return asset, err
}
