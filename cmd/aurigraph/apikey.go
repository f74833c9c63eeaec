// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// accessDir is where the servers of a network look for who may call, below its folder.
const accessDir = "access"

func newAPIKey(a *app) *cobra.Command {
	c := networkFlag(a, group("apikey", "Say who may call the V10 API, and for which accounts", newAPIKeyNew(a), newAPIKeyList(a), newAPIKeyRevoke(a), newAPIKeyUser(a)))
	c.Long = `Keeps the API keys of a network's V10 API in a file that its servers read again within a second. The file holds no key, only
hashes. A caller sends its key as "X-API-Key: ak_…" or "Authorization: Bearer ak_…".

A key has roles, which add up, and names the accounts that it may act for:
  reader   reads everything that the API shows
  payer    pays from its accounts, opens accounts
  issuer   creates, issues and redeems assets for its accounts
  admin    makes and revokes API keys, sees the server's condition
  gateway  pays, opens accounts and issues for all accounts, over gRPC and for callers whom it names: for the key of an
           "aurigraph gateway" (validator_key_file) and nobody else; it goes with no other role

What is not granted is denied. A network whose API is open asks for no key.`
	c.Example = `  aurigraph apikey new --name shop --role payer --account "ACME GmbH/EUR"
  aurigraph apikey list`
	return c
}

// grantFlags say what somebody may do.
type grantFlags struct {
	file   string
	grant  access.Grant
	limits access.Limits
}

func (f *grantFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringArrayVar(&f.grant.Roles, "role", nil, "reader, payer, issuer, admin or gateway; may be repeated (required)")
	s.StringArrayVar(&f.grant.Accounts, "account", nil, "V10 name that it may act for; may be repeated")
	s.StringArrayVar(&f.grant.Prefixes, "prefix", nil, "it may act for all V10 names that begin so; may be repeated")
	s.BoolVar(&f.grant.All, "all-accounts", false, "it may act for every account")
	s.Float64Var(&f.limits.Requests, "requests", 0, "requests a second, on the average (default: the server's)")
	s.Float64Var(&f.limits.Burst, "burst", 0, "requests at once, after a rest (default: the server's)")
	s.Float64Var(&f.limits.Payments, "payments", 0, "payments a second, on the average (default: the server's)")
	s.Float64Var(&f.limits.PaymentsBurst, "payments-burst", 0, "payments at once, after a rest (default: the server's)")
	s.IntVar(&f.limits.InFlight, "in-flight", 0, "requests and streams under way at once (default: the server's)")
}

func (f *grantFlags) check(cmd *cobra.Command) error {
	if len(f.grant.Roles) == 0 {
		return usage(cmd, "name at least one --role: reader, payer, issuer, admin or gateway")
	}
	roles, err := access.ParseRoles(f.grant.Roles)
	if err != nil {
		return usage(cmd, "--role: %v", err)
	}
	if acts := roles.Has(access.Payer | access.Issuer); acts != f.names() {
		return usage(cmd, "the roles payer and issuer go with --account, --prefix or --all-accounts, and these with one of them")
	}
	if f.limits != (access.Limits{}) {
		f.grant.Limits = &f.limits
	}
	return nil
}

// names reports whether accounts are named.
func (f *grantFlags) names() bool {
	return f.grant.All || len(f.grant.Accounts) > 0 || len(f.grant.Prefixes) > 0
}

func fileFlag(c *cobra.Command, file *string, what string) {
	c.Flags().StringVar(file, "file", "", "the file of "+what+" (default: "+filepath.Join(accessDir, what+".json")+" of the network's folder)")
}

// accessFile is where a file of access lies: where the command line says, or in the network's folder.
func (a *app) accessFile(flag, name string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if _, err := os.Stat(filepath.Join(a.network, "genesis.json")); err != nil {
		return "", fault.New(fault.NotFound, "%s holds no network: make one with `aurigraph up --network %s`, or name a file with --file", a.network, a.network)
	}
	return filepath.Join(a.network, accessDir, name), nil
}

// apiKeyJSON is an API key without its hash.
type apiKeyJSON struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	Accounts []string `json:"accounts"`
	Prefixes []string `json:"prefixes"`
	All      bool     `json:"all_accounts"`
	Created  string   `json:"created"`
	Caller   string   `json:"caller"` // id of the key that it replaces, or its own
	Secret   string   `json:"api_key,omitempty"`
}

func toAPIKeyJSON(k *access.Key) apiKeyJSON {
	return apiKeyJSON{
		ID: k.ID, Name: k.Name, Roles: k.Roles, Accounts: orNone(k.Accounts), Prefixes: orNone(k.Prefixes), All: k.All,
		Created: k.Created.Format("2006-01-02T15:04:05Z"), Caller: cmp.Or(k.Caller, k.ID),
	}
}

func orNone(list []string) []string { return append([]string{}, list...) }

