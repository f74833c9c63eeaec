// SPDX-License-Identifier: Apache-2.0

package config

import "github.com/aurigraph/aurigraph/internal/chain"

// Who may call the V10 dialect.
const (
	AuthOpen     = "open"     // everybody, for every account: for closed networks
	AuthRequired = "required" // who shows an API key or a token (package access)
)

// Rest is the V10 dialect over HTTP, with the custody desk behind it. It is off while Listen is empty.
type Rest struct {
	Listen string `yaml:"listen"` // listen address; port 0 = a free one
	Auth   string `yaml:"auth"`   // open or required
	// Access is the folder of the API keys and users that "aurigraph apikey" keeps, and of the key of tokens. All processes of a
	// machine may share it.
	Access string `yaml:"access"`
	// Providers are identity providers whose tokens are taken.
	Providers []RestProvider `yaml:"providers"`
	// Audit is the folder of this process's audit trail of writes; empty: none is kept.
	Audit string `yaml:"audit"`
	// Institution is the custodian of V10's accounts. It signs with the key in CustodyKey, which may be a delegated one.
	Institution uint32 `yaml:"institution"`
	CustodyKey  string `yaml:"custody_key"` // path of the key file, unencrypted
	// ChannelFirst and ChannelLast are the institution's channels that this desk may lease. Both 0: all.
	ChannelFirst uint8 `yaml:"channel_first"`
	ChannelLast  uint8 `yaml:"channel_last"`
	// Carriers is how many signed batches of payments may be under way at once, as custody.Config has it and bounds it; 0: its default. With fewer, more payments share a batch, which
	// costs every validator less and a payment that comes meanwhile a little time.
	Carriers int    `yaml:"carriers"`
	AliasKey string `yaml:"alias_key"` // path of the network's alias key
	// Names is the folder of the names vault, which all processes of a machine share; their desks keep each other off their channels
	// by lock files in it.
	Names string `yaml:"names"`
	// Accounts are V10 names that the genesis opened: the vault learns them at the start.
	Accounts []string `yaml:"accounts"`
}

// RestProvider is an identity provider: the claims iss and aud that its tokens must have, and its JSON Web Key Set.
type RestProvider struct {
	Name     string   `yaml:"name"`
	Issuer   string   `yaml:"issuer"`
	Audience string   `yaml:"audience"`
	KeySet   string   `yaml:"key_set"` // path of a file, or https URL
	Roles    []string `yaml:"roles"`   // that its tokens may grant; empty: reader and payer
}

// restAccountsMax bounds the names that a setting may have.
const restAccountsMax = 1024

func (r *Rest) validate(bad func(field, format string, args ...any) error) error {
	switch {
	case r.Listen == "":
		return nil
	case !addressOK(r.Listen):
		return bad("rest.listen", "%q is not host:port", r.Listen)
	case r.Auth != AuthOpen && r.Auth != AuthRequired:
		return bad("rest.auth", "%q is none of %s, %s; %s lets everybody act for every account", r.Auth, AuthOpen, AuthRequired, AuthOpen)
	case r.Access == "":
		return bad("rest.access", "must name the folder of API keys")
	case r.Institution == 0:
		return bad("rest.institution", "must name the custodian of V10's accounts")
	case r.ChannelLast < r.ChannelFirst:
		return bad("rest.channel_last", "%d is below channel_first, %d", r.ChannelLast, r.ChannelFirst)
	case r.CustodyKey == "" || r.AliasKey == "" || r.Names == "":
		return bad("rest", "custody_key, alias_key and names must be given")
	case len(r.Accounts) > restAccountsMax:
		return bad("rest.accounts", "%d, at most %d", len(r.Accounts), restAccountsMax)
	}
	for _, name := range r.Accounts {
		if len(name) == 0 || len(name) > chain.AliasBytesMax {
			return bad("rest.accounts", "%q must have 1 to %d bytes", name, chain.AliasBytesMax)
		}
	}
	return nil
}
