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

// place is where a session looked for keys.
func (s *session) place() string {
	if s.network == nil {
		return "no folder, because of --endpoint"
	}
	return s.network.Dir
}

func (a *app) dial(ctx context.Context) (*session, error) {
	s := &session{app: a}
	cfg, err := a.clientConfig(s)
	if err != nil {
		return nil, err
	}
	bar := a.newBar()
	bar.spin("connecting to " + strings.Join(cfg.Endpoints, ", "))
	s.Client, err = client.Dial(ctx, cfg)
	bar.clear()
	if err != nil {
		return nil, a.explainDial(ctx, cfg, err)
	}
	return s, nil
}

func (a *app) clientConfig(s *session) (cfg client.Config, err error) {
	if a.endpoint != "" {
		text, err := os.ReadFile(a.trust)
		if err != nil {
			return cfg, fault.Wrap(fault.Invalid, err, "read --trust")
		}
		s.trust, err = client.ReadTrust(text)
		return client.Config{Endpoints: []string{a.endpoint}, CAFile: a.ca, Trust: s.trust}, err
	}
	if s.network, err = network.Open(a.network); err != nil {
		return cfg, err
	}
	s.trust, err = s.network.Trust()
	return client.Config{Endpoints: s.network.Endpoints(), CAFile: s.network.Path(s.network.CA), Trust: s.trust}, err
}

// explainDial says what to do when no node could be talked to.
func (a *app) explainDial(ctx context.Context, cfg client.Config, err error) error {
	where := strings.Join(cfg.Endpoints, ", ")
	switch {
	case ctx.Err() != nil:
		return fault.New(fault.Unavailable, "interrupted before %s answered: nothing was done", where)
	case !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Timeout):
		return err
	case strings.Contains(err.Error(), "x509:"):
		// The TLS library's error came as text through the connection's state.
		return fault.New(fault.Denied, "the node at %s has a certificate that proves nothing here: give the right authorities with --ca FILE, and the host that the certificate is for: %v", where, err)
	case a.endpoint != "":
		return fault.New(fault.Unavailable, "no node answers at %s: check host, port and that the node runs: %v", where, err)
	}
	return fault.New(fault.Unavailable, "no node answers at %s: start the network with `%s`: %v", where, shellLine("aurigraph", "up", "--network", a.network), err)
}

// aliasPrefix marks a V10 name on the command line.
const aliasPrefix = "alias:"

// accountName reads an account as people write it: 0x…, a number, or alias:NAME.
func (s *session) accountName(text string) (client.AccountName, error) {
	if name, ok := strings.CutPrefix(text, aliasPrefix); ok {
		tag, err := s.aliasTag(name)
		return client.AccountName{AliasTag: tag}, err
	}
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		address, err := chain.ParseAddress(text)
		return client.AccountName{Address: address}, err
	}
	no, err := strconv.ParseUint(text, 10, 32)
	if err != nil || no == 0 {
		return client.AccountName{}, fault.New(fault.Invalid, "%q is no account: write 0x and 40 hex digits, or the account's number, or alias: and its V10 name", text)
	}
	return client.AccountName{Number: chain.AccountNo(no)}, nil
}

// account finds an account as people write it.
func (s *session) account(ctx context.Context, text string) (*client.Account, error) {
	return s.accountWith(ctx, text, 0, false)
}

// accountWith is account with the holding of an asset, and a proof.
func (s *session) accountWith(ctx context.Context, text string, asset chain.AssetNo, proof bool) (*client.Account, error) {
	name, err := s.accountName(text)
	if err != nil {
		return nil, err
	}
	acc, err := s.Account(ctx, name, asset, proof)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "there is no account %s here: see `aurigraph account list`", text)
	}
	if err != nil {
		return nil, err
	}
	return acc, checkAlias(text, acc)
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