func newAPIKeyNew(a *app) *cobra.Command {
	var f grantFlags
	var name, replaces string
	c := &cobra.Command{
		Use:   "new",
		Short: "Make an API key and show it, this one time",
		Long: `Makes an API key and prints it. It is not kept anywhere: whoever loses it makes another one and revokes the first. Servers that
run take it within a second.

With --replaces it makes a key that may do what another one may, and stands for the same caller: a payment that was sent under an
Idempotency-Key with the old key is not made again when it is repeated with the new one. Give the new key to the caller, then
revoke the old one.

Exit codes: 0 done; 1 the file cannot be written, or there is no such key to replace; 2 the options will not do, or others may
read the file.`,
		Example: `  aurigraph apikey new --name shop --role payer --account "ACME GmbH/EUR"
  aurigraph apikey new --name treasury --role payer --role issuer --prefix ACME/ --payments 50000 --payments-burst 100000
  aurigraph apikey new --name dashboards --role reader --json
  aurigraph apikey new --name gateway-1 --role gateway --requests 20000 --burst 40000 --payments 300000 --payments-burst 600000
  aurigraph apikey new --replaces 5q2wjxk6dvn7ya3e`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("replaces") {
				if name != "" || len(f.grant.Roles) > 0 || f.names() || f.limits != (access.Limits{}) {
					return usage(cmd, "--replaces takes name, rights and limits from the key that it replaces: give no others")
				}
				return a.apiKeyNew(f.file, func(path string) (access.Key, string, error) { return access.ReplaceKey(path, replaces) })
			}
			if name == "" {
				return usage(cmd, "say with --name what the key is for")
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.apiKeyNew(f.file, func(path string) (access.Key, string, error) { return access.NewKey(path, name, f.grant) })
		},
	}
	fileFlag(c, &f.file, "keys")
	c.Flags().StringVar(&name, "name", "", "what the key is for, in lists and tokens (required)")
	c.Flags().StringVar(&replaces, "replaces", "", "ID of a key that the new one will replace")
	f.add(c)
	return c
}

func (a *app) apiKeyNew(file string, makeKey func(path string) (access.Key, string, error)) error {
	path, err := a.accessFile(file, access.KeysFile)
	if err != nil {
		return err
	}
	k, text, err := makeKey(path)
	if err != nil {
		return err
	}
	shown := toAPIKeyJSON(&k)
	shown.Secret = text
	return a.print(shown, func(row func(...any)) {
		row("api key", text)
		row("id", k.ID)
		row("roles", strings.Join(k.Roles, ", "))
		row("accounts", accountsText(&k.Grant))
		row("It is shown this one time. Send it as X-API-Key.")
	})
}

func accountsText(g *access.Grant) string {
	var all []string
	for _, name := range g.Accounts {
		all = append(all, fmt.Sprintf("%q", name))
	}
	for _, prefix := range g.Prefixes {
		all = append(all, fmt.Sprintf("%q…", prefix))
	}
	switch {
	case g.All:
		return "all"
	case len(all) == 0:
		return "none"
	case len(all) > 4:
		return fmt.Sprintf("%s and %d more", strings.Join(all[:3], ", "), len(all)-3)
	}
	return strings.Join(all, ", ")
}

func newAPIKeyList(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the API keys and what they may do",
		Long: `Lists the API keys of a file, oldest first. The keys themselves are not in it.

Exit codes: 0 done; 1 the file cannot be read; 2 it is damaged, or others may read it.`,
		Example: `  aurigraph apikey list
  aurigraph apikey list --file /etc/aurigraph/keys.json --json`,
		Args: args(),
		RunE: func(*cobra.Command, []string) error {
			path, err := a.accessFile(file, access.KeysFile)
			if err != nil {
				return err
			}
			keys, err := access.ListKeys(path)
			if err != nil {
				return err
			}
			return a.printAPIKeys(keys)
		},
	}
	fileFlag(c, &file, "keys")
	return c
}

func (a *app) printAPIKeys(keys []access.Key) error {
	list := struct {
		Keys  []apiKeyJSON `json:"keys"`
		Total int          `json:"total"`
	}{[]apiKeyJSON{}, len(keys)}
	for i := range keys {
		list.Keys = append(list.Keys, toAPIKeyJSON(&keys[i]))
	}
	return a.print(list, func(row func(...any)) {
		if len(keys) == 0 {
			row("no API keys; make one with `aurigraph apikey new`")
			return
		}
		row("ID", "NAME", "ROLES", "ACCOUNTS", "CREATED")
		for i := range keys {
			k := &keys[i]
			row(k.ID, fmt.Sprintf("%q", k.Name), strings.Join(k.Roles, ","), accountsText(&k.Grant), k.Created.Format("2006-01-02"))
		}
	})
}

func newAPIKeyRevoke(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "revoke ID",
		Short: "Revoke an API key, and all tokens that were given for it",
		Long: `Takes an API key out of the file. Servers that run refuse it, and tokens that they gave for it, within a second. It cannot be
taken back.

Exit codes: 0 done; 1 there is no such key, or the file cannot be written; 2 the options will not do.`,
		Example: `  aurigraph apikey revoke 5q2wjxk6dvn7ya3e
  aurigraph apikey revoke 5q2wjxk6dvn7ya3e --file /etc/aurigraph/keys.json`,
		Args: args("ID"),
		RunE: func(cmd *cobra.Command, got []string) error {
			// Whoever pastes the whole key must not find it in an error, or a log of it.
			if strings.HasPrefix(got[0], "ak_") {
				return usage(cmd, "that is an API key: give its ID, the part between the first and the second _")
			}
			path, err := a.accessFile(file, access.KeysFile)
			if err != nil {
				return err
			}
			if err := access.RevokeKey(path, got[0]); err != nil {
				return err
			}
			return a.print(map[string]string{"revoked": got[0]}, func(row func(...any)) { row("revoked", got[0]) })
		},
	}
	fileFlag(c, &file, "keys")
	return c
}
