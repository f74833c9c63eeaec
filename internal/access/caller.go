// SPDX-License-Identifier: Apache-2.0

package access

import (
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Kinds of callers: the first part of a caller's id.
const (
	kindOpen   = "open"
	kindKey    = "key"
	kindUser   = "user"
	kindIssuer = "jwt"
)

// Caller is who makes a request. It does not change, and is safe for concurrent use.
type Caller struct {
	kind, name string
	as         string // the name of the key that this one replaces; empty: its own
	permit     *permit
	limiter    *limiter
}

// ID names the caller for ever, as key/…, user/… or jwt/ISSUER/SUBJECT; a key that replaces another has that one's. On an open network
// it is empty: nobody has a name there.
func (c *Caller) ID() string {
	if c.kind == kindOpen {
		return ""
	}
	if c.as != "" {
		return c.kind + "/" + c.as
	}
	return c.subject()
}

// subject is what a token says of the caller: the key itself, whose end is the token's.
func (c *Caller) subject() string {
	if c.kind == kindOpen {
		return kindOpen
	}
	return c.kind + "/" + c.name
}

// Who splits the id for the audit trail: what may stand there in clear, and what may be a person's name.
func (c *Caller) Who() (clear, person string) {
	if c.kind == kindOpen || c.kind == kindKey {
		return c.subject(), ""
	}
	return c.kind, c.name
}

// Roles is what the caller may do.
func (c *Caller) Roles() Roles { return c.permit.roles }

// May is Denied unless the caller may act for an account: pay from it, issue, redeem.
func (c *Caller) May(account string) error {
	if c.permit.roles.Has(Gateway) {
		return nil
	}
	if !c.permit.roles.Has(Payer|Issuer) || !c.permit.covers(account) {
		return fault.Reasoned(fault.Denied, "account_denied", "This caller may not act for the account")
	}
	return nil
}

// Behalf is Denied unless the caller may speak for others, whom it has identified itself: a gateway, or anybody on an open network.
func (c *Caller) Behalf() error {
	if !c.permit.roles.Has(Gateway) {
		return fault.Reasoned(fault.Denied, "behalf_denied", "This caller speaks for itself alone: it needs the role gateway")
	}
	return nil
}

// Allow is Denied unless the caller has a role that an endpoint wants. Which account it acts for is for May.
func (c *Caller) Allow(e *v10.Endpoint) error {
	if wanted := wants(e); wanted != 0 && !c.permit.roles.Has(wanted) {
		return fault.Reasoned(fault.Denied, "role_denied", "This caller may not do this: it needs the role %s", wanted.Names()[0])
	}
	return nil
}

// Public reports whether an endpoint is for everybody: whether the server lives, and how to get a token.
func Public(e *v10.Endpoint) bool { return wants(e) == 0 }

// anyRole is who may use the REST door at all. A gateway comes in over gRPC alone.
const anyRole = Reader | Payer | Issuer | Admin

// wants is the roles of which an endpoint wants one; none: it is public. What is not named here is the administrator's.
func wants(e *v10.Endpoint) Roles {
	_, givesToken := e.Response.(v10.Token)
	switch {
	case e.Group == v10.GroupPlatform && !e.Writes(), e.Group == v10.GroupAuth && givesToken:
		return 0
	case e.Group == v10.GroupAuth, e.Group == v10.GroupAdmin:
		return Admin
	case e.Retry == v10.RetryRead:
		return anyRole
	case e.AccountKey == v10.KeyBodyIssuer:
		return Issuer
	case e.AccountKey != v10.KeyNone:
		return Payer
	case e.Group == v10.GroupAccounts:
		return Payer | Issuer
	}
	return Admin
}

// Pay counts n payments against the caller's payments a second. TryLater with v10.ReasonRate: there are too many, and RetryAfter
// says when not. It is called once for a batch; a batch above the burst passes when the bucket is full, and is paid off after.
func (c *Caller) Pay(n int) error { return c.limiter.pay(c, n) }
