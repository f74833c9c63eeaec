// SPDX-License-Identifier: Apache-2.0

package access

import (
	"log/slog"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/access/jwks"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Config sets a guard up. Unless Open, at least one of Keys, Users and Providers is needed.
type Config struct {
	// Open lets everybody act for every account, and keep keys. It is for closed networks.
	Open bool
	// Keys is the file of API keys. It need not exist yet.
	Keys string
	// Users is the file of users who log in with a password. It need not exist yet.
	Users string
	// TokenKey is the file of the key that this server's tokens are signed with, made if there is none. Servers that share the file take
	// each other's tokens. Empty: a key for the life of the process.
	TokenKey string
	// Providers are identity providers whose tokens are taken, at most ProvidersMax.
	Providers []Provider
	// Limits are those of callers whose grant has none. Zero ones are DefaultLimits.
	Limits Limits
	// TokenLife is how long a token of this server is good for, 1 s to 24 h. Default 15 min.
	TokenLife time.Duration
	// SessionLife is how long one login can be refreshed, up to 30 days. Default 12 h.
	SessionLife time.Duration
}

// ProvidersMax bounds the identity providers.
const ProvidersMax = 16

// Provider is an identity provider.
type Provider struct {
	Name     string        // in ids of callers and in metrics, for ever: 1 to 32 of a-z, 0-9 and -
	Issuer   string        // the claim iss, exactly
	Audience string        // one of the claim aud, exactly
	KeySet   string        // its keys as a JSON Web Key Set: path of a file, or https URL
	Leeway   time.Duration // how far clocks may differ, at most 5 min. Default 30 s
	// Roles are those that its tokens may grant. Default: reader and payer. What a token grants beyond is not given.
	Roles []string
}

// Parts is what a guard works with.
type Parts struct {
	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
	Fetch   jwks.Fetch            // how key sets are fetched; nil: over HTTPS
}

func (c *Config) setDefaults() {
	c.Limits = c.Limits.over(DefaultLimits())
	if c.TokenLife == 0 {
		c.TokenLife = 15 * time.Minute
	}
	if c.SessionLife == 0 {
		c.SessionLife = 12 * time.Hour
	}
}

func (p *Parts) setDefaults() {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Metrics == nil {
		p.Metrics = prometheus.NewRegistry()
	}
}

func (c *Config) validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, "access: "+format, args...) }
	switch {
	case !c.Open && c.Keys == "" && c.Users == "" && len(c.Providers) == 0:
		return bad("nobody could call: name a file of API keys, a file of users or an issuer, or say that the network is open")
	case c.TokenLife < time.Second || c.TokenLife > 24*time.Hour:
		return bad("token_life: %v, must be 1 s to 24 h", c.TokenLife)
	case c.SessionLife < c.TokenLife || c.SessionLife > 30*24*time.Hour:
		return bad("session_life: %v, must be token_life to 720 h", c.SessionLife)
	case len(c.Providers) > ProvidersMax:
		return bad("%d providers, at most %d", len(c.Providers), ProvidersMax)
	}
	if err := c.Limits.check(); err != nil {
		return err
	}
	seen := map[string]bool{localIssuer: true}
	for i := range c.Providers {
		if err := c.Providers[i].validate(seen); err != nil {
			return err
		}
	}
	return nil
}

var issuerName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

const (
	leewayMax     = 5 * time.Minute
	leewayDefault = 30 * time.Second
)

func (i *Provider) validate(seen map[string]bool) error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "access: issuer "+i.Name+": "+format, args...)
	}
	switch {
	case !issuerName.MatchString(i.Name):
		return fault.New(fault.Invalid, "access: an issuer's name has 1 to 32 characters of a-z, 0-9 and -, %q has not", i.Name)
	case i.Issuer == "" || i.Audience == "":
		return bad("without an issuer and an audience, tokens that are meant for others would be taken")
	case seen[i.Issuer] || seen["name "+i.Name]:
		return bad("its name or issuer is another's, too")
	case i.Leeway < 0 || i.Leeway > leewayMax:
		return bad("leeway: %v, must be at most %v", i.Leeway, leewayMax)
	}
	seen[i.Issuer], seen["name "+i.Name] = true, true
	if len(i.Roles) > 0 {
		if _, err := ParseRoles(i.Roles); err != nil {
			return err
		}
	}
	return jwks.CheckSource(i.KeySet)
}
