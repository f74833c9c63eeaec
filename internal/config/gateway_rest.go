// SPDX-License-Identifier: Apache-2.0

package config

// GatewayRest is the V10 dialect of a gateway. It is off while Listen is empty. The gateway holds no key of money: the validators'
// desks sign, and take its word for who calls.
type GatewayRest struct {
	Listen string `yaml:"listen"` // listen address; port 0 = a free one
	Auth   string `yaml:"auth"`   // open or required
	// Access is the folder of the API keys and users that "aurigraph apikey" keeps, and of the key of tokens. All processes of a
	// machine may share it.
	Access string `yaml:"access"`
	// Providers are identity providers whose tokens are taken.
	Providers []RestProvider `yaml:"providers"`
	// Audit is the folder of this process's audit trail of writes; empty: none is kept.
	Audit string `yaml:"audit"`
	// AuditKey is the path of the key under which the trail hides names: the network's alias key, or one of the trail's own, which is
	// made where there is none.
	AuditKey string `yaml:"audit_key"`
	// Connections is how many connections to the validators stay open, over all of them, and how many calls with payments may be under
	// way: what comes meanwhile shares the next one.
	Connections int `yaml:"connections"`
	// ValidatorKeyFile is the path of a file with the gateway's own API key at the validators, of the role gateway; empty where these
	// are open.
	ValidatorKeyFile string `yaml:"validator_key_file"`
	// Home is the URL of V10's REST. A request that debits an account which V10 owns is sent on to it, once; empty: it is refused.
	Home string `yaml:"home"`
	// Example is a V10 name of an account that examples in answers may show; empty: an address.
	Example string `yaml:"example"`
}

// GatewayConnectionsMax bounds the connections of a gateway to its validators.
const GatewayConnectionsMax = 256

func defaultGatewayRest() GatewayRest {
	return GatewayRest{Auth: AuthRequired, Access: "access", Providers: []RestProvider{}, Audit: "access/audit", AuditKey: "access/audit.key", Connections: 10}
}

func (r *GatewayRest) validate(bad func(field, format string, args ...any) error) error {
	switch {
	case r.Listen == "":
		return nil
	case !addressOK(r.Listen):
		return bad("rest.listen", "%q is not host:port", r.Listen)
	case r.Auth != AuthOpen && r.Auth != AuthRequired:
		return bad("rest.auth", "%q is none of %s, %s; %s lets everybody act for every account", r.Auth, AuthOpen, AuthRequired, AuthOpen)
	case r.Home != "" && !urlOK(r.Home):
		return bad("rest.home", urlText, r.Home)
	case r.Access == "":
		return bad("rest.access", "must name the folder of API keys")
	case r.Audit != "" && r.AuditKey == "":
		return bad("rest.audit_key", "must be given with audit: the trail hides names under it")
	case r.Connections < 1 || r.Connections > GatewayConnectionsMax:
		return bad("rest.connections", "%d, must be 1 to %d", r.Connections, GatewayConnectionsMax)
	}
	return nil
}
